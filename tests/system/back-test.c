// SPDX-License-Identifier: MIT
/*
 * Tests of xen_userptr_back, run in the backend domain by tests/system/back.scn
 * against grants that back-guest made in a guest.
 *
 * usage: back-test CASE DOMID GREF-FILE [ARGUMENT]
 *
 * Each case leaves nothing mapped and says on stderr what differed. Exit code
 * 0: as expected.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "back-lib.h"

static void bind_unprivileged(int fd)
{
	pid_t child = fork();
	int status;

	CHECK(child >= 0);
	if (child == 0) {
		struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
		struct __user_cap_data_struct none[2] = { 0 };

		if (syscall(SYS_capset, &h, none))
			_exit(2);
		_exit(bind_call(fd, domid, 1) == -1 && errno == EPERM ? 0 : 1);
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_bind(void)
{
	struct xen_userptr_back_bind good = { .domid = domid, .max_pages = 8 }, bad;
	struct xen_userptr_back_stats s;
	int fd = back_open();

	CHECK_ERRNO(ENOTCONN, map(fd, 0, 1, 0));
	CHECK_ERRNO(ENOTCONN, ioctl(fd, XEN_USERPTR_BACK_STATS, &s));
	bad = good, bad.flags = 1;
	CHECK_ERRNO(EINVAL, ioctl(fd, XEN_USERPTR_BACK_BIND, &bad));
	bad = good, bad.pad = 1;
	CHECK_ERRNO(EINVAL, ioctl(fd, XEN_USERPTR_BACK_BIND, &bad));
	bad = good, bad.pad2 = 1;
	CHECK_ERRNO(EINVAL, ioctl(fd, XEN_USERPTR_BACK_BIND, &bad));
	bad = good, bad.max_pages = 0;
	CHECK_ERRNO(EINVAL, ioctl(fd, XEN_USERPTR_BACK_BIND, &bad));
	CHECK_ERRNO(EINVAL, bind_call(fd, 0x7ff0, 8));	/* DOMID_SELF */
	CHECK_ERRNO(ENOENT, bind_call(fd, 4321, 8));
	CHECK_ERRNO(EFAULT, ioctl(fd, XEN_USERPTR_BACK_BIND, NULL));
	CHECK_ERRNO(ENOTTY, ioctl(fd, _IO('X', 0x7f), NULL));
	bind_unprivileged(fd);
	CHECK(ioctl(fd, XEN_USERPTR_BACK_BIND, &good) == 0);
	CHECK_ERRNO(EBUSY, ioctl(fd, XEN_USERPTR_BACK_BIND, &good));
	CHECK_ERRNO(EBUSY, bind_call(fd, 4321, 8));
	s = stats(fd);
	CHECK(s.max_pages == 8 && s.mapped == 0 && s.host_budget > 0);
	close(fd);
}

static void test_arguments(void)
{
	int fd = back_bound(MAX_GREFS);
	struct xen_userptr_back_map good = map_arg(0, 4, 0), bad;

	bad = good, bad.nr = 0;
	CHECK_ERRNO(EINVAL, ioctl(fd, XEN_USERPTR_BACK_MAP, &bad));
	bad = good, bad.nr = XEN_USERPTR_BACK_MAP_MAX + 1;
	CHECK_ERRNO(EINVAL, ioctl(fd, XEN_USERPTR_BACK_MAP, &bad));
	bad = good, bad.nr = 0xffffffff;
	CHECK_ERRNO(EINVAL, ioctl(fd, XEN_USERPTR_BACK_MAP, &bad));
	bad = good, bad.flags = 2;
	CHECK_ERRNO(EINVAL, ioctl(fd, XEN_USERPTR_BACK_MAP, &bad));
	bad = good, bad.pad = 1;
	CHECK_ERRNO(EINVAL, ioctl(fd, XEN_USERPTR_BACK_MAP, &bad));
	bad = good, bad.grefs = 16;
	CHECK_ERRNO(EFAULT, ioctl(fd, XEN_USERPTR_BACK_MAP, &bad));
	CHECK_ERRNO(EFAULT, ioctl(fd, XEN_USERPTR_BACK_MAP, NULL));
	CHECK(stats(fd).mapped == 0 && stats(fd).objects == 0);
	CHECK(!readable(fd, QUIET_MS));
	close(fd);
}

