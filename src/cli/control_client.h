/* SPDX-License-Identifier: Apache-2.0 */
/* For commands that talk to a running server's control socket. Blocks. */
#ifndef ROOST_CLI_CONTROL_CLIENT_H
#define ROOST_CLI_CONTROL_CLIENT_H

#include "base/detail.h"
#include "base/json.h"

#define CONTROL_HELP                                                                               \
    "the server's control socket (default: $XDG_RUNTIME_DIR/roost.sock, or /run/roost.sock for "   \
    "root)"

/* One request, for a second again while the answer is 503; `socket` NULL: where a server listens by
 * default. *doc is the caller's on OK, its text in *text when that is not NULL (free). A refusal is
 * UNAVAILABLE with the server's reason. */
enum roost_err control_call(const char *socket, const char *method, const char *path,
                            const char *body, yyjson_doc **doc, char **text, struct detail *detail);

/* A member's text, "" when it has none. */
const char *control_text(yyjson_val *object, const char *key);

#endif
