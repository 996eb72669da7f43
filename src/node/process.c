/* SPDX-License-Identifier: Apache-2.0 */
#include "node/process.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

enum { PROC_FILE_BYTES_MAX = 8192 };

/* Reads /proc/PID/<name>; a process that ended meanwhile is NOT_FOUND, too. */
static enum roost_err proc_read(int pid, const char *name, char **text, struct detail *detail)
{
    char path[64];
    size_t length;
    (void)snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    enum roost_err err = file_read(path, PROC_FILE_BYTES_MAX, text, &length, detail);
    if (err != ROOST_OK || length > 0)
        return err;
    free(*text);
    (void)detail_set(detail, ROOST_NOT_FOUND, "process %d has ended", pid);
    return ROOST_NOT_FOUND;
}

enum roost_err process_memory_read(int pid, struct process_memory *memory, struct detail *detail)
{
    unsigned long long resident, shared;
    char *text;
    memset(memory, 0, sizeof *memory);
    enum roost_err err = proc_read(pid, "statm", &text, detail);
    if (err != ROOST_OK)
        return err;
    bool read = sscanf(text, "%*u %llu %llu", &resident, &shared) == 2;
    free(text);
    if (!read || resident < shared)
        return detail_set(detail, ROOST_IO, "/proc/%d/statm cannot be understood", pid);
    uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    memory->resident_bytes = resident * page_bytes;
    memory->shared_file_bytes = shared * page_bytes;
    memory->anonymous_bytes = (resident - shared) * page_bytes;
    return ROOST_OK;
}

enum roost_err process_pss_read(int pid, uint64_t *pss_bytes, struct detail *detail)
{
    unsigned long long kibibytes = 0;
    char *text;
    enum roost_err err = proc_read(pid, "smaps_rollup", &text, detail);
    if (err != ROOST_OK)
        return err;
    const char *line = strstr(text, "\nPss:");
    if (line == NULL || sscanf(line, " Pss: %llu kB", &kibibytes) != 1)
        err = detail_set(detail, ROOST_IO, "/proc/%d/smaps_rollup cannot be understood", pid);
    free(text);
    *pss_bytes = kibibytes * 1024;
    return err;
}

uint64_t process_cpu_ns(int pid)
{
    clockid_t clock;
    struct timespec time;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0)
        return 0;
    return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

uint64_t machine_idle_ns(void)
{
    unsigned long long idle = 0, waiting = 0;
    FILE *file = fopen("/proc/stat", "re");
    if (file == NULL)
        return 0;
    /* "cpu  user nice system idle iowait ..." */
    if (fscanf(file, "cpu %*u %*u %*u %llu %llu", &idle, &waiting) != 2)
        idle = waiting = 0;
    fclose(file);
    return (idle + waiting) * (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
}

void machine_load_look(struct machine_load *load, uint64_t idle_ns, unsigned cores, uint64_t now_ns)
{
    if (idle_ns == 0 || cores == 0)
        return;
    if (load->since_ns != 0 && now_ns > load->since_ns && idle_ns >= load->since_idle_ns) {
        double whole_ns = (double)cores * (double)(now_ns - load->since_ns);
        double busy = 1 - (double)(idle_ns - load->since_idle_ns) / whole_ns;
        load->utilisation = busy < 0 ? 0 : busy; /* the kernel counts in steps */
    }
    load->since_ns = now_ns;
    load->since_idle_ns = idle_ns;
}
