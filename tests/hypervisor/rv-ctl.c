// SPDX-License-Identifier: MIT
/*
 * What the tests of revocable grants have the toolstack do to a guest.
 *
 *   rv-ctl pool DOMID BYTES          size of the pool for its second-level tables
 *   rv-ctl mmio DOMID GFN DIRECTORY  put the first page of BAR 2 of a PCI device there
 *   rv-ctl unmmio DOMID GFN DIRECTORY
 *   rv-ctl take DOMID GFN            take a page out of the guest; give DOMID GFN: put one there
 *   rv-ctl map DOMID GFN             map a page, as a toolstack does; prints 0 or the error
 *   rv-ctl deny DOMID DIRECTORY      withdraw the permission for that page
 *   rv-ctl altp2m DOMID              enable alternative views
 *   rv-ctl move DOMID FROM TO ROUNDS move 512 pages in the guest's address space and back,
 *                                    the stock way to take memory away; prints the shortest
 *                                    time of all rounds
 *   rv-ctl logdirty DOMID 0|1        record which pages the guest writes to
 *   rv-ctl dirty DOMID GFN           prints whether it did since the last time
 *   rv-ctl free                      prints Xen's free pages
 *
 * Prints what failed, with errno's name, and exits with 1.
 */
#include "rv.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xenctrl.h>
#include <xenforeignmemory.h>
#include <xen/hvm/params.h>

/*
 * Pages that are moved by one call: it takes about as long as a batch of revocations, so
 * that what else the machine does disturbs neither more than the other.
 */
#define MOVE_PAGES 64

static unsigned long bar_frame(const char *directory)
{
	char path[256], line[128];
	unsigned long long start = 0;
	unsigned int i;
	FILE *f;

	snprintf(path, sizeof(path), "%s/resource", directory);
	f = fopen(path, "r");
	if (!f)
		die("%s: %s", path, strerror(errno));
	for (i = 0; i < 3; i++)
		if (!fgets(line, sizeof(line), f) || sscanf(line, "%llx", &start) != 1)
			die("%s cannot be understood", path);
	fclose(f);
	return start / RV_PAGE;
}

static int free_print(xc_interface *xch)
{
	xc_physinfo_t info = { 0 };
	int rc = xc_physinfo(xch, &info);

	if (!rc)
		printf("%llu\n", (unsigned long long)info.free_pages);
	return rc;
}

static void move_range(int fd, uint32_t domid, uint64_t from, uint64_t to)
{
	struct xen_add_to_physmap *op = hypercall_alloc(sizeof(*op));
	int rc;

	op->domid = domid;
	op->size = MOVE_PAGES;
	op->space = XENMAPSPACE_gmfn_range;
	op->idx = from;
	op->gpfn = to;
	rc = memory_op(fd, XENMEM_add_to_physmap, op);
	if (rc)
		die("move: %s", strerror(-rc));
	munmap(op, sizeof(*op));
}

/* Move all, a part at a time; best has the shortest times so far. */
static void move_all(int fd, uint32_t domid, uint64_t from, uint64_t to, uint64_t *best)
{
	uint64_t start, took;
	unsigned int k;

	for (k = 0; k < 512 / MOVE_PAGES; k++) {
		start = now_ns();
		move_range(fd, domid, from + k * MOVE_PAGES, to + k * MOVE_PAGES);
		took = now_ns() - start;
		if (took < best[k])
			best[k] = took;
	}
}

static void move_print(const char *name, const uint64_t *best)
{
	uint64_t sum = 0;
	unsigned int k;

	for (k = 0; k < 512 / MOVE_PAGES; k++)
		sum += best[k];
	printf("%s %llu ns\n", name, (unsigned long long)sum / 512);
}

static int move(uint32_t domid, uint64_t from, uint64_t to, unsigned int rounds)
{
	int fd = hypercall_open();
	uint64_t away[512 / MOVE_PAGES], back[512 / MOVE_PAGES];
	unsigned int i;

	memset(away, 0xff, sizeof(away));
	memset(back, 0xff, sizeof(back));
	for (i = 0; i < rounds; i++) {
		move_all(fd, domid, from, to, away);
		move_all(fd, domid, to, from, back);
	}
	move_print("stock_move_away_page", away);
	move_print("stock_move_back_page", back);
	return 0;
}

