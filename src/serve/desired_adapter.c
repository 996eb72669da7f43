/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/desired_adapter.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#include "serve/desired_catalog.h"

enum { IMAGE_RANK = 3, MAP_BYTES_MAX = 16 << 20 };

/* One source index per line; blank lines do not count. */
static enum roost_err map_check(const char *path, uint64_t *count, struct detail *detail)
{
    char *text = NULL;
    size_t length = 0;
    unsigned line = 0;
    *count = 0;
    enum roost_err err = file_read(path, MAP_BYTES_MAX, &text, &length, detail);
    for (char *at = text; err == ROOST_OK && *at != '\0';) {
        size_t bytes = strcspn(at, "\n");
        char *next = at + bytes + (at[bytes] == '\n' ? 1 : 0);
        at[bytes] = '\0';
        line++;
        size_t digits = strspn(at, "0123456789");
        size_t blanks = strspn(at + digits, " \t\r");
        if (digits > 9 || (digits == 0 && at[blanks] != '\0') || at[digits + blanks] != '\0')
            err = detail_set(detail, ROOST_INVALID, "%s:%u: must be one index, not \"%.40s\"", path,
                             line, at);
        *count += digits > 0 ? 1 : 0;
        at = next;
    }
    free(text);
    if (err == ROOST_OK && *count == 0)
        err = detail_set(detail, ROOST_INVALID, "%s: no index in it", path);
    return err;
}

/* How many channels the tenant's input has, as far as layout, format and dims tell; else 0. */
static int64_t channels_of(const struct adapter_settings *adapter,
                           const struct config_tensor *input)
{
    bool first = adapter->layout == LAYOUT_NCHW_TO_NHWC ||
                 (adapter->layout == LAYOUT_KEEP && strcmp(input->format, "FORMAT_NCHW") == 0);
    bool last = adapter->layout == LAYOUT_NHWC_TO_NCHW ||
                (adapter->layout == LAYOUT_KEEP && strcmp(input->format, "FORMAT_NHWC") == 0);
    unsigned rank = input->dims.rank;
    if (rank < IMAGE_RANK || (!first && !last))
        return 0;
    int64_t channels = input->dims.dims[first ? rank - IMAGE_RANK : rank - 1];
    return channels > 0 ? channels : 0;
}

static enum roost_err input_check(const struct adapter_settings *adapter,
                                  const struct config_tensor *input, struct detail *detail)
{
    char dims[128];
    bool image = adapter->resize_height > 0 || adapter->normalise || adapter->layout != LAYOUT_KEEP;
    unsigned rank = input->dims.rank;
    if (image && rank != 0 && rank != IMAGE_RANK && rank != IMAGE_RANK + 1)
        return detail_set(detail, ROOST_INVALID,
                          "an adapter of images needs three dims; input %s has %s", input->name,
                          shape_format(&input->dims, dims, sizeof(dims)));
    int64_t channels = channels_of(adapter, input);
    if (adapter->normalise && channels > 0 && channels != adapter->channels)
        return detail_set(detail, ROOST_INVALID, "normalise has %u channels; input %s has %" PRId64,
                          adapter->channels, input->name, channels);
    return ROOST_OK;
}

enum roost_err desired_adapter_check(const struct adapter_settings *adapter,
                                     const struct model_config *config, const char *model_path,
                                     struct detail *detail)
{
    size_t length = strlen(model_path);
    if (length > 5 && strcmp(model_path + length - 5, ".fake") == 0)
        return detail_set(detail, ROOST_UNSUPPORTED, "models of the fake engine take no adapter");
    enum roost_err err = ROOST_OK;
    if (config->input_count > 0)
        err = input_check(adapter, &config->inputs[0], detail);
    if (err != ROOST_OK || adapter->output_map[0] == '\0' ||
        strcmp(adapter->output_map, "drop_first") == 0)
        return err;
    uint64_t count = 0;
    err = map_check(adapter->output_map, &count, detail);
    const struct config_tensor *output = &config->outputs[0];
    if (err != ROOST_OK || config->output_count == 0 || output->dims.rank == 0)
        return err;
    int64_t classes = output->dims.dims[output->dims.rank - 1];
    if (classes > 0 && (uint64_t)classes != count)
        return detail_set(detail, ROOST_INVALID,
                          "%s has %" PRIu64 " indices; output %s has %" PRId64 " classes",
                          adapter->output_map, count, output->name, classes);
    return ROOST_OK;
}

uint64_t desired_adapter_stamp(const struct adapter_settings *adapter)
{
    /* Member by member, for what lies between them may differ. */
    int64_t numbers[] = {adapter->resize_height, adapter->resize_width, adapter->normalise,
                         adapter->channels, (int64_t)adapter->layout};
    uint64_t stamp = catalog_stamp_bytes(STAMP_BEGIN, numbers, sizeof(numbers));
    stamp = catalog_stamp_bytes(stamp, adapter->mean, sizeof(adapter->mean));
    stamp = catalog_stamp_bytes(stamp, adapter->scale, sizeof(adapter->scale));
    stamp = catalog_stamp_bytes(stamp, adapter->input_name, strlen(adapter->input_name) + 1);
    stamp = catalog_stamp_bytes(stamp, adapter->output_name, strlen(adapter->output_name) + 1);
    stamp = catalog_stamp_bytes(stamp, adapter->output_map, strlen(adapter->output_map) + 1);
    return stamp + catalog_stamp_file(adapter->output_map);
}
