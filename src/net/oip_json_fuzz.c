/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that are JSON alone. */
#include "net/oip_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct oip_body body = {.data = data, .bytes = size};
    oip_fuzz_run(&body, (size_t)1 << 20);
    return 0;
}
