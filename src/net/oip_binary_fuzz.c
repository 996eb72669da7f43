/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies with binary tensors: two bytes give the JSON's length, low byte first. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "net/oip_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct oip_body body = {
        .bytes = size - 2, .has_header_length = true, .header_length = data[0] + 256U * data[1]};
    /* Of its own size and aligned, as a server has it. */
    void *copy = NULL;
    int failed = posix_memalign(&copy, 64, size);
    roost_assert(failed == 0);
    memcpy(copy, data + 2, size - 2);
    body.data = copy;
    oip_fuzz_run(&body, 4096);
    free(copy);
    return 0;
}
