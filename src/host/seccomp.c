/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls of a host: what C, an inference engine and our own threads need. Everything else
 * fails with EPERM, so that a library that only tries something goes on without it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "host/sandbox_internal.h"

static const int calls_allowed[] = {
    /* memory */
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(mprotect),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(membarrier),
    SCMP_SYS(mincore),
    SCMP_SYS(get_mempolicy),
    /* threads */
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(gettid),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_getscheduler),
    SCMP_SYS(sched_getparam),
    SCMP_SYS(sched_get_priority_max),
    SCMP_SYS(sched_get_priority_min),
    SCMP_SYS(getpriority),
    SCMP_SYS(getcpu),
    SCMP_SYS(arch_prctl),
    /* signals to itself, time, facts */
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(times),
    SCMP_SYS(getrusage),
    SCMP_SYS(getrlimit),
    SCMP_SYS(getrandom),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(getcwd),
    /* files: what is open already, and reading */
    SCMP_SYS(read),
    SCMP_SYS(pread64),
    SCMP_SYS(readv),
    SCMP_SYS(preadv),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(close),
    SCMP_SYS(close_range),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(statx),
    SCMP_SYS(fstatfs),
    SCMP_SYS(statfs),
    SCMP_SYS(lseek),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getdents64),
    SCMP_SYS(dup),
    SCMP_SYS(fadvise64),
    SCMP_SYS(readahead),
    /* the control socket; there is no way to get another one */
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(sendmsg),
};

/* An optimiser writes into its directory; landlock says which that is. */
static const int calls_writing[] = {
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(creat),
    SCMP_SYS(pwrite64),
    SCMP_SYS(pwritev),
    SCMP_SYS(ftruncate),
    SCMP_SYS(truncate),
    SCMP_SYS(fallocate),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(rmdir),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(sendfile),
    SCMP_SYS(copy_file_range),
    SCMP_SYS(fchmod),
    SCMP_SYS(umask),
    SCMP_SYS(flock),
    SCMP_SYS(msync),
    SCMP_SYS(sync_file_range),
};

/* On the calling thread, which is thread 0: other hosts may have the same owner. */
static const struct {
    int call;
    unsigned argument;
} calls_on_itself[] = {
    {SCMP_SYS(sched_setaffinity), 0}, {SCMP_SYS(sched_setscheduler), 0},
    {SCMP_SYS(sched_getattr), 0},     {SCMP_SYS(sched_setattr), 0},
    {SCMP_SYS(setpriority), 1},
};

/* Stands for the process id in a compiled filter, which is made before there is a process. */
static const uint32_t any_pid = 0x7e57ab1e;

/* glibc tries these first and has something older for when they are missing. */
static const int calls_missing[] = {SCMP_SYS(clone3), SCMP_SYS(openat2)};

static int allow_all(scmp_filter_ctx filter, const int *calls, size_t count)
{
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    return rc;
}

static int allow_threads(scmp_filter_ctx filter)
{
    const scmp_datum_t thread = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND;
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                            SCMP_A0(SCMP_CMP_MASKED_EQ, thread, thread));
}

/* Opening for reading only: neither writing, creating nor cutting. */
static int allow_reading(scmp_filter_ctx filter)
{
    const scmp_datum_t writing = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND;
    int rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
                              SCMP_A1(SCMP_CMP_MASKED_EQ, writing, O_RDONLY));
    return rc != 0 ? rc
                   : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
                                      SCMP_A2(SCMP_CMP_MASKED_EQ, writing, O_RDONLY));
}

static int allow_some(scmp_filter_ctx filter, int call, unsigned argument,
                      const scmp_datum_t *values, size_t count)
{
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
                              SCMP_CMP(argument, SCMP_CMP_EQ, values[i], 0));
    return rc;
}

static int allow_on_itself(scmp_filter_ctx filter)
{
    static const scmp_datum_t self[] = {0};
    const scmp_datum_t pid[] = {any_pid};
    int rc = allow_some(filter, SCMP_SYS(tgkill), 0, pid, 1); /* abort */
    for (size_t i = 0; rc == 0 && i < sizeof calls_on_itself / sizeof calls_on_itself[0]; i++)
        rc = allow_some(filter, calls_on_itself[i].call, calls_on_itself[i].argument, self, 1);
    return rc;
}

