/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file is four times as large as the budget, which costs nothing while it is sparse and keeps
 * fragmentation from refusing what the budget allows. It is cut into extents of whole pages:
 *
 *   | slab | free, dirty | large block | slab | free, dirty | large | free, clean .............. |
 *
 * A large block is one extent. A slab is one extent of SLAB_PAGES cut into equal blocks of one size
 * class. Free extents hang in bins by size, so that both directions take constant time; a dirty one
 * may hold pages, a clean one holds none. Neighbours are joined when they are alike. The page table
 * has an entry per page; those of an extent's first and last page describe it (boundary tags).
 */
#include "host/input_memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "host/memfile.h"

enum {
    PAGE_BYTES = 4096,
    SLAB_PAGES = 16,
    SLAB_BYTES = SLAB_PAGES * PAGE_BYTES,
    CLASS_BYTES_MIN = 256,
    CLASS_BYTES_MAX = 16384,
    CLASS_COUNT = 13, /* 256, 384, 512, 768, ... 12288, 16384 */
    SPACE_FACTOR = 4,
    BIN_COUNT = 128,
};

static const uint64_t budget_bytes_max = UINT64_C(1) << 40;

#define NONE UINT32_MAX

enum page_kind { PAGE_INNER, PAGE_FREE_CLEAN, PAGE_FREE_DIRTY, PAGE_LARGE, PAGE_SLAB };

struct page {
    uint32_t kind;
    uint32_t pages; /* of the extent; at its first and last page. PAGE_SLAB: index of the slab */
    uint32_t previous, next; /* in the bin, at the first page of a free extent */
};

struct slab {
    uint32_t first_page;
    uint32_t size_class;
    uint32_t free_blocks;
    uint32_t previous, next; /* in the list of its class's slabs with free blocks; or unused ones */
    uint64_t free_bits[SLAB_BYTES / CLASS_BYTES_MIN / 64];
};

struct input_memory {
    unsigned char *base;
    size_t length;
    int fd, reader_fd;
    uint64_t budget_bytes, used_bytes;
    uint32_t page_count;
    uint32_t taken_pages, dirty_pages;      /* in blocks and slabs; free but perhaps backed */
    uint32_t peak_pages, peak_pages_before; /* taken, at most, since the last trim and before it */
    struct page *pages;
    uint32_t bins[BIN_COUNT];
    uint64_t bins_filled[BIN_COUNT / 64];
    struct slab *slabs;
    uint32_t slab_count, slab_capacity, slabs_unused;
    uint32_t slabs_with_room[CLASS_COUNT];
};

/* ---- bins --------------------------------------------------------------------------------- */

/* Four bins per power of two; extents in a bin have at least bin_floor pages. */
static unsigned bin_of(uint32_t pages)
{
    unsigned log = 31u - (unsigned)__builtin_clz(pages);
    unsigned quarter = log >= 2 ? pages >> (log - 2) & 3 : pages << (2 - log) & 3;
    return log * 4 + quarter;
}

static void bin_remove(struct input_memory *memory, uint32_t first)
{
    struct page *page = &memory->pages[first];
    unsigned bin = bin_of(page->pages);
    if (page->previous != NONE)
        memory->pages[page->previous].next = page->next;
    else
        memory->bins[bin] = page->next;
    if (page->next != NONE)
        memory->pages[page->next].previous = page->previous;
    if (memory->bins[bin] == NONE)
        memory->bins_filled[bin / 64] &= ~(UINT64_C(1) << (bin % 64));
    if (page->kind == PAGE_FREE_DIRTY)
        memory->dirty_pages -= page->pages;
}

static void extent_set(struct input_memory *memory, uint32_t first, uint32_t pages,
                       enum page_kind kind)
{
    memory->pages[first + pages - 1].kind = kind;
    memory->pages[first + pages - 1].pages = pages;
    memory->pages[first].kind = kind;
    memory->pages[first].pages = pages;
}

static void bin_add(struct input_memory *memory, uint32_t first, uint32_t pages,
                    enum page_kind kind)
{
    unsigned bin = bin_of(pages);
    extent_set(memory, first, pages, kind);
    struct page *page = &memory->pages[first];
    page->previous = NONE;
    page->next = memory->bins[bin];
    if (page->next != NONE)
        memory->pages[page->next].previous = first;
    memory->bins[bin] = first;
    memory->bins_filled[bin / 64] |= UINT64_C(1) << (bin % 64);
    if (kind == PAGE_FREE_DIRTY)
        memory->dirty_pages += pages;
}

