/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as roost.yaml. What is accepted can be copied, and the copy is equal. */
#include "base/assert.h"
#include "serve/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings settings;
    struct yaml_errors errors;
    yaml_errors_init(&errors, "f");
    enum roost_err err = settings_read("/etc/roost.yaml", (const char *)data, size, &errors,
                                       &settings);
    roost_assert((err == ROOST_OK) == (errors.count == 0));
    for (unsigned i = 0; err == ROOST_OK && i < settings.tenant_count; i++) {
        struct tenant_settings copy;
        roost_assert(settings.tenants[i].name != NULL);
        roost_assert(tenant_settings_copy(&copy, &settings.tenants[i]) == ROOST_OK);
        roost_assert(tenant_settings_equal(&copy, &settings.tenants[i]));
        tenant_settings_fini(&copy);
    }
    settings_fini(&settings);
    yaml_errors_fini(&errors);
    return 0;
}