static void test_map_unmap(void)
{
	int fd = back_bound(MAX_GREFS), dmabuf = map(fd, 0, ngrefs, 77);
	struct xen_userptr_back_stats s = stats(fd);

	CHECK(dmabuf >= 0);
	CHECK(fcntl(dmabuf, F_GETFD) == FD_CLOEXEC);
	CHECK(lseek(dmabuf, 0, SEEK_END) == (off_t)ngrefs * 4096);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, dmabuf, 0) == MAP_FAILED);
	CHECK(s.mapped == ngrefs && s.objects == 1 && s.host_mapped >= ngrefs);
	CHECK(s.hypercalls == (ngrefs + 511) / 512);
	printf("%u pages: %llu hypercalls, %llu bytes of the module\n", ngrefs,
	       (unsigned long long)s.hypercalls, (unsigned long long)s.bytes);
	CHECK(!readable(fd, 0));
	close(dmabuf);
	expect_unmapped(fd, 77);
	s = stats(fd);
	CHECK(s.mapped == 0 && s.objects == 0);
	CHECK(s.hypercalls == 2 * ((ngrefs + 511) / 512));
	close(fd);
}

/* Stays mapped until a line arrives, so that the script can look at Xen. */
static void test_map_and_wait(void)
{
	int fd = back_bound(MAX_GREFS), dmabuf = map(fd, 0, ngrefs, 5);
	char c;

	CHECK(dmabuf >= 0);
	printf("mapped\n");
	fflush(stdout);
	CHECK(read(STDIN_FILENO, &c, 1) >= 0);
	close(dmabuf);
	expect_unmapped(fd, 5);
}

static void test_content(void)
{
	int fd = back_bound(MAX_GREFS), dmabuf = map(fd, 0, ngrefs, 1);
	int importer = imported(dmabuf, XU_IMPORT_DYNAMIC);
	int second = imported(dmabuf, 0);

	expect_pattern(importer, 0, ngrefs);
	expect_pattern(second, 0, ngrefs);
	/* Page 3 as seen by the guest is checked by the script. */
	CHECK(poke(importer, 3, 8, 0x1122334455667788ULL) == 0);
	CHECK(peek(second, 3, 8) == 0x1122334455667788ULL);
	close(dmabuf);
	close(importer);
	CHECK(!readable(fd, QUIET_MS));
	close(second);
	expect_unmapped(fd, 1);
	close(fd);
}

static void bad_gref_at(int fd, uint32_t nr, uint32_t at)
{
	struct xen_userptr_back_map arg = map_arg(0, nr, 9);
	uint32_t saved = grefs[at];

	grefs[at] = 0xfffffff0;
	CHECK_ERRNO(EIO, ioctl(fd, XEN_USERPTR_BACK_MAP, &arg));
	grefs[at] = saved;
	CHECK(arg.error_index == at);
	CHECK(arg.gnttab_status == -3);		/* GNTST_bad_gntref */
	CHECK(arg.fd == -1);
	CHECK(stats(fd).mapped == 0 && stats(fd).objects == 0);
}

static void test_bad_gref(void)
{
	int fd = back_bound(MAX_GREFS), dmabuf;

	CHECK(ngrefs > 520);
	bad_gref_at(fd, 8, 0);
	bad_gref_at(fd, 8, 7);
	bad_gref_at(fd, ngrefs, 100);
	bad_gref_at(fd, ngrefs, 511);
	bad_gref_at(fd, ngrefs, 512);
	bad_gref_at(fd, ngrefs, ngrefs - 1);
	CHECK(!readable(fd, QUIET_MS));		/* no record of a failed MAP */
	dmabuf = map(fd, 0, ngrefs, 10);
	CHECK(dmabuf >= 0);
	close(dmabuf);
	expect_unmapped(fd, 10);
	close(fd);
}

static void test_budget(void)
{
	int fd = back_bound(8), other = back_bound(MAX_GREFS), a, b;

	a = map(fd, 0, 5, 1);
	CHECK(a >= 0);
	CHECK_ERRNO(EDQUOT, map(fd, 5, 4, 2));
	b = map(fd, 5, 3, 3);
	CHECK(b >= 0);
	CHECK_ERRNO(EDQUOT, map(fd, 8, 1, 4));
	CHECK(stats(fd).mapped == 8);
	/* The other descriptor has a budget of its own. */
	close(map(other, 8, 16, 5));
	expect_unmapped(other, 5);
	close(a);
	expect_unmapped(fd, 1);
	a = map(fd, 8, 5, 6);
	CHECK(a >= 0);
	close(a);
	close(b);
	record_next(fd);
	record_next(fd);
	CHECK(stats(fd).mapped == 0);
}

