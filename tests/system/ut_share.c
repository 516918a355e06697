// SPDX-License-Identifier: MIT
/*
 * Sharing: one object in many address spaces, between processes by PRIME, one
 * grant for a page in several objects; and fences that cross from and to another
 * DRM driver of the guest (vgem) and another process.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/dma-buf.h>

#include <xf86drm.h>
#include <drm/vgem_drm.h>

#include "ut_mem.h"

#define NR_VMS		4

static void shared_by_vms(void)
{
	struct ut vm[NR_VMS];
	struct ut_batch batch[NR_VMS];
	struct gpu_cmd cmd[NR_VMS];
	struct ut_mem m;
	unsigned int i;

	ut_mem_open(&m);
	for (i = 0; i < NR_VMS; i++) {
		vm[i].fd = m.ut.fd;
		UT_ERRNO(__ut_vm_create(vm[i].fd, &vm[i].vm), 0);
		ut_batch_open(&batch[i], &vm[i], &cmd[i]);
		/* Elsewhere in each of them. */
		ut_map(&vm[i], m.handle, UT_MEM_PAGES * UT_PAGE, UT_GPU_VA + i * 0x100000);
		gpu_cmd_inc(&cmd[i], UT_GPU_VA + i * 0x100000, 1, UT_MEM_PAGES * UT_PAGE / 4);
	}
	for (i = 0; i < NR_VMS; i++)
		UT_ERRNO(ut_run(&batch[i], &cmd[i]), 0);
	UT_CHECK(ut_mem_word(&m, 7) == NR_VMS, "the jobs left %u", ut_mem_word(&m, 7));
	/* Gone from one VM, it stays in the others; closed, it goes from all. */
	UT_ERRNO(__ut_unmap(&vm[0], UT_GPU_VA, UT_MEM_PAGES * UT_PAGE), 0);
	UT_ERRNO(ut_run(&batch[0], &cmd[0]), -EFAULT);
	UT_ERRNO(ut_run(&batch[1], &cmd[1]), 0);
	ut_destroy(m.ut.fd, m.handle);
	UT_ERRNO(ut_run(&batch[1], &cmd[1]), -EFAULT);
	UT_CHECK(ut_mem_word(&m, 7) == NR_VMS + 1, "after the close: %u", ut_mem_word(&m, 7));
	ut_close(&m.ut);
}

static int export_object(int fd, uint32_t handle)
{
	int prime;

	UT_CHECK(!drmPrimeHandleToFD(fd, handle, DRM_CLOEXEC | DRM_RDWR, &prime),
		 "export: %s", strerror(errno));
	return prime;
}

/* In another process: import, bind, let the GPU count, and look. */
static int use_import(int prime)
{
	struct ut_batch batch;
	struct gpu_cmd cmd;
	uint32_t handle;
	struct ut ut;

	ut_open(&ut);
	ut_batch_open(&batch, &ut, &cmd);
	UT_CHECK(!drmPrimeFDToHandle(ut.fd, prime, &handle), "import: %s", strerror(errno));
	ut_map(&ut, handle, UT_MEM_PAGES * UT_PAGE, UT_GPU_VA);
	gpu_cmd_inc(&cmd, UT_GPU_VA, 1, UT_MEM_PAGES * UT_PAGE / 4);
	gpu_cmd_copy(&cmd, UT_CMD_VA + UT_PAGE, UT_GPU_VA, 4);
	UT_ERRNO(ut_run(&batch, &cmd), 0);
	return *(int *)((char *)batch.memory + UT_PAGE);
}

static void send_fd(int sock, int fd)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = &(char){ 0 }, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control.space),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	UT_CHECK(sendmsg(sock, &msg, 0) == 1, "sendmsg: %s", strerror(errno));
}

