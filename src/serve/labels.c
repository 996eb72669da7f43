/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/labels.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static const size_t labels_bytes_max = 16 << 20;

/* Cuts the text into lines in place; one allocation for the pointers. */
static const char *const *labels_split(char *text)
{
    size_t lines = 1;
    for (const char *c = text; *c != '\0'; c++) {
        lines += *c == '\n';
    }
    const char **table = calloc(lines + 1, sizeof *table);
    if (table == NULL) {
        return NULL;
    }
    size_t count = 0;
    for (char *line = text; *line != '\0';) {
        char *end = line + strcspn(line, "\r\n");
        char *next = end + strspn(end, "\r\n");
        *end = '\0';
        table[count++] = line;
        line = next;
    }
    return table;
}

enum roost_err labels_read(struct labels *labels, const struct model_config *config,
                           const char *directory, struct detail *detail)
{
    memset(labels, 0, sizeof *labels);
    for (unsigned o = 0; o < config->output_count; o++) {
        const char *name = config->outputs[o].label_filename;
        if (name[0] == '\0') {
            continue;
        }
        char path[FILE_PATH_BYTES_MAX];
        size_t length;
        if (strstr(name, "..") != NULL || !path_join(path, sizeof path, directory, name)) {
            return detail_set(detail, ROOST_INVALID,
                              "output '%s': label_filename '%s' must be a plain file name below "
                              "the model's directory",
                              config->outputs[o].name, name);
        }
        enum roost_err err = file_read(path, labels_bytes_max, &labels->texts[o], &length, detail);
        if (err == ROOST_OK) {
            labels->tables[o] = labels_split(labels->texts[o]);
            err = labels->tables[o] == NULL ? ROOST_NO_MEMORY : ROOST_OK;
        }
        if (err != ROOST_OK) {
            detail_prefix(detail, "output '%s': label_filename", config->outputs[o].name);
            labels_fini(labels);
            return err;
        }
    }
    return ROOST_OK;
}

void labels_fini(struct labels *labels)
{
    for (unsigned o = 0; o < MODEL_TENSORS_MAX; o++) {
        free((void *)labels->tables[o]);
        free(labels->texts[o]);
    }
    memset(labels, 0, sizeof *labels);
}
