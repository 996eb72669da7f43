/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/sandbox_internal.h"

struct sandbox {
    bool network_namespace;
    struct detail network_reason;
    struct {
        enum roost_err err;
        struct sock_fprog program;
        struct detail reason;
    } seccomp[2]; /* by role */
};

const struct sandbox *sandbox_prepare(void)
{
    static struct sandbox sandbox;
    sandbox.network_namespace = unshare(CLONE_NEWNET) == 0;
    if (!sandbox.network_namespace)
        (void)detail_set(&sandbox.network_reason, ROOST_PERMISSION, "%s",
                         errno == EPERM ? "needs CAP_SYS_ADMIN" : strerror(errno));
    for (unsigned role = HOST_SERVE; role <= HOST_OPTIMISE; role++)
        sandbox.seccomp[role].err = seccomp_compile(
            (enum host_role)role, &sandbox.seccomp[role].program, &sandbox.seccomp[role].reason);
    return &sandbox;
}

static void reason_add(struct sandbox_report *report, const char *part, const char *why)
{
    size_t used = strlen(report->reason);
    (void)snprintf(report->reason + used, sizeof report->reason - used, "%s%s: %s",
                   used > 0 ? "; " : "", part, why);
}

/* Keeps at most this one. */
static bool capabilities_drop(bool keep_reading, struct detail *detail)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        (void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capget, &header, data) != 0) {
        (void)detail_set(detail, ROOST_PERMISSION, "%s", strerror(errno));
        return false;
    }
    const uint32_t reading = UINT32_C(1) << CAP_DAC_READ_SEARCH;
    uint32_t kept = keep_reading ? data[0].permitted & reading : 0;
    memset(data, 0, sizeof data);
    data[0].permitted = data[0].effective = kept;
    if (syscall(SYS_capset, &header, data) == 0)
        return true;
    (void)detail_set(detail, ROOST_PERMISSION, "%s", strerror(errno));
    return false;
}

void sandbox_apply(const struct sandbox *sandbox, const struct host_spec *spec,
                   struct sandbox_report *report)
{
    struct detail detail = {""};
    memset(report, 0, sizeof *report);
    report->no_new_privs = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    if (!report->no_new_privs)
        reason_add(report, "no_new_privs", strerror(errno));
    report->network_namespace = sandbox->network_namespace;
    if (!report->network_namespace)
        reason_add(report, "network namespace", sandbox->network_reason.text);
    report->landlock = landlock_apply(spec, &detail) == ROOST_OK;
    if (!report->landlock)
        reason_add(report, "landlock", detail.text);
    /* Without it, the right to read everything would reach further than the model. */
    report->capabilities_dropped = capabilities_drop(report->landlock, &detail);
    if (!report->capabilities_dropped)
        reason_add(report, "capabilities", detail.text);
    const bool compiled = sandbox->seccomp[spec->role].err == ROOST_OK;
    report->seccomp = compiled &&
                      seccomp_apply(&sandbox->seccomp[spec->role].program, &detail) == ROOST_OK;
    if (!report->seccomp)
        reason_add(report, "seccomp",
                   compiled ? detail.text : sandbox->seccomp[spec->role].reason.text);
}
