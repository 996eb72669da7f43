/* SPDX-License-Identifier: Apache-2.0 */
#include "node/topology.h"

#include <hwloc.h>
#include <stdlib.h>
#include <string.h>

/* Number of the object of this type around or beside a CPU; 0 when there is none. */
static unsigned index_around(hwloc_obj_t cpu, hwloc_obj_type_t type)
{
    for (hwloc_obj_t object = cpu; object != NULL; object = object->parent)
        if (object->type == type)
            return object->logical_index;
    return 0;
}

/* Memory nodes hang beside the tree of CPUs. */
static unsigned numa_of(hwloc_topology_t hwloc, hwloc_obj_t cpu)
{
    hwloc_obj_t node = NULL;
    while ((node = hwloc_get_next_obj_by_type(hwloc, HWLOC_OBJ_NUMANODE, node)) != NULL)
        if (hwloc_bitmap_isincluded(cpu->cpuset, node->cpuset))
            return node->logical_index;
    return 0;
}

/* How many there are, a missing level counting as one, and the size of a cache. */
static unsigned level_count(hwloc_topology_t hwloc, hwloc_obj_type_t type, uint64_t *bytes)
{
    int count = hwloc_get_nbobjs_by_type(hwloc, type);
    hwloc_obj_t first = count > 0 ? hwloc_get_obj_by_type(hwloc, type, 0) : NULL;
    if (bytes != NULL && first != NULL)
        *bytes = first->attr->cache.size;
    return count > 0 ? (unsigned)count : 1;
}

static int cpu_compare(const void *a, const void *b)
{
    const struct topology_cpu *left = a, *right = b;
    return left->cpu < right->cpu ? -1 : left->cpu > right->cpu;
}

static void topology_fill(hwloc_topology_t hwloc, struct topology *topology)
{
    hwloc_obj_t cpu = NULL;
    topology->core_count = level_count(hwloc, HWLOC_OBJ_CORE, NULL);
    topology->l2_count = level_count(hwloc, HWLOC_OBJ_L2CACHE, &topology->l2_bytes);
    topology->l3_count = level_count(hwloc, HWLOC_OBJ_L3CACHE, &topology->l3_bytes);
    topology->numa_count = level_count(hwloc, HWLOC_OBJ_NUMANODE, NULL);
    while ((cpu = hwloc_get_next_obj_by_type(hwloc, HWLOC_OBJ_PU, cpu)) != NULL) {
        if (topology->cpu_count == NODE_CPUS_MAX || cpu->os_index >= NODE_CPUS_MAX)
            break;
        topology->cpus[topology->cpu_count++] = (struct topology_cpu){
            .cpu = cpu->os_index,
            .core = index_around(cpu, HWLOC_OBJ_CORE),
            .l2 = index_around(cpu, HWLOC_OBJ_L2CACHE),
            .l3 = index_around(cpu, HWLOC_OBJ_L3CACHE),
            .numa = numa_of(hwloc, cpu),
        };
    }
    qsort(topology->cpus, topology->cpu_count, sizeof topology->cpus[0], cpu_compare);
}

enum roost_err topology_read(const char *synthetic, struct topology *topology,
                             struct detail *detail)
{
    hwloc_topology_t hwloc;
    memset(topology, 0, sizeof *topology);
    if (hwloc_topology_init(&hwloc) != 0)
        return detail_set(detail, ROOST_NO_MEMORY, "hwloc cannot be used");
    bool ready = (synthetic == NULL || hwloc_topology_set_synthetic(hwloc, synthetic) == 0) &&
                 hwloc_topology_load(hwloc) == 0;
    if (ready)
        topology_fill(hwloc, topology);
    hwloc_topology_destroy(hwloc);
    if (!ready || topology->cpu_count == 0)
        return detail_set(detail, ROOST_IO, "the machine's topology cannot be read%s%s",
                          synthetic != NULL ? ": " : "", synthetic != NULL ? synthetic : "");
    return ROOST_OK;
}

const struct topology_cpu *topology_find(const struct topology *topology, unsigned cpu)
{
    struct topology_cpu key = {.cpu = cpu};
    return bsearch(&key, topology->cpus, topology->cpu_count, sizeof topology->cpus[0],
                   cpu_compare);
}