/* The script set host_pages to 16. */
static void test_host_budget(void)
{
	int fd = back_bound(MAX_GREFS), other = back_bound(MAX_GREFS), a;

	CHECK(stats(fd).host_budget == 16);
	a = map(fd, 0, 12, 1);
	CHECK(a >= 0);
	CHECK_ERRNO(ENOSPC, map(other, 12, 5, 2));
	CHECK(stats(other).mapped == 0 && stats(other).host_mapped == 12);
	close(map(other, 12, 4, 3));
	expect_unmapped(other, 3);
	close(a);
	expect_unmapped(fd, 1);
	CHECK(stats(fd).host_mapped == 0);
}

static void test_readonly(void)
{
	int fd = back_bound(MAX_GREFS);
	int dmabuf = map_flags(fd, 0, 16, 1, XEN_USERPTR_BACK_MAP_READONLY);
	int importer = importer_open(), device = importer_open();
	struct xu_import arg;

	CHECK(dmabuf >= 0);
	CHECK(import_call(importer, dmabuf, XU_IMPORT_DYNAMIC, &arg) == 0);
	CHECK(arg.writable == 0);
	CHECK_ERRNO(EACCES, import_call(device, dmabuf, XU_IMPORT_DYNAMIC |
					XU_IMPORT_FROM_DEVICE, &arg));
	expect_pattern(importer, 0, 16);
	/* A PV domain gets a fault; for a PVH domain Xen drops the write. */
	if (poke(importer, 2, 1, 1) != 0)
		CHECK(errno == EFAULT);
	expect_pattern(importer, 0, 16);
	close(importer);
	close(device);
	close(dmabuf);
	expect_unmapped(fd, 1);
}

/* The guest granted these pages for reading only. */
static void test_readonly_grant(void)
{
	int fd = back_bound(MAX_GREFS), dmabuf, importer;
	struct xen_userptr_back_map arg = map_arg(0, 4, 1);

	CHECK_ERRNO(EIO, ioctl(fd, XEN_USERPTR_BACK_MAP, &arg));
	CHECK(arg.error_index == 0 && arg.gnttab_status == -1);
	dmabuf = map_flags(fd, 0, 4, 2, XEN_USERPTR_BACK_MAP_READONLY);
	CHECK(dmabuf >= 0);
	importer = imported(dmabuf, 0);
	expect_pattern(importer, 0, 4);
	close(importer);
	close(dmabuf);
	expect_unmapped(fd, 2);
}

static void test_import_outlives(void)
{
	int fd = back_bound(MAX_GREFS), dmabuf = map(fd, 0, 32, 4);
	int importer = imported(dmabuf, XU_IMPORT_DYNAMIC);

	close(dmabuf);
	CHECK(!readable(fd, QUIET_MS));
	CHECK(stats(fd).mapped == 32);
	expect_pattern(importer, 0, 32);
	close(fd);
	/* Without any descriptor of the module left the memory stays. */
	expect_pattern(importer, 0, 32);
	close(importer);
}

static void test_fence_delays(void)
{
	int fd = back_bound(MAX_GREFS), dmabuf = map(fd, 0, 4, 6);
	int importer = imported(dmabuf, XU_IMPORT_DYNAMIC);
	uint32_t add = 1, signal_it = 0;

	CHECK(ioctl(importer, XU_FENCE, &add) == 0);
	CHECK(ioctl(importer, XU_DETACH) == 0);
	close(dmabuf);
	CHECK(!readable(fd, QUIET_MS));
	CHECK(stats(fd).mapped == 4);
	CHECK(ioctl(importer, XU_FENCE, &signal_it) == 0);
	expect_unmapped(fd, 6);
	close(importer);
}

static void test_page_reference_delays(void)
{
	int fd = back_bound(MAX_GREFS), dmabuf = map(fd, 0, 4, 7);
	int importer = imported(dmabuf, XU_IMPORT_DYNAMIC);
	uint64_t page = 2;

	CHECK(ioctl(importer, XU_HOLD_PAGE, &page) == 0);
	CHECK(ioctl(importer, XU_DETACH) == 0);
	close(dmabuf);
	CHECK(!readable(fd, QUIET_MS));
	CHECK(stats(fd).mapped == 4);
	CHECK(ioctl(importer, XU_HOLD_PAGE, &page) == 0);
	expect_unmapped(fd, 7);
	close(importer);
}

/* A process that holds a mapping and an import is killed. */
static void test_holder_killed(void)
{
	int fd = back_bound(MAX_GREFS), ready[2];
	pid_t child;
	char c;

	CHECK(pipe(ready) == 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		int dmabuf = map(fd, 0, 64, 8);

		imported(dmabuf, XU_IMPORT_DYNAMIC);
		CHECK(write(ready[1], "x", 1) == 1);
		pause();
	}
	CHECK(read(ready[0], &c, 1) == 1);
	CHECK(stats(fd).mapped == 64);
	CHECK(kill(child, SIGKILL) == 0);
	expect_unmapped(fd, 8);
	CHECK(waitpid(child, NULL, 0) == child);
	CHECK(stats(fd).mapped == 0);
}

