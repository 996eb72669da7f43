/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/tail.h"

#include <math.h>

#include "core/view.h"

enum { BISECTIONS = 6 };

/* Mean of the squared variation of arrivals (Poisson: 1) and of batches' service times. */
static const double variability = 0.7;
/* A doubling of the batch that saves less of the work per row is not worth its wait. */
static const double worthwhile = 0.93;

static void add_size(struct tail *tail, const struct roost_variant *variant,
                     const struct tail_load *load, double rows, double rounds, double work_ns)
{
    double run_ns = view_service_ns(variant, rows) * load->scale;
    /* In a run with several threads the CPU time is longer than the run; beside neighbours the run
     * is longer than it would be alone. */
    run_ns = run_ns > 0 && run_ns < work_ns ? run_ns : work_ns;
    tail->sizes[tail->size_count++] = (struct tail_size){
        .run_s = run_ns * rounds * 1e-9,
        .wait_s = tail->size_count == 0 ? 0 : run_ns * 1e-9,
        .per_s = load->rows_per_s / rows / rounds,
        .work_cores = load->rows_per_s / rows * work_ns * 1e-9,
    };
}

void tail_init(struct tail *tail, const struct roost_variant *variant, const struct tail_load *load)
{
    double percentile = load->percentile > 0 ? load->percentile : 95;
    *tail = (struct tail){
        .workers = load->workers < 1 ? 1 : load->workers,
        .odds = percentile < 99.99 ? 1 - percentile / 100 : 1e-4,
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
        if (!(work_ns > 0) || (!first && load->slo_ns > 0 && work_ns > load->slo_ns / 2) ||
            (!first && work_ns / rows > least_ns * worthwhile)) {
            return;
        }
        add_size(tail, variant, load, rows, rounds, work_ns);
        least_ns = work_ns / rows;
    }
}

double tail_work_cores(const struct tail *tail)
{
    return tail->size_count == 0 ? 0 : tail->sizes[tail->size_count - 1].work_cores;
}

/* With `servers` servers that share `cores`, each at most at full speed. */
static double size_tail_s(const struct tail *tail, const struct tail_size *size, double servers,
                          double cores)
{
    double speed = cores < servers ? cores / servers : 1;
    double rho = size->work_cores / (servers * speed);
    if (rho >= 0.999) {
        return INFINITY;
    }
    double run_s = size->run_s / speed;
    double waits = servers < 1.5 ? rho : pow(rho, sqrt(2 * (servers + 1)) - 1);
    double tail_s = run_s + size->wait_s / speed;
    if (waits > tail->odds) {
        double mean_s = variability * run_s / (servers * (1 - rho));
        tail_s += mean_s * log(waits / tail->odds);
    }
    return tail_s;
}

double tail_predict_ns(const struct tail *tail, double cores)
{
    double usable = cores < tail->workers ? cores : tail->workers, best_s = INFINITY;
    double above = ceil(usable), below = floor(usable);
    for (uint32_t i = 0; i < tail->size_count; i++) {
        const struct tail_size *size = &tail->sizes[i];
        double tail_s = size_tail_s(tail, size, above < 1 ? 1 : above, usable);
        best_s = tail_s < best_s ? tail_s : best_s;
        if (below >= 1 && below < above) {
            tail_s = size_tail_s(tail, size, below, below);
            best_s = tail_s < best_s ? tail_s : best_s;
        }
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
