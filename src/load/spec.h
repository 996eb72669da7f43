/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to send to which model: the tenants of a load, from the command line or from a file.
 *
 *   --tenant "wnd@1:rate=200,batch=lognormal(3,1),slo=p95 25 ms"
 *
 *   tenants:                      # load.yaml: the same keys
 *     - name: wnd@1
 *       rate: 200
 *       batch: lognormal(3,1)
 *       slo: p95 25 ms
 *
 * One table of keys stands behind both, and behind the options of the command that give every
 * tenant its defaults. One thread.
 */
#ifndef ROOST_LOAD_SPEC_H
#define ROOST_LOAD_SPEC_H

#include <stddef.h>
#include <stdint.h>

#include "base/options.h"
#include "base/yaml.h"
#include "load/arrival.h"
#include "load/batch_sizes.h"
#include "load/slo.h"
#include "load/trace.h"

enum { LOAD_TENANTS_MAX = 1024 };

struct tenant_spec {
    const char *name;
    const char *version; /* NULL: the server's choice */
    double rate;
    int arrivals; /* enum arrival_kind */
    double burst;
    uint64_t surge_ns, calm_ns;
    const char *trace_path;
    const char *batch_text;
    const char *slo_text; /* NULL: what the server says, if it does */
    uint64_t deadline_ns; /* 0: none is sent */
    int64_t priority;     /* 0: none is sent */
    struct option_list ranges, shapes, data;
    /* What the texts above mean. */
    struct slo slo;
    struct batch_sizes sizes;
    struct trace trace;
};

/* The table of keys, with offsets in struct tenant_spec. */
extern const struct option tenant_keys[];
extern const size_t tenant_key_count;

struct load_spec {
    struct tenant_spec *tenants;
    size_t count;
    struct yaml_doc **docs; /* which the texts point into, as into `texts` */
    size_t doc_count;
    char **texts;
    size_t text_count;
};

void load_spec_init(struct load_spec *spec);
void load_spec_fini(struct load_spec *spec);

/* Adds one tenant, whose keys start from `defaults` (whose texts are borrowed). INVALID and others
 * say which key; nothing is added then. */
enum roost_err load_spec_add_text(struct load_spec *spec, const char *text,
                                  const struct tenant_spec *defaults, struct detail *detail);

/* Adds a model by its name, with the defaults. */
enum roost_err load_spec_add_name(struct load_spec *spec, const char *name,
                                  const struct tenant_spec *defaults, struct detail *detail);

/* Adds the tenants of a file. Every mistake is added to `errors`; INVALID when there is any. */
enum roost_err load_spec_add_yaml(struct load_spec *spec, const char *text, size_t length,
                                  const struct tenant_spec *defaults, struct yaml_errors *errors);

/* The arrival process of a tenant, which the spec must outlive. */
struct arrival_options tenant_spec_arrivals(const struct tenant_spec *tenant, double multiplier);

#endif
