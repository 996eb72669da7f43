/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom a tenant that refuses early (`shed: slo`) lets in. In an overload that lasts, the queue is
 * as long as it may be, and everybody waits for about as long as the limit is: where that is all
 * that the SLO leaves beside the run, half of them are late by what runs vary, and what they took
 * was for nothing. So the limit is a part of it, learnt such that of those let in the SLO's
 * percentile is in time (Robbins and Monro, 1951, "A stochastic approximation method"). And who
 * can no longer be in time when it is its turn is not run. Pure; one thread.
 */
#ifndef ROOST_CORE_ADMISSION_H
#define ROOST_CORE_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

struct admission {
    double part;       /* of the time that the SLO leaves for waiting: 0 to 1 */
    uint64_t since_ns; /* that it has been in use; UINT64_MAX: it is not */
    uint64_t ended_ns; /* when it was in use for the last time */
};

void admission_init(struct admission *admission);
/* Whether it is in use now; to be told at every arrival. */
void admission_use(struct admission *admission, bool in_use, uint64_t now_ns);
/* What became of a request that was let in, or dropped later. `percentile` is the SLO's (95 for
 * p95). Who came before the limit was in use tells nothing of it. */
void admission_learn(struct admission *admission, double percentile, uint64_t arrival_ns,
                     bool in_time);
/* For how long a request may have to wait and is let in, when its run takes `service_ns`. */
uint64_t admission_limit_ns(const struct admission *admission, uint64_t slo_ns,
                            uint64_t service_ns);
/* True when a request that has waited for `age_ns` and whose run takes `service_ns` is late by all
 * that is known. */
bool admission_hopeless(uint64_t slo_ns, uint64_t service_ns, uint64_t age_ns);

#endif
