/* SPDX-License-Identifier: Apache-2.0 */
/* The "inputs" of a request: names, types and shapes against the model; then the data. */
#include <string.h>

#include "net/oip_internal.h"

static enum roost_err dtype_check(struct oip_parse *parse, const struct tensor_spec *spec,
                                  yyjson_val *value)
{
    if (!yyjson_is_str(value))
        return detail_set(parse->detail, ROOST_INVALID,
                          "inputs[%zu].datatype: must be a string, not %s", parse->position,
                          oip_kind(value));
    if (!yyjson_equals_str(value, dtype_name(spec->dtype)))
        return detail_set(parse->detail, ROOST_INVALID,
                          "inputs[%zu].datatype: %s, but \"%s\" is %s", parse->position,
                          oip_quote(value).text, spec->name, dtype_name(spec->dtype));
    return ROOST_OK;
}

static enum roost_err shape_read(struct oip_parse *parse, yyjson_val *value, struct shape *shape)
{
    size_t index;
    size_t count;
    yyjson_val *item;
    shape->rank = 0;
    if (!yyjson_is_arr(value))
        return detail_set(parse->detail, ROOST_INVALID,
                          "inputs[%zu].shape: must be an array, not %s", parse->position,
                          oip_kind(value));
    if (yyjson_arr_size(value) > TENSOR_RANK_MAX)
        return detail_set(parse->detail, ROOST_INVALID,
                          "inputs[%zu].shape: has %zu dimensions, at most %d are possible",
                          parse->position, yyjson_arr_size(value), TENSOR_RANK_MAX);
    yyjson_arr_foreach(value, index, count, item)
    {
        uint64_t size;
        if (!oip_natural(item, &size))
            return detail_set(parse->detail, ROOST_INVALID,
                              "inputs[%zu].shape[%zu]: must be an integer of at least 0",
                              parse->position, index);
        shape->dims[shape->rank++] = (int64_t)size;
    }
    return ROOST_OK;
}

static enum roost_err shape_check(struct oip_parse *parse, const struct tensor_spec *spec,
                                  const struct shape *shape)
{
    const struct shape *pattern = &spec->shape;
    char wanted[TENSOR_RANK_MAX * 21 + 3];
    char given[TENSOR_RANK_MAX * 21 + 3];
    shape_format(pattern, wanted, sizeof(wanted));
    if (shape->rank != pattern->rank)
        return detail_set(parse->detail, ROOST_INVALID,
                          "inputs[%zu].shape: %s, but \"%s\" has %u dimensions: %s",
                          parse->position, shape_format(shape, given, sizeof(given)), spec->name,
                          pattern->rank, wanted);
    for (unsigned i = 0; i < shape->rank; i++) {
        if (pattern->dims[i] >= 0 && pattern->dims[i] != shape->dims[i])
            return detail_set(parse->detail, ROOST_INVALID,
                              "inputs[%zu].shape[%u]: %lld, but \"%s\" has the shape %s",
                              parse->position, i, (long long)shape->dims[i], spec->name, wanted);
    }
    uint64_t elements;
    if (!shape_elements(shape, &elements))
        return detail_set(parse->detail, ROOST_INVALID, "inputs[%zu].shape: %s is too large",
                          parse->position, shape_format(shape, given, sizeof(given)));
    return oip_check_rows(parse, spec, shape);
}

/* Where the data is: in "data", or in the body after the JSON. */
static enum roost_err data_read(struct oip_parse *parse, yyjson_val *item, struct tensor *tensor)
{
    yyjson_val *data = oip_member(item, "data");
    yyjson_val *parameters = oip_member(item, "parameters");
    if (parameters != NULL && !yyjson_is_obj(parameters))
        return detail_set(parse->detail, ROOST_INVALID,
                          "inputs[%zu].parameters: must be an object, not %s", parse->position,
                          oip_kind(parameters));
    if (oip_member(parameters, "shared_memory_region") != NULL)
        return detail_set(parse->detail, ROOST_UNSUPPORTED,
                          "inputs[%zu].parameters.shared_memory_region: shared memory is not "
                          "supported; send the data in the body",
                          parse->position);
    yyjson_val *size = oip_member(parameters, "binary_data_size");
    if (size == NULL && data == NULL)
        return detail_set(parse->detail, ROOST_INVALID,
                          "inputs[%zu].data: is missing, and there is no "
                          "parameters.binary_data_size either",
                          parse->position);
    if (size == NULL)
        return oip_json_tensor(parse, data, tensor);
    if (data != NULL)
        return detail_set(parse->detail, ROOST_INVALID,
                          "inputs[%zu]: has both data and parameters.binary_data_size",
                          parse->position);
    uint64_t bytes;
    if (!oip_natural(size, &bytes))
        return detail_set(parse->detail, ROOST_INVALID,
                          "inputs[%zu].parameters.binary_data_size: must be an integer of at "
                          "least 0",
                          parse->position);
    return oip_binary_tensor(parse, bytes, tensor);
}

static enum roost_err input_read(struct oip_parse *parse, yyjson_val *item)
{
    const struct model_io *io = parse->model->io;
    if (!yyjson_is_obj(item))
        return detail_set(parse->detail, ROOST_INVALID, "inputs[%zu]: must be an object, not %s",
                          parse->position, oip_kind(item));
    yyjson_val *name = oip_member(item, "name");
    if (!yyjson_is_str(name))
        return detail_set(parse->detail, ROOST_INVALID,
                          "inputs[%zu].name: must be a string, not %s", parse->position,
                          oip_kind(name));
    unsigned i = oip_find(io->inputs, io->input_count, name);
    if (i == io->input_count)
        return detail_set(parse->detail, ROOST_INVALID,
                          "inputs[%zu].name: model \"%s\" has no input \"%s\"; it has %s",
                          parse->position, parse->model->name, oip_quote(name).text,
                          oip_names(io->inputs, io->input_count).text);
    const struct tensor_spec *spec = &io->inputs[i];
    struct tensor *tensor = &parse->request->inputs[i];
    if (tensor->data != NULL)
        return detail_set(parse->detail, ROOST_INVALID,
                          "inputs[%zu].name: \"%s\" was given already", parse->position,
                          spec->name);
    tensor->dtype = spec->dtype;
    enum roost_err err = dtype_check(parse, spec, oip_member(item, "datatype"));
    if (err == ROOST_OK)
        err = shape_read(parse, oip_member(item, "shape"), &tensor->shape);
    if (err == ROOST_OK)
        err = shape_check(parse, spec, &tensor->shape);
    return err == ROOST_OK ? data_read(parse, item, tensor) : err;
}

enum roost_err oip_parse_inputs(struct oip_parse *parse, yyjson_val *inputs)
{
    const struct model_io *io = parse->model->io;
    size_t count;
    yyjson_val *item;
    if (!yyjson_is_arr(inputs))
        return detail_set(parse->detail, ROOST_INVALID, "inputs: must be an array, not %s",
                          oip_kind(inputs));
    yyjson_arr_foreach(inputs, parse->position, count, item)
    {
        enum roost_err err = input_read(parse, item);
        if (err != ROOST_OK)
            return err;
    }
    for (unsigned i = 0; i < io->input_count; i++) {
        if (parse->request->inputs[i].data == NULL && !io->inputs[i].optional)
            return detail_set(parse->detail, ROOST_INVALID, "inputs: \"%s\" is missing",
                              io->inputs[i].name);
    }
    return ROOST_OK;
}
