/* SPDX-License-Identifier: Apache-2.0 */
/* Label files of a model's outputs (one label per line), for the classification extension. */
#ifndef ROOST_SERVE_LABELS_H
#define ROOST_SERVE_LABELS_H

#include "serve/model_config.h"

struct labels {
    const char *const *tables[MODEL_TENSORS_MAX]; /* per API output: NULL-terminated, or NULL */
    char *texts[MODEL_TENSORS_MAX];
};

/* Reads every label_filename of the config's outputs below `directory`. A missing file is an error
 * with its name. */
enum roost_err labels_read(struct labels *labels, const struct model_config *config,
                           const char *directory, struct detail *detail);
void labels_fini(struct labels *labels);

#endif
