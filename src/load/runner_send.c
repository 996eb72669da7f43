/* SPDX-License-Identifier: Apache-2.0 */
/* One request's life on the load thread: sent, answered, recorded. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/json.h"
#include "load/runner_internal.h"

uint64_t runner_now_ns(const struct runner *runner)
{
    uint64_t now_ns = clock_now_ns();
    return now_ns > runner->start_ns ? now_ns - runner->start_ns : 0;
}

static struct runner_chunk *chunk_new(size_t tenant_count)
{
    struct runner_chunk *chunk = calloc(1, sizeof(*chunk));
    if (chunk == NULL)
        return NULL;
    chunk->records = malloc(RUNNER_CHUNK_RECORDS * sizeof(*chunk->records));
    chunk->scheduled = calloc(tenant_count, sizeof(*chunk->scheduled));
    if (chunk->records == NULL || chunk->scheduled == NULL) {
        runner_chunk_free(chunk);
        return NULL;
    }
    return chunk;
}

void runner_chunk_free(struct runner_chunk *chunk)
{
    if (chunk == NULL)
        return;
    free(chunk->records);
    free(chunk->scheduled);
    free(chunk);
}

bool runner_flush(struct runner *runner, bool is_last)
{
    if (runner->chunk == NULL)
        runner->chunk = chunk_new(runner->options.tenant_count);
    struct runner_chunk *chunk = runner->chunk;
    if (chunk == NULL)
        return false;
    chunk->now_ns = runner_now_ns(runner);
    for (size_t i = 0; i < runner->options.tenant_count; i++)
        chunk->scheduled[i] = runner->lanes[i].scheduled;
    chunk->is_last = is_last;
    chunk->end_ns = runner->end_ns;
    chunk->lost = runner->lost;
    chunk->crowded = runner->crowded;
    chunk->cpu_ns = clock_thread_cpu_ns() - runner->cpu_start_ns;
    if (!ring_push(&runner->chunks, chunk)) {
        /* The reader has been stuck for very long; the report will say that it is void. */
        runner->lost += chunk->record_count;
        chunk->record_count = 0;
        return false;
    }
    runner->chunk = NULL;
    runner->options.notify(runner->options.user);
    return true;
}

static void record_add(struct runner *runner, const struct load_record *record)
{
    if (runner->chunk == NULL)
        runner->chunk = chunk_new(runner->options.tenant_count);
    if (runner->chunk == NULL) {
        runner->lost++;
        return;
    }
    runner->chunk->records[runner->chunk->record_count++] = *record;
    if (runner->chunk->record_count == RUNNER_CHUNK_RECORDS)
        (void)runner_flush(runner, false);
}

static struct flight *flight_new(struct runner *runner)
{
    struct flight *flight = runner->spare;
    if (flight == NULL)
        return calloc(1, sizeof(*flight));
    runner->spare = flight->next;
    return flight;
}

static void flight_free(struct runner *runner, struct flight *flight)
{
    if (flight->request != NULL)
        request_drop(flight->request);
    *flight = (struct flight){.next = runner->spare};
    runner->spare = flight;
}

/* The server's words, or our own, of the first failure of a kind. */
static void reason_keep(struct runner_lane *lane, enum outcome outcome,
                        const struct http_reply *reply)
{
    char *reason = lane->reasons[outcome];
    if (outcome == OUTCOME_OK || reason[0] != '\0')
        return;
    if (reply == NULL || reply->status == 0) {
        (void)snprintf(reason, RUNNER_REASON_BYTES_MAX, "%s",
                       roost_err_text(reply == NULL ? ROOST_OVERLOADED : reply->err));
        return;
    }
    yyjson_doc *doc = NULL;
    const char *text = NULL;
    if (json_parse(reply->body, reply->body_bytes, &doc, NULL) == ROOST_OK)
        text = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "error"));
    (void)snprintf(reason, RUNNER_REASON_BYTES_MAX, "%d %s", reply->status,
                   text == NULL ? "without a reason" : text);
    yyjson_doc_free(doc);
}

static float reply_accuracy(const struct load_model *model, const struct http_reply *reply)
{
    char text[24];
    uint64_t length = reply->body_bytes;
    /* Only the JSON part is looked at; binary data could hold anything. */
    if (http_reply_header(reply, "Inference-Header-Content-Length", text, sizeof(text))) {
        char *end;
        unsigned long long declared = strtoull(text, &end, 10);
        if (*end == '\0' && declared < length)
            length = declared;
    }
    return load_model_accuracy(model, reply->body, (size_t)length);
}

static void flight_record(struct flight *flight, enum outcome outcome, uint64_t sent_ns,
                          uint64_t done_ns, float accuracy)
{
    struct runner *runner = flight->runner;
    uint64_t intended_ns = runner->start_ns + flight->intended_ns;
    uint64_t left_ns = sent_ns == 0 ? done_ns : sent_ns;
    struct load_record record = {
        .intended_ns = flight->intended_ns,
        .lag_ns = left_ns > intended_ns ? left_ns - intended_ns : 0,
        .latency_ns = done_ns > intended_ns ? done_ns - intended_ns : 0,
        .rows = flight->rows,
        .accuracy = accuracy,
        .tenant = (uint16_t)flight->lane->index,
        .outcome = (uint8_t)outcome,
        .counted = flight->is_counted,
    };
    record_add(runner, &record);
}

static void reply_arrived(void *user, const struct http_reply *reply)
{
    struct flight *flight = user;
    struct runner *runner = flight->runner;
    enum outcome outcome = outcome_of_reply(reply->status, reply->err, reply->sent_ns != 0);
    float accuracy = outcome == OUTCOME_OK ? reply_accuracy(flight->lane->tenant->model, reply)
                                           : NAN;
    reason_keep(flight->lane, outcome, reply);
    flight_record(flight, outcome, reply->sent_ns, reply->done_ns, accuracy);
    flight_free(runner, flight);
    runner->in_flight--;
    runner_landed(runner);
}

/* A request that cannot be sent for lack of room here. */
static void flight_give_up(struct flight *flight)
{
    reason_keep(flight->lane, OUTCOME_UNSENT, NULL);
    flight_record(flight, OUTCOME_UNSENT, 0, clock_now_ns(), NAN);
    flight_free(flight->runner, flight);
}

void runner_send(struct runner *runner, struct runner_lane *lane)
{
    uint32_t rows = lane->next.batch;
    if (rows == 0)
        rows = batch_sizes_draw(lane->tenant->sizes, &lane->sizes_rng);
    uint32_t rows_max = lane->tenant->pool->rows_max;
    rows = rows > rows_max && rows_max > 0 ? rows_max : rows;
    bool is_counted = lane->next.at_ns >= runner->plan.warmup_ns;
    lane->scheduled += is_counted ? 1 : 0;
    runner->counted += is_counted ? 1 : 0;
    struct flight *flight = flight_new(runner);
    if (flight == NULL) {
        runner->lost++;
        return;
    }
    *flight = (struct flight){.runner = runner,
                              .lane = lane,
                              .intended_ns = lane->next.at_ns,
                              .rows = rows,
                              .is_counted = is_counted};
    if (runner->in_flight < runner->options.outstanding_max)
        flight->request = request_pool_take(lane->tenant->pool, rows);
    if (flight->request == NULL) {
        flight_give_up(flight);
        return;
    }
    flight->rows = flight->request->rows;
    runner->crowded += runner->in_flight >= runner->options.connections_max ? 1 : 0;
    runner->in_flight++;
    http_client_send(runner->client, &flight->request->head, &flight->request->body, reply_arrived,
                     flight);
}
