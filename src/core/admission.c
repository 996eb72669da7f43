/* SPDX-License-Identifier: Apache-2.0 */
#include "core/admission.h"

/* By so much a single request moves the limit at most. */
static const double step = 0.05;
/* What was learnt is forgotten when it has not been in use for so long. */
static const uint64_t forgotten_ns = 10000000000;

void admission_init(struct admission *admission)
{
    *admission = (struct admission){.part = 1, .since_ns = UINT64_MAX};
}

void admission_use(struct admission *admission, bool in_use, uint64_t now_ns)
{
    bool used = admission->since_ns != UINT64_MAX;
    if (in_use && !used) {
        bool anew = now_ns - admission->ended_ns > forgotten_ns;
        admission->part = anew ? 1 : admission->part;
        admission->since_ns = now_ns;
    } else if (used && !in_use) {
        admission->since_ns = UINT64_MAX;
        admission->ended_ns = now_ns;
    }
}

void admission_learn(struct admission *admission, double percentile, uint64_t arrival_ns,
                     bool in_time)
{
    if (arrival_ns < admission->since_ns) {
        return;
    }
    /* In balance when so many are late as may be. */
    double allowed = 1 - percentile / 100;
    double part = admission->part + step * (in_time ? allowed : allowed - 1);
    admission->part = part < 0 ? 0 : part > 1 ? 1 : part;
}

uint64_t admission_limit_ns(const struct admission *admission, uint64_t slo_ns, uint64_t service_ns)
{
    return slo_ns > service_ns ? (uint64_t)(admission->part * (double)(slo_ns - service_ns)) : 0;
}

bool admission_hopeless(uint64_t slo_ns, uint64_t service_ns, uint64_t age_ns)
{
    return age_ns > slo_ns || slo_ns - age_ns < service_ns;
}
