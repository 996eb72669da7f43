/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host_thread.h"

#include <stdlib.h>

#include "host/link_internal.h"
#include "host/serving.h"

static void *thread_main(void *argument)
{
    struct serving *serving = argument;
    (void)serving_run(serving);
    serving_detach(serving);
    free(serving);
    return NULL;
}

enum roost_err link_open_thread(const struct host_spec *spec, struct input_memory *input,
                                struct link **link, struct detail *detail)
{
    int fds[SPAWN_FD_COUNT];
    struct link *l;
    enum roost_err err = link_create(spec, input, &l, fds, detail);
    if (err != ROOST_OK)
        return err;
    struct serving *serving = calloc(1, sizeof *serving);
    if (serving == NULL) {
        fds_close(fds);
        link_close(l);
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    }
    err = serving_attach(serving, fds, detail);
    serving->in_process = true;
    if (err == ROOST_OK && pthread_create(&l->thread, NULL, thread_main, serving) != 0)
        err = detail_set(detail, ROOST_NO_MEMORY, "no thread can be started");
    if (err != ROOST_OK) {
        serving_detach(serving);
        free(serving);
        link_close(l);
        return err;
    }
    l->threaded = true;
    *link = l;
    return ROOST_OK;
}
