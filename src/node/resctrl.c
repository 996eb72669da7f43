/* SPDX-License-Identifier: Apache-2.0 */
#include "node/resctrl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "node/journal.h"

enum { PATH_BYTES = FILE_PATH_BYTES_MAX + 64 };

/* ---- what there is ------------------------------------------------------------------------ */

static bool number_read(const char *directory, const char *file, int base, uint64_t *number)
{
    char path[PATH_BYTES], text[64], *end;
    (void)snprintf(path, sizeof path, "%s/%s", directory, file);
    if (!setting_read(path, text, sizeof text) || text[0] == '\0')
        return false;
    *number = strtoull(text, &end, base);
    return *end == '\0';
}

/* "    L3:0=fffff;1=fffff": the numbers before the equal signs. */
static unsigned domains_read(char *schemata, const char *resource, unsigned *domains)
{
    char *rest = schemata, *line;
    unsigned count = 0;
    size_t length = strlen(resource);
    while ((line = strsep(&rest, "\n")) != NULL) {
        line += strspn(line, " \t");
        if (strncmp(line, resource, length) != 0 || line[length] != ':')
            continue;
        char *item, *items = line + length + 1;
        while ((item = strsep(&items, ";")) != NULL && count < RESCTRL_DOMAINS_MAX)
            domains[count++] = (unsigned)strtoul(item, NULL, 10);
    }
    return count;
}

static unsigned domains_of(const struct resctrl *resctrl, const char *resource, unsigned *domains)
{
    char path[PATH_BYTES], text[4096];
    (void)snprintf(path, sizeof path, "%s/schemata", resctrl->directory);
    if (!setting_read(path, text, sizeof text))
        return 0;
    return domains_read(text, resource, domains);
}

static bool l3_probe(struct resctrl *resctrl, uint64_t *closids)
{
    uint64_t least = 1;
    resctrl->l3_domain_count = domains_of(resctrl, "L3", resctrl->l3_domains);
    if (resctrl->l3_domain_count == 0 ||
        !number_read(resctrl->directory, "info/L3/cbm_mask", 16, &resctrl->cbm_mask) ||
        !number_read(resctrl->directory, "info/L3/num_closids", 10, closids) ||
        resctrl->cbm_mask == 0)
        return false;
    (void)number_read(resctrl->directory, "info/L3/min_cbm_bits", 10, &least);
    (void)number_read(resctrl->directory, "info/L3/shareable_bits", 16, &resctrl->shareable_mask);
    resctrl->min_cbm_bits = least < 1 ? 1 : (unsigned)least;
    return true;
}

static bool mb_probe(struct resctrl *resctrl, uint64_t *closids)
{
    uint64_t least, step;
    resctrl->mb_domain_count = domains_of(resctrl, "MB", resctrl->mb_domains);
    if (resctrl->mb_domain_count == 0 ||
        !number_read(resctrl->directory, "info/MB/min_bandwidth", 10, &least) ||
        !number_read(resctrl->directory, "info/MB/bandwidth_gran", 10, &step) ||
        !number_read(resctrl->directory, "info/MB/num_closids", 10, closids))
        return false;
    resctrl->bandwidth_min = (unsigned)least;
    resctrl->bandwidth_step = step < 1 ? 1 : (unsigned)step;
    return true;
}

enum roost_err resctrl_probe(const char *root, struct resctrl *resctrl, struct detail *detail)
{
    char path[PATH_BYTES];
    uint64_t l3_closids = UINT32_MAX, mb_closids = UINT32_MAX;
    memset(resctrl, 0, sizeof *resctrl);
    (void)snprintf(path, sizeof path, "%s/sys/fs/resctrl", root);
    if (strlen(path) + 160 > sizeof resctrl->directory || access(path, F_OK) != 0)
        return detail_set(detail, ROOST_UNSUPPORTED, "this CPU or kernel has no resctrl");
    memcpy(resctrl->directory, path, strlen(path) + 1);
    (void)snprintf(path, sizeof path, "%s/info", resctrl->directory);
    enum roost_err err = ROOST_OK;
    if (access(path, F_OK) != 0) {
        err = detail_set(detail, ROOST_UNSUPPORTED,
                         "resctrl is not mounted: mount -t resctrl resctrl /sys/fs/resctrl");
    } else {
        resctrl->ways = l3_probe(resctrl, &l3_closids);
        resctrl->bandwidth = mb_probe(resctrl, &mb_closids);
        /* Both kinds share the classes of service. */
        uint64_t closids = l3_closids < mb_closids ? l3_closids : mb_closids;
        resctrl->closids = (unsigned)closids;
        if (!resctrl->ways && !resctrl->bandwidth)
            err = detail_set(detail, ROOST_UNSUPPORTED,
                             "resctrl here divides neither L3 (as one, without CDP) nor MB");
        else if (closids < 2)
            err = detail_set(detail, ROOST_UNSUPPORTED, "the CPU has a single class of service");
        else if (access(resctrl->directory, W_OK) != 0)
            err = detail_set(detail, ROOST_PERMISSION, "%s: not writable", resctrl->directory);
    }
    if (err != ROOST_OK)
        memset(resctrl, 0, sizeof *resctrl);
    return err;
}

/* ---- rules -------------------------------------------------------------------------------- */

