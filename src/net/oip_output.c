/* SPDX-License-Identifier: Apache-2.0 */
/* The "outputs" of a request: which ones are wanted, in which order and form. */
#include <stdio.h>

#include "net/oip_internal.h"

/* JSON has no half-precision numbers, so asking for them is a mistake that is told before the
 * model runs. */
static enum roost_err form_check(struct oip_parse *parse, unsigned output, const char *field)
{
    const struct tensor_spec *spec = &parse->model->io->outputs[output];
    const struct oip_output_request *wanted = &parse->request->outputs[output];
    if (wanted->classification > 0 && !oip_classifies(spec->dtype))
        return detail_set(parse->detail, ROOST_INVALID,
                          "%s.parameters.classification: \"%s\" is %s, which cannot be ranked",
                          field, spec->name, dtype_name(spec->dtype));
    if (!wanted->binary && wanted->classification == 0 &&
        (spec->dtype == DTYPE_FP16 || spec->dtype == DTYPE_BF16))
        return detail_set(parse->detail, ROOST_INVALID,
                          "%s: \"%s\" is %s, which JSON cannot carry; ask for it with "
                          "binary_data: true",
                          field, spec->name, dtype_name(spec->dtype));
    return ROOST_OK;
}

static enum roost_err parameters_read(struct oip_parse *parse, yyjson_val *parameters,
                                      const char *field, struct oip_output_request *wanted)
{
    if (parameters == NULL)
        return ROOST_OK;
    if (!yyjson_is_obj(parameters))
        return detail_set(parse->detail, ROOST_INVALID, "%s.parameters: must be an object, not %s",
                          field, oip_kind(parameters));
    if (oip_member(parameters, "shared_memory_region") != NULL)
        return detail_set(parse->detail, ROOST_UNSUPPORTED,
                          "%s.parameters.shared_memory_region: shared memory is not supported",
                          field);
    yyjson_val *binary = oip_member(parameters, "binary_data");
    if (binary != NULL && !yyjson_is_bool(binary))
        return detail_set(parse->detail, ROOST_INVALID,
                          "%s.parameters.binary_data: must be true or false", field);
    if (binary != NULL)
        wanted->binary = yyjson_get_bool(binary);
    yyjson_val *classes = oip_member(parameters, "classification");
    uint64_t count = 0;
    if (classes != NULL && !oip_natural(classes, &count))
        return detail_set(parse->detail, ROOST_INVALID,
                          "%s.parameters.classification: must be an integer of at least 0", field);
    wanted->classification = count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
    return ROOST_OK;
}

static enum roost_err output_read(struct oip_parse *parse, yyjson_val *item, const char *field)
{
    const struct model_io *io = parse->model->io;
    struct oip_request *request = parse->request;
    if (!yyjson_is_obj(item))
        return detail_set(parse->detail, ROOST_INVALID, "%s: must be an object, not %s", field,
                          oip_kind(item));
    yyjson_val *name = oip_member(item, "name");
    if (!yyjson_is_str(name))
        return detail_set(parse->detail, ROOST_INVALID, "%s.name: must be a string, not %s", field,
                          oip_kind(name));
    unsigned i = oip_find(io->outputs, io->output_count, name);
    if (i == io->output_count)
        return detail_set(parse->detail, ROOST_INVALID,
                          "%s.name: model \"%s\" has no output \"%s\"; it has %s", field,
                          parse->model->name, oip_quote(name).text,
                          oip_names(io->outputs, io->output_count).text);
    struct oip_output_request *wanted = &request->outputs[i];
    if (wanted->wanted)
        return detail_set(parse->detail, ROOST_INVALID, "%s.name: \"%s\" was asked for already",
                          field, io->outputs[i].name);
    wanted->wanted = true;
    wanted->binary = parse->binary_data_output;
    request->output_order[request->outputs_wanted++] = i;
    enum roost_err err = parameters_read(parse, oip_member(item, "parameters"), field, wanted);
    return err == ROOST_OK ? form_check(parse, i, field) : err;
}

static enum roost_err all_outputs(struct oip_parse *parse)
{
    struct oip_request *request = parse->request;
    request->outputs_wanted = parse->model->io->output_count;
    for (unsigned i = 0; i < request->outputs_wanted; i++) {
        request->outputs[i].wanted = true;
        request->outputs[i].binary = parse->binary_data_output;
        request->output_order[i] = i;
        enum roost_err err = form_check(parse, i, "outputs");
        if (err != ROOST_OK)
            return err;
    }
    return ROOST_OK;
}

enum roost_err oip_parse_outputs(struct oip_parse *parse, yyjson_val *outputs)
{
    size_t index;
    size_t count;
    yyjson_val *item;
    if (outputs != NULL && !yyjson_is_arr(outputs))
        return detail_set(parse->detail, ROOST_INVALID, "outputs: must be an array, not %s",
                          oip_kind(outputs));
    if (yyjson_arr_size(outputs) == 0)
        return all_outputs(parse);
    yyjson_arr_foreach(outputs, index, count, item)
    {
        char field[40];
        (void)snprintf(field, sizeof(field), "outputs[%zu]", index);
        enum roost_err err = output_read(parse, item, field);
        if (err != ROOST_OK)
            return err;
    }
    return ROOST_OK;
}