static int mmio(xc_interface *xch, uint32_t domid, unsigned long gfn, unsigned long mfn, bool add)
{
	int rc = 0;

	if (add)
		rc = xc_domain_iomem_permission(xch, domid, mfn, 1, 1);
	if (!rc)
		rc = xc_domain_memory_mapping(xch, domid, gfn, mfn, 1, add ? DPCI_ADD_MAPPING
									   : DPCI_REMOVE_MAPPING);
	if (!rc && !add)
		rc = xc_domain_iomem_permission(xch, domid, mfn, 1, 0);
	return rc;
}

/* In a PV domain the library retries for as long as the page is away. */
static int map(uint32_t domid, xen_pfn_t gfn)
{
	xenforeignmemory_handle *fmem = xenforeignmemory_open(NULL, 0);
	int error = 0;

	if (!fmem || !xenforeignmemory_map(fmem, domid, PROT_READ | PROT_WRITE, 1, &gfn, &error))
		return -1;
	printf("%d\n", error);
	xenforeignmemory_close(fmem);
	return 0;
}

static int logdirty(xc_interface *xch, uint32_t domid, bool on)
{
	return xc_shadow_control(xch, domid, on ? XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY
						: XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0);
}

static int dirty(xc_interface *xch, uint32_t domid, unsigned long gfn)
{
	DECLARE_HYPERCALL_BUFFER(uint64_t, bitmap);
	xen_pfn_t nr;

	if (xc_domain_nr_gpfns(xch, domid, &nr))
		return -1;
	if (gfn >= nr)
		die("the guest has no gfn %lx", gfn);
	bitmap = xc_hypercall_buffer_alloc(xch, bitmap, (nr + 63) / 64 * sizeof(*bitmap));
	if (!bitmap)
		return -1;
	if (xc_logdirty_control(xch, domid, XEN_DOMCTL_SHADOW_OP_CLEAN,
				HYPERCALL_BUFFER(bitmap), nr, 0, NULL) != (long long)nr)
		return -1;
	printf("%d\n", (int)(bitmap[gfn / 64] >> gfn % 64 & 1));
	xc_hypercall_buffer_free(xch, bitmap);
	return 0;
}

static int run(xc_interface *xch, int argc, char **argv)
{
	const char *name = argv[1];
	uint32_t domid = argc > 2 ? strtoul(argv[2], NULL, 0) : 0;
	xen_pfn_t gfn = argc > 3 ? strtoul(argv[3], NULL, 0) : 0;

	if (!strcmp(name, "free"))
		return free_print(xch);
	if (!strcmp(name, "pool") && argc == 4)
		return xc_set_paging_mempool_size(xch, domid, gfn);
	if (!strcmp(name, "mmio") && argc == 5)
		return mmio(xch, domid, gfn, bar_frame(argv[4]), true);
	if (!strcmp(name, "unmmio") && argc == 5)
		return mmio(xch, domid, gfn, bar_frame(argv[4]), false);
	if (!strcmp(name, "take") && argc == 4)
		return xc_domain_decrease_reservation_exact(xch, domid, 1, 0, &gfn);
	if (!strcmp(name, "give") && argc == 4)
		return xc_domain_populate_physmap_exact(xch, domid, 1, 0, 0, &gfn);
	if (!strcmp(name, "map") && argc == 4)
		return map(domid, gfn);
	if (!strcmp(name, "deny") && argc == 4)
		return xc_domain_iomem_permission(xch, domid, bar_frame(argv[3]), 1, 0);
	if (!strcmp(name, "altp2m") && argc == 3)
		return xc_hvm_param_set(xch, domid, HVM_PARAM_ALTP2M, XEN_ALTP2M_external);
	if (!strcmp(name, "logdirty") && argc == 4)
		return logdirty(xch, domid, gfn);
	if (!strcmp(name, "dirty") && argc == 4)
		return dirty(xch, domid, gfn);
	if (!strcmp(name, "move") && argc == 6)
		return move(domid, gfn, strtoull(argv[4], NULL, 0), strtoul(argv[5], NULL, 0));
	die("usage: rv-ctl pool|mmio|unmmio|take|give|map|deny|altp2m|logdirty|dirty|move|free ...");
}

int main(int argc, char **argv)
{
	xc_interface *xch = xc_interface_open(NULL, NULL, 0);

	if (!xch || argc < 2)
		die("libxenctrl: %s", strerror(errno));
	if (run(xch, argc, argv))
		die("%s: %s", argv[1], strerror(errno));
	xc_interface_close(xch);
	return 0;
}