static uint64_t hull(uint64_t mask)
{
    if (mask == 0)
        return 0;
    unsigned low = (unsigned)__builtin_ctzll(mask), high = 63 - (unsigned)__builtin_clzll(mask);
    uint64_t below = high == 63 ? UINT64_MAX : (UINT64_C(1) << (high + 1)) - 1;
    return below & ~((UINT64_C(1) << low) - 1);
}

enum roost_err resctrl_check(const struct resctrl *resctrl, const struct resctrl_class *class_,
                             struct detail *detail)
{
    unsigned long long mask = class_->ways_mask;
    unsigned percent = class_->bandwidth_percent;
    if (resctrl->ways && (mask == 0 || (mask & ~resctrl->cbm_mask) != 0))
        return detail_set(detail, ROOST_INVALID, "ways %llx are not within %llx", mask,
                          (unsigned long long)resctrl->cbm_mask);
    if (resctrl->ways && mask != hull(mask))
        return detail_set(detail, ROOST_INVALID, "ways %llx are not contiguous", mask);
    if (resctrl->ways && (unsigned)__builtin_popcountll(mask) < resctrl->min_cbm_bits)
        return detail_set(detail, ROOST_INVALID, "ways %llx: at least %u are needed", mask,
                          resctrl->min_cbm_bits);
    if (resctrl->bandwidth && percent != RESCTRL_BANDWIDTH_FULL &&
        (percent < resctrl->bandwidth_min || percent > RESCTRL_BANDWIDTH_FULL ||
         percent % resctrl->bandwidth_step != 0))
        return detail_set(detail, ROOST_INVALID,
                          "bandwidth %u %%: must be a multiple of %u from %u to 100", percent,
                          resctrl->bandwidth_step, resctrl->bandwidth_min);
    return ROOST_OK;
}

static size_t line_add(char *out, size_t out_bytes, size_t used, const char *resource,
                       const unsigned *domains, unsigned count, const char *value)
{
    for (unsigned i = 0; i < count && used < out_bytes; i++) {
        int length = snprintf(out + used, out_bytes - used, "%s%s%u=%s",
                              i > 0       ? ";"
                              : used == 0 ? ""
                                          : "\n",
                              i == 0 ? resource : "", domains[i], value);
        used += length > 0 ? (size_t)length : 0;
    }
    return used;
}

void resctrl_schemata(const struct resctrl *resctrl, const struct resctrl_class *class_, char *out,
                      size_t out_bytes)
{
    char value[32];
    size_t used = 0;
    roost_assert(out_bytes > 0);
    out[0] = '\0';
    if (resctrl->ways) {
        (void)snprintf(value, sizeof value, "%llx", (unsigned long long)class_->ways_mask);
        used = line_add(out, out_bytes, used, "L3:", resctrl->l3_domains, resctrl->l3_domain_count,
                        value);
    }
    if (resctrl->bandwidth) {
        (void)snprintf(value, sizeof value, "%u", class_->bandwidth_percent);
        (void)line_add(out, out_bytes, used, "MB:", resctrl->mb_domains, resctrl->mb_domain_count,
                       value);
    }
}

/* ---- too few classes ---------------------------------------------------------------------- */

static bool class_equal(const struct resctrl_class *a, const struct resctrl_class *b)
{
    return a->ways_mask == b->ways_mask && a->bandwidth_percent == b->bandwidth_percent;
}

/* Ways in between that neither had weigh more than all that could be saved elsewhere. */
static unsigned merge_cost(const struct resctrl_class *a, const struct resctrl_class *b)
{
    uint64_t both = a->ways_mask | b->ways_mask;
    unsigned wasted = (unsigned)__builtin_popcountll(hull(both) & ~both);
    return wasted * 64 + (unsigned)__builtin_popcountll(both);
}

/* Puts class b into class a < b, and the last one into b's place. */
static void merge(struct resctrl_class *classes, unsigned *count, unsigned a, unsigned b,
                  unsigned *place, unsigned places)
{
    unsigned last = --*count;
    classes[a].ways_mask = hull(classes[a].ways_mask | classes[b].ways_mask);
    if (classes[b].bandwidth_percent > classes[a].bandwidth_percent)
        classes[a].bandwidth_percent = classes[b].bandwidth_percent;
    classes[b] = classes[last];
    for (unsigned i = 0; i < places; i++) {
        if (place[i] == b)
            place[i] = a;
        else if (place[i] == last)
            place[i] = b;
    }
}

unsigned resctrl_share(struct resctrl_class *classes, unsigned count, unsigned groups_max,
                       unsigned *place)
{
    unsigned places = count;
    for (unsigned i = 0; i < places; i++)
        place[i] = i;
    for (;;) {
        unsigned best_a = 0, best_b = 0, best = UINT32_MAX;
        for (unsigned a = 0; a < count; a++)
            for (unsigned b = a + 1; b < count; b++) {
                bool equal = class_equal(&classes[a], &classes[b]);
                unsigned cost = equal ? 0 : 1 + merge_cost(&classes[a], &classes[b]);
                if (cost < best) {
                    best = cost;
                    best_a = a;
                    best_b = b;
                }
            }
        if (best_b == 0 || (count <= groups_max && best > 0))
            return count;
        merge(classes, &count, best_a, best_b, place, places);
    }
}
