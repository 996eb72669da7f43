/* SPDX-License-Identifier: Apache-2.0 */
#include "node/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/file.h"

enum { SETTING_BYTES_MAX = 4096 };

enum step_kind { STEP_SETTING, STEP_GROUP, STEP_MOVE, STEP_SCHEDULE };

struct journal_step {
    enum step_kind kind;
    int id;     /* STEP_MOVE, STEP_SCHEDULE */
    char *path; /* STEP_SETTING, STEP_GROUP; STEP_MOVE: the list that it came from */
    char *text; /* STEP_SETTING: what was there */
    struct thread_schedule schedule;
};

void journal_init(struct journal *journal, bool pretend)
{
    *journal = (struct journal){.pretend = pretend};
}

void journal_keep(struct journal *journal)
{
    for (size_t i = 0; i < journal->count; i++) {
        free(journal->steps[i].path);
        free(journal->steps[i].text);
    }
    free(journal->steps);
    journal_init(journal, journal->pretend);
}

/* ---- the kernel's files ------------------------------------------------------------------- */

bool setting_read(const char *path, char *text, size_t text_bytes)
{
    roost_assert(text_bytes > 0);
    text[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t used = 0;
    ssize_t got = 1;
    while (got > 0 && used + 1 < text_bytes) {
        got = read(fd, text + used, text_bytes - 1 - used);
        used += got > 0 ? (size_t)got : 0;
    }
    (void)close(fd);
    text[used] = '\0';
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\n", text[length - 1]) != NULL)
        text[--length] = '\0';
    return got >= 0;
}

/* One write, for each is one command to the kernel. */
static enum roost_err line_write(const char *path, const char *text, int flags,
                                 struct detail *detail)
{
    char line[SETTING_BYTES_MAX + 1];
    int length = snprintf(line, sizeof line, "%s\n", text);
    if (length < 0 || (size_t)length >= sizeof line)
        return detail_set(detail, ROOST_INVALID, "%s: the setting is too long", path);
    int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0644);
    if (fd < 0)
        return errno_translate(errno, path, detail);
    int error = write(fd, line, (size_t)length) == length ? 0 : errno;
    (void)close(fd);
    /* An id that the kernel does not know is a process that has ended. */
    if (error == ESRCH)
        return detail_set(detail, ROOST_NOT_FOUND, "%s: process %s has ended", path, text);
    if (error == EINVAL || error == ERANGE)
        return detail_set(detail, ROOST_INVALID, "%s: the kernel refuses \"%s\"", path, text);
    return error == 0 ? ROOST_OK : errno_translate(error, path, detail);
}

static enum roost_err setting_write(const struct journal *journal, const char *path,
                                    const char *text, struct detail *detail)
{
    return line_write(path, text, O_TRUNC | (journal->pretend ? O_CREAT : 0), detail);
}

static enum roost_err id_write(const struct journal *journal, const char *list, int id,
                               struct detail *detail)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%d", id);
    return line_write(list, text, O_APPEND | (journal->pretend ? O_CREAT : 0), detail);
}

bool group_remove(const char *path, bool pretend)
{
    if (pretend)
        return file_remove_tree(path, NULL) == ROOST_OK;
    return rmdir(path) == 0 || errno == ENOENT;
}

/* ---- threads ------------------------------------------------------------------------------ */

/* ---- steps -------------------------------------------------------------------------------- */

/* Room for one more step, before anything is done that it would have to remember. */
static struct journal_step *step_new(struct journal *journal, enum step_kind kind, const char *path,
                                     const char *text, struct detail *detail)
{
    if (journal->count == journal->capacity) {
        size_t capacity = 2 * journal->capacity + 16;
        struct journal_step *steps = realloc(journal->steps, capacity * sizeof *steps);
        if (steps != NULL) {
            journal->steps = steps;
            journal->capacity = capacity;
        }
    }
    struct journal_step step = {.kind = kind,
                                .path = path != NULL ? strdup(path) : NULL,
                                .text = text != NULL ? strdup(text) : NULL};
    bool whole = journal->count < journal->capacity && (path == NULL || step.path != NULL) &&
                 (text == NULL || step.text != NULL);
    if (!whole) {
        free(step.path);
        free(step.text);
        (void)detail_set(detail, ROOST_NO_MEMORY, "out of memory");
        return NULL;
    }
    journal->steps[journal->count++] = step;
    return &journal->steps[journal->count - 1];
}

static void step_drop(struct journal *journal)
{
    struct journal_step *step = &journal->steps[--journal->count];
    free(step->path);
    free(step->text);
}

enum roost_err journal_write(struct journal *journal, const char *path, const char *text,
                             struct detail *detail)
{
    char before[SETTING_BYTES_MAX];
    bool known = setting_read(path, before, sizeof before);
    if (known && strcmp(before, text) == 0)
        return ROOST_OK;
    if (step_new(journal, STEP_SETTING, path, before, detail) == NULL)
        return ROOST_NO_MEMORY;
    enum roost_err err = setting_write(journal, path, text, detail);
    if (err != ROOST_OK)
        step_drop(journal);
    return err;
}

enum roost_err journal_group(struct journal *journal, const char *path, struct detail *detail)
{
    if (step_new(journal, STEP_GROUP, path, NULL, detail) == NULL)
        return ROOST_NO_MEMORY;
    if (mkdir(path, 0755) == 0)
        return ROOST_OK;
    int error = errno;
    step_drop(journal);
    return error == EEXIST ? ROOST_OK : errno_translate(error, path, detail);
}

enum roost_err journal_move(struct journal *journal, int id, const char *list, const char *back,
                            struct detail *detail)
{
    struct journal_step *step = step_new(journal, STEP_MOVE, back, NULL, detail);
    if (step == NULL)
        return ROOST_NO_MEMORY;
    step->id = id;
    enum roost_err err = id_write(journal, list, id, detail);
    if (err != ROOST_OK)
        step_drop(journal);
    return err;
}

enum roost_err journal_schedule(struct journal *journal, int tid,
                                const struct thread_schedule *schedule, struct detail *detail)
{
    struct journal_step *step = step_new(journal, STEP_SCHEDULE, NULL, NULL, detail);
    if (step == NULL)
        return ROOST_NO_MEMORY;
    step->id = tid;
    enum roost_err err = thread_schedule_get(tid, &step->schedule, detail);
    if (err == ROOST_OK)
        err = thread_schedule_set(tid, schedule, detail);
    if (err != ROOST_OK)
        step_drop(journal);
    return err;
}

static bool step_undo(const struct journal *journal, const struct journal_step *step)
{
    enum roost_err err = ROOST_OK;
    switch (step->kind) {
    case STEP_SETTING:
        err = setting_write(journal, step->path, step->text, NULL);
        break;
    case STEP_GROUP:
        return group_remove(step->path, journal->pretend);
    case STEP_MOVE:
        err = id_write(journal, step->path, step->id, NULL);
        break;
    case STEP_SCHEDULE:
        err = thread_schedule_set(step->id, &step->schedule, NULL);
        break;
    }
    return err == ROOST_OK || (step->id != 0 && err == ROOST_NOT_FOUND);
}

bool journal_undo(struct journal *journal)
{
    bool whole = true;
    while (journal->count > 0) {
        whole = step_undo(journal, &journal->steps[journal->count - 1]) && whole;
        step_drop(journal);
    }
    journal_keep(journal);
    return whole;
}
