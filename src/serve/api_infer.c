/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inference over HTTP. A binary body goes straight into the lane's input memory, placed so that its
 * first tensor is aligned; a JSON or compressed body is collected first, and its tensors are copied
 * there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "net/compress.h"
#include "serve/api.h"
#include "serve/lane.h"
#include "serve/split.h"
#include "serve/tenant.h"

enum { BODY_ALIGNMENT = 64, INFER_HEADERS_MAX = 4 };

static const char header_length_name[] = "Inference-Header-Content-Length";
static const char variant_name[] = "roost_variant"; /* parameter of requests and answers */

/* ---- answers ------------------------------------------------------------------------ */

struct infer_message {
    struct strbuf head, scratch, coded;
    uv_buf_t body[MODEL_TENSORS_MAX + 1];
    size_t body_count;
    struct http_header headers[INFER_HEADERS_MAX];
    size_t header_count;
    char header_length[24];
};

static void message_header(struct infer_message *message, const char *name, const char *value)
{
    roost_assert(message->header_count < INFER_HEADERS_MAX);
    message->headers[message->header_count++] = (struct http_header){name, value};
}

/* Many clients accept gzip without having thought of it: below this size it only costs time. */
static const size_t encode_bytes_min = 1024;

/* Compresses what is there, if the client asked for it and it is worth it. */
static enum roost_err message_encode(struct infer_message *message, enum compress_coding coding,
                                     struct detail *detail)
{
    struct iovec parts[MODEL_TENSORS_MAX + 1];
    size_t bytes = 0;
    for (size_t i = 0; i < message->body_count; i++) {
        parts[i].iov_base = message->body[i].base;
        parts[i].iov_len = message->body[i].len;
        bytes += message->body[i].len;
    }
    if (coding == COMPRESS_IDENTITY || bytes < encode_bytes_min) {
        return ROOST_OK;
    }
    enum roost_err err = compress_encode(coding, parts, message->body_count, &message->coded,
                                         detail);
    if (err == ROOST_OK) {
        message->body[0] = uv_buf_init(message->coded.data, (unsigned)message->coded.length);
        message->body_count = 1;
        message_header(message, "Content-Encoding", compress_coding_name(coding));
    }
    return err;
}

static enum roost_err message_build(struct infer_message *message, struct call *call,
                                    const struct request *request, const struct reply *reply,
                                    struct detail *detail)
{
    const struct lane *lane = request->lane;
    struct oip_part parts[MODEL_TENSORS_MAX];
    size_t part_count = 0, header_length = 0;
    struct oip_response_parameter variant = {variant_name, reply->variant};
    struct oip_response response = {.model = &lane->model,
                                    .request = &call->oip,
                                    .outputs = reply->outputs,
                                    .parameters = &variant,
                                    .parameter_count = lane->variant_count > 1 ? 1 : 0};
    enum roost_err err = oip_write_infer(&response, &message->head, &message->scratch, parts,
                                         &part_count, &header_length, detail);
    if (err != ROOST_OK) {
        return err;
    }
    message->body[0] = uv_buf_init(message->head.data, (unsigned)message->head.length);
    for (size_t i = 0; i < part_count; i++) {
        message->body[i + 1] = uv_buf_init((char *)parts[i].data, (unsigned)parts[i].bytes);
    }
    message->body_count = part_count + 1;
    if (header_length > 0) {
        snprintf(message->header_length, sizeof message->header_length, "%zu", header_length);
        message_header(message, header_length_name, message->header_length);
    }
    const char *accept = http_request_header(call->http, "accept-encoding");
    return message_encode(message, compress_negotiate(accept), detail);
}

