// SPDX-License-Identifier: MIT
/*
 * The device goes away (driver unbound through sysfs) while a file is open, a
 * job runs and VRAM is mapped; then it comes back. Uses the second softgpu.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <xf86drm.h>

#include "test.h"

#define COMPUTE	DRM_SOFTGPU_ENGINE_COMPUTE

/* The PCI address of an open device. */
static bool pci_address(int fd, char *address, size_t size)
{
	char path[64], target[256];
	struct stat st;
	const char *name;
	ssize_t n;

	if (fstat(fd, &st))
		return false;
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/device",
		 major(st.st_rdev), minor(st.st_rdev));
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	name = strrchr(target, '/');
	if (!name || strlen(name + 1) >= size)
		return false;
	strcpy(address, name + 1);
	return true;
}

static bool driver_write(const char *file, const char *address)
{
	char path[64];
	bool ok;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/softgpu/%s", file);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return false;
	ok = write(fd, address, strlen(address)) == (ssize_t)strlen(address);
	close(fd);
	return ok;
}

static sigjmp_buf bus_jump;

static void bus_handler(int sig)
{
	(void)sig;
	siglongjmp(bus_jump, 1);
}

static bool read_gives_sigbus(volatile uint32_t *p)
{
	const struct sigaction action = { .sa_handler = bus_handler };
	struct sigaction old;
	bool bus = true;

	sigaction(SIGBUS, &action, &old);
	if (!sigsetjmp(bus_jump, 1)) {
		(void)*p;
		bus = false;
	}
	sigaction(SIGBUS, &old, NULL);
	return bus;
}

/* Everything of a device that is gone fails, and closing it is clean. */
static void use_gone_device(struct test_ctx *t, struct test_ctx *gone,
			    struct buffer *buf, int sync_fd)
{
	struct sgt_bo bo;

	EXPECT_EQ(t, sgt_sync_file_wait(sync_fd, LONG), -ENODEV);
	EXPECT_EQ(t, run_stream(gone, COMPUTE), -ENODEV);
	EXPECT_EQ(t, sgt_unbind(gone->fd, gone->vm, buf->va, SGT_PAGE),
		  -ENODEV);
	EXPECT_EQ(t, sgt_bo_create(gone->fd, &bo, SGT_PAGE,
				   DRM_SOFTGPU_PLACE_SYSTEM), -ENODEV);
	EXPECT(t, read_gives_sigbus(buf->bo.map));
}

static void test_busy(struct test_ctx *t)
{
	struct test_ctx gone = { .fd = sgt_open(1) };
	char address[64];
	struct buffer buf;
	uint32_t out;
	int sync_fd;

	if (gone.fd < 0)
		SKIP(t, "only one softgpu");
	EXPECT(t, pci_address(gone.fd, address, sizeof(address)));
	gone.vm = sgt_vm_create(gone.fd, 0);
	EXPECT_EQ(t, sgt_stream_create(gone.fd, gone.vm, &gone.stream,
				       STREAM_VA, STREAM_SIZE), 0);
	EXPECT(t, buffer_create(&gone, &buf, DATA_VA, 8 * SGT_PAGE,
				DRM_SOFTGPU_PLACE_VRAM));
	*(volatile uint32_t *)buf.bo.map = 0;
	EXPECT_EQ(t, sgt_sync_create(gone.fd, &out), 0);
	sgt_poll(&gone.stream, buf.va, 1, ~0u);
	EXPECT_EQ(t, sgt_exec_out(gone.fd, gone.vm, COMPUTE, &gone.stream,
				  out), 0);
	EXPECT_EQ(t, drmSyncobjExportSyncFile(gone.fd, out, &sync_fd), 0);
	EXPECT(t, driver_write("unbind", address));
	use_gone_device(t, &gone, &buf, sync_fd);
	close(sync_fd);
	sgt_bo_destroy(gone.fd, &buf.bo);
	sgt_bo_destroy(gone.fd, &gone.stream.bo);
	close(gone.fd);
	EXPECT(t, driver_write("bind", address));
	gone.fd = sgt_open(1);
	EXPECT(t, gone.fd >= 0);
	close(gone.fd);
}

const struct test unplug_tests[] = {
	{ "unplug-busy", test_busy, false },
	{ NULL, NULL, false },
};
