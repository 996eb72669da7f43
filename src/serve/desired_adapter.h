/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of desired: whether an adapter of roost.yaml can fit its tenant, as far as the config
 * tells. Reads the adapter's map file; never a model. Blocks. */
#ifndef ROOST_SERVE_DESIRED_ADAPTER_H
#define ROOST_SERVE_DESIRED_ADAPTER_H

#include "engine/adapter.h"
#include "serve/model_config.h"

/* INVALID or UNSUPPORTED with the reason; `model_path` is the variant's file. */
enum roost_err desired_adapter_check(const struct adapter_settings *adapter,
                                     const struct model_config *config, const char *model_path,
                                     struct detail *detail);

/* Changes with what the adapter does, the identity of its map file included. */
uint64_t desired_adapter_stamp(const struct adapter_settings *adapter);

#endif
