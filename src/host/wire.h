/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control messages between a link and its host: one SOCK_SEQPACKET packet each, structs in the
 * machine's own byte order, since both ends are one program. What a host sends is decoded here,
 * field by field, into values that can be relied on.
 */
#ifndef ROOST_HOST_WIRE_H
#define ROOST_HOST_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "core/tensor.h"
#include "host/link.h"

/* A message with a fully used model_io is the largest. */
enum { WIRE_BYTES_MAX = 32768 };

/* ---- from the host ------------------------------------------------------------------------- */

enum roost_err wire_send_sandbox(int fd, const struct sandbox_report *report);
enum roost_err wire_send_loaded(int fd, const struct model_io *io,
                                const struct engine_metadata *metadata, uint64_t load_ns);
enum roost_err wire_send_ready(int fd, uint64_t warm_ns);
enum roost_err wire_send_failed(int fd, enum roost_err err, const char *text);

/* Decodes one packet. `io` is filled by LINK_LOADED only. INVALID when the packet makes no sense;
 * nothing in it has then been believed. */
enum roost_err wire_decode(const void *packet, size_t bytes, struct link_event *event,
                           struct model_io *io);

/* ---- to the host --------------------------------------------------------------------------- */

enum wire_order_type { WIRE_WORKERS, WIRE_DRAIN, WIRE_CANCEL };

struct wire_order {
    uint32_t type;
    uint32_t workers;  /* WIRE_WORKERS */
    uint64_t sequence; /* WIRE_CANCEL: of the publication */
};

/* OVERLOADED when the socket is full: orders repeat what is wanted, so the caller tries later. */
enum roost_err wire_send_order(int fd, const struct wire_order *order);

/* ---- both ---------------------------------------------------------------------------------- */

/* Cuts at the first NUL, and makes control characters and what is not UTF-8 question marks, so that
 * a text from a host can be logged and sent on. */
void wire_text_copy(char *out, size_t out_bytes, const char *text, size_t text_bytes);

#endif