/* Killed in the middle of mapping and closing, many times. */
static void test_killed_at_random(void)
{
	unsigned int seed = argument ? (unsigned int)atoi(argument) : 1;
	int fd = back_bound(2 * MAX_GREFS);

	printf("seed %u\n", seed);
	for (int round = 0; round < 20; round++) {
		pid_t child = fork();

		CHECK(child >= 0);
		if (child == 0)
			for (;;)
				close(map(fd, 0, ngrefs, 1));
		usleep((useconds_t)(rand_r(&seed) % 30000));
		CHECK(kill(child, SIGKILL) == 0);
		CHECK(waitpid(child, NULL, 0) == child);
		while (stats(fd).objects)
			record_next(fd);
	}
	CHECK(stats(fd).mapped == 0);
}

/* What the broker does: it binds, an unprivileged worker maps. */
static void test_passed_descriptor(void)
{
	int socks[2], status;
	pid_t child;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, socks) == 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
		struct __user_cap_data_struct none[2] = { 0 };
		int fd = receive_fd(socks[1]), dmabuf;

		CHECK(syscall(SYS_capset, &h, none) == 0);
		dmabuf = map(fd, 0, 8, 11);
		CHECK(dmabuf >= 0);
		close(dmabuf);
		expect_unmapped(fd, 11);
		CHECK_ERRNO(EPERM, bind_call(fd, domid, 8));
		exit(0);
	}
	send_fd(socks[0], back_bound(64));
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_same_page_twice(void)
{
	int fd = back_bound(MAX_GREFS), a = map(fd, 0, 8, 1), b = map(fd, 4, 8, 2);
	int in_a = imported(a, 0), in_b = imported(b, 0);

	CHECK(poke(in_a, 4, 0, 99) == 0);
	CHECK(peek(in_b, 0, 0) == 99);
	CHECK(poke(in_a, 4, 0, BACK_PATTERN + 4 * WORDS) == 0);
	close(a);
	close(in_a);
	expect_unmapped(fd, 1);
	expect_pattern(in_b, 4, 8);
	close(b);
	close(in_b);
	expect_unmapped(fd, 2);
}

#define RECORDS 200

static void test_records(void)
{
	int fd = back_bound(MAX_GREFS), bufs[RECORDS];
	struct xen_userptr_back_record r[7];
	bool seen[RECORDS] = { false };
	void *read_only = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);
	char small[8];
	ssize_t n;

	CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	CHECK_ERRNO(EAGAIN, read(fd, r, sizeof(r)));
	CHECK_ERRNO(EINVAL, read(fd, small, sizeof(small)));
	for (int i = 0; i < RECORDS; i++)
		bufs[i] = map(fd, (uint32_t)i, 1, (uint64_t)i);
	for (int i = RECORDS - 1; i >= 0; i--)
		close(bufs[i]);
	CHECK(readable(fd, EVENT_MS));
	CHECK_ERRNO(EFAULT, read(fd, read_only, sizeof(r[0])));
	for (int got = 0; got < RECORDS; got += (int)(n / (ssize_t)sizeof(r[0]))) {
		CHECK(readable(fd, EVENT_MS));
		n = read(fd, r, sizeof(r) - 1);
		CHECK(n > 0 && n % (ssize_t)sizeof(r[0]) == 0);
		for (int i = 0; i < n / (ssize_t)sizeof(r[0]); i++) {
			CHECK(r[i].type == XEN_USERPTR_BACK_UNMAPPED);
			CHECK(r[i].cookie < RECORDS && !seen[r[i].cookie]);
			seen[r[i].cookie] = true;
		}
	}
	CHECK_ERRNO(EAGAIN, read(fd, r, sizeof(r)));
	CHECK(stats(fd).objects == 0);
}

/* What fails once must work the next time, on the same descriptor. */
static int life_map(int fd, int *failures)
{
	int dmabuf = map(fd, 0, ngrefs, 21);

	if (dmabuf < 0) {
		++*failures;
		CHECK(stats(fd).objects == 0 || errno == EMFILE);
		dmabuf = map(fd, 0, ngrefs, 21);
	}
	CHECK(dmabuf >= 0);
	return dmabuf;
}

