/* SPDX-License-Identifier: Apache-2.0 */
#include "core/decision.h"

#include <string.h>

enum field_kind { FIELD_U32, FIELD_I32, FIELD_U64, FIELD_F64 };

/* One table per structure serves the writer and the reader. */
struct field {
    const char *name;
    enum field_kind kind;
    size_t offset;
};

#define FIELD(type, kind, member)                                                                  \
    {                                                                                              \
#member, FIELD_##kind, offsetof(struct type, member)                                       \
    }

static const struct field node_fields[] = {
    FIELD(roost_node, U32, knobs),          FIELD(roost_node, U32, cores),
    FIELD(roost_node, U32, ways),           FIELD(roost_node, U32, ways_min),
    FIELD(roost_node, U32, closids),        FIELD(roost_node, U32, bandwidth_min),
    FIELD(roost_node, U32, bandwidth_step), FIELD(roost_node, U64, slice_min_ns),
    FIELD(roost_node, U64, slice_max_ns),   FIELD(roost_node, U64, memory_bytes),
};

static const struct field view_fields[] = {
    FIELD(roost_view, U64, seed),
    FIELD(roost_view, U64, tick),
    FIELD(roost_view, U64, now_ns),
    FIELD(roost_view, U64, tick_ns),
    FIELD(roost_view, U64, memory_free_bytes),
    FIELD(roost_view, U64, other_cpu_ns),
    FIELD(roost_view, U64, other_length_ns),
};

static const struct field grant_fields[] = {
    FIELD(roost_grant, U32, mode),        FIELD(roost_grant, U32, weight),
    FIELD(roost_grant, U32, slots),       FIELD(roost_grant, U32, workers),
    FIELD(roost_grant, U32, sched_class), FIELD(roost_grant, U32, ways),
    FIELD(roost_grant, U32, bandwidth),   FIELD(roost_grant, U32, batch_rows),
    FIELD(roost_grant, U32, variant),     FIELD(roost_grant, U32, shed),
    FIELD(roost_grant, U64, slice_ns),
};

static const struct field variant_fields[] = {
    FIELD(roost_variant, F64, accuracy),      FIELD(roost_variant, F64, mflops_declared),
    FIELD(roost_variant, F64, flops_counted), FIELD(roost_variant, F64, cpu_ns_per_row),
    FIELD(roost_variant, U64, memory_bytes),  FIELD(roost_variant, U64, start_ns),
    FIELD(roost_variant, U32, state),         FIELD(roost_variant, U32, load_workers),
    FIELD(roost_variant, U32, load_ways),
};

static const struct field point_fields[] = {
    FIELD(roost_curve_point, U64, samples),
    FIELD(roost_curve_point, F64, rows_mean),
    FIELD(roost_curve_point, F64, ns_mean),
    FIELD(roost_curve_point, F64, cpu_ns_mean),
};

static const struct field tenant_fields[] = {
    FIELD(roost_tenant, U32, id),
    FIELD(roost_tenant, F64, slo_percentile),
    FIELD(roost_tenant, U64, slo_ns),
    FIELD(roost_tenant, U64, deadline_ns),
    FIELD(roost_tenant, I32, priority),
    FIELD(roost_tenant, F64, accuracy_floor),
    FIELD(roost_tenant, U32, share_configured),
    FIELD(roost_tenant, U32, workers_max),
    FIELD(roost_tenant, U32, threads),
    FIELD(roost_tenant, U32, batch_rows_max),
    FIELD(roost_tenant, U32, shed_allowed),
    FIELD(roost_tenant, U32, serving),
    FIELD(roost_tenant, U64, since_change_ns),
    FIELD(roost_tenant, U64, since_switch_ns),
    FIELD(roost_tenant, U64, resident_bytes),
    FIELD(roost_tenant, U64, queue.requests),
    FIELD(roost_tenant, U64, queue.rows),
    FIELD(roost_tenant, U64, queue.head_age_ns),
    FIELD(roost_tenant, U64, queue.late),
    FIELD(roost_tenant, U64, window.length_ns),
    FIELD(roost_tenant, U64, window.arrivals),
    FIELD(roost_tenant, U64, window.rows),
    FIELD(roost_tenant, U64, window.batches),
    FIELD(roost_tenant, U64, window.batch_rows),
    FIELD(roost_tenant, U64, window.completions),
    FIELD(roost_tenant, U64, window.refusals),
    FIELD(roost_tenant, U64, window.errors),
    FIELD(roost_tenant, U64, window.slo_misses),
    FIELD(roost_tenant, F64, window.abs_rows),
    FIELD(roost_tenant, F64, window.aat_ns),
    FIELD(roost_tenant, F64, window.attainment),
    FIELD(roost_tenant, U64, window.latency_samples),
    FIELD(roost_tenant, U64, window.latency_p50_ns),
    FIELD(roost_tenant, U64, window.latency_p95_ns),
    FIELD(roost_tenant, U64, window.latency_p99_ns),
    FIELD(roost_tenant, U64, window.latency_slo_ns),
    FIELD(roost_tenant, U64, window.busy_ns),
    FIELD(roost_tenant, U64, window.cpu_ns),
    FIELD(roost_tenant, U64, recent.length_ns),
    FIELD(roost_tenant, U64, recent.arrivals),
    FIELD(roost_tenant, U64, recent.rows),
    FIELD(roost_tenant, U64, recent.completions),
    FIELD(roost_tenant, U64, recent.slo_misses),
    FIELD(roost_tenant, U64, recent.busy_ns),
    FIELD(roost_tenant, U64, recent.cpu_ns),
};

