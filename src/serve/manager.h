/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manager: on every tick it gathers what the policy sees, lets it decide, checks the plan,
 * applies it whole or not at all, and records it. Without a policy it does nothing, and everybody
 * holds what the configuration gives.
 *
 *   tick: apply the plan that is due -> view -> decide -> judge -> record -> apply
 *
 * A policy that declares delay_ticks decides on the thread pool. One thread (the loop's).
 */
#ifndef ROOST_SERVE_MANAGER_H
#define ROOST_SERVE_MANAGER_H

#include <stdbool.h>

#include "base/detail.h"
#include "base/json.h"
#include "net/prom.h"
#include "roost/policy.h"

struct lane;
struct manager;
struct server;
struct view_store;

/* Begins with the policy of the settings. NOT_FOUND, INVALID or UNSUPPORTED with the reason when
 * that is none, or its options are wrong. On OK *manager is the caller's. */
enum roost_err manager_new(struct server *server, struct manager **manager, struct detail *detail);
/* No ticks from here on; before the loop ends. manager_free comes after it. */
void manager_close(struct manager *manager);
void manager_free(struct manager *manager);

/* Another policy from now on, or as soon as a decision that is being made beside the ticks is made;
 * NULL or "none": nobody decides, and everybody holds what is configured. `options`:
 * "option=value", one a line, or NULL. On failure all stays as it is. */
enum roost_err manager_set_policy(struct manager *manager, const char *name, const char *options,
                                  struct detail *detail);

/* The settings were read anew. */
void manager_settings_changed(struct manager *manager);

void manager_write_status(struct manager *manager, struct json_writer *w);
void manager_write_metrics(const struct manager *manager, struct prom *prom);

/* ---- what policies see (manager_view.c) ------------------------------------------------- */

/* What this node can do for a policy. */
void manager_see_node(const struct server *server, struct roost_node *node);

/* Tenants that serve, in the server's order; the view's tenant i is seen through lanes[i], which
 * has room for as many as the store. `glance`: what counts from tick to tick goes on. */
void manager_see(struct server *server, struct view_store *store, struct lane **lanes, bool glance);

/* One lane, into a tenant that is zeroed and has ROOST_VARIANTS_MAX variants. */
void manager_see_lane(struct lane *lane, uint64_t window_min_ns, uint64_t now_ns, bool glance,
                      struct roost_tenant *tenant, struct roost_variant *variants);

/* How many tenants manager_see would find. */
uint32_t manager_count(const struct server *server);

/* ---- what is done about plans (manager_apply.c) ------------------------------------------ */

/* Everybody's first hold: what is configured. */
void manager_hold(struct lane *lane);
/* Back to what is configured, everywhere. */
void manager_let_go(struct server *server);
/* Applies a plan that was checked against this view. All grants, or none and the reason; a switch
 * that cannot begin is told by the variant. */
enum roost_err manager_apply(struct server *server, const struct roost_view *view,
                             struct lane *const *lanes, const struct roost_plan *plan,
                             const char *policy, struct detail *detail);

#endif