static void infer_answer(void *user, struct request *request, const struct reply *reply)
{
    struct call *call = user;
    call->request = NULL;
    if (reply->err != ROOST_OK) {
        call_respond_error(call, reply->err, reply->text, reply->retry_after_ns);
        return;
    }
    static struct infer_message message; /* buffers are kept from answer to answer */
    strbuf_reset(&message.head);
    strbuf_reset(&message.scratch);
    strbuf_reset(&message.coded);
    message.header_count = 0;
    struct detail detail;
    enum roost_err err = message_build(&message, call, request, reply, &detail);
    if (err != ROOST_OK) {
        call_respond_error(call, err, detail.text, 0);
        return;
    }
    bool binary = message.header_length[0] != '\0' && message.header_count > 0 &&
                  message.headers[0].name == header_length_name;
    struct http_response response = {
        .status = 200,
        .content_type = binary ? "application/octet-stream" : "application/json",
        .headers = message.headers,
        .header_count = message.header_count,
        .body = message.body,
        .body_count = message.body_count,
    };
    http_respond(call->http, &response);
    call_free(call);
}

/* ---- the body ----------------------------------------------------------------------- */

/* Where in the block the body begins, so that what follows a JSON header of this length is aligned.
 * */
static size_t body_shift(uint64_t header_length)
{
    return (size_t)((BODY_ALIGNMENT - header_length % BODY_ALIGNMENT) % BODY_ALIGNMENT);
}

static void infer_refuse(struct call *call, enum roost_err err, const char *text)
{
    if (call->request != NULL) {
        request_free(call->request);
        call->request = NULL;
    }
    call_respond_error(call, err, text, err == ROOST_OVERLOADED ? NS_PER_S : 0);
}

void api_infer_headers(struct call *call)
{
    struct detail detail;
    struct lane *lane = call_lane(call);
    if (lane == NULL) {
        return;
    }
    enum roost_err err = lane_admits(lane, &detail);
    if (err != ROOST_OK) {
        call_respond_error(call, err, detail.text, 0);
        return;
    }
    call->lane = lane;
    call->request = request_new(lane, infer_answer, call);
    if (call->request == NULL) {
        call_respond_error(call, ROOST_NO_MEMORY, "out of memory", 0);
        return;
    }
    call->request->started_ns = http_request_started_ns(call->http);
    const char *length_text = http_request_header(call->http, header_length_name);
    uint64_t length, header_length = 0, bytes_max = call->server->settings.limits.body_bytes_max;
    bool known = http_request_content_length(call->http, &length);
    if (length_text != NULL) {
        err = oip_parse_length(length_text, &header_length, &detail);
        if (err != ROOST_OK) {
            detail_prefix(&detail, "%s", header_length_name);
            infer_refuse(call, err, detail.text);
            return;
        }
    }
    if (length_text == NULL || !known || length == 0 ||
        http_request_header(call->http, "content-encoding") != NULL) {
        http_body_collect(call->http, bytes_max);
        return;
    }
    size_t shift = body_shift(header_length);
    void *block;
    err = request_allocate(call->request, (size_t)length + shift, &block, &detail);
    if (err != ROOST_OK) {
        infer_refuse(call, err, detail.text);
        return;
    }
    call->body = (char *)block + shift;
    call->body_bytes = length;
    http_body_into(call->http, call->body);
}

static enum roost_err infer_allocate(void *user, size_t bytes, void **memory, struct detail *detail)
{
    struct call *call = user;
    return request_allocate(call->request, bytes, memory, detail);
}

/* Decodes a compressed body, and brings binary tensors into the input memory. `plain` holds decoded
 * bytes. */
