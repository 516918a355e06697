// SPDX-License-Identifier: MIT
/*
 * The worker's sandbox: an allow-list of system calls, and for ioctl() an
 * allow-list of requests. A call that is not on it is logged by the kernel and
 * kills the process; the broker then closes the connection.
 */
#include "sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/sync_file.h>
#include <malloc.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <xen/xen.h>
#include <xen/sys/evtchn.h>

#include "xen_userptr_back.h"

/* Everything of one ioctl type: the DRM drivers' own requests are many. */
#define SANDBOX_TYPE_MASK	0xff00U
#define SANDBOX_TYPE_DRM	('d' << 8)

static const int sandbox_calls[] = {
	/* the loop and its descriptors */
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(close), SCMP_SYS(poll),
	SCMP_SYS(ppoll), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2), SCMP_SYS(epoll_ctl), SCMP_SYS(timerfd_settime),
	SCMP_SYS(sendmsg), SCMP_SYS(recvmsg),
	/* the journal */
	SCMP_SYS(pwrite64), SCMP_SYS(pread64), SCMP_SYS(fallocate),
	/* threads and time */
	SCMP_SYS(futex), SCMP_SYS(clock_gettime), SCMP_SYS(gettid),
	SCMP_SYS(getpid), SCMP_SYS(sched_yield), SCMP_SYS(restart_syscall),
	SCMP_SYS(rseq), SCMP_SYS(membarrier),
	/* a thread that the filter meets while it still starts */
	SCMP_SYS(set_robust_list),
	/* memory */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(getrandom),
	/* the end */
	SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(tgkill),
};

/* Besides DRM. */
static const unsigned long sandbox_ioctls[] = {
	SYNC_IOC_FILE_INFO,
	XEN_USERPTR_BACK_MAP,
	XEN_USERPTR_BACK_TRIM,
	XEN_USERPTR_BACK_READ,
	XEN_USERPTR_BACK_WRITE,
	XEN_USERPTR_BACK_OPS,
	IOCTL_EVTCHN_NOTIFY,
};

static int sandbox_allow_calls(scmp_filter_ctx filter)
{
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < sizeof(sandbox_calls) / sizeof(int); i++)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW,
				       sandbox_calls[i], 0);
	return ret;
}

static int sandbox_allow_ioctls(scmp_filter_ctx filter)
{
	size_t nr = sizeof(sandbox_ioctls) / sizeof(sandbox_ioctls[0]);
	size_t i;
	int ret;

	ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
			       SCMP_A1(SCMP_CMP_MASKED_EQ, SANDBOX_TYPE_MASK,
				       SANDBOX_TYPE_DRM));
	for (i = 0; !ret && i < nr; i++)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl),
				       1, SCMP_A1(SCMP_CMP_EQ,
						  sandbox_ioctls[i], 0));
	return ret;
}

/* Memory for the allocator, never executable. */
static int sandbox_allow_memory(scmp_filter_ctx filter)
{
	int ret;

	ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
			       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW,
				       SCMP_SYS(mprotect), 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC,
					       0));
	return ret;
}

int sandbox_enter(bool log_only)
{
	scmp_filter_ctx filter;
	int ret;

	filter = seccomp_init(log_only ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS);
	if (!filter)
		return -ENOMEM;
	/* Every thread; and the kernel's log names the call that was refused. */
	ret = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!ret)
		ret = seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	if (!ret)
		ret = sandbox_allow_calls(filter);
	if (!ret)
		ret = sandbox_allow_ioctls(filter);
	if (!ret)
		ret = sandbox_allow_memory(filter);
	if (!ret)
		ret = seccomp_load(filter);
	seccomp_release(filter);
	return ret;
}

/*
 * What was once used stays in memory: a page fault must never wait for storage
 * that the guest itself serves. Tables that the guest does not use cost nothing.
 */
static int sandbox_lock_memory(void)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	const struct rlimit none = { 0, 0 };

	mallopt(M_ARENA_MAX, 1);
	if (setrlimit(RLIMIT_MEMLOCK, &unlimited) ||
	    setrlimit(RLIMIT_CORE, &none) ||
	    mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
		return -errno;
	return 0;
}

static int sandbox_drop_capabilities(void)
{
	capng_clear(CAPNG_SELECT_ALL);
	return capng_apply(CAPNG_SELECT_ALL) == 0 ? 0 : -EPERM;
}

int sandbox_drop(void)
{
	int ret;

	ret = sandbox_lock_memory();
	if (!ret)
		ret = sandbox_drop_capabilities();
	if (!ret && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		ret = -errno;
	return ret;
}
