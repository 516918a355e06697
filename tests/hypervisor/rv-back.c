// SPDX-License-Identifier: MIT
/* The pages and the operations on them; rv-back.h says what is what. */
#include "rv-back.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct page pages[MAX_PAGES];
unsigned int nr_pages, domid;
uint64_t wants_foreign, wants_all;
xengnttab_handle *gnt;
static xenevtchn_handle *evt;

int hypervisor(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = hypercall_open();
	return fd;
}

void gnttab_open(void)
{
	gnt = xengnttab_open(NULL, 0);
	if (!gnt)
		die("gntdev: %s", strerror(errno));
}

void map_pages(bool writable)
{
	unsigned int i;

	for (i = 0; i < nr_pages; i++) {
		pages[i].home = xengnttab_map_grant_ref(gnt, domid, pages[i].gref,
							PROT_READ | (writable ? PROT_WRITE : 0));
		if (!pages[i].home)
			die("map of gref %u: %s", pages[i].gref, strerror(errno));
		pages[i].kept = malloc(RV_PAGE);
		if (!pages[i].kept)
			die("no memory");
	}
}

int setup(unsigned int flags, struct gnttab_revocable_setup *out)
{
	struct gnttab_revocable_setup *op = hypercall_alloc(sizeof(*op));
	int rc;

	op->dom = domid;
	op->flags = flags;
	rc = grant_table_op(hypervisor(), GNTTABOP_revocable_setup, op, 1);
	if (rc)
		die("revocable_setup: %s", strerror(-rc));
	*out = *op;
	munmap(op, sizeof(*op));
	return out->status;
}

void channel_open(void)
{
	struct gnttab_revocable_setup s;
	int rc = setup(GNTREV_SETUP_open, &s);

	if (rc != GNTST_okay)
		die("revocable_setup: status %d", rc);
	evt = xenevtchn_open(NULL, 0);
	if (!evt)
		die("evtchn: %s", strerror(errno));
	if (fcntl(xenevtchn_fd(evt), F_SETFL, O_NONBLOCK))
		die("evtchn: %s", strerror(errno));
	if (xenevtchn_bind_interdomain(evt, domid, s.port) < 0)
		die("bind of port %u: %s", s.port, strerror(errno));
}

void op_pages(struct gnttab_revocable_op *ops, const unsigned int *which, unsigned int nr,
	      unsigned int cmd, unsigned int flags)
{
	bool replace = cmd == GNTREV_CMD_replace_ram || cmd == GNTREV_CMD_replace_mmio;
	unsigned int i;
	int rc;

	for (i = 0; i < nr; i++)
		ops[i] = (struct gnttab_revocable_op){
			.dom = domid, .cmd = cmd, .flags = flags, .ref = pages[which[i]].gref,
			.frame = replace ? pages[which[i]].other_frame : 0, .status = 1,
		};
	rc = grant_table_op(hypervisor(), GNTTABOP_revocable_op, ops, nr);
	if (rc)
		die("revocable_op %u of %u pages: %s", cmd, nr, strerror(-rc));
	for (i = 0; i < nr; i++)
		pages[which[i]].state = ops[i].state;
}

void op_okay(struct gnttab_revocable_op *ops, const unsigned int *which, unsigned int nr,
	     unsigned int cmd, unsigned int flags, unsigned int state)
{
	unsigned int i;

	op_pages(ops, which, nr, cmd, flags);
	for (i = 0; i < nr; i++)
		if (ops[i].status != GNTST_okay || ops[i].state != state)
			die("op %u (flags %u) of gref %u: status %d state %u, want state %u",
			    cmd, flags, ops[i].ref, ops[i].status, ops[i].state, state);
}

struct gnttab_revocable_op *op_last(void)
{
	static struct gnttab_revocable_op *op;

	if (!op)
		op = hypercall_alloc(sizeof(*op));
	return op;
}

int op_one(unsigned int page, unsigned int cmd, unsigned int flags, uint64_t frame)
{
	struct gnttab_revocable_op *op = op_last();
	int rc;

	*op = (struct gnttab_revocable_op){ .dom = domid, .cmd = cmd, .flags = flags,
					    .ref = pages[page].gref, .frame = frame, .status = 1 };
	rc = grant_table_op(hypervisor(), GNTTABOP_revocable_op, op, 1);
	if (rc)
		die("revocable_op %u: %s", cmd, strerror(-rc));
	pages[page].state = op->state;
	return op->status;
}

void one_okay(unsigned int page, unsigned int cmd, unsigned int flags, unsigned int state)
{
	op_okay(op_last(), &page, 1, cmd, flags, state);
}

void arm_all(void)
{
	struct gnttab_revocable_op *ops = hypercall_alloc(BATCH * sizeof(*ops));
	unsigned int which[BATCH], i, nr = 0;

	for (i = 0; i < nr_pages; i++) {
		which[nr++] = i;
		if (nr == BATCH || i + 1 == nr_pages) {
			op_okay(ops, which, nr, GNTREV_CMD_arm, 0, GNTREV_STATE_home);
			nr = 0;
		}
	}
	munmap(ops, BATCH * sizeof(*ops));
}

