/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: whatever a model file holds, the scan ends and no name leaves the directory. */
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "engine/onnx_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct onnx_files files;
    struct detail detail = {0};
    enum roost_err err = onnx_files_scan(data, bytes, &files, &detail);
    roost_assert(err == ROOST_OK || err == ROOST_INVALID || err == ROOST_TOO_LARGE);
    roost_assert((err == ROOST_OK) == (detail.text[0] == '\0'));
    for (size_t i = 0; err == ROOST_OK && i < files.count; i++) {
        const char *name = files.names[i];
        roost_assert(name[0] != '/' && name[0] != '\0');
        roost_assert(strncmp(name, "../", 3) != 0 && strstr(name, "/../") == NULL);
        roost_assert(i == 0 || strcmp(files.names[i - 1], name) < 0);
    }
    return 0;
}