static int recv_fd(int sock)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	char octet;
	struct iovec iov = { .iov_base = &octet, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control.space),
	};
	struct cmsghdr *cmsg;
	int fd;

	UT_CHECK(recvmsg(sock, &msg, 0) == 1, "recvmsg: %s", strerror(errno));
	cmsg = CMSG_FIRSTHDR(&msg);
	UT_CHECK(cmsg && cmsg->cmsg_type == SCM_RIGHTS, "no descriptor came");
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

/* Forks before anything is opened, so both are real processes of their own. */
static pid_t fork_with_socket(int *sock)
{
	int pair[2];
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		ut_error("socketpair");
	fflush(stdout);
	child = fork();
	if (child < 0)
		ut_error("fork");
	*sock = pair[child ? 0 : 1];
	close(pair[child ? 1 : 0]);
	return child;
}

static void expect_child_ok(pid_t child)
{
	int status;

	UT_CHECK(waitpid(child, &status, 0) == child, "waitpid");
	UT_CHECK(status == 0, "the other process ended with status %#x", status);
}

static void prime_two_processes(void)
{
	struct ut_mem m;
	pid_t child;
	int sock;

	child = fork_with_socket(&sock);
	if (!child)
		_exit(use_import(recv_fd(sock)) == 42 ? 0 : 1);
	ut_mem_open(&m);
	ut_mem_fill(&m, 0, UT_MEM_PAGES, 41);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	send_fd(sock, export_object(m.ut.fd, m.handle));
	expect_child_ok(child);
	UT_CHECK(ut_mem_word(&m, 3) == 42, "the other process left %u", ut_mem_word(&m, 3));
	ut_close(&m.ut);
}

/* The importer keeps the object alive; the memory's owner may close its handle. */
static void prime_outlives_handle(void)
{
	struct ut_mem m;
	pid_t child;
	int sock;

	child = fork_with_socket(&sock);
	if (!child)
		_exit(use_import(recv_fd(sock)) == 1 ? 0 : 1);
	ut_mem_open(&m);
	send_fd(sock, export_object(m.ut.fd, m.handle));
	ut_close(&m.ut);
	expect_child_ok(child);
	UT_CHECK(ut_mem_word(&m, 0) == 1, "the other process left %u", ut_mem_word(&m, 0));
}

/* When the owner's memory goes, the importer's next bind is told. */
static void prime_owner_unmaps(void)
{
	uint32_t handle;
	struct ut_mem m;
	struct ut other;
	int prime;

	ut_mem_open(&m);
	prime = export_object(m.ut.fd, m.handle);
	ut_open(&other);
	UT_CHECK(!drmPrimeFDToHandle(other.fd, prime, &handle), "import");
	ut_map(&other, handle, UT_PAGE, UT_GPU_VA);
	ut_mem_drop(&m, 0, UT_MEM_PAGES);
	UT_ERRNO(__ut_map(&other, handle, 0, UT_PAGE, UT_GPU_VA, 0), -ESTALE);
	close(prime);
	ut_close(&other);
	ut_close(&m.ut);
}

static void prime_same_file(void)
{
	uint32_t handle;
	struct ut_mem m;
	int prime;

	ut_mem_open(&m);
	prime = export_object(m.ut.fd, m.handle);
	UT_CHECK(!drmPrimeFDToHandle(m.ut.fd, prime, &handle), "import");
	UT_CHECK(handle == m.handle, "another handle: %u, not %u", handle, m.handle);
	close(prime);
	ut_close(&m.ut);
}

static int vgem_open(void)
{
	char path[32];
	drmVersionPtr version;
	int minor, fd;
	bool found;

	/* Its render node makes no buffers. */
	for (minor = 0; minor < 64; minor++) {
		snprintf(path, sizeof(path), "/dev/dri/card%d", minor);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		version = drmGetVersion(fd);
		found = version && !strcmp(version->name, "vgem");
		drmFreeVersion(version);
		if (found)
			return fd;
		close(fd);
	}
	ut_skip("no vgem in this guest");
}