/* Adds a free extent, joined with free neighbours of the same kind. */
static void extent_free(struct input_memory *memory, uint32_t first, uint32_t pages,
                        enum page_kind kind)
{
    if (first + pages < memory->page_count && memory->pages[first + pages].kind == kind) {
        uint32_t after = first + pages;
        bin_remove(memory, after);
        pages += memory->pages[after].pages;
    }
    if (first > 0 && memory->pages[first - 1].kind == kind) {
        uint32_t before = first - memory->pages[first - 1].pages;
        bin_remove(memory, before);
        pages += first - before;
        first = before;
    }
    bin_add(memory, first, pages, kind);
}

/* ---- extents ------------------------------------------------------------------------------ */

/* First page of a free extent of at least `pages`; NONE when there is none in the right bins. */
static uint32_t extent_find(const struct input_memory *memory, uint32_t pages)
{
    unsigned bin = bin_of(pages);
    /* Those in its own bin may be too small, but the first often is not. */
    uint32_t first = memory->bins[bin];
    if (first != NONE && memory->pages[first].pages >= pages)
        return first;
    for (unsigned next = bin + 1; next < BIN_COUNT;) {
        uint64_t filled = memory->bins_filled[next / 64] >> (next % 64);
        if (filled == 0) {
            next = (next / 64 + 1) * 64;
            continue;
        }
        return memory->bins[next + (unsigned)__builtin_ctzll(filled)];
    }
    return NONE;
}

/* Gives the pages of a dirty free extent back, which makes it clean. */
static void extent_punch(struct input_memory *memory, uint32_t first)
{
    uint32_t pages = memory->pages[first].pages;
    memfile_punch(memory->fd, (size_t)first * PAGE_BYTES, (size_t)pages * PAGE_BYTES);
    bin_remove(memory, first);
    extent_free(memory, first, pages, PAGE_FREE_CLEAN);
}

/* Punches dirty extents until no more than `keep` dirty pages are left. */
static void dirty_reduce(struct input_memory *memory, uint32_t keep)
{
    for (unsigned bin = BIN_COUNT; bin-- > 0 && memory->dirty_pages > keep;) {
        uint32_t first = memory->bins[bin];
        while (first != NONE && memory->dirty_pages > keep) {
            uint32_t next = memory->pages[first].next;
            bool dirty = memory->pages[first].kind == PAGE_FREE_DIRTY;
            if (dirty)
                extent_punch(memory, first);
            /* What was next may have been joined with what was punched: begin the bin again. */
            first = dirty ? memory->bins[bin] : next;
        }
    }
}

static uint32_t extent_take(struct input_memory *memory, uint32_t pages, enum page_kind kind)
{
    uint32_t first = extent_find(memory, pages);
    if (first == NONE && memory->dirty_pages > 0) {
        /* Clean ones join to larger ones. */
        dirty_reduce(memory, 0);
        first = extent_find(memory, pages);
    }
    if (first == NONE)
        return NONE;
    uint32_t found = memory->pages[first].pages;
    enum page_kind was = (enum page_kind)memory->pages[first].kind;
    bin_remove(memory, first);
    if (found > pages)
        bin_add(memory, first + pages, found - pages, was);
    extent_set(memory, first, pages, kind);
    memory->taken_pages += pages;
    if (memory->taken_pages > memory->peak_pages)
        memory->peak_pages = memory->taken_pages;
    return first;
}

static void extent_release(struct input_memory *memory, uint32_t first, uint32_t pages)
{
    memory->taken_pages -= pages;
    extent_free(memory, first, pages, PAGE_FREE_DIRTY);
}

/* ---- slabs -------------------------------------------------------------------------------- */

static uint32_t class_bytes(uint32_t size_class)
{
    uint32_t power = (uint32_t)CLASS_BYTES_MIN << (size_class / 2);
    return size_class % 2 == 0 ? power : power + power / 2;
}

static uint32_t class_of(size_t bytes)
{
    uint32_t size_class = 0;
    while (class_bytes(size_class) < bytes)
        size_class++;
    return size_class;
}

static void slab_link(struct input_memory *memory, uint32_t index)
{
    struct slab *slab = &memory->slabs[index];
    uint32_t *head = &memory->slabs_with_room[slab->size_class];
    slab->previous = NONE;
    slab->next = *head;
    if (slab->next != NONE)
        memory->slabs[slab->next].previous = index;
    *head = index;
}

static void slab_unlink(struct input_memory *memory, uint32_t index)
{
    const struct slab *slab = &memory->slabs[index];
    if (slab->previous != NONE)
        memory->slabs[slab->previous].next = slab->next;
    else
        memory->slabs_with_room[slab->size_class] = slab->next;
    if (slab->next != NONE)
        memory->slabs[slab->next].previous = slab->previous;
}

