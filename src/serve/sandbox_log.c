/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/sandbox_log.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

const char *sandbox_names(const struct sandbox_report *report, bool active,
                          char out[SANDBOX_NAMES_BYTES])
{
    const struct {
        const char *name;
        bool active;
    } parts[] = {{"no_new_privs", report->no_new_privs},
                 {"seccomp", report->seccomp},
                 {"landlock", report->landlock},
                 {"network_namespace", report->network_namespace},
                 {"capabilities_dropped", report->capabilities_dropped}};
    size_t used = 0;
    snprintf(out, SANDBOX_NAMES_BYTES, "none");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].active == active) {
            used += (size_t)snprintf(out + used, SANDBOX_NAMES_BYTES - used, "%s%s",
                                     used > 0 ? "," : "", parts[i].name);
        }
    }
    return out;
}

void sandbox_log_missing(struct sandbox_log *log, const struct sandbox_report *report)
{
    char names[SANDBOX_NAMES_BYTES];
    for (unsigned i = 0; i < log->count; i++) {
        if (strcmp(log->told[i].reason, report->reason) == 0) {
            return;
        }
    }
    if (report->reason[0] == '\0' || log->count == SANDBOX_REASONS_MAX) {
        return;
    }
    log->told[log->count++] = *report;
    log_warn("host.sandbox", "missing=%s reason=%s result=\"hosts run without it\"",
             sandbox_names(report, false, names), LOG_Q(report->reason));
}