static uint32_t vgem_create(int fd, size_t octets)
{
	struct drm_mode_create_dumb dumb = {
		.width = 1024, .height = (uint32_t)(octets / 4096), .bpp = 32,
	};

	if (drmIoctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, &dumb))
		ut_error("vgem: create");
	return dumb.handle;
}

/* Memory of another driver has no pages of the program to pin: a clear no. */
static void prime_foreign_import(void)
{
	int vgem = vgem_open(), prime = -1;
	uint32_t handle = 0;
	struct ut ut;
	int ret;

	ut_open(&ut);
	prime = export_object(vgem, vgem_create(vgem, UT_PAGE));
	ret = drmPrimeFDToHandle(ut.fd, prime, &handle) ? -errno : 0;
	UT_CHECK(ret == -EINVAL || ret == -EOPNOTSUPP, "import says %d", ret);
	close(prime);
	close(vgem);
	ut_close(&ut);
}

/* Another driver cannot take our pages: they are granted, and may move away. */
static void prime_foreign_export(void)
{
	int vgem = vgem_open(), prime;
	uint32_t handle = 0;
	struct ut_mem m;
	void *at;

	ut_mem_open(&m);
	prime = export_object(m.ut.fd, m.handle);
	UT_CHECK(drmPrimeFDToHandle(vgem, prime, &handle), "vgem took the object");
	printf("vgem's import says: %s\n", strerror(errno));
	at = mmap(NULL, UT_PAGE, PROT_READ, MAP_SHARED, prime, 0);
	UT_CHECK(at == MAP_FAILED, "the dma-buf can be mapped by the CPU");
	close(prime);
	close(vgem);
	ut_close(&m.ut);
}

/* The number in the device's sysfs directory. */
static long sysfs_grants(void)
{
	char line[32] = "";
	FILE *file = popen("cat /sys/bus/xen/devices/userptr-*/userptr/grants", "r");

	if (!file || !fgets(line, sizeof(line), file))
		ut_error("sysfs: grants");
	pclose(file);
	return strtol(line, NULL, 10);
}

/* A page in several objects has one grant; one with other access, another. */
static void one_grant_per_page(void)
{
	uint32_t same, half, readonly;
	struct ut_mem m;
	long before;

	ut_mem_open(&m);
	before = sysfs_grants();
	same = ut_create_one(m.ut.fd, m.memory, UT_MEM_PAGES * UT_PAGE, 0);
	half = ut_create_one(m.ut.fd, m.memory + UT_PAGE, 4 * UT_PAGE, 0);
	UT_CHECK(sysfs_grants() == before, "%ld grants more", sysfs_grants() - before);
	readonly = ut_create_one(m.ut.fd, m.memory, 2 * UT_PAGE,
				 DRM_XEN_USERPTR_CREATE_READONLY);
	UT_CHECK(sysfs_grants() == before + 2, "%ld grants more", sysfs_grants() - before);
	ut_destroy(m.ut.fd, readonly);
	ut_destroy(m.ut.fd, m.handle);
	ut_map(&m.ut, same, UT_MEM_PAGES * UT_PAGE, UT_GPU_VA);
	ut_map(&m.ut, half, UT_PAGE, UT_OUT_VA);
	ut_mem_fill(&m, 0, UT_MEM_PAGES, 1);
	gpu_cmd_inc(&m.cmd, UT_OUT_VA, 1, 1);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	UT_CHECK(ut_mem_word(&m, 1) == 2, "two objects, one page: %u", ut_mem_word(&m, 1));
	ut_close(&m.ut);
}

/* A dma-buf of vgem with a fence of vgem on it, which @out_fence will signal. */
static int vgem_fenced_buffer(int vgem, uint32_t *out_fence)
{
	struct drm_vgem_fence_attach attach = {
		.handle = vgem_create(vgem, UT_PAGE), .flags = VGEM_FENCE_WRITE,
	};

	if (drmIoctl(vgem, DRM_IOCTL_VGEM_FENCE_ATTACH, &attach))
		ut_error("vgem: attach a fence");
	*out_fence = attach.out_fence;
	return export_object(vgem, attach.handle);
}