/* An unused descriptor; NONE when memory is short. */
static uint32_t slab_descriptor(struct input_memory *memory)
{
    if (memory->slabs_unused != NONE) {
        uint32_t index = memory->slabs_unused;
        memory->slabs_unused = memory->slabs[index].next;
        return index;
    }
    if (memory->slab_count == memory->slab_capacity) {
        uint32_t capacity = memory->slab_capacity == 0 ? 16 : 2 * memory->slab_capacity;
        struct slab *slabs = realloc(memory->slabs, capacity * sizeof *slabs);
        if (slabs == NULL)
            return NONE;
        memory->slabs = slabs;
        memory->slab_capacity = capacity;
    }
    return memory->slab_count++;
}

static void slab_descriptor_free(struct input_memory *memory, uint32_t index)
{
    memory->slabs[index].next = memory->slabs_unused;
    memory->slabs_unused = index;
}

static uint32_t slab_new(struct input_memory *memory, uint32_t size_class)
{
    uint32_t index = slab_descriptor(memory);
    if (index == NONE)
        return NONE;
    uint32_t first = extent_take(memory, SLAB_PAGES, PAGE_SLAB);
    if (first == NONE) {
        slab_descriptor_free(memory, index);
        return NONE;
    }
    struct slab *slab = &memory->slabs[index];
    *slab = (struct slab){.first_page = first, .size_class = size_class};
    slab->free_blocks = SLAB_BYTES / class_bytes(size_class);
    for (uint32_t b = 0; b < slab->free_blocks; b++)
        slab->free_bits[b / 64] |= UINT64_C(1) << (b % 64);
    for (uint32_t p = 0; p < SLAB_PAGES; p++) {
        memory->pages[first + p].kind = PAGE_SLAB;
        memory->pages[first + p].pages = index;
    }
    slab_link(memory, index);
    return index;
}

static void *slab_allocate(struct input_memory *memory, uint32_t size_class)
{
    uint32_t index = memory->slabs_with_room[size_class];
    if (index == NONE)
        index = slab_new(memory, size_class);
    if (index == NONE)
        return NULL;
    struct slab *slab = &memory->slabs[index];
    uint32_t word = 0;
    while (slab->free_bits[word] == 0)
        word++;
    uint32_t block = word * 64 + (uint32_t)__builtin_ctzll(slab->free_bits[word]);
    slab->free_bits[word] &= slab->free_bits[word] - 1;
    if (--slab->free_blocks == 0)
        slab_unlink(memory, index);
    return memory->base + (size_t)slab->first_page * PAGE_BYTES +
           (size_t)block * class_bytes(size_class);
}

static void slab_release(struct input_memory *memory, uint32_t index, size_t offset)
{
    struct slab *slab = &memory->slabs[index];
    size_t inside = offset - (size_t)slab->first_page * PAGE_BYTES;
    uint32_t bytes = class_bytes(slab->size_class);
    uint32_t block = (uint32_t)(inside / bytes);
    uint64_t bit = UINT64_C(1) << (block % 64);
    roost_assert(inside % bytes == 0 && (slab->free_bits[block / 64] & bit) == 0);
    memory->used_bytes -= bytes;
    slab->free_bits[block / 64] |= bit;
    if (slab->free_blocks++ == 0)
        slab_link(memory, index);
    if (slab->free_blocks == SLAB_BYTES / bytes) {
        slab_unlink(memory, index);
        extent_release(memory, slab->first_page, SLAB_PAGES);
        slab_descriptor_free(memory, index);
    }
}

/* ---- the interface ------------------------------------------------------------------------ */

static enum roost_err space_create(struct input_memory *memory, struct detail *detail)
{
    uint64_t pages = (memory->budget_bytes + PAGE_BYTES - 1) / PAGE_BYTES * SPACE_FACTOR;
    pages += CLASS_COUNT * SLAB_PAGES;
    memory->page_count = (uint32_t)pages;
    memory->length = (size_t)pages * PAGE_BYTES;
    /* Large and mostly never touched, so it comes as untouched pages. */
    memory->pages = calloc(memory->page_count, sizeof *memory->pages);
    if (memory->pages == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "no memory for the table of input memory");
    enum roost_err err = memfile_create("roost-input", memory->length, &memory->fd, detail);
    if (err == ROOST_OK)
        err = memfile_reader(memory->fd, &memory->reader_fd, detail);
    if (err != ROOST_OK)
        return err;
    memory->base = memfile_map(memory->fd, memory->length, PROT_READ | PROT_WRITE, detail);
    if (memory->base == NULL)
        return ROOST_NO_MEMORY;
    bin_add(memory, 0, memory->page_count, PAGE_FREE_CLEAN);
    return ROOST_OK;
}

