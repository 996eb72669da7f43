/* SPDX-License-Identifier: Apache-2.0 */
/* Time is uint64_t nanoseconds, monotonic, unless a name says otherwise. Any thread may ask. */
#ifndef ROOST_BASE_CLOCK_H
#define ROOST_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

/* CLOCK_MONOTONIC: comparable between processes of one machine. */
uint64_t clock_now_ns(void);

/* CLOCK_REALTIME, since 1970. */
uint64_t clock_wall_ns(void);

/* CPU time used by the calling thread, and by the calling process. */
uint64_t clock_thread_cpu_ns(void);
uint64_t clock_process_cpu_ns(void);

/* Parses "120 ms", "1.5s", "50us", "2m", "1h", "100ns" (a unit is required). Returns 0, or -1 and
 * leaves *duration_ns. */
int duration_parse(const char *text, uint64_t *duration_ns);

/* Writes "1.25 ms" style text with three significant digits (seconds from 1000 on in full), which
 * duration_parse reads; returns `out`. */
char *duration_format(uint64_t duration_ns, char *out, unsigned out_bytes);

#endif