static uint32_t syncobj_from_dmabuf(int fd, int dmabuf)
{
	struct dma_buf_export_sync_file sync = { .flags = DMA_BUF_SYNC_READ, .fd = -1 };
	uint32_t syncobj;

	if (ioctl(dmabuf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &sync))
		ut_error("DMA_BUF_IOCTL_EXPORT_SYNC_FILE");
	if (drmSyncobjCreate(fd, 0, &syncobj) ||
	    drmSyncobjImportSyncFile(fd, syncobj, sync.fd))
		ut_error("drmSyncobjImportSyncFile");
	close(sync.fd);
	return syncobj;
}

static int exec_with(struct ut_mem *m, uint32_t in, uint32_t out)
{
	struct drm_xen_userptr_sync syncs[2] = {
		{ .handle = out, .flags = DRM_XEN_USERPTR_SYNC_SIGNAL }, { .handle = in },
	};
	struct drm_xen_userptr_exec exec = {
		.vm_id = m->ut.vm, .cmd_va = UT_CMD_VA,
		.cmd_length = gpu_cmd_octets(&m->cmd),
		.syncs = (uintptr_t)syncs, .nr_syncs = in ? 2 : 1,
	};

	return drmIoctl(m->ut.fd, DRM_IOCTL_XEN_USERPTR_EXEC, &exec) ? -errno : 0;
}

/* A job waits for a fence of another driver, in the guest. */
static void sync_file_in(void)
{
	struct drm_vgem_fence_signal signal = { 0 };
	int vgem = vgem_open(), dmabuf;
	uint32_t in, out;
	struct ut_mem m;

	ut_mem_open(&m);
	dmabuf = vgem_fenced_buffer(vgem, &signal.fence);
	in = syncobj_from_dmabuf(m.ut.fd, dmabuf);
	if (drmSyncobjCreate(m.ut.fd, 0, &out))
		ut_error("drmSyncobjCreate");
	ut_mem_fill(&m, 0, 1, 8);
	UT_ERRNO(exec_with(&m, in, out), 0);
	UT_CHECK(drmSyncobjWait(m.ut.fd, &out, 1, 0, 0, NULL), "the job did not wait");
	usleep(200000);
	UT_CHECK(ut_mem_word(&m, 0) == 0, "the job ran before its fence");
	UT_CHECK(!drmIoctl(vgem, DRM_IOCTL_VGEM_FENCE_SIGNAL, &signal), "signal: %s",
		 strerror(errno));
	UT_ERRNO(ut_fence_wait(m.ut.fd, out), 0);
	UT_CHECK(ut_mem_word(&m, 0) == 8, "after the fence: %u", ut_mem_word(&m, 0));
	close(dmabuf);
	close(vgem);
	ut_close(&m.ut);
}

/* Another driver's buffer waits for our job; its data is there at once. */
static void sync_file_out(void)
{
	struct dma_buf_import_sync_file sync = { .flags = DMA_BUF_SYNC_WRITE };
	int vgem = vgem_open(), dmabuf;
	struct pollfd poll_in = { .events = POLLIN };
	struct ut_mem m;
	uint32_t out;

	ut_mem_open(&m);
	dmabuf = export_object(vgem, vgem_create(vgem, UT_PAGE));
	if (drmSyncobjCreate(m.ut.fd, 0, &out))
		ut_error("drmSyncobjCreate");
	gpu_cmd_busy(&m.cmd, UT_SOME_TIME_NS);
	ut_mem_fill(&m, 0, UT_MEM_PAGES, 6);
	UT_ERRNO(exec_with(&m, 0, out), 0);
	if (drmSyncobjExportSyncFile(m.ut.fd, out, &sync.fd))
		ut_error("drmSyncobjExportSyncFile");
	UT_CHECK(!ioctl(dmabuf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &sync), "import: %s",
		 strerror(errno));
	poll_in.fd = dmabuf;
	UT_CHECK(poll(&poll_in, 1, 0) == 0, "vgem's buffer did not wait");
	UT_CHECK(poll(&poll_in, 1, 60000) == 1, "the fence did not reach vgem's buffer");
	UT_CHECK(ut_mem_word(&m, UT_MEM_PAGES - 1) == 6, "signalled before the data: %u",
		 ut_mem_word(&m, UT_MEM_PAGES - 1));
	close(sync.fd);
	close(dmabuf);
	close(vgem);
	ut_close(&m.ut);
}

