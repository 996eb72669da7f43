/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/replay.h"

#include <stdlib.h>
#include <string.h>

#include "core/decision.h"
#include "core/decision_log.h"
#include "core/plan.h"
#include "policy/runner.h"

enum { REPLAY_TENANTS_MAX = 4096, ARENA_BYTES_LEAST = 65536, ARENA_FACTOR = 4 };

struct replayer {
    enum roost_err (*find)(const char *name, const struct roost_policy **policy,
                           struct detail *detail);
    struct replay *replay;
    struct policy_runner runner;
    struct decision_log_policy policy; /* that the next decision begins with */
    bool begins, runs;
    struct view_store store;
    struct decision_arena arena;
    struct roost_plan_tenant *tenants;
    uint8_t *bytes;
    size_t bytes_max;
};

static void replayer_fini(struct replayer *replayer)
{
    if (replayer->runs)
        policy_runner_fini(&replayer->runner);
    replayer->runs = false;
    view_store_fini(&replayer->store);
    free(replayer->arena.data);
    free(replayer->tenants);
    free(replayer->bytes);
    replayer->arena.data = replayer->bytes = NULL;
    replayer->tenants = NULL;
}

/* Room for the policy that the log names. */
static enum roost_err take_policy(struct replayer *replayer,
                                  const struct decision_log_policy *policy, struct detail *detail)
{
    replayer_fini(replayer);
    replayer->policy = *policy;
    replayer->begins = true;
    uint32_t tenants = policy->tenants_max;
    if (tenants == 0 || tenants > REPLAY_TENANTS_MAX)
        return detail_set(detail, ROOST_INVALID, "a log of %u tenants", tenants);
    replayer->tenants = calloc(tenants, sizeof *replayer->tenants);
    if (replayer->tenants == NULL ||
        view_store_init(&replayer->store, tenants, ROOST_VARIANTS_MAX) != ROOST_OK)
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    return ROOST_OK;
}

/* The policy begins with the first view, which says what the node is. */
static enum roost_err begin(struct replayer *replayer, struct detail *detail)
{
    const struct decision_log_policy *logged = &replayer->policy;
    const struct roost_policy *policy;
    enum roost_err err = replayer->find(logged->name, &policy, detail);
    if (err != ROOST_OK)
        return err;
    if (strcmp(policy->version, logged->version) != 0)
        return detail_set(detail, ROOST_UNSUPPORTED,
                          "the log is of policy \"%s\" version %s; this is version %s",
                          logged->name, logged->version, policy->version);
    err = policy_runner_init(&replayer->runner, policy, logged->assignments,
                             logged->assignment_count, logged->tenants_max,
                             &replayer->store.view.node, detail);
    if (err != ROOST_OK)
        return err;
    replayer->runs = true;
    replayer->begins = false;
    if (logged->state_bytes == 0)
        return ROOST_OK;
    if (logged->state_bytes != replayer->runner.state_bytes)
        return detail_set(detail, ROOST_INVALID, "the log holds %zu bytes of state, not %zu",
                          logged->state_bytes, replayer->runner.state_bytes);
    memcpy(replayer->runner.state, logged->state, logged->state_bytes);
    return ROOST_OK;
}

static enum roost_err make_room(struct replayer *replayer, const struct decision_log_record *record,
                                struct detail *detail)
{
    size_t arena_bytes = record->view_bytes * ARENA_FACTOR + ARENA_BYTES_LEAST;
    if (replayer->arena.capacity < arena_bytes || replayer->arena.data == NULL) {
        free(replayer->arena.data);
        replayer->arena.data = malloc(arena_bytes);
        replayer->arena.capacity = arena_bytes;
    }
    replayer->arena.used = 0;
    if (replayer->bytes_max < record->plan_bytes || replayer->bytes == NULL) {
        free(replayer->bytes);
        replayer->bytes = malloc(record->plan_bytes + 1);
        replayer->bytes_max = record->plan_bytes;
    }
    if (replayer->arena.data == NULL || replayer->bytes == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    return ROOST_OK;
}

static enum roost_err compare(struct replayer *replayer, const struct decision_log_record *record,
                              struct detail *detail)
{
    struct roost_plan plan;
    struct detail ignored;
    const struct roost_view *view = &replayer->store.view;
    if (replayer->tenants == NULL)
        return detail_set(detail, ROOST_INVALID, "a decision without a policy before it");
    enum roost_err err = make_room(replayer, record, detail);
    if (err == ROOST_OK)
        err = decision_read_view(record->view, record->view_bytes, &replayer->store,
                                 &replayer->arena, detail);
    if (err == ROOST_OK && replayer->begins)
        err = begin(replayer, detail);
    if (err != ROOST_OK)
        return err;
    policy_runner_decide(&replayer->runner, view, &plan, replayer->tenants);
    size_t bytes = decision_write_plan(&plan, replayer->bytes, record->plan_bytes);
    bool same = bytes == record->plan_bytes &&
                memcmp(replayer->bytes, record->plan, record->plan_bytes) == 0;
    struct replay *replay = replayer->replay;
    if (!same && replay->same == replay->decisions)
        replay->first_tick = view->tick;
    replay->decisions++;
    replay->same += same;
    /* Faults count, since after several of them another policy decides. */
    bool overran = record->outcome == POLICY_OVERRAN;
    policy_runner_judge(&replayer->runner, view, &plan, overran ? 2 : 0, overran ? 1 : 0, &ignored);
    return ROOST_OK;
}

enum roost_err replay_run(const void *log, size_t bytes,
                          enum roost_err (*find)(const char *name,
                                                 const struct roost_policy **policy,
                                                 struct detail *detail),
                          struct replay *replay, struct detail *detail)
{
    struct decision_log_reader reader;
    struct decision_log_record record;
    struct replayer replayer = {.find = find, .replay = replay};
    *replay = (struct replay){0};
    enum roost_err err = decision_log_open(&reader, log, bytes, detail);
    while (err == ROOST_OK) {
        struct detail reason;
        enum roost_err next = decision_log_next(&reader, &record, &reason);
        if (next == ROOST_NOT_FOUND)
            break;
        if (next != ROOST_OK)
            err = detail_set(detail, next, "%s", reason.text);
        else if (record.kind == DECISION_LOG_POLICY)
            err = take_policy(&replayer, &record.policy, detail);
        else
            err = compare(&replayer, &record, detail);
    }
    replay->cut = reader.cut;
    replayer_fini(&replayer);
    return err;
}
