/* SPDX-License-Identifier: Apache-2.0 */
#include "node/affinity.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/file.h"

bool cpus_empty(const struct cpus *cpus)
{
    return cpus_count(cpus) == 0;
}

unsigned cpus_count(const struct cpus *cpus)
{
    unsigned count = 0;
    for (size_t i = 0; i < NODE_CPUS_MAX / 64; i++)
        count += (unsigned)__builtin_popcountll(cpus->mask[i]);
    return count;
}

void cpus_add(struct cpus *cpus, unsigned cpu)
{
    roost_assert(cpu < NODE_CPUS_MAX);
    cpus->mask[cpu / 64] |= UINT64_C(1) << (cpu % 64);
}

bool cpus_has(const struct cpus *cpus, unsigned cpu)
{
    return cpu < NODE_CPUS_MAX && (cpus->mask[cpu / 64] >> (cpu % 64) & 1) != 0;
}

/* Reads one number below NODE_CPUS_MAX; NULL when there is none. */
static const char *cpu_parse(const char *text, unsigned *cpu)
{
    unsigned value = 0;
    const char *end = text;
    for (; *end >= '0' && *end <= '9'; end++) {
        value = value * 10 + (unsigned)(*end - '0');
        if (value >= NODE_CPUS_MAX)
            return NULL;
    }
    *cpu = value;
    return end == text ? NULL : end;
}

/* Reads "3" or "0-3" and adds it; NULL when it is neither. */
static const char *range_parse(const char *text, struct cpus *cpus)
{
    unsigned first;
    const char *end = cpu_parse(text, &first);
    unsigned last = first;
    if (end != NULL && *end == '-')
        end = cpu_parse(end + 1, &last);
    if (end == NULL || last < first)
        return NULL;
    for (unsigned cpu = first; cpu <= last; cpu++)
        cpus_add(cpus, cpu);
    return end;
}

static const char *blanks_skip(const char *text)
{
    return text + strspn(text, " \t\n");
}

enum roost_err cpus_parse(const char *text, struct cpus *cpus, struct detail *detail)
{
    struct cpus parsed = {0};
    const char *at = blanks_skip(text);
    while (*at != '\0') {
        const char *end = range_parse(at, &parsed);
        if (end == NULL)
            return detail_set(detail, ROOST_INVALID,
                              "\"%.200s\" is not a CPU list: at \"%.40s\" a number below %d or a "
                              "range is expected, as in 0-3,8",
                              text, at, NODE_CPUS_MAX);
        end = blanks_skip(end);
        bool more = *end == ',';
        at = more ? blanks_skip(end + 1) : end;
        if ((more && *at == '\0') || (!more && *at != '\0'))
            return detail_set(detail, ROOST_INVALID,
                              "\"%.200s\" is not a CPU list: unexpected \"%.40s\" (want 0-3,8)",
                              text, end);
    }
    *cpus = parsed;
    return ROOST_OK;
}

char *cpus_format(const struct cpus *cpus, char *out, size_t out_bytes)
{
    roost_assert(out_bytes > 0);
    size_t used = 0;
    out[0] = '\0';
    for (unsigned cpu = 0; cpu < NODE_CPUS_MAX; cpu++) {
        if (!cpus_has(cpus, cpu))
            continue;
        unsigned last = cpu;
        while (cpus_has(cpus, last + 1))
            last++;
        char item[32];
        int length = last == cpu
                         ? snprintf(item, sizeof item, "%s%u", used ? "," : "", cpu)
                         : snprintf(item, sizeof item, "%s%u-%u", used ? "," : "", cpu, last);
        if (used + (size_t)length >= out_bytes)
            break;
        memcpy(out + used, item, (size_t)length + 1);
        used += (size_t)length;
        cpu = last;
    }
    return out;
}

enum roost_err affinity_set(int tid, const struct cpus *cpus, struct detail *detail)
{
    if (cpus_empty(cpus))
        return ROOST_OK;
    cpu_set_t set;
    CPU_ZERO(&set);
    for (unsigned cpu = 0; cpu < NODE_CPUS_MAX && cpu < CPU_SETSIZE; cpu++)
        if (cpus_has(cpus, cpu))
            CPU_SET(cpu, &set);
    if (sched_setaffinity(tid, sizeof set, &set) == 0)
        return ROOST_OK;
    char list[64];
    int error = errno;
    cpus_format(cpus, list, sizeof list);
    if (error == EINVAL)
        return detail_set(detail, ROOST_INVALID, "none of the CPUs %s is usable here", list);
    return detail_set(detail, error == ESRCH ? ROOST_NOT_FOUND : ROOST_PERMISSION,
                      "thread %d cannot be moved to CPUs %s: %s", tid, list, strerror(error));
}

enum roost_err affinity_get(int tid, struct cpus *cpus, struct detail *detail)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(tid, sizeof set, &set) != 0)
        return errno_translate(errno, "sched_getaffinity", detail);
    *cpus = (struct cpus){0};
    for (unsigned cpu = 0; cpu < NODE_CPUS_MAX && cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &set))
            cpus_add(cpus, cpu);
    return ROOST_OK;
}
