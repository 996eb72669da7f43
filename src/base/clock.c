/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

#include "base/assert.h"
#include "base/quantity.h"

static uint64_t clock_read_ns(clockid_t id)
{
    struct timespec now;
    int rc = clock_gettime(id, &now);
    roost_assert(rc == 0);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t clock_now_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ns(void)
{
    return clock_read_ns(CLOCK_REALTIME);
}

uint64_t clock_thread_cpu_ns(void)
{
    return clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t clock_process_cpu_ns(void)
{
    return clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
}

int duration_parse(const char *text, uint64_t *duration_ns)
{
    static const struct quantity_unit units[] = {
        {"ns", 1},       {"us", NS_PER_US},    {"ms", NS_PER_MS},
        {"s", NS_PER_S}, {"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S},
    };
    return quantity_parse(text, units, sizeof(units) / sizeof(units[0]), duration_ns);
}

char *duration_format(uint64_t duration_ns, char *out, unsigned out_bytes)
{
    static const struct quantity_unit units[] = {
        {"us", NS_PER_US},
        {"ms", NS_PER_MS},
        {"s", NS_PER_S},
    };
    if (duration_ns < NS_PER_US) {
        (void)snprintf(out, out_bytes, "%u ns", (unsigned)duration_ns);
        return out;
    }
    /* 999.5 would print as four digits, so the next unit begins there. */
    size_t unit = 0;
    while (unit < 2 && (double)duration_ns / (double)units[unit].factor >= 999.5)
        unit++;
    double value = (double)duration_ns / (double)units[unit].factor;
    int decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    (void)snprintf(out, out_bytes, "%.*f %s", decimals, value, units[unit].name);
    return out;
}
