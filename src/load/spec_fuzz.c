/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as tenants on the command line and in a file, and as a server's answers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "load/model.h"
#include "load/spec.h"
#include "load/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void spec_check(const char *text, size_t size)
{
    static struct tenant_spec defaults;
    struct load_spec spec;
    struct detail detail;
    struct target target;
    struct yaml_errors errors;
    enum roost_err err = options_defaults(tenant_keys, tenant_key_count, &defaults, &detail);
    roost_assert(err == ROOST_OK);
    load_spec_init(&spec);
    err = load_spec_add_text(&spec, text, &defaults, &detail);
    roost_assert((err == ROOST_OK) == (spec.count == 1));
    yaml_errors_init(&errors, "f");
    err = load_spec_add_yaml(&spec, text, size, &defaults, &errors);
    roost_assert((err == ROOST_OK) == (errors.count == 0));
    for (size_t i = 0; i < spec.count; i++)
        roost_assert(spec.tenants[i].name[0] != '\0' && spec.tenants[i].sizes.high > 0);
    yaml_errors_fini(&errors);
    load_spec_fini(&spec);
    (void)target_parse(text, &target, &detail);
}

static void model_check(const char *text, size_t size)
{
    static struct load_model model;
    static struct load_index index;
    struct detail detail;
    if (load_model_parse("m", "1", text, size, &model, &detail) == ROOST_OK) {
        roost_assert(model.io.input_count > 0 && model.io.input_count <= MODEL_TENSORS_MAX);
        (void)load_model_parse_config(text, size, &model, &detail);
        (void)load_model_accuracy(&model, text, size);
    }
    if (load_index_parse(text, size, &index, &detail) == ROOST_OK)
        roost_assert(index.count <= LOAD_MODELS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Paths in the text would make the fuzzer read what lies on this machine. */
    if (memchr(data, '/', size) != NULL)
        return 0;
    char *text = malloc(size + 1);
    roost_assert(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    spec_check(text, strlen(text));
    model_check(text, size);
    free(text);
    return 0;
}