static int life_import(int dmabuf, uint32_t flags, int *failures)
{
	int importer = importer_open();
	struct xu_import arg;

	if (import_call(importer, dmabuf, flags, &arg)) {
		++*failures;
		CHECK(import_call(importer, dmabuf, flags, &arg) == 0);
	}
	return importer;
}

/* From open to UNMAPPED; how many calls failed. */
static int life(void)
{
	int failures = 0, fd, dmabuf, dynamic, fixed;

	fd = open("/dev/xen/userptr-back", O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		failures++;
		fd = back_open();
	}
	if (bind_call(fd, domid, 2 * ngrefs)) {
		failures++;
		CHECK(bind_call(fd, domid, 2 * ngrefs) == 0);
	}
	dmabuf = life_map(fd, &failures);
	dynamic = life_import(dmabuf, XU_IMPORT_DYNAMIC, &failures);
	fixed = life_import(dmabuf, 0, &failures);
	expect_pattern(dynamic, 0, 2);
	close(dmabuf);
	close(dynamic);
	close(fixed);
	expect_unmapped(fd, 21);
	CHECK(stats(fd).mapped == 0);
	close(fd);
	return failures;
}

/* Every call that can fail does, one after the other, until none is left. */
static void test_fail_nth(void)
{
	int n, left = 0, failures;

	for (n = 1; !left; n++) {
		CHECK(n < 200);
		number_write(FAIL_NTH, n);
		failures = life();
		left = number_read(FAIL_NTH);
		number_write(FAIL_NTH, 0);
		/* A failed unmap is no failure of a call: it is tried again. */
		CHECK(failures <= 1 && (!left || !failures));
	}
	printf("%d calls failed in turn\n", n - 2);
	CHECK(n > 15);
}

/* The script destroys the guest after "mapped", then writes a line. */
static void test_guest_dies(void)
{
	int fd = back_bound(MAX_GREFS), dmabuf = map(fd, 0, 64, 12);
	int idle = back_bound(MAX_GREFS);
	int importer = imported(dmabuf, XU_IMPORT_DYNAMIC);
	struct xen_userptr_back_record r;

	printf("mapped\n");
	fflush(stdout);
	r = record_next(fd);
	CHECK(r.type == XEN_USERPTR_BACK_GONE && r.cookie == 0);
	CHECK(record_next(idle).type == XEN_USERPTR_BACK_GONE);
	CHECK_ERRNO(ENODEV, map(fd, 64, 1, 13));
	CHECK_ERRNO(ENODEV, map(idle, 64, 1, 13));
	/* Pages that are mapped stay what they are until they are let go. */
	expect_pattern(importer, 0, 64);
	close(dmabuf);
	close(importer);
	expect_unmapped(fd, 12);
	CHECK(stats(fd).mapped == 0);
	CHECK_ERRNO(EBUSY, bind_call(fd, domid, 1));
}

static const struct back_case base_cases[] = {
	{ "bind", test_bind },
	{ "arguments", test_arguments },
	{ "map_unmap", test_map_unmap },
	{ "map_and_wait", test_map_and_wait },
	{ "content", test_content },
	{ "bad_gref", test_bad_gref },
	{ "budget", test_budget },
	{ "host_budget", test_host_budget },
	{ "readonly", test_readonly },
	{ "readonly_grant", test_readonly_grant },
	{ "import_outlives", test_import_outlives },
	{ "fence_delays", test_fence_delays },
	{ "page_reference_delays", test_page_reference_delays },
	{ "holder_killed", test_holder_killed },
	{ "killed_at_random", test_killed_at_random },
	{ "passed_descriptor", test_passed_descriptor },
	{ "same_page_twice", test_same_page_twice },
	{ "records", test_records },
	{ "fail_nth", test_fail_nth },
	{ "guest_dies", test_guest_dies },
	{ NULL, NULL },
};

static const struct back_case *case_find(const struct back_case *cases,
					 const char *name)
{
	while (cases->name && strcmp(cases->name, name) != 0)
		cases++;
	return cases;
}

int main(int argc, char **argv)
{
	const struct back_case *const lists[] = {
		base_cases, pages_cases, fences_cases, revoke_cases,
	};
	const struct back_case *found = NULL;

	if (argc < 4) {
		fprintf(stderr, "usage: back-test CASE DOMID GREF-FILE [ARGUMENT]\n");
		return 2;
	}
	domid = (uint16_t)atoi(argv[2]);
	argument = argv[4];
	grefs_load(argv[3]);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		found = case_find(lists[i], argv[1]);
		if (found->name)
			break;
	}
	if (!found->name) {
		fprintf(stderr, "back-test: no case %s\n", argv[1]);
		return 2;
	}
	found->run();
	return 0;
}
