/* SPDX-License-Identifier: Apache-2.0 */
#include "core/decision_log.h"

#include <string.h>

#include "base/assert.h"
#include "core/decision.h"

static const char magic[8] = {'R', 'O', 'O', 'S', 'T', 'L', 'O', 'G'};
enum { HEADER_BYTES = 12, FRAME_BYTES = 5 };

static void put_u32(struct strbuf *out, uint32_t value)
{
    uint8_t bytes[4];
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    strbuf_append(out, bytes, sizeof bytes);
}

static uint32_t get_u32(const uint8_t *data)
{
    return data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
}

void decision_log_begin(struct strbuf *out)
{
    strbuf_append(out, magic, sizeof magic);
    put_u32(out, DECISION_LOG_FORMAT);
}

static void put_frame(struct strbuf *out, enum decision_log_kind kind, size_t bytes)
{
    roost_assert(bytes <= UINT32_MAX);
    strbuf_putc(out, (char)kind);
    put_u32(out, (uint32_t)bytes);
}

void decision_log_add_policy(struct strbuf *out, const struct decision_log_policy *policy)
{
    size_t bytes = 12 + strlen(policy->name) + 1 + strlen(policy->version) + 1;
    roost_assert(policy->assignment_count <= DECISION_LOG_ASSIGNMENTS_MAX);
    for (size_t i = 0; i < policy->assignment_count; i++)
        bytes += strlen(policy->assignments[i]) + 1;
    put_frame(out, DECISION_LOG_POLICY, bytes + policy->state_bytes);
    put_u32(out, policy->tenants_max);
    put_u32(out, (uint32_t)policy->assignment_count);
    put_u32(out, (uint32_t)policy->state_bytes);
    strbuf_append(out, policy->name, strlen(policy->name) + 1);
    strbuf_append(out, policy->version, strlen(policy->version) + 1);
    for (size_t i = 0; i < policy->assignment_count; i++)
        strbuf_append(out, policy->assignments[i], strlen(policy->assignments[i]) + 1);
    if (policy->state_bytes > 0)
        strbuf_append(out, policy->state, policy->state_bytes);
}

void decision_log_add_decision(struct strbuf *out, const struct roost_view *view,
                               const struct roost_plan *plan, uint32_t outcome)
{
    size_t view_bytes = decision_write_view(view, NULL, 0);
    size_t plan_bytes = decision_write_plan(plan, NULL, 0);
    put_frame(out, DECISION_LOG_DECISION, 8 + view_bytes + plan_bytes);
    put_u32(out, outcome);
    put_u32(out, (uint32_t)view_bytes);
    char *place = strbuf_reserve(out, view_bytes + plan_bytes);
    if (place == NULL)
        return;
    decision_write_view(view, (uint8_t *)place, view_bytes);
    decision_write_plan(plan, (uint8_t *)place + view_bytes, plan_bytes);
    strbuf_commit(out, view_bytes + plan_bytes);
}

enum roost_err decision_log_open(struct decision_log_reader *reader, const void *data, size_t bytes,
                                 struct detail *detail)
{
    *reader = (struct decision_log_reader){.data = data, .bytes = bytes, .at = HEADER_BYTES};
    if (bytes < HEADER_BYTES || memcmp(data, magic, sizeof magic) != 0)
        return detail_set(detail, ROOST_INVALID, "this is no decision log");
    uint32_t format = get_u32(reader->data + sizeof magic);
    if (format != DECISION_LOG_FORMAT)
        return detail_set(detail, ROOST_UNSUPPORTED, "a decision log of format %u; this is %d",
                          format, DECISION_LOG_FORMAT);
    return ROOST_OK;
}

/* The next text of a record, or NULL when it has no end. */
static const char *take_text(const uint8_t **at, const uint8_t *end)
{
    const char *text = (const char *)*at;
    const uint8_t *zero = *at < end ? memchr(*at, 0, (size_t)(end - *at)) : NULL;
    if (zero == NULL)
        return NULL;
    *at = zero + 1;
    return text;
}

static bool read_policy(const uint8_t *data, size_t bytes, struct decision_log_policy *policy)
{
    if (bytes < 12)
        return false;
    const uint8_t *at = data + 12, *end = data + bytes;
    *policy = (struct decision_log_policy){.tenants_max = get_u32(data),
                                           .assignment_count = get_u32(data + 4),
                                           .state_bytes = get_u32(data + 8)};
    policy->name = take_text(&at, end);
    policy->version = take_text(&at, end);
    if (policy->version == NULL || policy->assignment_count > DECISION_LOG_ASSIGNMENTS_MAX)
        return false;
    for (size_t i = 0; i < policy->assignment_count; i++) {
        policy->assignments[i] = take_text(&at, end);
        if (policy->assignments[i] == NULL)
            return false;
    }
    policy->state = policy->state_bytes > 0 ? at : NULL;
    return (size_t)(end - at) == policy->state_bytes;
}

static bool read_decision(const uint8_t *data, size_t bytes, struct decision_log_record *record)
{
    if (bytes < 8 || get_u32(data + 4) > bytes - 8)
        return false;
    record->outcome = get_u32(data);
    record->view_bytes = get_u32(data + 4);
    record->view = data + 8;
    record->plan = record->view + record->view_bytes;
    record->plan_bytes = bytes - 8 - record->view_bytes;
    return true;
}

enum roost_err decision_log_next(struct decision_log_reader *reader,
                                 struct decision_log_record *record, struct detail *detail)
{
    size_t left = reader->bytes - reader->at;
    const uint8_t *frame = reader->data + reader->at;
    if (left < FRAME_BYTES || get_u32(frame + 1) > left - FRAME_BYTES) {
        reader->cut = left > 0;
        return detail_set(detail, ROOST_NOT_FOUND, "the end of the log");
    }
    const uint8_t *payload = frame + FRAME_BYTES;
    size_t bytes = get_u32(frame + 1);
    bool good = false;
    *record = (struct decision_log_record){.kind = frame[0]};
    if (frame[0] == DECISION_LOG_POLICY)
        good = read_policy(payload, bytes, &record->policy);
    else if (frame[0] == DECISION_LOG_DECISION)
        good = read_decision(payload, bytes, record);
    if (!good)
        return detail_set(detail, ROOST_INVALID, "the record at byte %zu is damaged", reader->at);
    reader->at += FRAME_BYTES + bytes;
    return ROOST_OK;
}
