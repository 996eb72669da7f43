/* SPDX-License-Identifier: Apache-2.0 */
#include "load/slo.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/number.h"

static enum roost_err slo_refuse(const char *text, struct detail *detail)
{
    return detail_set(detail, ROOST_INVALID,
                      "an SLO looks like \"p95 50 ms\" (a percentile and a time), not \"%.60s\"",
                      text);
}

enum roost_err slo_parse(const char *text, struct slo *slo, struct detail *detail)
{
    if (strcmp(text, "none") == 0) {
        *slo = (struct slo){0};
        return ROOST_OK;
    }
    char number[16];
    size_t length = strcspn(text, " ");
    if ((text[0] != 'p' && text[0] != 'P') || length < 2 || length >= sizeof(number))
        return slo_refuse(text, detail);
    memcpy(number, text + 1, length - 1);
    number[length - 1] = '\0';
    const char *time = text + length + strspn(text + length, " ");
    if (strncmp(time, "within ", 7) == 0)
        time += 7;
    double percentile;
    uint64_t time_ns;
    if (number_parse_double(number, &percentile) != 0 || duration_parse(time, &time_ns) != 0)
        return slo_refuse(text, detail);
    if (percentile <= 0.0 || percentile >= 100.0)
        return detail_set(detail, ROOST_INVALID, "a percentile is above 0 and below 100, not %s",
                          number);
    if (time_ns == 0)
        return detail_set(detail, ROOST_INVALID, "an SLO's time must be above 0");
    *slo = (struct slo){.quantile = percentile / 100.0, .time_ns = time_ns};
    return ROOST_OK;
}

char *slo_format(const struct slo *slo, char out[SLO_TEXT_BYTES_MAX])
{
    char time[24];
    if (slo->time_ns == 0)
        (void)snprintf(out, SLO_TEXT_BYTES_MAX, "-");
    else
        (void)snprintf(out, SLO_TEXT_BYTES_MAX, "p%.6g %s", slo->quantile * 100.0,
                       duration_format(slo->time_ns, time, sizeof(time)));
    return out;
}
