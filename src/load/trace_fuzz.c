/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a trace of arrivals, as batch sizes and as a server's metrics. */
#include "base/assert.h"
#include "load/arrival.h"
#include "load/batch_sizes.h"
#include "load/scrape.h"
#include "load/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void trace_check(const char *text, size_t size)
{
    struct trace trace;
    struct detail detail;
    enum roost_err err = trace_parse(text, size, &trace, &detail);
    roost_assert((err == ROOST_OK) == (trace.count > 0));
    if (err == ROOST_OK) {
        struct arrival_options options = {
            .kind = ARRIVAL_TRACE, .trace = &trace, .multiplier = 0.5};
        struct arrival arrival;
        struct arrival_event event;
        uint64_t last_ns = 0;
        size_t count = 0;
        arrival_init(&arrival, &options, 1);
        while (arrival_next(&arrival, &event)) {
            roost_assert(event.at_ns >= last_ns && event.batch <= TRACE_BATCH_MAX);
            last_ns = event.at_ns;
            count++;
        }
        roost_assert(count == trace.count && trace_rate(&trace) >= 0.0);
    }
    trace_fini(&trace);
}

static void sizes_check(const char *text, size_t size)
{
    struct batch_sizes sizes;
    struct detail detail;
    struct rng rng;
    rng_seed(&rng, 1);
    if (batch_sizes_parse_file(text, size, &sizes, &detail) == ROOST_OK) {
        uint32_t drawn = batch_sizes_draw(&sizes, &rng);
        roost_assert(drawn >= sizes.low && drawn <= sizes.high && drawn <= BATCH_SIZE_MAX);
    }
    batch_sizes_fini(&sizes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scrape_model models[] = {{.name = "a"}, {.name = "b"}};
    trace_check((const char *)data, size);
    sizes_check((const char *)data, size);
    scrape_read((const char *)data, size, models, 2);
    return 0;
}