/* A syncobj passed to another process signals there, with the data in place. */
static void syncobj_other_process(void)
{
	uint32_t out;
	struct ut_mem m;
	void *shared;
	pid_t child;
	int sock, fd;

	shared = mmap(NULL, UT_MEM_PAGES * UT_PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	UT_CHECK(shared != MAP_FAILED, "mmap");
	child = fork_with_socket(&sock);
	if (!child) {
		fd = ut_node_open();
		if (drmSyncobjFDToHandle(fd, recv_fd(sock), &out))
			_exit(2);
		if (drmSyncobjWait(fd, &out, 1, INT64_MAX, 0, NULL))
			_exit(3);
		_exit(*(volatile uint32_t *)shared == 12 ? 0 : 4);
	}
	ut_mem_open_at(&m, shared);
	if (drmSyncobjCreate(m.ut.fd, 0, &out))
		ut_error("drmSyncobjCreate");
	gpu_cmd_busy(&m.cmd, UT_SOME_TIME_NS);
	ut_mem_fill(&m, 0, 1, 12);
	UT_ERRNO(exec_with(&m, 0, out), 0);
	if (drmSyncobjHandleToFD(m.ut.fd, out, &fd))
		ut_error("drmSyncobjHandleToFD");
	send_fd(sock, fd);
	expect_child_ok(child);
	ut_close(&m.ut);
}

/* The value of a key of this file's fdinfo, or -1. */
static long fdinfo(int fd, const char *key)
{
	char path[64], line[128];
	size_t length = strlen(key);
	long value = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	if (!file)
		ut_error(path);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, key, length) && line[length] == ':')
			value = strtol(line + length + 1, NULL, 10);
	fclose(file);
	return value;
}

/* The keys of drm-usage-stats: memory of the objects, time of the engines. */
static void fdinfo_keys(void)
{
	struct ut_mem m;

	ut_mem_open(&m);
	UT_CHECK(fdinfo(m.ut.fd, "drm-client-id") >= 0, "no drm-client-id");
	UT_CHECK(fdinfo(m.ut.fd, "drm-total-memory") == (UT_MEM_PAGES + 4) * 4,
		 "drm-total-memory: %ld KiB", fdinfo(m.ut.fd, "drm-total-memory"));
	gpu_cmd_busy(&m.cmd, UT_SOME_TIME_NS);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	UT_CHECK(fdinfo(m.ut.fd, "drm-engine-gpu0") >= (long)UT_SOME_TIME_NS,
		 "drm-engine-gpu0: %ld ns", fdinfo(m.ut.fd, "drm-engine-gpu0"));
	ut_close(&m.ut);
}

const struct ut_case ut_share_cases[] = {
	{ "fdinfo_keys", fdinfo_keys },
	{ "shared_by_vms", shared_by_vms },
	{ "prime_two_processes", prime_two_processes },
	{ "prime_outlives_handle", prime_outlives_handle },
	{ "prime_owner_unmaps", prime_owner_unmaps },
	{ "prime_same_file", prime_same_file },
	{ "prime_foreign_import", prime_foreign_import },
	{ "prime_foreign_export", prime_foreign_export },
	{ "one_grant_per_page", one_grant_per_page },
	{ "sync_file_in", sync_file_in },
	{ "sync_file_out", sync_file_out },
	{ "syncobj_other_process", syncobj_other_process },
	{ NULL, NULL },
};
