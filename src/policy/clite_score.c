/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/clite.h"

#include <math.h>

static double mean_of(const struct clite_result *result, uint32_t jobs, bool critical, bool ratios)
{
    double product = 1;
    uint32_t count = 0;
    for (uint32_t i = 0; i < jobs; i++) {
        if (result->critical[i] == critical) {
            double value = ratios ? result->ratio[i] : result->performance[i];
            product *= value < 1 ? value : 1;
            count++;
        }
    }
    return count == 0 ? -1 : pow(product, 1.0 / count);
}

double clite_score(const struct clite_result *result, uint32_t jobs)
{
    for (uint32_t i = 0; i < jobs; i++) {
        if (result->critical[i] && result->ratio[i] < 1) {
            return 0.5 * mean_of(result, jobs, true, true);
        }
    }
    double others = mean_of(result, jobs, false, false);
    return 0.5 + 0.5 * (others < 0 ? mean_of(result, jobs, true, false) : others);
}

double clite_threshold(uint32_t jobs)
{
    return pow(0.01, jobs);
}
