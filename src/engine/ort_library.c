/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/ort_internal.h"

/* The newest function that Roost calls is GetResizedStringTensorElementBuffer, of version 15. */
enum { API_VERSION_MIN = 15, LIBRARY_PATHS_BYTES_MAX = 4096, LOG_LINES_PER_LOAD_MAX = 8 };

struct ort_library ort;

/* A status's text says more than its code in some cases, so texts are looked at first. */
struct text_rule {
    const char *needle;
    enum roost_err load, run;
};

static const struct text_rule text_rules[] = {
    {"bad_alloc", ROOST_NO_MEMORY, ROOST_NO_MEMORY},
    {"Failed to allocate memory", ROOST_NO_MEMORY, ROOST_NO_MEMORY},
    {"No Op registered for", ROOST_UNSUPPORTED, ROOST_INTERNAL},
    {"is not a registered function/op", ROOST_UNSUPPORTED, ROOST_INTERNAL},
    {"Unsupported model IR version", ROOST_UNSUPPORTED, ROOST_INTERNAL},
    {"only *guarantees* support for models", ROOST_UNSUPPORTED, ROOST_INTERNAL},
    /* The output buffer had another shape than the model's answer: not the client's mistake. */
    {"OrtValue shape verification failed", ROOST_INVALID, ROOST_INTERNAL},
    {"The output OrtValue provided for output", ROOST_INVALID, ROOST_INTERNAL},
    /* A node that fails does so for this input, and would again. */
    {"Non-zero status code returned while running", ROOST_INVALID, ROOST_INVALID},
};

struct code_rule {
    enum roost_err load, run;
};

static const struct code_rule code_rules[] = {
    [ORT_FAIL] = {ROOST_INVALID, ROOST_INTERNAL},
    [ORT_INVALID_ARGUMENT] = {ROOST_INVALID, ROOST_INVALID},
    [ORT_NO_SUCHFILE] = {ROOST_NOT_FOUND, ROOST_INTERNAL},
    [ORT_NO_MODEL] = {ROOST_INVALID, ROOST_INTERNAL},
    [ORT_ENGINE_ERROR] = {ROOST_INTERNAL, ROOST_INTERNAL},
    [ORT_RUNTIME_EXCEPTION] = {ROOST_INVALID, ROOST_INTERNAL},
    [ORT_INVALID_PROTOBUF] = {ROOST_INVALID, ROOST_INTERNAL},
    [ORT_MODEL_LOADED] = {ROOST_INTERNAL, ROOST_INTERNAL},
    [ORT_NOT_IMPLEMENTED] = {ROOST_UNSUPPORTED, ROOST_INTERNAL},
    [ORT_INVALID_GRAPH] = {ROOST_INVALID, ROOST_INTERNAL},
    [ORT_EP_FAIL] = {ROOST_INTERNAL, ROOST_INTERNAL},
    [ORT_MODEL_LOAD_CANCELED] = {ROOST_CANCELLED, ROOST_INTERNAL},
    [ORT_MODEL_REQUIRES_COMPILATION] = {ROOST_UNSUPPORTED, ROOST_INTERNAL},
    [ORT_NOT_FOUND] = {ROOST_NOT_FOUND, ROOST_INTERNAL},
};

static struct code_rule rule_of(OrtErrorCode code, const char *text)
{
    for (size_t i = 0; i < sizeof(text_rules) / sizeof(text_rules[0]); i++) {
        if (strstr(text, text_rules[i].needle) != NULL)
            return (struct code_rule){text_rules[i].load, text_rules[i].run};
    }
    if ((size_t)code < sizeof(code_rules) / sizeof(code_rules[0]) && code != ORT_OK)
        return code_rules[code];
    return (struct code_rule){ROOST_INTERNAL, ROOST_INTERNAL};
}

enum roost_err ort_check(OrtStatus *status, enum ort_phase phase, struct detail *detail)
{
    if (status == NULL)
        return ROOST_OK;
    const char *text = ort.api->GetErrorMessage(status);
    struct code_rule rule = rule_of(ort.api->GetErrorCode(status), text);
    enum roost_err err = detail_set(detail, phase == ORT_PHASE_LOAD ? rule.load : rule.run, "%s",
                                    text);
    ort.api->ReleaseStatus(status);
    /* Some texts have several lines; in a log or a JSON answer a reason is one. */
    for (char *at = detail == NULL ? NULL : strchr(detail->text, '\n'); at != NULL;
         at = strchr(at, '\n'))
        *at = ' ';
    return err;
}

