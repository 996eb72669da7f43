/* SPDX-License-Identifier: Apache-2.0 */
/*
 * roost.yaml: what Triton's files have no word for. Read into plain structures; every mistake is
 * reported with file, line and key, all at once. Everything has a default, so that no file at all
 * is a valid configuration. Texts are owned by the structure. Pure but for settings_read_file; any
 * thread.
 */
#ifndef ROOST_SERVE_SETTINGS_H
#define ROOST_SERVE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "base/yaml.h"
#include "engine/adapter.h"
#include "net/http.h"

enum { SETTINGS_TENANTS_MAX = 1024, SETTINGS_VARIANTS_MAX = 32, SETTINGS_REPOSITORIES_MAX = 16 };
enum { SETTINGS_CPUS_MAX = 1024, SETTINGS_WORKERS_MAX = 64 };

/* Refuse when the predicted wait exceeds the deadline, or what the SLO leaves for waiting
 * (core/admission.h), or never. */
enum shed_mode { SHED_DEADLINE, SHED_SLO, SHED_NEVER };
enum control_mode { CONTROL_NONE, CONTROL_POLL, CONTROL_EXPLICIT };
/* auto: batching when the model has a batch dimension and gains by its learned curve. */
enum batch_mode { BATCH_AUTO, BATCH_ON, BATCH_OFF };

struct variant_settings {
    char *name;      /* default: the last part of `model` without its extension */
    char *model;     /* (optional) repository model name or path; NULL: the tenant's own */
    double accuracy; /* a fraction in (0, 1]; < 0: not declared */
    double mflops;   /* < 0: not declared */
    struct adapter_settings adapter;
    unsigned line;
};

struct tenant_settings {
    char *name;
    char *model;           /* (optional) repository model name or absolute path; NULL: the name */
    char *engine;          /* (optional) "onnxruntime" or "fake"; NULL: by the file's extension */
    char *engine_settings; /* (optional) */
    double slo_percentile; /* 0: no SLO */
    uint64_t slo_ns;
    uint64_t deadline_ns; /* 0: 4 x SLO, or the server's default without one */
    enum shed_mode shed;
    unsigned workers;            /* 0: instance_group, else 1 */
    unsigned workers_max;        /* 0: as many as cores */
    unsigned intra_op_threads;   /* 0: config.pbtxt, else 1 */
    uint64_t memory_bytes_max;   /* of the host process; 0: none */
    uint64_t input_memory_bytes; /* requests' tensors; (default: 256 MiB) */
    uint64_t output_bytes_max;   /* of one batch; (default: 64 MiB) */
    unsigned queue_max;          /* requests waiting; (default: 1024) */
    int priority;                /* across tenants, for the policies; higher is more important */
    double accuracy_floor;       /* no variant below it is chosen; 0: none */
    unsigned share;              /* for policies with fixed shares; 0: as everybody */
    bool split;                  /* requests above the batch limit are split over workers */
    bool park;                   /* may be stopped when idle for park_after */
    uint64_t park_after_ns;      /* (default: 60 s) */
    enum batch_mode batching;
    int64_t batch_max;       /* 0: config.pbtxt's max_batch_size */
    uint64_t batch_delay_ns; /* longest wait for companions, when batch_delay_set; */
    bool batch_delay_set;    /* else UINT64_MAX: config.pbtxt, else as the SLO allows */
    char *cpus;              /* (optional) "0-3": cores of the workers */
    unsigned variant_count;
    struct variant_settings *variants; /* best first; none: one variant, the model itself */
    unsigned line;                     /* 0: not from the file */
};

struct settings {
    char *path;            /* of the file; NULL: none */
    char *host;            /* (optional) NULL: all addresses */
    unsigned http_port;    /* (default: 8000) 0: any free one */
    unsigned metrics_port; /* 0: only on the inference port */
    bool metrics_port_set;
    char *control_socket; /* (optional) path of a Unix socket */
    unsigned repository_count;
    char *repositories[SETTINGS_REPOSITORIES_MAX]; /* absolute, or as the command line gave them */
    enum control_mode control_mode;
    uint64_t poll_interval_ns; /* (default: 15 s) */
    char *load_models;         /* (optional) for CONTROL_EXPLICIT: comma separated, "*" all */
    bool repository_api;       /* load and unload over the inference port; (default: true) */
    char *cache_directory;     /* (optional) NULL: the user's cache directory */
    uint64_t cache_bytes_max;  /* (default: 20 GiB); 0: no limit */
    char *engine_library;      /* (optional) path of ONNX Runtime's library */
    bool sandbox;              /* (default: true) */
    bool knobs;                /* (default: true) the node's knobs are used */
    char *knob_root;           /* (optional) a tree of plain files in place of the machine's */
    bool strict_readiness;     /* (default: true) ready only when every tenant is */
    bool strict_config;        /* (default: false) else config.pbtxt is completed from the model */
    uint64_t grace_ns;         /* SIGTERM: time to finish; (default: 30 s) */
    uint64_t default_deadline_ns; /* of tenants without SLO; (default: 30 s) */
    uint64_t hang_after_ns;       /* a run without end for so long is a hung host; (default: 5 s) */
    uint64_t load_timeout_ns;     /* for a process to become ready; (default: 10 min) */
    uint64_t memory_reserve_bytes;   /* never given to models; (default: 256 MiB) */
    char *policy;                    /* (optional) that moves grants and variants; NULL: none */
    char *policy_options;            /* (optional) "option=value", one a line */
    uint64_t tick_ns;                /* (default: 250 ms) between two decisions of the policy */
    char *decision_log;              /* (optional) file of every decision */
    uint64_t decision_log_bytes_max; /* (default: 64 MiB) the file and the one before it */
    struct http_limits limits;
    struct tenant_settings tenant_defaults; /* from `defaults:` */
    unsigned tenant_count;
    struct tenant_settings *tenants;
};

void settings_init(struct settings *settings); /* defaults */
void settings_fini(struct settings *settings);

/* Reads the file's text. `errors` is initialised by the caller with the file's name; all mistakes
 * are added to it (and INVALID is returned); `settings` (not initialised before) is then only good
 * for settings_fini. Relative paths are taken from the directory of `path`. */
enum roost_err settings_read(const char *path, const char *text, size_t length,
                             struct yaml_errors *errors, struct settings *settings);
/* The same with the text read from `path`; NOT_FOUND, PERMISSION or IO when that fails, with one
 * line in `errors`. */
enum roost_err settings_read_file(const char *path, struct yaml_errors *errors,
                                  struct settings *settings);

/* A deep copy of one tenant's settings. `to` need not be initialised; on NO_MEMORY it is empty. */
enum roost_err tenant_settings_copy(struct tenant_settings *to, const struct tenant_settings *from);
void tenant_settings_fini(struct tenant_settings *tenant);
/* Whether both say the same, whatever the lines that they stand in. */
bool tenant_settings_equal(const struct tenant_settings *a, const struct tenant_settings *b);

/* "0-3,8" -> a bit per core. INVALID when the text is something else or above SETTINGS_CPUS_MAX. */
enum roost_err settings_cpus_parse(const char *text, uint64_t mask[SETTINGS_CPUS_MAX / 64]);

/* The table of all keys, in Markdown: what docs/roost.yaml.md holds. */
void settings_write_doc(struct strbuf *out);

#endif