static const struct field reason_fields[] = {
    FIELD(roost_reason, U32, code),      FIELD(roost_reason, U32, other),
    FIELD(roost_reason, F64, values[0]), FIELD(roost_reason, F64, values[1]),
    FIELD(roost_reason, F64, values[2]), FIELD(roost_reason, F64, values[3]),
};

_Static_assert(ROOST_REASON_VALUES == 4, "a reason's values are listed one by one");

#define COUNT(fields) (sizeof(fields) / sizeof((fields)[0]))

enum { KIND_VIEW = 'v', KIND_PLAN = 'p' };

/* Writes past the end are counted and dropped, so that a pass without a buffer tells the size. */
struct writer {
    uint8_t *data;
    size_t capacity, bytes;
};

static void put_byte(struct writer *writer, uint8_t byte)
{
    if (writer->bytes < writer->capacity) {
        writer->data[writer->bytes] = byte;
    }
    writer->bytes++;
}

static void put_number(struct writer *writer, uint64_t number)
{
    while (number >= 0x80) {
        put_byte(writer, (uint8_t)(number | 0x80));
        number >>= 7;
    }
    put_byte(writer, (uint8_t)number);
}

static void put_bits(struct writer *writer, uint64_t bits, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        put_byte(writer, (uint8_t)(bits >> (8 * i)));
    }
}

static void put_text(struct writer *writer, const char *text)
{
    size_t bytes = text == NULL ? 0 : strnlen(text, DECISION_NAME_BYTES_MAX);
    put_number(writer, bytes);
    for (size_t i = 0; i < bytes; i++) {
        put_byte(writer, (uint8_t)text[i]);
    }
}

static void put_fields(struct writer *writer, const struct field *fields, size_t count,
                       const void *from)
{
    for (size_t i = 0; i < count; i++) {
        const char *at = (const char *)from + fields[i].offset;
        uint64_t bits = 0;
        uint32_t word = 0;
        switch (fields[i].kind) {
        case FIELD_U32:
            memcpy(&word, at, sizeof word);
            put_number(writer, word);
            break;
        case FIELD_I32:
            /* Small magnitudes of either sign stay short: 0, -1, 1, -2 are 0, 1, 2, 3. */
            memcpy(&word, at, sizeof word);
            put_number(writer, (word << 1) ^ (word >> 31 ? UINT32_MAX : 0));
            break;
        case FIELD_U64:
            memcpy(&bits, at, sizeof bits);
            put_number(writer, bits);
            break;
        case FIELD_F64:
            memcpy(&bits, at, sizeof bits);
            put_bits(writer, bits, 8);
            break;
        }
    }
}

static void put_variant(struct writer *writer, const struct roost_variant *variant)
{
    put_text(writer, variant->name);
    put_fields(writer, variant_fields, COUNT(variant_fields), variant);
    size_t loads = (size_t)variant->load_workers * variant->load_ways;
    for (size_t i = 0; i < loads; i++) {
        uint32_t word;
        memcpy(&word, &variant->load_per_s[i], sizeof word);
        put_bits(writer, word, 4);
    }
    put_number(writer, variant->point_count);
    for (uint32_t i = 0; i < variant->point_count; i++) {
        put_fields(writer, point_fields, COUNT(point_fields), &variant->points[i]);
    }
}

size_t decision_write_view(const struct roost_view *view, uint8_t *data, size_t capacity)
{
    struct writer writer = {.data = data, .capacity = capacity};
    put_byte(&writer, DECISION_FORMAT);
    put_byte(&writer, KIND_VIEW);
    put_fields(&writer, view_fields, COUNT(view_fields), view);
    put_fields(&writer, node_fields, COUNT(node_fields), &view->node);
    put_number(&writer, view->tenant_count);
    for (uint32_t i = 0; i < view->tenant_count; i++) {
        const struct roost_tenant *tenant = &view->tenants[i];
        put_text(&writer, tenant->name);
        put_fields(&writer, tenant_fields, COUNT(tenant_fields), tenant);
        put_fields(&writer, grant_fields, COUNT(grant_fields), &tenant->grant);
        put_number(&writer, tenant->variant_count);
        for (uint32_t j = 0; j < tenant->variant_count; j++) {
            put_variant(&writer, &tenant->variants[j]);
        }
    }
    return writer.bytes;
}

