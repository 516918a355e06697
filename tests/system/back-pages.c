// SPDX-License-Identifier: MIT
/*
 * Cases of back-test about single pages of an object: WRITE puts contents into
 * them by CPU, TRIM gives them back before the object ends; and of READ, which needs
 * no object.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "back-lib.h"

#define PAGES 16U
#define PAGE 4096UL
#define MARK 0x7700000000000000ULL

static int write_call(int fd, int dmabuf, uint32_t first, uint32_t nr,
		      const void *from)
{
	struct xen_userptr_back_write arg = {
		.from = (uintptr_t)from, .fd = dmabuf, .first = first, .nr = nr,
	};

	return ioctl(fd, XEN_USERPTR_BACK_WRITE, &arg);
}

static int trim_call(int fd, int dmabuf, uint32_t first, uint32_t nr)
{
	struct xen_userptr_back_trim arg = {
		.fd = dmabuf, .first = first, .nr = nr,
	};

	return ioctl(fd, XEN_USERPTR_BACK_TRIM, &arg);
}

/* Whole pages, each word its number with MARK; what follows cannot be read. */
static uint64_t *marked_pages(uint32_t nr)
{
	uint8_t *p = mmap(NULL, (nr + 1) * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t *words = (uint64_t *)(void *)p;

	CHECK(p != MAP_FAILED);
	for (size_t i = 0; i < nr * (size_t)WORDS; i++)
		words[i] = MARK + i;
	CHECK(munmap(p + nr * PAGE, PAGE) == 0);
	return words;
}

static void expect_marked(int importer, uint32_t first, uint32_t nr)
{
	for (uint32_t p = 0; p < nr; p++)
		for (uint32_t w = 0; w < WORDS; w++)
			CHECK(peek(importer, first + p, w) ==
			      MARK + p * (uint64_t)WORDS + w);
}

/* What the guest put there, so that the next case finds it. */
static void pattern_write(int fd, int dmabuf, uint32_t first, uint32_t nr)
{
	uint64_t words[WORDS];

	for (uint32_t p = first; p < first + nr; p++) {
		for (uint32_t w = 0; w < WORDS; w++)
			words[w] = BACK_PATTERN + p * (uint64_t)WORDS + w;
		CHECK(write_call(fd, dmabuf, p, 1, words) == 0);
	}
}

static void write_badly(int fd, int dmabuf, int readonly, const void *from)
{
	struct xen_userptr_back_write pad = {
		.from = (uintptr_t)from, .fd = dmabuf, .nr = 1, .pad = 1,
	};
	int other = back_bound(MAX_GREFS), fresh = back_open();

	CHECK_ERRNO(EINVAL, ioctl(fd, XEN_USERPTR_BACK_WRITE, &pad));
	CHECK_ERRNO(EFAULT, ioctl(fd, XEN_USERPTR_BACK_WRITE, NULL));
	CHECK_ERRNO(EINVAL, write_call(fd, dmabuf, 0, 0, from));
	CHECK_ERRNO(EINVAL, write_call(fd, dmabuf, PAGES, 1, from));
	CHECK_ERRNO(EINVAL, write_call(fd, dmabuf, 1, PAGES, from));
	CHECK_ERRNO(EINVAL, write_call(fd, dmabuf, UINT32_MAX, 2, from));
	CHECK_ERRNO(EINVAL, write_call(fd, dmabuf, 0, XEN_USERPTR_BACK_WRITE_MAX + 1, from));
	CHECK_ERRNO(EINVAL, write_call(fd, -1, 0, 1, from));
	CHECK_ERRNO(EINVAL, write_call(fd, fd, 0, 1, from));
	CHECK_ERRNO(EINVAL, write_call(other, dmabuf, 0, 1, from));
	CHECK_ERRNO(ENOTCONN, write_call(fresh, dmabuf, 0, 1, from));
	CHECK_ERRNO(EACCES, write_call(fd, readonly, 0, 1, from));
	CHECK_ERRNO(EFAULT, write_call(fd, dmabuf, 0, 1, NULL));
	close(other);
	close(fresh);
}

static void test_write(void)
{
	int fd = back_bound(MAX_GREFS), dmabuf = map(fd, 0, PAGES, 31);
	int readonly = map_flags(fd, PAGES, PAGES, 32, XEN_USERPTR_BACK_MAP_READONLY);
	int importer = imported(dmabuf, XU_IMPORT_DYNAMIC);
	uint64_t *from = marked_pages(3);

	CHECK(dmabuf >= 0 && readonly >= 0);
	write_badly(fd, dmabuf, readonly, from);
	expect_pattern(importer, 0, PAGES);
	CHECK(write_call(fd, dmabuf, 4, 3, from) == 0);
	expect_marked(importer, 4, 3);
	expect_pattern(importer, 0, 4);
	/* The fourth page of the contents is not there: the others may be written. */
	CHECK_ERRNO(EFAULT, write_call(fd, dmabuf, 4, 4, from));
	CHECK(peek(importer, 7, 1) == BACK_PATTERN + 7 * WORDS + 1);
	pattern_write(fd, dmabuf, 4, 3);
	expect_pattern(importer, 0, PAGES);
	close(readonly);
	expect_unmapped(fd, 32);
	close(dmabuf);
	close(importer);
	expect_unmapped(fd, 31);
}

/* Each call in it that can fail does, in turn, and the next WRITE works. */
static void test_write_fails(void)
{
	int fd = back_bound(MAX_GREFS), dmabuf = map(fd, 0, PAGES, 33), n, left = 0;
	uint64_t *from = marked_pages(2);

	for (n = 1; !left; n++) {
		CHECK(n < 20);
		number_write(FAIL_NTH, n);
		if (write_call(fd, dmabuf, 0, 2, from)) {
			CHECK(errno == ENOMEM || errno == EINTR);
			CHECK(write_call(fd, dmabuf, 0, 2, from) == 0);
		}
		left = number_read(FAIL_NTH);
		number_write(FAIL_NTH, 0);
	}
	CHECK(n - 2 >= 3);
	pattern_write(fd, dmabuf, 0, 2);
	close(dmabuf);
	expect_unmapped(fd, 33);
}

static void trim_badly(int fd, int dmabuf)
{
	struct xen_userptr_back_trim pad = { .fd = dmabuf, .nr = 1, .pad = 1 };
	int other = back_bound(MAX_GREFS);

	CHECK_ERRNO(EINVAL, ioctl(fd, XEN_USERPTR_BACK_TRIM, &pad));
	CHECK_ERRNO(EFAULT, ioctl(fd, XEN_USERPTR_BACK_TRIM, NULL));
	CHECK_ERRNO(EINVAL, trim_call(fd, dmabuf, 0, 0));
	CHECK_ERRNO(EINVAL, trim_call(fd, dmabuf, PAGES, 1));
	CHECK_ERRNO(EINVAL, trim_call(fd, dmabuf, 1, PAGES));
	CHECK_ERRNO(EINVAL, trim_call(fd, dmabuf, UINT32_MAX, 2));
	CHECK_ERRNO(EINVAL, trim_call(fd, fd, 0, 1));
	CHECK_ERRNO(EINVAL, trim_call(other, dmabuf, 0, 1));
	close(other);
}

/* Who maps the object keeps its pages; afterwards a blank page stands for them. */
static void test_trim(void)
{
	int fd = back_bound(MAX_GREFS), dmabuf = map(fd, 0, PAGES, 34);
	int importer = imported(dmabuf, 0);
	uint64_t *from = marked_pages(3);

	trim_badly(fd, dmabuf);
	CHECK_ERRNO(EBUSY, trim_call(fd, dmabuf, 4, 3));
	expect_pattern(importer, 0, PAGES);
	CHECK(ioctl(importer, XU_DETACH) == 0);
	close(importer);
	CHECK(trim_call(fd, dmabuf, 4, 3) == 0);
	CHECK(stats(fd).mapped == PAGES - 3);
	CHECK_ERRNO(EINVAL, trim_call(fd, dmabuf, 6, 2));
	CHECK_ERRNO(EINVAL, write_call(fd, dmabuf, 4, 1, from));
	importer = imported(dmabuf, XU_IMPORT_DYNAMIC);
	expect_pattern(importer, 0, 4);
	CHECK(peek(importer, 4, 0) == 0 && peek(importer, 6, WORDS - 1) == 0);
	CHECK(peek(importer, 7, 1) == BACK_PATTERN + 7 * WORDS + 1);
	close(importer);
	close(dmabuf);
	expect_unmapped(fd, 34);
	CHECK(stats(fd).mapped == 0);
}

/* What was trimmed can be mapped again, but only as much of it as the budget is. */
static void test_trim_again(void)
{
	int fd = back_bound(PAGES), first = map(fd, 0, PAGES, 35), second, third;

	CHECK(first >= 0 && trim_call(fd, first, 1, PAGES - 1) == 0);
	second = map(fd, 0, PAGES - 1, 36);
	CHECK(second >= 0 && trim_call(fd, second, 1, PAGES - 2) == 0);
	CHECK(stats(fd).mapped == 2);
	CHECK_ERRNO(EDQUOT, map(fd, 0, PAGES - 2, 37));
	close(first);
	expect_unmapped(fd, 35);
	third = map(fd, 0, PAGES - 2, 37);
	CHECK(third >= 0);
	close(second);
	expect_unmapped(fd, 36);
	close(third);
	expect_unmapped(fd, 37);
	CHECK(stats(fd).mapped == 0);
}

static int read_call(int fd, const uint32_t *from, uint32_t nr, void *to,
		     struct xen_userptr_back_read *arg)
{
	*arg = (struct xen_userptr_back_read){
		.grefs = (uintptr_t)from, .to = (uintptr_t)to, .nr = nr,
	};
	return ioctl(fd, XEN_USERPTR_BACK_READ, arg);
}

static void read_badly(int fd, uint64_t *to)
{
	uint32_t list[3] = { grefs[0], 0xfffffff0U, grefs[1] };
	struct xen_userptr_back_read arg;
	int other = back_open();

	CHECK_ERRNO(ENOTCONN, read_call(other, list, 1, to, &arg));
	close(other);
	CHECK_ERRNO(EINVAL, read_call(fd, list, 0, to, &arg));
	CHECK_ERRNO(EINVAL, read_call(fd, grefs, XEN_USERPTR_BACK_READ_MAX + 1,
				      to, &arg));
	CHECK_ERRNO(EFAULT, read_call(fd, (uint32_t *)16, 1, to, &arg));
	/* What follows the four pages cannot be written. */
	CHECK_ERRNO(EFAULT, read_call(fd, grefs, 5, to, &arg));
	CHECK_ERRNO(EIO, read_call(fd, list, 3, to, &arg));
	CHECK(arg.error_index == 1 && arg.gnttab_status < 0);
	arg.pad = 1;
	CHECK_ERRNO(EINVAL, ioctl(fd, XEN_USERPTR_BACK_READ, &arg));
}

/* Pages that nobody has mapped, in another order than the guest's. */
static void test_read(void)
{
	uint32_t list[4] = { grefs[3], grefs[0], grefs[2], grefs[2] };
	static const uint32_t page[4] = { 3, 0, 2, 2 };
	int fd = back_bound(MAX_GREFS);
	struct xen_userptr_back_read arg;
	uint64_t *to = marked_pages(4);

	read_badly(fd, to);
	CHECK(read_call(fd, list, 4, to, &arg) == 0);
	for (size_t i = 0; i < 4 * (size_t)WORDS; i++)
		CHECK(to[i] == BACK_PATTERN + page[i / WORDS] * WORDS + i % WORDS);
	CHECK(stats(fd).mapped == 0);
	close(fd);
}

const struct back_case pages_cases[] = {
	{ "read", test_read },
	{ "write", test_write },
	{ "write_fails", test_write_fails },
	{ "trim", test_trim },
	{ "trim_again", test_trim_again },
	{ NULL, NULL },
};