unsigned int index_of(uint32_t gref)
{
	unsigned int i;

	for (i = 0; i < nr_pages; i++)
		if (pages[i].gref == gref)
			return i;
	die("a want for gref %u, which is not ours", gref);
}

unsigned int fetch(struct gnttab_revocable_fault *faults, unsigned int max)
{
	unsigned int i;
	int rc;

	for (i = 0; i < max; i++)
		faults[i] = (struct gnttab_revocable_fault){ .dom = domid, .status = 1 };
	rc = grant_table_op(hypervisor(), GNTTABOP_revocable_faults, faults, max);
	if (rc)
		die("revocable_faults: %s", strerror(-rc));
	for (i = 0; i < max && faults[i].status == GNTST_okay; i++) {
		pages[index_of(faults[i].ref)].wants++;
		__atomic_fetch_add(&wants_all, 1, __ATOMIC_RELAXED);
		if (faults[i].access & GNTREV_ACCESS_foreign)
			__atomic_fetch_add(&wants_foreign, 1, __ATOMIC_RELAXED);
	}
	return i;
}

bool event_wait(int ms)
{
	struct pollfd p = { .fd = evt ? xenevtchn_fd(evt) : -1, .events = POLLIN };
	int port;

	/* Another process has the channel. */
	if (!evt && ms > 20)
		ms = 20;
	if (poll(&p, 1, ms) <= 0)
		return false;
	port = xenevtchn_pending(evt);
	if (port < 0 && errno == EAGAIN)	/* another thread was faster */
		return true;
	if (port < 0 || xenevtchn_unmask(evt, port))
		die("evtchn: %s", strerror(errno));
	return true;
}

bool want_seen(unsigned int page, unsigned int access, int ms)
{
	static struct gnttab_revocable_fault *faults;
	uint64_t end = now_ns() + ms * 1000000ULL;
	unsigned int i, n;

	if (!faults)
		faults = hypercall_alloc(64 * sizeof(*faults));
	for (;;) {
		n = fetch(faults, 64);
		for (i = 0; i < n; i++)
			if (faults[i].ref == pages[page].gref &&
			    (faults[i].access & access) == access)
				return true;
		if (now_ns() >= end)
			return false;
		event_wait((end - now_ns()) / 1000000 + 1);
	}
}

/* ---- memory that stands in for pages ---- */
/* In a PV domain only the kernel knows. */
static uint64_t frame_of(uint64_t pfn)
{
	int fd = open("/dev/rv-pages", O_RDWR | O_CLOEXEC);
	char text[32];
	ssize_t n;

	if (fd < 0)
		return pfn;
	n = snprintf(text, sizeof(text), "frame %llu", (unsigned long long)pfn);
	if (write(fd, text, n) != n)
		die("frame of %llu: %s", (unsigned long long)pfn, strerror(errno));
	n = pread(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	close(fd);
	return strtoull(text, NULL, 0);
}

uint64_t own_frame(const void *p)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry;

	if (pread(pagemap, &entry, sizeof(entry), (uintptr_t)p / RV_PAGE * 8) != sizeof(entry))
		die("pagemap: %s", strerror(errno));
	close(pagemap);
	return frame_of(entry & ((1ULL << 55) - 1));
}

static void ram_open(void)
{
	uint8_t *ram = hypercall_alloc(nr_pages * (size_t)RV_PAGE);
	unsigned int i;

	for (i = 0; i < nr_pages; i++) {
		pages[i].other = ram + (size_t)i * RV_PAGE;
		pages[i].other_frame = own_frame(pages[i].other);
	}
}

/* resource is sysfs's directory of a PCI device; its BAR 2 is used. */
static void mmio_open(const char *resource)
{
	char path[256], line[128];
	unsigned long long start = 0;
	unsigned int i;
	uint8_t *bar;
	FILE *f;
	int fd;

	snprintf(path, sizeof(path), "%s/resource", resource);
	f = fopen(path, "r");
	for (i = 0; f && i < 3; i++)
		if (!fgets(line, sizeof(line), f) || sscanf(line, "%llx", &start) != 1)
			die("%s cannot be understood", path);
	if (!f)
		die("%s: %s", path, strerror(errno));
	fclose(f);
	snprintf(path, sizeof(path), "%s/resource2", resource);
	fd = open(path, O_RDWR | O_CLOEXEC);
	bar = mmap(NULL, nr_pages * (size_t)RV_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || bar == MAP_FAILED || !start)
		die("%s: %s", path, strerror(errno));
	for (i = 0; i < nr_pages; i++) {
		pages[i].other = bar + (size_t)i * RV_PAGE;
		pages[i].other_frame = start / RV_PAGE + i;
	}
	close(fd);
}

void others_open(enum other kind, const char *resource)
{
	if (kind == OTHER_RAM)
		ram_open();
	else if (kind == OTHER_MMIO)
		mmio_open(resource);
}
