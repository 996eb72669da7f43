/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/manager_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "core/decision_log.h"

/* Writes what has gathered. */
static enum roost_err log_flush(struct manager_log *log, struct detail *detail)
{
    const char *text = strbuf_text(&log->out);
    size_t left = log->out.length;
    if (log->out.failed) {
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    }
    log->bytes += left;
    while (left > 0) {
        ssize_t written = write(log->fd, text, left);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return errno_translate(errno, log->path, detail);
        }
        text += written;
        left -= (size_t)written;
    }
    strbuf_reset(&log->out);
    return ROOST_OK;
}

static enum roost_err log_begin(struct manager_log *log, struct detail *detail)
{
    log->fd = open(log->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (log->fd < 0) {
        return errno_translate(errno, log->path, detail);
    }
    log->bytes = 0;
    log->begun = false;
    strbuf_reset(&log->out);
    decision_log_begin(&log->out);
    return ROOST_OK;
}

static void log_end(struct manager_log *log, const struct detail *detail)
{
    log_error("policy.log", "path=%s reason=%s result=\"no further decisions are recorded\"",
              log->path, LOG_Q(detail->text));
    if (log->fd >= 0) {
        close(log->fd);
    }
    log->fd = -1;
}

enum roost_err manager_log_open(struct manager_log *log, const char *path, uint64_t bytes_max,
                                struct detail *detail)
{
    *log = (struct manager_log){.fd = -1, .bytes_max = bytes_max};
    strbuf_init(&log->out);
    if (path == NULL) {
        return ROOST_OK;
    }
    log->path = strdup(path);
    if (log->path == NULL) {
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    }
    enum roost_err err = log_begin(log, detail);
    /* Now, so that the file is a log before anything is decided. */
    if (err == ROOST_OK && log_flush(log, detail) != ROOST_OK) {
        log_end(log, detail);
    }
    return err;
}

void manager_log_close(struct manager_log *log)
{
    if (log->fd >= 0) {
        close(log->fd);
    }
    log->fd = -1;
    free(log->path);
    log->path = NULL;
    strbuf_fini(&log->out);
}

void manager_log_policy(struct manager_log *log, const char *const *assignments, size_t count)
{
    log->assignments = assignments;
    log->assignment_count = count < DECISION_LOG_ASSIGNMENTS_MAX ? count
                                                                 : DECISION_LOG_ASSIGNMENTS_MAX;
    log->begun = false;
}

void manager_log_before(struct manager_log *log, const struct policy_runner *runner)
{
    /* A change to `static` after faults is told too: whoever replays a file that begins between
     * those faults does not know of them all. */
    if (log->fd < 0 || (log->begun && log->decides == runner->policy)) {
        return;
    }
    bool own = runner->policy == runner->chosen;
    struct decision_log_policy record = {
        .name = runner->policy->name,
        .version = runner->policy->version,
        .tenants_max = runner->tenants_max,
        .assignment_count = own ? log->assignment_count : 0,
        .state = own && runner->decisions > 0 ? runner->state : NULL,
        .state_bytes = own && runner->decisions > 0 ? runner->state_bytes : 0,
    };
    for (size_t i = 0; i < record.assignment_count; i++) {
        record.assignments[i] = log->assignments[i];
    }
    decision_log_add_policy(&log->out, &record);
    log->begun = true;
    log->decides = runner->policy;
}

static enum roost_err log_rotate(struct manager_log *log, struct detail *detail)
{
    char old[FILE_PATH_BYTES_MAX];
    int length = snprintf(old, sizeof old, "%s.1", log->path);
    if (length < 0 || (size_t)length >= sizeof old) {
        return detail_set(detail, ROOST_INVALID, "%s.1: the path is too long", log->path);
    }
    close(log->fd);
    log->fd = -1;
    if (rename(log->path, old) != 0) {
        return errno_translate(errno, log->path, detail);
    }
    enum roost_err err = log_begin(log, detail);
    return err == ROOST_OK ? log_flush(log, detail) : err;
}

void manager_log_decision(struct manager_log *log, const struct roost_view *view,
                          const struct roost_plan *plan, enum policy_outcome outcome)
{
    struct detail detail;
    if (log->fd < 0) {
        return;
    }
    decision_log_add_decision(&log->out, view, plan, (uint32_t)outcome);
    size_t record_bytes = log->out.length;
    enum roost_err err = log_flush(log, &detail);
    if (err == ROOST_OK && log->bytes + record_bytes > log->bytes_max / 2) {
        err = log_rotate(log, &detail); /* the next one may not fit */
    }
    if (err != ROOST_OK) {
        log_end(log, &detail);
    }
}