enum roost_err input_memory_new(uint64_t budget_bytes, struct input_memory **memory,
                                struct detail *detail)
{
    if (budget_bytes == 0 || budget_bytes > budget_bytes_max)
        return detail_set(detail, ROOST_INVALID, "a budget of %llu bytes: 1 B to 1 TiB is possible",
                          (unsigned long long)budget_bytes);
    struct input_memory *m = calloc(1, sizeof *m);
    if (m == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    m->fd = m->reader_fd = -1;
    m->budget_bytes = budget_bytes;
    m->slabs_unused = NONE;
    for (unsigned i = 0; i < BIN_COUNT; i++)
        m->bins[i] = NONE;
    for (unsigned i = 0; i < CLASS_COUNT; i++)
        m->slabs_with_room[i] = NONE;
    enum roost_err err = space_create(m, detail);
    if (err != ROOST_OK)
        input_memory_free(m);
    else
        *memory = m;
    return err;
}

void input_memory_free(struct input_memory *memory)
{
    if (memory == NULL)
        return;
    if (memory->base != NULL)
        munmap(memory->base, memory->length);
    if (memory->fd >= 0)
        close(memory->fd);
    if (memory->reader_fd >= 0)
        close(memory->reader_fd);
    free(memory->pages);
    free(memory->slabs);
    free(memory);
}

uint64_t input_memory_charge_bytes(size_t bytes)
{
    if (bytes <= CLASS_BYTES_MAX)
        return class_bytes(class_of(bytes));
    uint64_t pages = bytes / PAGE_BYTES + (bytes % PAGE_BYTES != 0);
    return pages <= UINT64_MAX / PAGE_BYTES ? pages * PAGE_BYTES : UINT64_MAX;
}

static void *large_allocate(struct input_memory *memory, uint64_t charge)
{
    uint32_t first = extent_take(memory, (uint32_t)(charge / PAGE_BYTES), PAGE_LARGE);
    return first != NONE ? memory->base + (size_t)first * PAGE_BYTES : NULL;
}

void *input_memory_allocate(struct input_memory *memory, size_t bytes)
{
    uint64_t charge = input_memory_charge_bytes(bytes);
    if (charge > memory->budget_bytes - memory->used_bytes)
        return NULL;
    void *block = bytes <= CLASS_BYTES_MAX ? slab_allocate(memory, class_of(bytes))
                                           : large_allocate(memory, charge);
    if (block != NULL)
        memory->used_bytes += charge;
    return block;
}

void input_memory_release(struct input_memory *memory, void *block)
{
    size_t offset = input_memory_offset(memory, block);
    uint32_t index = (uint32_t)(offset / PAGE_BYTES);
    const struct page *page = &memory->pages[index];
    if (page->kind == PAGE_SLAB) {
        slab_release(memory, page->pages, offset);
        return;
    }
    roost_assert(page->kind == PAGE_LARGE && offset % PAGE_BYTES == 0);
    memory->used_bytes -= (uint64_t)page->pages * PAGE_BYTES;
    extent_release(memory, index, page->pages);
}

uint64_t input_memory_offset(const struct input_memory *memory, const void *inside)
{
    uintptr_t address = (uintptr_t)inside, base = (uintptr_t)memory->base;
    roost_assert(address >= base && address - base < memory->length);
    return address - base;
}

uint64_t input_memory_budget_bytes(const struct input_memory *memory)
{
    return memory->budget_bytes;
}

uint64_t input_memory_used_bytes(const struct input_memory *memory)
{
    return memory->used_bytes;
}

uint64_t input_memory_resident_bytes(const struct input_memory *memory)
{
    struct stat status;
    if (fstat(memory->fd, &status) != 0)
        return ((uint64_t)memory->taken_pages + memory->dirty_pages) * PAGE_BYTES;
    return (uint64_t)status.st_blocks * 512;
}

void input_memory_trim(struct input_memory *memory)
{
    /* What was needed since the trim before the last one is needed again soon: keep as much. */
    uint32_t peak = memory->peak_pages > memory->peak_pages_before ? memory->peak_pages
                                                                   : memory->peak_pages_before;
    uint32_t keep = peak > memory->taken_pages ? peak - memory->taken_pages : 0;
    dirty_reduce(memory, keep);
    memory->peak_pages_before = memory->peak_pages;
    memory->peak_pages = memory->taken_pages;
}

int input_memory_reader_fd(const struct input_memory *memory)
{
    return memory->reader_fd;
}
