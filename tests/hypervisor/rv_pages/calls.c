// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The commands of rv_pages that are one hypercall about a page. main.c says what
 * each does, and holds the lock.
 */
#include <linux/mm.h>
#include <asm/xen/hypercall.h>
#include <xen/interface/event_channel.h>
#include <xen/interface/grant_table.h>
#include <xen/interface/memory.h>
#include <xen/page.h>
#include <xen/xen.h>
#include <xen/xen-ops.h>

#include "rv_pages.h"

#define VCPUOP_TIME_PHYS_AREA 15

int do_hypercall(unsigned long i, unsigned long unused)
{
	struct gnttab_query_size *op = page_address(pages[i].page);
	int rc = HYPERVISOR_grant_table_op(GNTTABOP_query_size, op, 1);

	say("%d %d", rc, rc ? 0 : op->status);
	return 0;
}

int do_time(unsigned long i, unsigned long unused)
{
	/* As struct vcpu_register_time_memory_area. */
	u64 addr[] = { (u64)xen_page_to_gfn(pages[i].page) << PAGE_SHIFT, ~0ULL };
	int vcpu = xen_vcpu_nr(raw_smp_processor_id());
	int rc = HYPERVISOR_vcpu_op(VCPUOP_TIME_PHYS_AREA, vcpu, &addr[0]);

	say("%d %d", rc, HYPERVISOR_vcpu_op(VCPUOP_TIME_PHYS_AREA, vcpu, &addr[1]));
	return 0;
}

int do_fifo(unsigned long i, unsigned long unused)
{
	struct evtchn_expand_array op = {
		.array_gfn = xen_page_to_gfn(pages[i].page),
	};

	say("%d", HYPERVISOR_event_channel_op(EVTCHNOP_expand_array, &op));
	return 0;
}

static int memory_op(unsigned int cmd, unsigned long i)
{
	xen_pfn_t gfn = page_to_pfn(pages[i].page);
	struct xen_memory_reservation op = { .nr_extents = 1, .domid = DOMID_SELF };

	set_xen_guest_handle(op.extent_start, &gfn);
	return HYPERVISOR_memory_op(cmd, &op) == 1 ? 0 : -EIO;
}

int do_balloon(unsigned long i, unsigned long unused)
{
	int rc = memory_op(XENMEM_decrease_reservation, i);

	if (!rc)
		pages[i].away = true;
	return rc;
}

int do_populate(unsigned long i, unsigned long unused)
{
	int rc = memory_op(XENMEM_populate_physmap, i);

	if (!rc)
		pages[i].away = false;
	return rc;
}

int do_exchange(unsigned long i, unsigned long unused)
{
	xen_pfn_t gfn = xen_page_to_gfn(pages[i].page), out = gfn;
	struct xen_memory_exchange op = {
		.in = { .nr_extents = 1, .domid = DOMID_SELF },
		.out = { .nr_extents = 1, .domid = DOMID_SELF },
	};

	set_xen_guest_handle(op.in.extent_start, &gfn);
	set_xen_guest_handle(op.out.extent_start, &out);
	say("%ld", (long)HYPERVISOR_memory_op(XENMEM_exchange, &op));
	return 0;
}

int do_overwrite(unsigned long i, unsigned long k)
{
	struct xen_add_to_physmap op = { .domid = DOMID_SELF, .space = XENMAPSPACE_gmfn };

	if (k >= nr_pages || k == i || pages[k].away)
		return -EINVAL;
	op.idx = xen_page_to_gfn(pages[k].page);
	op.gpfn = xen_page_to_gfn(pages[i].page);
	pages[k].away = true;
	return HYPERVISOR_memory_op(XENMEM_add_to_physmap, &op);
}
