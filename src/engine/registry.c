/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine.h"

#include <string.h>

#include "engine/fake.h"
#include "engine/ort.h"

const struct engine_ops *const engine_registry[] = {&engine_ort, &engine_fake, NULL};

const struct engine_ops *engine_find(const char *name)
{
    for (size_t i = 0; engine_registry[i] != NULL; i++) {
        if (strcmp(engine_registry[i]->name, name) == 0)
            return engine_registry[i];
    }
    return NULL;
}
