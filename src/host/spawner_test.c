/* SPDX-License-Identifier: Apache-2.0 */
/* The life and death of host processes. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "engine/cache.h"
#include "engine/engine_testing.h"
#include "host/host_fixture.h"

static struct spawner *spawner;

static struct fixture_host *ready(const char *more)
{
    char model[512];
    (void)snprintf(model, sizeof model, "%s%s", fixture_model, more);
    return fixture_ready(spawner, model);
}

static void wait_until_taken(struct fixture_host *host)
{
    while (link_slots_unstarted(host->link) > 0)
        fixture_pump(host);
}

/* The letter that /proc shows for a process. */
static char process_state(pid_t pid)
{
    char path[64], *text;
    size_t length;
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    assert_int_equal(file_read(path, 4096, &text, &length, NULL), ROOST_OK);
    const char *end = strrchr(text, ')');
    assert_non_null(end);
    char state = end[2];
    free(text);
    return state;
}

/* ---- death -------------------------------------------------------------------------------- */

static void test_kill_leaves_orphans_in_order(void **state)
{
    (void)state;
    struct fixture_host *host = fixture_new(spawner, fixture_model);
    host->spec.workers = host->spec.workers_max = 2;
    (void)snprintf(host->spec.engine_settings, sizeof host->spec.engine_settings, "hang_after=2");
    fixture_open(host);
    fixture_wait(host, &host->has_ready);
    unsigned sent[4], orphans[HOST_SLOTS_MAX];
    /* Slots come back in another order than their numbers. */
    int a = link_slot_acquire(host->link), b = link_slot_acquire(host->link);
    link_release(host->link, (unsigned)a);
    link_release(host->link, (unsigned)b);
    for (unsigned i = 0; i < 4; i++) {
        sent[i] = fixture_publish(host, 1, (float)i);
        if (i == 0)
            wait_until_taken(host);
    }
    link_kill(host->link, SIGKILL);
    fixture_wait(host, &host->exited);
    assert_true(WIFSIGNALED(host->status));
    assert_int_equal(WTERMSIG(host->status), SIGKILL);
    fixture_wait(host, &host->has_closed);
    /* Run 2 hangs; what the other worker finished until then is a result. */
    unsigned finished = 0;
    while (link_next_result(host->link, &host->result))
        finished++;
    unsigned count = link_orphans(host->link, orphans);
    assert_int_equal(count + finished, 4);
    assert_true(count >= 1);
    assert_int_equal(orphans[0], sent[0]);
    for (unsigned i = 1, at = 0; i < count; i++) {
        while (at < 4 && sent[at] != orphans[i])
            at++;
        assert_true(at < 4); /* found, going forwards only */
    }
    assert_int_equal(link_orphans(host->link, orphans), 0);
    fixture_free(host);
}

static void test_crash_of_a_model(void **state)
{
    (void)state;
    struct fixture_host *host = ready("crash_on_value 13\n");
    fixture_publish(host, 1, 12);
    fixture_result(host);
    assert_int_equal(host->result.err, ROOST_OK);
    fixture_release(host, host->result.slot);
    unsigned poisonous = fixture_publish(host, 1, 13);
    fixture_wait(host, &host->exited);
    assert_true(WIFSIGNALED(host->status) || WEXITSTATUS(host->status) != 0);
    unsigned orphans[HOST_SLOTS_MAX];
    assert_false(link_next_result(host->link, &host->result));
    assert_int_equal(link_orphans(host->link, orphans), 1);
    assert_int_equal(orphans[0], poisonous);
    fixture_free(host);
}

/* ---- hanging ------------------------------------------------------------------------------ */