size_t decision_write_plan(const struct roost_plan *plan, uint8_t *data, size_t capacity)
{
    struct writer writer = {.data = data, .capacity = capacity};
    put_byte(&writer, DECISION_FORMAT);
    put_byte(&writer, KIND_PLAN);
    put_number(&writer, plan->flags);
    put_number(&writer, plan->tenant_count);
    for (uint32_t i = 0; i < plan->tenant_count; i++) {
        put_number(&writer, plan->tenants[i].id);
        put_fields(&writer, grant_fields, COUNT(grant_fields), &plan->tenants[i].grant);
        /* One more, so that "none" is a single 0. */
        put_number(&writer, plan->tenants[i].standby + 1);
        put_fields(&writer, reason_fields, COUNT(reason_fields), &plan->tenants[i].reason);
    }
    return writer.bytes;
}

struct reader {
    const uint8_t *data;
    size_t bytes, at;
    enum roost_err err; /* the first one; then everything reads as 0 */
    struct detail *detail;
};

static void fail(struct reader *reader, enum roost_err err, const char *what)
{
    if (reader->err == ROOST_OK) {
        reader->err = detail_set(reader->detail, err, "decision, byte %zu: %s", reader->at, what);
    }
}

static uint8_t get_byte(struct reader *reader)
{
    if (reader->err != ROOST_OK) {
        return 0;
    }
    if (reader->at == reader->bytes) {
        fail(reader, ROOST_INVALID, "ends too early");
        return 0;
    }
    return reader->data[reader->at++];
}

static uint64_t get_number(struct reader *reader)
{
    uint64_t number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = get_byte(reader);
        if (shift == 63 && byte > 1) {
            break;
        }
        number |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            if (byte == 0 && shift > 0) {
                fail(reader, ROOST_INVALID, "a number longer than it has to be");
            }
            return reader->err == ROOST_OK ? number : 0;
        }
    }
    fail(reader, ROOST_INVALID, "a number above 64 bits");
    return 0;
}

static uint32_t get_word(struct reader *reader)
{
    uint64_t number = get_number(reader);
    if (number > UINT32_MAX) {
        fail(reader, ROOST_INVALID, "a number above 32 bits");
        return 0;
    }
    return (uint32_t)number;
}

static uint64_t get_bits(struct reader *reader, unsigned bytes)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < bytes; i++) {
        bits |= (uint64_t)get_byte(reader) << (8 * i);
    }
    return bits;
}

static void get_fields(struct reader *reader, const struct field *fields, size_t count, void *to)
{
    for (size_t i = 0; i < count; i++) {
        char *at = (char *)to + fields[i].offset;
        uint64_t bits;
        uint32_t word;
        switch (fields[i].kind) {
        case FIELD_U32:
            word = get_word(reader);
            memcpy(at, &word, sizeof word);
            break;
        case FIELD_I32:
            word = get_word(reader);
            word = (word >> 1) ^ (word & 1 ? UINT32_MAX : 0);
            memcpy(at, &word, sizeof word);
            break;
        case FIELD_U64:
            bits = get_number(reader);
            memcpy(at, &bits, sizeof bits);
            break;
        case FIELD_F64:
            bits = get_bits(reader, 8);
            memcpy(at, &bits, sizeof bits);
            break;
        }
    }
}

/* NULL after an error. */
static void *arena_take(struct reader *reader, struct decision_arena *arena, size_t bytes)
{
    size_t start = (arena->used + 7) & ~(size_t)7;
    if (start > arena->capacity || bytes > arena->capacity - start) {
        fail(reader, ROOST_TOO_LARGE, "no room for texts and profiles");
        return NULL;
    }
    arena->used = start + bytes;
    return arena->data + start;
}

static const char *get_text(struct reader *reader, struct decision_arena *arena)
{
    uint64_t bytes = get_number(reader);
    if (bytes > DECISION_NAME_BYTES_MAX) {
        fail(reader, ROOST_INVALID, "a name of more than 255 bytes");
        return "";
    }
    char *text = reader->err == ROOST_OK ? arena_take(reader, arena, (size_t)bytes + 1) : NULL;
    if (text == NULL) {
        return "";
    }
    for (uint64_t i = 0; i < bytes; i++) {
        text[i] = (char)get_byte(reader);
        if (text[i] == '\0') {
            fail(reader, ROOST_INVALID, "a name with a zero in it");
        }
    }
    text[bytes] = '\0';
    return text;
}

