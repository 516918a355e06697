// SPDX-License-Identifier: MIT
/*
 * Writes entries of a guest's grant table, version 2, from dom0: kinds of grants that
 * no driver of Linux makes, and changes that only a hostile guest makes.
 *
 *   rv-entry DOMID GREF full GFN
 *   rv-entry DOMID GREF sub GFN OFFSET LENGTH
 *   rv-entry DOMID GREF transitive DOMID2 GREF2
 *
 * Who may use the grant stays as it is. Prints "fail: ..." and exits with 1 if it cannot.
 */
#include "rv.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xenctrl.h>
#include <xenforeignmemory.h>
#include <xen/grant_table.h>
#include <xen/memory.h>

#define PER_PAGE (RV_PAGE / sizeof(grant_entry_v2_t))

static grant_entry_v2_t *entry_of(uint32_t domid, uint32_t gref)
{
	xenforeignmemory_handle *fmem = xenforeignmemory_open(NULL, 0);
	void *page = NULL;

	if (!fmem)
		die("libxenforeignmemory: %s", strerror(errno));
	if (!xenforeignmemory_map_resource(fmem, domid, XENMEM_resource_grant_table,
					   XENMEM_resource_grant_table_id_shared, gref / PER_PAGE,
					   1, &page, PROT_READ | PROT_WRITE, 0))
		die("grant table: %s", strerror(errno));
	return (grant_entry_v2_t *)page + gref % PER_PAGE;
}

static uint64_t number(const char *text)
{
	return strtoull(text, NULL, 0);
}

/* False if the words say nothing that is known. */
static bool entry_write(grant_entry_v2_t *entry, uint16_t flags, int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[0], "full")) {
		entry->full_page.frame = number(argv[1]);
		flags |= GTF_permit_access;
	} else if (argc == 4 && !strcmp(argv[0], "sub")) {
		entry->sub_page.page_off = number(argv[2]);
		entry->sub_page.length = number(argv[3]);
		entry->sub_page.frame = number(argv[1]);
		flags |= GTF_permit_access | GTF_sub_page;
	} else if (argc == 3 && !strcmp(argv[0], "transitive")) {
		entry->transitive.trans_domid = number(argv[1]);
		entry->transitive.gref = number(argv[2]);
		flags |= GTF_transitive;
	} else {
		return false;
	}
	__atomic_store_n(&entry->hdr.flags, flags, __ATOMIC_SEQ_CST);
	return true;
}

int main(int argc, char **argv)
{
	grant_entry_v2_t *entry;
	uint16_t flags;

	if (argc < 5)
		die("usage: rv-entry DOMID GREF full|sub|transitive ...");
	entry = entry_of(number(argv[1]), number(argv[2]));
	flags = entry->hdr.flags & ~(GTF_type_mask | GTF_sub_page);
	if (!entry_write(entry, flags, argc - 3, argv + 3))
		die("usage: rv-entry DOMID GREF full|sub|transitive ...");
	return 0;
}
