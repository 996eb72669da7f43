/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's resctrl file system: ways of the last-level cache and memory bandwidth for groups of
 * processes. What it wants is checked here first: masks contiguous, within the cache and of a least
 * size, bandwidth in steps, and no more groups than the CPU has classes of service.
 *
 *   info/L3/{cbm_mask,min_cbm_bits,num_closids,shareable_bits}
 *   info/MB/{min_bandwidth,bandwidth_gran,num_closids}
 *   schemata: "L3:0=ff;1=ff" and "MB:0=50;1=50", a line each       tasks: one thread id per write
 */
#ifndef ROOST_NODE_RESCTRL_H
#define ROOST_NODE_RESCTRL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/detail.h"
#include "base/file.h"

enum { RESCTRL_DOMAINS_MAX = 64, RESCTRL_CLASSES_MAX = 128, RESCTRL_BANDWIDTH_FULL = 100 };

/* What the members of one group have. */
struct resctrl_class {
    uint64_t ways_mask;
    unsigned bandwidth_percent;
};

struct resctrl {
    char directory[FILE_PATH_BYTES_MAX]; /* "": not there */
    bool ways, bandwidth;                /* resources that it divides */
    uint64_t cbm_mask, shareable_mask;
    unsigned min_cbm_bits, closids; /* closids: the default group's included */
    unsigned bandwidth_min, bandwidth_step;
    unsigned l3_domain_count, mb_domain_count;
    unsigned l3_domains[RESCTRL_DOMAINS_MAX], mb_domains[RESCTRL_DOMAINS_MAX];
    unsigned shared;      /* groups that were merged by the plan in force */
    unsigned group_count; /* made by us, named <owner>-0 and on */
    uint64_t rest_mask;   /* of the default group, in force; 0: never touched */
};

/* UNSUPPORTED with the reason when nothing can be divided. `root` without a '/' at its end. */
enum roost_err resctrl_probe(const char *root, struct resctrl *resctrl, struct detail *detail);

/* INVALID when the kernel would refuse it, with the rule that it breaks. */
enum roost_err resctrl_check(const struct resctrl *resctrl, const struct resctrl_class *class_,
                             struct detail *detail);

/* The text of a group's schemata, for what is divided here. */
void resctrl_schemata(const struct resctrl *resctrl, const struct resctrl_class *class_, char *out,
                      size_t out_bytes);

/*
 * Merges classes until no more than `groups_max` differ: of all pairs the one whose union wastes
 * fewest ways, then is smallest; bandwidth is the larger. `place[i]` becomes the index of the class
 * that holds what class i had. Returns how many are left, at the front of `classes`.
 */
unsigned resctrl_share(struct resctrl_class *classes, unsigned count, unsigned groups_max,
                       unsigned *place);

#endif
