/* SPDX-License-Identifier: Apache-2.0 */
/* What a lane's settings mean for one host process. Pure translation. */
#ifndef ROOST_SERVE_SPEC_H
#define ROOST_SERVE_SPEC_H

#include "host/host.h"

struct tenant_settings;
struct unit;

/* The engine by name: the tenant's choice, else by the file's extension. */
const char *spec_engine(const struct tenant_settings *settings, const char *model_path);

/* Fills the whole spec for the unit's variant in the given role. */
void spec_fill(struct host_spec *spec, const struct unit *unit, enum host_role role);

#endif