static void test_hang_is_seen(void **state)
{
    (void)state;
    struct fixture_host *host = ready("hang_after 2\n");
    assert_int_equal(link_oldest_run_ns(host->link), 0);
    uint64_t before_ns = clock_now_ns();
    fixture_publish(host, 1, 1);
    wait_until_taken(host);
    uint64_t since_ns;
    do {
        since_ns = link_oldest_run_ns(host->link);
        assert_true(since_ns >= before_ns);
    } while (clock_now_ns() < since_ns + 2 * NS_PER_MS);
    assert_true(link_oldest_run_ns(host->link) <= clock_now_ns() - 2 * NS_PER_MS);
    assert_true(link_busy_ns(host->link) >= 2 * NS_PER_MS);
    fixture_free(host);
}

static void test_stopped_while_idle(void **state)
{
    (void)state;
    struct fixture_host *host = ready("");
    link_kill(host->link, SIGSTOP);
    while (process_state(link_pid(host->link)) != 'T')
        fixture_pump(host);
    uint64_t before_ns = clock_now_ns();
    fixture_publish(host, 1, 3);
    assert_int_equal(link_slots_unstarted(host->link), 1);
    assert_true(link_oldest_run_ns(host->link) >= before_ns);
    assert_true(link_oldest_run_ns(host->link) <= clock_now_ns());
    link_kill(host->link, SIGCONT);
    fixture_result(host);
    assert_int_equal(host->result.err, ROOST_OK);
    assert_int_equal(link_oldest_run_ns(host->link), 0);
    fixture_free(host);
}

/* ---- failures ----------------------------------------------------------------------------- */

