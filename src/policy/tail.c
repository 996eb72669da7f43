/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/tail.h"

#include <math.h>

#include "core/view.h"

enum { BISECTIONS = 6 };

/* Squared variation of batches' service times; that of arrivals is 1, and less for many at once. */
static const double service_variation = 0.2;
/* A doubling of the batch that saves less of the work per row is not worth its wait. */
static const double worthwhile = 0.93;

static void add_size(struct tail *tail, const struct roost_variant *variant,
                     const struct tail_load *load, double rows, double first_rows, double rounds)
{
    double work_ns = view_cpu_ns(variant, rows) * load->scale;
    tail->sizes[tail->size_count] = (struct tail_size){
        .run_s = work_ns / tail->parallel * rounds * 1e-9,
        .requests = tail->size_count == 0 ? 1 : rows / first_rows,
        .work = load->rows_per_s / rows * work_ns / tail->parallel * 1e-9,
    };
    tail->size_count++;
}

void tail_init(struct tail *tail, const struct roost_variant *variant, const struct tail_load *load)
{
    double percentile = load->percentile > 0 ? load->percentile : 95;
    *tail = (struct tail){
        .workers = load->workers < 1 ? 1 : load->workers,
        .parallel = load->parallel < 1 ? 1 : load->parallel,
        .log_odds = log(percentile < 99.99 ? 1 - percentile / 100 : 1e-4),
        .calibration = load->calibration,
    };
    double rows_max = load->batch_rows_max < 1 ? 1 : load->batch_rows_max;
    double abs_rows = load->abs_rows < 1 ? 1 : load->abs_rows, rounds = 1;
    if (abs_rows > rows_max) {
        /* Split over the workers, in as many rounds as they need. */
        rounds = ceil(ceil(abs_rows / rows_max) / tail->workers);
        abs_rows = rows_max;
    }
    double least_ns = INFINITY;
    for (double rows = abs_rows; rows <= rows_max && tail->size_count < TAIL_SIZES_MAX; rows *= 2) {
        double work_ns = view_cpu_ns(variant, rows) * load->scale;
        bool first = rows == abs_rows;
        if (!(work_ns > 0) ||
            (!first && load->slo_ns > 0 && work_ns / tail->parallel > load->slo_ns / 2) ||
            (!first && work_ns / rows > least_ns * worthwhile)) {
            return;
        }
        add_size(tail, variant, load, rows, abs_rows, rounds);
        least_ns = work_ns / rows;
    }
}

double tail_work_cores(const struct tail *tail)
{
    return tail->size_count == 0 ? 0 : tail->sizes[tail->size_count - 1].work * tail->parallel;
}

/* The tail of the wait in a queue for batches of this size: the log of P(wait) over the odds, times
 * the mean wait of those that wait. */
static double queue_s(const struct tail *tail, const struct tail_size *size, double servers,
                      double speed, double rho)
{
    double exponent = servers < 1.5 ? 1 : sqrt(2 * (servers + 1)) - 1;
    double above = exponent * log(rho) - tail->log_odds;
    if (above <= 0 || rho <= 0) {
        return 0;
    }
    double variability = (1 / size->requests + service_variation) / 2;
    return variability * size->run_s / speed / (servers * (1 - rho)) * above;
}

/* With `servers` servers that share `units` of cores, each at most at full speed. */
static double servers_tail_s(const struct tail *tail, double servers, double units)
{
    double speed = units < servers ? units / servers : 1, best_s = INFINITY, rho_before = 0;
    for (uint32_t i = 0; i < tail->size_count; i++) {
        const struct tail_size *size = &tail->sizes[i];
        double rho = size->work / (servers * speed), tail_s = size->run_s / speed;
        if (rho < 0.999) {
            if (i > 0) {
                /* It has gathered while one ran that was just large enough. */
                double part = rho_before > 1 ? (rho_before - 1) / (rho_before - rho) : 0;
                double before_s = tail->sizes[i - 1].run_s;
                tail_s += (before_s + part * (size->run_s - before_s)) / speed;
            }
            if (i == 0 || i + 1 == tail->size_count) {
                tail_s += queue_s(tail, size, servers, speed, rho);
            }
            best_s = tail_s < best_s ? tail_s : best_s;
        }
        rho_before = rho;
    }
    return best_s;
}

double tail_predict_ns(const struct tail *tail, double cores)
{
    double units = cores / tail->parallel;
    double usable = units < tail->workers ? units : tail->workers;
    double above = ceil(usable), below = floor(usable);
    double best_s = servers_tail_s(tail, above < 1 ? 1 : above, usable);
    if (below >= 1 && below < above) {
        double fewer_s = servers_tail_s(tail, below, below);
        best_s = fewer_s < best_s ? fewer_s : best_s;
    }
    return best_s * 1e9 * tail->calibration;
}

double tail_need_cores(const struct tail *tail, double target_ns, double cores_max)
{
    double low = tail_work_cores(tail), high = cores_max;
    if (low >= high || tail_predict_ns(tail, high) > target_ns) {
        return INFINITY;
    }
    for (int i = 0; i < BISECTIONS; i++) {
        double middle = (low + high) / 2;
        if (tail_predict_ns(tail, middle) <= target_ns) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return high;
}
