/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/manager_other.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "node/process.h"
#include "serve/lane.h"
#include "serve/server.h"
#include "serve/unit.h"

enum { STAT_BYTES_MAX = 1 << 20, STAT_COLUMNS = 8 };

static const uint64_t span_least_ns = NS_PER_S;

static bool is_ours(const struct server *server, unsigned cpu)
{
    for (unsigned i = 0; i < server->limits.cpu_count; i++) {
        if (server->limits.cpus[i] == cpu) {
            return true;
        }
    }
    return false;
}

/* Busy time of our cores since the machine started; 0: not known. */
static uint64_t cores_busy_ns(const struct server *server)
{
    char *text;
    size_t length;
    uint64_t ticks = 0;
    if (file_read("/proc/stat", STAT_BYTES_MAX, &text, &length, NULL) != ROOST_OK) {
        return 0;
    }
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        unsigned cpu;
        uint64_t n[STAT_COLUMNS] = {0}; /* user nice system idle iowait irq softirq steal */
        line += *line == '\n';
        int found = sscanf(line,
                           "cpu%u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                           " %" SCNu64 " %" SCNu64 " %" SCNu64,
                           &cpu, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7]);
        if (found == STAT_COLUMNS + 1 && is_ours(server, cpu)) {
            ticks += n[0] + n[1] + n[2] + n[5] + n[6] + n[7];
        }
    }
    free(text);
    return ticks * (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
}

static void count_hosts(struct other_meter *meter, const struct server *server)
{
    for (struct unit *unit = server->units; unit != NULL; unit = unit->next) {
        int pid = unit->link == NULL ? 0 : (int)link_pid(unit->link);
        uint64_t cpu_ns = pid == 0 ? 0 : process_cpu_ns(pid);
        if (cpu_ns > unit->cpu_ns) {
            meter->hosts_ns += cpu_ns - unit->cpu_ns;
            unit->cpu_ns = cpu_ns;
        }
    }
}

void other_meter_tick(struct other_meter *meter, const struct server *server, uint64_t now_ns)
{
    count_hosts(meter, server);
    if (meter->since_ns != 0 && now_ns - meter->since_ns < span_least_ns) {
        return;
    }
    uint64_t busy_ns = cores_busy_ns(server), own_ns = clock_process_cpu_ns();
    if (meter->since_ns != 0) {
        uint64_t all = busy_ns > meter->busy_ns ? busy_ns - meter->busy_ns : 0;
        uint64_t hosts = meter->hosts_ns - meter->hosts_since_ns, own = own_ns - meter->own_ns;
        meter->other_ns = all > hosts + own ? all - hosts : own;
        meter->length_ns = now_ns - meter->since_ns;
    }
    meter->since_ns = now_ns;
    meter->busy_ns = busy_ns;
    meter->own_ns = own_ns;
    meter->hosts_since_ns = meter->hosts_ns;
}