static void get_loads(struct reader *reader, struct decision_arena *arena,
                      struct roost_variant *variant)
{
    uint64_t loads = (uint64_t)variant->load_workers * variant->load_ways;
    variant->load_per_s = NULL;
    if (loads > DECISION_LOAD_POINTS_MAX) {
        fail(reader, ROOST_INVALID, "a profile of too many points");
    }
    if (loads == 0 || reader->err != ROOST_OK) {
        return;
    }
    float *to = arena_take(reader, arena, (size_t)loads * sizeof *to);
    for (uint64_t i = 0; i < loads && to != NULL; i++) {
        uint32_t word = (uint32_t)get_bits(reader, 4);
        memcpy(&to[i], &word, sizeof word);
    }
    variant->load_per_s = to;
}

static void get_variant(struct reader *reader, struct decision_arena *arena,
                        struct roost_variant *variant)
{
    variant->name = get_text(reader, arena);
    get_fields(reader, variant_fields, COUNT(variant_fields), variant);
    get_loads(reader, arena, variant);
    uint32_t points = get_word(reader);
    if (points > ROOST_CURVE_POINTS) {
        fail(reader, ROOST_INVALID, "too many points of a service time");
        return;
    }
    variant->point_count = points;
    for (uint32_t i = 0; i < points; i++) {
        get_fields(reader, point_fields, COUNT(point_fields), &variant->points[i]);
    }
}

static void get_tenant(struct reader *reader, struct view_store *store,
                       struct decision_arena *arena)
{
    uint32_t index = store->view.tenant_count;
    struct roost_tenant *tenant = view_store_add(store);
    if (tenant == NULL) {
        fail(reader, ROOST_TOO_LARGE, "more tenants than there is room for");
        return;
    }
    tenant->name = get_text(reader, arena);
    get_fields(reader, tenant_fields, COUNT(tenant_fields), tenant);
    get_fields(reader, grant_fields, COUNT(grant_fields), &tenant->grant);
    uint32_t variants = get_word(reader);
    if (variants > store->variants_max) {
        fail(reader, ROOST_TOO_LARGE, "more variants than there is room for");
        return;
    }
    tenant->variant_count = variants;
    for (uint32_t i = 0; i < variants && reader->err == ROOST_OK; i++) {
        get_variant(reader, arena, &view_store_variants(store, index)[i]);
    }
}

static void get_start(struct reader *reader, uint8_t kind)
{
    if (get_byte(reader) != DECISION_FORMAT) {
        fail(reader, ROOST_INVALID, "another format's number");
    }
    if (get_byte(reader) != kind) {
        fail(reader, ROOST_INVALID, kind == KIND_VIEW ? "not a view" : "not a plan");
    }
}

static enum roost_err get_end(struct reader *reader)
{
    if (reader->err == ROOST_OK && reader->at != reader->bytes) {
        fail(reader, ROOST_INVALID, "goes on after its end");
    }
    return reader->err;
}

enum roost_err decision_read_view(const uint8_t *data, size_t bytes, struct view_store *store,
                                  struct decision_arena *arena, struct detail *detail)
{
    struct reader reader = {.data = data, .bytes = bytes, .detail = detail};
    view_store_clear(store);
    get_start(&reader, KIND_VIEW);
    get_fields(&reader, view_fields, COUNT(view_fields), &store->view);
    get_fields(&reader, node_fields, COUNT(node_fields), &store->view.node);
    uint32_t tenants = get_word(&reader);
    for (uint32_t i = 0; i < tenants && reader.err == ROOST_OK; i++) {
        get_tenant(&reader, store, arena);
    }
    return get_end(&reader);
}

enum roost_err decision_read_plan(const uint8_t *data, size_t bytes, uint32_t tenants_max,
                                  struct roost_plan_tenant *tenants, struct roost_plan *plan,
                                  struct detail *detail)
{
    struct reader reader = {.data = data, .bytes = bytes, .detail = detail};
    get_start(&reader, KIND_PLAN);
    *plan = (struct roost_plan){.flags = get_word(&reader), .tenants = tenants};
    plan->tenant_count = get_word(&reader);
    if (plan->tenant_count > tenants_max) {
        fail(&reader, ROOST_TOO_LARGE, "more tenants than there is room for");
        plan->tenant_count = 0;
    }
    for (uint32_t i = 0; i < plan->tenant_count && reader.err == ROOST_OK; i++) {
        memset(&tenants[i], 0, sizeof tenants[i]);
        tenants[i].id = get_word(&reader);
        get_fields(&reader, grant_fields, COUNT(grant_fields), &tenants[i].grant);
        tenants[i].standby = get_word(&reader) - 1;
        get_fields(&reader, reason_fields, COUNT(reason_fields), &tenants[i].reason);
    }
    return get_end(&reader);
}
