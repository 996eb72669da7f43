/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views for tests: small ones by hand, and any number of random ones, degenerate ones included. One
 * thread.
 */
#ifndef ROOST_CORE_VIEW_FIXTURE_H
#define ROOST_CORE_VIEW_FIXTURE_H

#include "base/rng.h"
#include "core/view.h"

enum { FIXTURE_KNOBS_ALL = (1 << 11) - 1, FIXTURE_VARIANTS = 8 };

/* Every knob, 11 ways, plenty of everything. */
struct roost_node view_fixture_node(uint32_t cores);

/* A tenant with an SLO at p95 that is well inside it: 100 requests of one row a second over ten
 * seconds, one variant "v0" of accuracy 0.9 and 1 ms per row. Texts are static. */
struct roost_tenant *view_fixture_add(struct view_store *store, uint32_t id, uint64_t slo_ns);

/* Another rung for tenant `index`, appended; 0 accuracies and costs are as given. */
struct roost_variant *view_fixture_variant(struct view_store *store, uint32_t index,
                                           double accuracy, double ns_per_row);

/* Sets rate (requests of one row per second) and latency at the SLO's percentile, the rest of the
 * window to match. */
void view_fixture_load(struct roost_tenant *tenant, double per_s, uint64_t latency_ns);

/* Fills the store with a random view: up to its tenants, whatever may happen to a live one, and
 * much that should not. Grants in force are such that a node could hold them. */
void view_fixture_random(struct view_store *store, struct rng *rng);

/* The same tenants a tick later: other measurements, the grants given. */
void view_fixture_next(struct view_store *store, struct rng *rng, const struct roost_plan *plan);

/* A number that changes when anything in the view does, padding between members excepted. */
uint64_t view_fixture_checksum(const struct roost_view *view);

#endif