/* Named pipes, and no other kind of node. */
static int allow_pipes(scmp_filter_ctx filter)
{
    int rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mknod), 1,
                              SCMP_A1(SCMP_CMP_MASKED_EQ, S_IFMT, S_IFIFO));
    return rc != 0 ? rc
                   : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mknodat), 1,
                                      SCMP_A2(SCMP_CMP_MASKED_EQ, S_IFMT, S_IFIFO));
}

static int allow_files(scmp_filter_ctx filter, enum host_role role)
{
    static const scmp_datum_t fcntls[] = {F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC};
    static const scmp_datum_t writing[] = {F_SETLK,     F_SETLKW,     F_GETLK,
                                           F_OFD_SETLK, F_OFD_SETLKW, F_SETPIPE_SZ};
    int rc = allow_some(filter, SCMP_SYS(fcntl), 1, fcntls, sizeof fcntls / sizeof fcntls[0]);
    if (rc != 0)
        return rc;
    if (role == HOST_SERVE)
        return allow_reading(filter);
    rc = allow_some(filter, SCMP_SYS(fcntl), 1, writing, sizeof writing / sizeof writing[0]);
    if (rc == 0)
        rc = allow_pipes(filter);
    return rc != 0
               ? rc
               : allow_all(filter, calls_writing, sizeof calls_writing / sizeof calls_writing[0]);
}

static int filter_fill(scmp_filter_ctx filter, enum host_role role)
{
    static const scmp_datum_t prctls[] = {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE};
    static const scmp_datum_t no_new_limit[] = {0};
    int rc = allow_all(filter, calls_allowed, sizeof calls_allowed / sizeof calls_allowed[0]);
    for (size_t i = 0; rc == 0 && i < sizeof calls_missing / sizeof calls_missing[0]; i++)
        rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), calls_missing[i], 0);
    if (rc == 0)
        rc = allow_threads(filter);
    if (rc == 0)
        rc = allow_on_itself(filter);
    if (rc == 0)
        rc = allow_some(filter, SCMP_SYS(prctl), 0, prctls, sizeof prctls / sizeof prctls[0]);
    if (rc == 0)
        rc = allow_some(filter, SCMP_SYS(prlimit64), 2, no_new_limit, 1);
    return rc != 0 ? rc : allow_files(filter, role);
}

/* Reads the program from the file that the library has written. */
static enum roost_err program_read(int fd, struct sock_fprog *program, struct detail *detail)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || status.st_size <= 0)
        return detail_set(detail, ROOST_IO, "the filter cannot be read");
    size_t bytes = (size_t)status.st_size;
    struct sock_filter *code = malloc(bytes);
    if (code == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    if (pread(fd, code, bytes, 0) != status.st_size) {
        free(code);
        return detail_set(detail, ROOST_IO, "the filter cannot be read");
    }
    program->filter = code;
    program->len = (unsigned short)(bytes / sizeof *code);
    return ROOST_OK;
}

static enum roost_err filter_export(scmp_filter_ctx filter, struct sock_fprog *program,
                                    struct detail *detail)
{
    int fd = memfd_create("roost-seccomp", MFD_CLOEXEC);
    if (fd < 0)
        return errno_translate(errno, "memfd_create", detail);
    int rc = seccomp_export_bpf(filter, fd);
    enum roost_err err = rc == 0 ? program_read(fd, program, detail)
                                 : detail_set(detail, ROOST_UNSUPPORTED,
                                              "the filter cannot be compiled: %s", strerror(-rc));
    close(fd);
    return err;
}

enum roost_err seccomp_compile(enum host_role role, struct sock_fprog *program,
                               struct detail *detail)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL)
        return detail_set(detail, ROOST_NO_MEMORY, "out of memory");
    /* A tree instead of a list: the calls are many. */
    (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    int rc = filter_fill(filter, role);
    enum roost_err err = rc == 0 ? filter_export(filter, program, detail)
                                 : detail_set(detail, ROOST_UNSUPPORTED,
                                              "the filter cannot be made: %s", strerror(-rc));
    seccomp_release(filter);
    return err;
}

enum roost_err seccomp_apply(const struct sock_fprog *program, struct detail *detail)
{
    /* The program is this process's own copy. */
    for (unsigned i = 0; i < program->len; i++)
        if (BPF_CLASS(program->filter[i].code) == BPF_JMP && program->filter[i].k == any_pid)
            program->filter[i].k = (uint32_t)getpid();
    /* Older kernels would switch off speculation for good measure, which slows an engine down and
     * protects nothing here: a host has one tenant's data. */
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, program) == 0)
        return ROOST_OK;
    return detail_set(detail, ROOST_UNSUPPORTED, "%s", strerror(errno));
}
