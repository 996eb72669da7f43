/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy `roost` where a switch stops its tenant: it learns for how long from the switches that it
 * sees. What is late because of an outage is no sign of a wrong variant, and another switch would
 * only add an outage; and a better variant must earn what the way to it costs.
 */
#include "policy/roost_state.h"

/* A wait that a switch may cause by chance, in SLOs and beyond them. */
static const double chance_slos = 2, chance_s = 1;
/* Working off a backlog may take so many times the outage; then it is overload. */
static const double recover_times = 4;
/* A better variant is to earn its switch within so long. */
static const double payback_s = 300;

/* How long nobody has been answered though somebody waits. */
static void learn_waiting(struct roost_record *record, const struct roost_tenant *tenant,
                          double elapsed_s)
{
    double age_s = (double)tenant->queue.head_age_ns * 1e-9;
    record->dark_s = tenant->recent.completions > 0 ? 0 : record->dark_s + elapsed_s;
    record->outage_s = age_s < record->dark_s ? age_s : record->dark_s;
}

static void switch_ended(struct roost_state *self, struct roost_record *record,
                         const struct roost_tenant *tenant)
{
    double outage_s = record->outage_s;
    bool chance = outage_s < chance_s + chance_slos * (double)tenant->slo_ns * 1e-9;
    record->dark_s = record->outage_s = 0;
    self->switches = 1;
    if (chance) {
        self->outage_s = self->outage_s < chance_s ? 0 : self->outage_s / 2;
        return;
    }
    self->outage_s = outage_s > self->outage_s ? outage_s : (self->outage_s + outage_s) / 2;
    record->recovering = 1;
    record->drained_s = 0;
}

/* Until nobody waits from the outage, and the window has forgotten those who did. */
static void learn_recovery(const struct roost_turn *turn, struct roost_record *record,
                           const struct roost_tenant *tenant)
{
    double since_s = (double)tenant->since_switch_ns * 1e-9;
    bool waits = tenant->queue.late > 0;
    record->drained_s = waits ? 0 : record->drained_s + turn->elapsed_s;
    bool forgotten = record->drained_s * 1e9 > (double)tenant->window.length_ns;
    if (forgotten || (waits && since_s > recover_times * turn->self->outage_s)) {
        record->recovering = 0;
    }
}

void roost_learn_outage(struct roost_turn *turn)
{
    for (uint32_t i = 0; i < turn->view->tenant_count; i++) {
        struct roost_record *record = &turn->self->records[i];
        const struct roost_tenant *tenant = &turn->view->tenants[i];
        if (view_is_switching(tenant)) {
            learn_waiting(record, tenant, turn->elapsed_s);
        } else if (record->served != 0 && record->served != tenant->serving + 1) {
            switch_ended(turn->self, record, tenant);
        } else if (record->recovering != 0) {
            learn_recovery(turn, record, tenant);
        }
        record->served = tenant->serving + 1;
        turn->draining = turn->draining || (record->recovering != 0 && tenant->queue.late > 0);
    }
}

bool roost_pays(const struct roost_turn *turn, uint32_t tenant, uint32_t variant)
{
    const struct roost_tenant *seen = &turn->view->tenants[tenant];
    double now = roost_value(turn, tenant, seen->grant.variant, 1);
    double then = roost_value(turn, tenant, variant, 1);
    double outage_s = turn->self->outage_s;
    return outage_s <= 0 || (then - now) * payback_s >= now * outage_s;
}