static void ORT_API_CALL log_forward(void *param, OrtLoggingLevel severity, const char *category,
                                     const char *logid, const char *code_location,
                                     const char *message)
{
    (void)param;
    (void)category;
    (void)logid;
    /* It may have one thing to say of each of a model's thousand weights. */
    unsigned lines = atomic_fetch_add_explicit(&ort.log_lines, 1, memory_order_relaxed);
    if (lines == LOG_LINES_PER_LOAD_MAX)
        log_warn("engine.ort", "message=\"further messages about this model are left out\"");
    if (lines >= LOG_LINES_PER_LOAD_MAX)
        return;
    enum log_level level = severity >= ORT_LOGGING_LEVEL_ERROR     ? LOG_ERROR
                           : severity == ORT_LOGGING_LEVEL_WARNING ? LOG_WARN
                                                                   : LOG_DEBUG;
    log_event(level, "engine.ort", "at=%s message=%s", LOG_Q(code_location), LOG_Q(message));
}

/*
 * Builds from 1.29 on report what they run to their maker, by a thread and files of their own,
 * unless these variables say otherwise before the library's first call. The name changed once.
 */
static void telemetry_disable(void)
{
    (void)setenv("ORT_DISABLE_TELEMETRY", "1", 1);
    (void)setenv("ORT_TELEMETRY_DISABLED", "1", 1);
}

/* Tries one path after the other of a list separated by ':'. */
static void *library_find(const char *paths, struct detail *detail)
{
    char list[LIBRARY_PATHS_BYTES_MAX];
    int length = snprintf(list, sizeof(list), "%s", paths);
    char *rest = NULL;
    const char *reason = length < (int)sizeof(list) ? "no path given" : "path too long";
    for (char *path = length < (int)sizeof(list) ? strtok_r(list, ":", &rest) : NULL; path != NULL;
         path = strtok_r(NULL, ":", &rest)) {
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (library != NULL)
            return library;
        reason = dlerror();
    }
    (void)detail_set(detail, ROOST_UNAVAILABLE,
                     "ONNX Runtime cannot be loaded from %s: %s; name its shared library with "
                     "--engine-library or in ROOST_ORT_LIBRARY",
                     paths, reason);
    return NULL;
}

/* Asking for a version that the library lacks makes it write on standard error, so none is. */
static const OrtApi *api_find(const OrtApiBase *base, const char *version, struct detail *detail)
{
    unsigned major = 0;
    unsigned minor = 0;
    const OrtApi *api = NULL;
    if (sscanf(version, "%u.%u", &major, &minor) == 2 && major == 1) {
        unsigned newest = minor < ORT_API_VERSION ? minor : ORT_API_VERSION;
        for (unsigned v = newest; api == NULL && v >= API_VERSION_MIN; v--)
            api = base->GetApi(v);
    }
    if (api == NULL)
        (void)detail_set(detail, ROOST_UNAVAILABLE,
                         "ONNX Runtime %s is not supported; any 1.x from 1.%d on is", version,
                         API_VERSION_MIN);
    return api;
}

enum roost_err ort_open(const char *library, struct detail *detail)
{
    if (ort.env != NULL)
        return ROOST_OK;
    telemetry_disable();
    const char *named = library != NULL ? library : getenv("ROOST_ORT_LIBRARY");
    void *handle = library_find(named != NULL && *named != '\0' ? named : ROOST_ORT_LIBRARY_PATHS,
                                detail);
    if (handle == NULL)
        return ROOST_UNAVAILABLE;

    /* Once its code has run the library stays: it has no way to take itself back. */
    const OrtApiBase *(*get_base)(void) = NULL;
    *(void **)&get_base = dlsym(handle, "OrtGetApiBase");
    if (get_base == NULL) {
        (void)dlclose(handle);
        return detail_set(detail, ROOST_UNAVAILABLE, "%s is not ONNX Runtime: no OrtGetApiBase",
                          named != NULL ? named : "the library found");
    }
    const OrtApiBase *base = get_base();
    const char *version = base->GetVersionString();
    ort.api = api_find(base, version, detail);
    if (ort.api == NULL)
        return ROOST_UNAVAILABLE;

    OrtEnv *env = NULL;
    OrtStatus *status = ort.api->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault,
                                                     &ort.memory);
    if (status == NULL)
        status = ort.api->CreateEnvWithCustomLogger(log_forward, NULL, ORT_LOGGING_LEVEL_WARNING,
                                                    "roost", &env);
    if (status == NULL)
        status = ort_memory_register(env);
    if (ort_check(status, ORT_PHASE_LOAD, detail) != ROOST_OK)
        return ROOST_UNAVAILABLE;
    ort.env = env;
    ort.version = version;
    return ROOST_OK;
}

const char *ort_version(void)
{
    return ort.env != NULL ? ort.version : "";
}