static enum roost_err infer_body(struct call *call, struct strbuf *plain, struct oip_body *body,
                                 struct detail *detail)
{
    if (call->body != NULL) {
        body->data = call->body;
        body->bytes = call->body_bytes;
        return ROOST_OK;
    }
    body->data = http_body(call->http, &body->bytes);
    enum compress_coding coding;
    const char *encoding = http_request_header(call->http, "content-encoding");
    enum roost_err err = compress_coding_parse(encoding, &coding, detail);
    if (err != ROOST_OK) {
        return err;
    }
    if (coding != COMPRESS_IDENTITY) {
        err = compress_decode(coding, body->data, body->bytes,
                              call->server->settings.limits.body_bytes_max, plain, detail);
        if (err != ROOST_OK) {
            return err;
        }
        body->data = strbuf_text(plain);
        body->bytes = plain->length;
    }
    if (body->has_header_length && body->bytes > 0) {
        size_t shift = body_shift(body->header_length);
        void *block;
        err = request_allocate(call->request, body->bytes + shift, &block, detail);
        if (err != ROOST_OK) {
            return err;
        }
        body->data = memcpy((char *)block + shift, body->data, body->bytes);
    }
    return ROOST_OK;
}

/* The client may name the variant that is to answer. */
static enum roost_err infer_pin(struct call *call, struct detail *detail)
{
    const struct lane *lane = call->lane;
    for (unsigned i = 0; i < call->oip.parameter_count; i++) {
        const struct oip_parameter *parameter = &call->oip.parameters[i];
        if (strcmp(parameter->key, variant_name) != 0) {
            continue;
        }
        unsigned variant = parameter->type == OIP_STRING ? lane_find_variant(lane, parameter->text)
                                                         : lane->variant_count;
        if (variant == lane->variant_count) {
            return detail_set(detail, ROOST_INVALID,
                              "parameters.%s: must name a variant of model '%s'", variant_name,
                              lane->tenant->name);
        }
        call->request->pin = variant + 1;
    }
    return ROOST_OK;
}

/* From the codec's view of the request to the lane's. */
static void infer_fill(struct call *call)
{
    struct request *request = call->request;
    const struct lane *lane = call->lane;
    const struct oip_request *oip = &call->oip;
    request->item.rows = oip->rows;
    request->item.priority = oip->priority;
    request->timeout_ns = oip->timeout_us * NS_PER_US;
    for (unsigned i = 0; i < lane->signature.io.input_count; i++) {
        const struct tensor *tensor = &oip->inputs[i];
        struct request_input *input = &request->inputs[i];
        request->shapes[i] = tensor->shape;
        input->dtype = tensor->dtype;
        input->bytes = tensor->bytes;
        if (tensor->data == NULL) {
            input->offset = UINT64_MAX;
            request->shapes[i].rank = REQUEST_RANK_ABSENT;
        } else {
            input->offset = tensor->bytes == 0 ? 0
                                               : input_memory_offset(lane->memory, tensor->data);
        }
    }
    for (unsigned o = 0; o < lane->signature.io.output_count; o++) {
        request->outputs_wanted |= (uint64_t)oip->outputs[o].wanted << o;
    }
}

void api_infer_body(struct call *call)
{
    struct detail detail;
    struct lane *lane = call->lane;
    struct oip_body body = {0};
    const char *length_text = http_request_header(call->http, header_length_name);
    if (length_text != NULL) {
        body.has_header_length = true;
        oip_parse_length(length_text, &body.header_length, NULL); /* was good when headers came */
    }
    struct strbuf plain;
    strbuf_init(&plain);
    enum roost_err err = infer_body(call, &plain, &body, &detail);
    if (err == ROOST_OK) {
        err = oip_parse_infer(&lane->model, &body, lane->settings.split, infer_allocate, call,
                              &call->oip, &detail);
    }
    strbuf_fini(&plain);
    if (err == ROOST_OK) {
        err = infer_pin(call, &detail);
    }
    if (err != ROOST_OK) {
        infer_refuse(call, err, detail.text);
        return;
    }
    infer_fill(call);
    split_submit(call->request);
}

void api_infer_gone(struct call *call)
{
    if (call->request != NULL) {
        bool submitted = call->request->item.arrival_ns != 0 || call->request->split != NULL;
        if (!submitted) {
            request_free(call->request); /* its body never came */
        } else {
            request_abandon(call->request);
        }
    }
    call_free(call);
}
