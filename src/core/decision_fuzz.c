/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a view and as a plan: refused, or written again with the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "core/decision.h"
#include "core/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TENANTS = 8, VARIANTS = 8, ARENA_BYTES = 1 << 15 };

static void check_same(const uint8_t *data, size_t size, const uint8_t *again, size_t bytes)
{
    roost_assert(bytes == size && memcmp(data, again, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view_store store;
    struct roost_plan_tenant tenants[TENANTS];
    struct roost_plan plan;
    struct detail detail;
    uint8_t *again = malloc(size + 1), *memory = malloc(ARENA_BYTES);
    struct decision_arena arena = {memory, ARENA_BYTES, 0};
    roost_assert(again != NULL && memory != NULL);
    roost_assert(view_store_init(&store, TENANTS, VARIANTS) == ROOST_OK);
    if (decision_read_view(data, size, &store, &arena, &detail) == ROOST_OK) {
        check_same(data, size, again, decision_write_view(&store.view, again, size));
        plan_prepare(&plan, tenants, &store.view);
        roost_assert(plan_check(&plan, &store.view, NULL, NULL) == ROOST_OK);
    }
    if (decision_read_plan(data, size, TENANTS, tenants, &plan, &detail) == ROOST_OK) {
        check_same(data, size, again, decision_write_plan(&plan, again, size));
    }
    view_store_fini(&store);
    free(again);
    free(memory);
    return 0;
}
