// SPDX-License-Identifier: MIT
/* Grants by /dev/xen/gntalloc, and their opt-in by hypercall. */
#include "rv-grant.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

struct gntalloc_alloc {
	uint16_t domid;
	uint16_t flags;
	uint32_t count;
	uint64_t index;
	uint32_t gref[];
};
#define IOCTL_GNTALLOC_ALLOC _IOC(_IOC_NONE, 'G', 5, 24)

void *grant_page(int fd, unsigned int domid, uint32_t *gref)
{
	struct {
		struct gntalloc_alloc alloc;
		uint32_t gref;
	} a = { .alloc = { .domid = domid, .flags = 1, .count = 1 } };
	void *p;

	if (ioctl(fd, IOCTL_GNTALLOC_ALLOC, &a))
		die("gntalloc: %s", strerror(errno));
	p = mmap(NULL, RV_PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED, fd,
		 a.alloc.index);
	if (p == MAP_FAILED)
		die("mmap of gntalloc: %s", strerror(errno));
	memset(p, 0, RV_PAGE);
	*gref = a.alloc.gref[0];
	return p;
}

static uint64_t gfn_of(int pagemap, const void *p)
{
	uint64_t entry;

	if (pread(pagemap, &entry, sizeof(entry), (uintptr_t)p / RV_PAGE * 8) != sizeof(entry))
		die("pagemap: %s", strerror(errno));
	return entry & ((1ULL << 55) - 1);
}

void opt_in(unsigned int domid, unsigned int flags, const uint32_t *grefs, void *const *pages,
	    unsigned int nr)
{
	struct gnttab_revocable_allow *ops = hypercall_alloc(nr * sizeof(*ops));
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	int hyp = hypercall_open(), rc;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		ops[i].gfn = gfn_of(pagemap, pages[i]);
		ops[i].ref = grefs[i];
		ops[i].dom = domid;
		ops[i].flags = flags;
		ops[i].status = 1;
	}
	rc = grant_table_op(hyp, GNTTABOP_revocable_allow, ops, nr);
	if (rc)
		die("revocable_allow: %s", strerror(-rc));
	for (i = 0; i < nr; i++)
		if (ops[i].status != GNTST_okay)
			die("revocable_allow of gref %u: status %d", grefs[i], ops[i].status);
	munmap(ops, nr * sizeof(*ops));
	close(pagemap);
	close(hyp);
}
