/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/service.h"

#include <math.h>

static double line(double x, double x0, double y0, double x1, double y1)
{
    return x1 > x0 ? y0 + (y1 - y0) * (x - x0) / (x1 - x0) : y0;
}

static double table_ns(const struct service_table *table, double rows)
{
    const struct service_point *points = table->points;
    uint32_t count = table->point_count;
    if (count == 1)
        return points[0].ns * rows / points[0].rows;
    if (rows <= points[0].rows)
        return points[0].ns;
    uint32_t i = 1;
    while (i + 1 < count && points[i].rows < rows)
        i++;
    return line(rows, points[i - 1].rows, points[i - 1].ns, points[i].rows, points[i].ns);
}

/* Between the tables of one number of workers, which begin at `first`. */
static double across_ways(const struct service_model *model, size_t first, double rows, double ways)
{
    const struct service_table *below = &model->tables[first], *above = below;
    for (size_t i = first; i < model->table_count; i++) {
        const struct service_table *table = &model->tables[i];
        if (table->workers != model->tables[first].workers)
            break;
        above = table;
        if (table->ways >= ways)
            break;
        below = table;
    }
    double at = fmin(ways, above->ways);
    return line(at, below->ways, table_ns(below, rows), above->ways, table_ns(above, rows));
}

double service_work_ns(const struct service_model *model, double rows, double workers, double ways)
{
    if (model->table_count == 0)
        return model->base_ns + rows * model->per_row_ns;
    size_t below = 0, above = 0;
    for (size_t i = 0; i < model->table_count; i++) {
        if (model->tables[i].workers == model->tables[above].workers)
            continue;
        if (model->tables[above].workers >= workers)
            break;
        below = above;
        above = i;
    }
    uint32_t low = model->tables[below].workers, high = model->tables[above].workers;
    if (high < workers)
        below = above;
    double ns_below = across_ways(model, below, rows, ways);
    if (below == above || workers <= low)
        return ns_below;
    return line(fmin(workers, high), low, ns_below, high, across_ways(model, above, rows, ways));
}

double service_speedup(const struct service_model *model, double threads)
{
    return 1 / ((1 - model->parallel) + model->parallel / threads);
}

/* Miss ratio with so many ways: straight between whole ways. */
static double miss_ratio(const struct service_model *model, double ways)
{
    double last = model->miss_count;
    double at = fmin(fmax(ways, 1), last) - 1;
    uint32_t i = (uint32_t)at;
    if (i + 1 >= model->miss_count)
        return model->misses[model->miss_count - 1];
    return line(at, i, model->misses[i], i + 1, model->misses[i + 1]);
}

double service_slowdown(const struct service_model *model, double ways, double ways_all,
                        double pressure)
{
    if (model->stall <= 0)
        return 1;
    double cache = 1;
    if (model->miss_count > 0) {
        double more = miss_ratio(model, ways) - miss_ratio(model, ways_all);
        cache = 1 + model->sensitivity * fmax(more, 0);
    }
    return (1 - model->stall) + model->stall * fmax(pressure, 1) * cache;
}
