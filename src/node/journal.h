/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of the system that can be taken back: settings in the kernel's files, groups, which group
 * a process is in, how a thread is scheduled. Each step remembers what was there before it, so that
 * several together happen wholly or not at all. One thread; blocks as the kernel's files do.
 */
#ifndef ROOST_NODE_JOURNAL_H
#define ROOST_NODE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/detail.h"
#include "base/schedule.h"

struct journal_step;

struct journal {
    /* The tree is made of plain files: what a kernel does by itself is done here. For tests. */
    bool pretend;
    size_t count, capacity;
    struct journal_step *steps;
};

void journal_init(struct journal *journal, bool pretend);

/* Keeps all that was done; the journal is as new. */
void journal_keep(struct journal *journal);

/* Takes all of it back, the newest first, and is as new. False: something could not be taken back
 * (a process that has ended meanwhile does not count). */
bool journal_undo(struct journal *journal);

/* Writes one setting, unless it is there already. NOT_FOUND, PERMISSION, IO, as errno says. */
enum roost_err journal_write(struct journal *journal, const char *path, const char *text,
                             struct detail *detail);

/* Makes a group; one that is there already is as good. */
enum roost_err journal_group(struct journal *journal, const char *path, struct detail *detail);

/* Writes the id of a process or thread into one group's list; `back` is the list to return it to.
 * NOT_FOUND when it has ended. */
enum roost_err journal_move(struct journal *journal, int id, const char *list, const char *back,
                            struct detail *detail);

/* Schedules a thread otherwise. NOT_FOUND when it has ended, PERMISSION, UNSUPPORTED. */
enum roost_err journal_schedule(struct journal *journal, int tid,
                                const struct thread_schedule *schedule, struct detail *detail);

/* The first bytes of a file without the white space at its end; false: it cannot be read. */
bool setting_read(const char *path, char *text, size_t text_bytes);

/* Removes a group. True: it is gone. */
bool group_remove(const char *path, bool pretend);

#endif