static void expect_failure(struct fixture_host *host, enum roost_err err, const char *text)
{
    fixture_open(host);
    fixture_wait(host, &host->has_failed);
    assert_int_equal(host->failed.err, err);
    if (strstr(host->failed.detail.text, text) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", text, host->failed.detail.text);
    fixture_wait(host, &host->exited);
    assert_true(WIFEXITED(host->status));
    assert_int_equal(WEXITSTATUS(host->status), 1);
    assert_false(host->has_ready);
    fixture_free(host);
}

static void test_failures_of_loading(void **state)
{
    (void)state;
    expect_failure(fixture_new(spawner, "input x FP32 -1 4\noutput y FP32 -1 1\n"
                                        "fail_load the weights are rotten\n"),
                   ROOST_INVALID, "the weights are rotten");
    expect_failure(fixture_new(spawner, "nonsense\n"), ROOST_INVALID, "");
    struct fixture_host *host = fixture_new(spawner, fixture_model);
    (void)snprintf(host->spec.model_path, sizeof host->spec.model_path, "%s/none.fake",
                   host->directory);
    expect_failure(host, ROOST_NOT_FOUND, "none.fake");
    host = fixture_new(spawner, fixture_model);
    (void)snprintf(host->spec.engine, sizeof host->spec.engine, "steam");
    expect_failure(host, ROOST_INVALID, "steam");
}

static void warm_up(struct host_spec *spec, const char *file)
{
    struct host_warmup *warmup = &spec->warmups[spec->warmup_count++];
    *warmup = (struct host_warmup){.count = 2, .input_count = 1};
    struct host_warm_input *input = &warmup->inputs[0];
    (void)snprintf(input->name, sizeof input->name, "x");
    input->shape = (struct shape){.rank = 2, .dims = {2, 4}};
    input->dtype = DTYPE_FP32;
    input->kind = file == NULL ? HOST_WARM_RANDOM : HOST_WARM_FILE;
    (void)snprintf(input->file, sizeof input->file, "%s", file == NULL ? "" : file);
}

static void test_warm_up_samples(void **state)
{
    (void)state;
    static const float sample[8] = {1, 2, 3};
    char path[512];
    struct fixture_host *host = fixture_new(spawner, fixture_model);
    (void)snprintf(path, sizeof path, "%s/warmup", host->directory);
    assert_int_equal(file_make_directory(path, NULL), ROOST_OK);
    (void)snprintf(path, sizeof path, "%s/warmup/sample", host->directory);
    assert_int_equal(file_write_atomic(path, sample, sizeof sample, NULL), ROOST_OK);
    warm_up(&host->spec, NULL);
    warm_up(&host->spec, "sample");
    fixture_open(host);
    fixture_wait(host, &host->has_ready);
    fixture_free(host);

    host = fixture_new(spawner, fixture_model);
    warm_up(&host->spec, "absent");
    expect_failure(host, ROOST_INVALID, "warm-up sample 1");
    host = fixture_new(spawner, fixture_model);
    warm_up(&host->spec, "../m.fake");
    expect_failure(host, ROOST_INVALID, "../m.fake");
}

static void test_impossible_specs(void **state)
{
    (void)state;
    struct fixture_host *host = fixture_new(spawner, fixture_model);
    struct detail detail = {""};
    struct link *link;
    assert_int_equal(input_memory_new(1 << 20, &host->input, NULL), ROOST_OK);
    host->spec.workers = 0;
    assert_int_equal(link_open(spawner, 1, &host->spec, host->input, &link, &detail),
                     ROOST_INVALID);
    host->spec.workers = host->spec.workers_max = HOST_WORKERS_MAX + 1;
    assert_int_equal(link_open(spawner, 1, &host->spec, host->input, &link, &detail),
                     ROOST_INVALID);
    host->spec.workers = host->spec.workers_max = 1;
    assert_int_equal(link_open(spawner, 1, &host->spec, NULL, &link, &detail), ROOST_INVALID);
    assert_true(detail.text[0] != '\0');
    fixture_free(host);
}

/* The fake engine optimises nothing, and says so. */
static void test_optimiser_role(void **state)
{
    (void)state;
    struct fixture_host *host = fixture_new(spawner, fixture_model);
    host->spec.role = HOST_OPTIMISE;
    (void)snprintf(host->spec.output_directory, sizeof host->spec.output_directory, "%s",
                   host->directory);
    expect_failure(host, ROOST_UNSUPPORTED, "");
}

/* The fake engine optimises nothing, so the adapted copy stays. The sandbox shows the file of its
 * map, and nothing else there. */
static void test_adapted_copy_stays(void **state)
{
    (void)state;
    char elsewhere[] = "/tmp/roost-map-XXXXXX", path[512];
    struct fixture_host *host = fixture_new(spawner, fixture_model);
    struct host_spec *spec = &host->spec;
    struct adapter_settings *adapter = &spec->adapter.settings;
    assert_non_null(mkdtemp(elsewhere));
    spec->role = HOST_OPTIMISE;
    spec->adapted = adapter->present = true;
    (void)snprintf(spec->model_path, sizeof spec->model_path, "%s", testing_fixture("mlp.onnx"));
    (void)snprintf(spec->output_directory, sizeof spec->output_directory, "%s", host->directory);
    (void)snprintf(adapter->output_map, sizeof adapter->output_map, "%s/map", elsewhere);
    assert_int_equal(file_write_atomic(adapter->output_map, "3\n0\n", 4, NULL), ROOST_OK);
    spec->adapter.want = (struct model_io){.input_count = 1, .output_count = 1};
    spec->adapter.want.inputs[0] = (struct tensor_spec){
        .name = "image", .dtype = DTYPE_FP32, .shape = {.rank = 2, .dims = {-1, 16}}};
    spec->adapter.want.outputs[0] = (struct tensor_spec){
        .name = "scores", .dtype = DTYPE_FP32, .shape = {.rank = 2, .dims = {-1, 2}}};
    fixture_open(host);
    fixture_wait(host, &host->has_failed);
    if (host->failed.err != ROOST_UNSUPPORTED)
        fail_msg("%s", host->failed.detail.text);
    fixture_wait(host, &host->exited);
    (void)snprintf(path, sizeof path, "%s/" HOST_ADAPTED_DIRECTORY, host->directory);
    assert_int_equal(cache_stage_check(path, NULL), ROOST_OK);
    fixture_free(host);
    assert_int_equal(file_remove_tree(elsewhere, NULL), ROOST_OK);
}

/* ---- limits and priorities ---------------------------------------------------------------- */

/* More memory than it may have: it fails or dies, and is never ready. */
static void test_memory_limit(void **state)
{
    (void)state;
    struct fixture_host *host = fixture_new(spawner, "input x FP32 -1 4\noutput y FP32 -1 1\n"
                                                     "memory_mb 256\n");
    host->spec.memory_bytes_max = 32 << 20;
    fixture_open(host);
    fixture_wait(host, &host->exited);
    fixture_pump(host);
    assert_false(host->has_ready);
    fixture_free(host);

    host = fixture_new(spawner, "input x FP32 -1 4\noutput y FP32 -1 1\nmemory_mb 8\n");
    host->spec.memory_bytes_max = 512 << 20;
    fixture_open(host);
    fixture_wait(host, &host->has_ready);
    fixture_free(host);
}

/* The thread of the host that has this name; 0: there is none (yet). */
static int thread_named(pid_t pid, const char *name)
{
    char path[320], *text;
    size_t length;
    int found = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    assert_non_null(tasks);
    const struct dirent *entry;
    while ((entry = readdir(tasks)) != NULL) {
        (void)snprintf(path, sizeof path, "/proc/%d/task/%.16s/comm", (int)pid, entry->d_name);
        if (entry->d_name[0] == '.' || file_read(path, 64, &text, &length, NULL) != ROOST_OK)
            continue;
        text[strcspn(text, "\n")] = '\0';
        if (strcmp(text, name) == 0)
            found = (int)strtol(entry->d_name, NULL, 10);
        free(text);
    }
    closedir(tasks);
    return found;
}

static void test_loader_gives_way_until_it_is_lifted(void **state)
{
    (void)state;
    struct fixture_host *host = fixture_new(spawner, "input x FP32 -1 4\noutput y FP32 -1 1\n"
                                                     "load_ms 600000\n");
    fixture_open(host);
    fixture_wait(host, &host->spawned);
    int loader = 0;
    while (loader == 0)
        loader = thread_named(link_pid(host->link), "loader");
    /* Without the privilege to come back from SCHED_IDLE it begins where it would be lifted to. */
    while (sched_getscheduler(loader) != SCHED_IDLE &&
           getpriority(PRIO_PROCESS, (id_t)loader) != 10)
        fixture_pump(host);
    link_lift(host->link);
    assert_int_equal(sched_getscheduler(loader), SCHED_BATCH);
    assert_int_equal(getpriority(PRIO_PROCESS, (id_t)loader), 10);
    fixture_free(host);
}

static void test_workers_have_the_usual_priority(void **state)
{
    (void)state;
    struct fixture_host *host = ready("");
    int worker = thread_named(link_pid(host->link), "w0");
    while (worker == 0)
        worker = thread_named(link_pid(host->link), "w0");
    assert_int_equal(thread_named(link_pid(host->link), "loader"), 0);
    assert_int_equal(sched_getscheduler(worker), SCHED_OTHER);
    assert_int_equal(getpriority(PRIO_PROCESS, (id_t)worker), 0);
    fixture_free(host);
}

static void test_threads_are_moved(void **state)
{
    (void)state;
    struct cpus all, one = {{0}}, seen;
    assert_int_equal(affinity_get(0, &all, NULL), ROOST_OK);
    unsigned first = 0;
    while (!cpus_has(&all, first))
        first++;
    cpus_add(&one, first);
    struct fixture_host *host = ready("");
    int worker = 0;
    while (worker == 0)
        worker = thread_named(link_pid(host->link), "w0");
    assert_int_equal(affinity_get(worker, &seen, NULL), ROOST_OK);
    assert_memory_equal(&seen, &all, sizeof all);
    link_set_workers(host->link, 1, &one);
    assert_int_equal(affinity_get(worker, &seen, NULL), ROOST_OK);
    assert_memory_equal(&seen, &one, sizeof one);
    fixture_free(host);
}

/* ---- being a process ---------------------------------------------------------------------- */

static void test_sandbox_is_reported(void **state)
{
    (void)state;
    struct fixture_host *host = ready("");
    assert_true(host->has_sandbox);
    const struct sandbox_report *report = &host->sandbox.sandbox;
    bool all = report->no_new_privs && report->seccomp && report->landlock &&
               report->network_namespace && report->capabilities_dropped;
    assert_true(report->no_new_privs);
    assert_true(all == (report->reason[0] == '\0'));
    fixture_free(host);
}

static void test_a_hundred_hosts(void **state)
{
    (void)state;
    enum { HOSTS = 100 };
    static struct fixture_host *hosts[HOSTS];
    unsigned before = fixture_open_fds();
    for (unsigned i = 0; i < HOSTS; i++) {
        hosts[i] = fixture_new(spawner, fixture_model);
        fixture_open(hosts[i]);
        hosts[i]->spawner = NULL; /* its events are taken below */
    }
    unsigned exited = 0;
    while (exited < HOSTS) {
        struct spawner_event event;
        struct pollfd polled = {.fd = spawner_fd(spawner), .events = POLLIN};
        assert_true(poll(&polled, 1, 60000) > 0);
        while (spawner_next(spawner, &event)) {
            struct fixture_host *host = hosts[event.id - hosts[0]->id];
            assert_int_not_equal(event.type, SPAWNER_FAILED);
            if (event.type == SPAWNER_EXITED) {
                exited++;
                continue;
            }
            link_spawned(host->link, event.pid, event.pidfd);
            link_drain(host->link); /* whatever it is doing */
        }
    }
    for (unsigned i = 0; i < HOSTS; i++)
        fixture_free(hosts[i]);
    assert_int_equal(fixture_open_fds(), before);
}

/* Waits, without being its parent, until a process is gone. */
static void wait_gone(pid_t pid)
{
    while (kill(pid, 0) == 0 && process_state(pid) != 'Z')
        (void)poll(NULL, 0, 1);
}

static void test_hosts_die_with_the_spawner(void **state)
{
    (void)state;
    struct spawner *other;
    struct detail detail = {""};
    assert_int_equal(spawner_start(NULL, &other, NULL, &detail), ROOST_OK);
    struct fixture_host *host = fixture_ready(other, fixture_model);
    pid_t pid = link_pid(host->link);
    spawner_stop(other);
    wait_gone(pid);
    host->spawner = NULL;
    fixture_free(host);
}

static void test_engines_are_known(void **state)
{
    (void)state;
    assert_true(spawner_engine_version(spawner, "fake")[0] != '\0');
    assert_string_equal(spawner_engine_version(spawner, "steam"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill_leaves_orphans_in_order),
        cmocka_unit_test(test_crash_of_a_model),
        cmocka_unit_test(test_hang_is_seen),
        cmocka_unit_test(test_stopped_while_idle),
        cmocka_unit_test(test_failures_of_loading),
        cmocka_unit_test(test_warm_up_samples),
        cmocka_unit_test(test_impossible_specs),
        cmocka_unit_test(test_optimiser_role),
        cmocka_unit_test(test_adapted_copy_stays),
        cmocka_unit_test(test_memory_limit),
        cmocka_unit_test(test_loader_gives_way_until_it_is_lifted),
        cmocka_unit_test(test_workers_have_the_usual_priority),
        cmocka_unit_test(test_threads_are_moved),
        cmocka_unit_test(test_sandbox_is_reported),
        cmocka_unit_test(test_a_hundred_hosts),
        cmocka_unit_test(test_hosts_die_with_the_spawner),
        cmocka_unit_test(test_engines_are_known),
    };
    struct detail engine_error = {""}, detail = {""};
    if (spawner_start(NULL, &spawner, &engine_error, &detail) != ROOST_OK) {
        (void)fprintf(stderr, "%s\n", detail.text);
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    spawner_stop(spawner);
    return failed;
}
