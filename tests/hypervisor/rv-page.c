// SPDX-License-Identifier: MIT
/*
 * A pager for one page: what the tests of the fixes in front of the series need.
 * They are about pages that Xen's memory paging took out of a guest; it is compiled
 * into Xen only on demand (CONFIG_MEM_PAGING) and wants a PV dom0.
 *
 * rv-page DOMID GFN SECONDS
 *
 * Takes the page out, prints "type T", what getpageframeinfo says about it in hex,
 * and "evicted". The first who wants the page gets it back, and "wanted" is printed;
 * after SECONDS it comes back unasked. Exits with 77 if Xen has no memory paging.
 */
#include "rv.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xen/hvm/params.h>
#include <xen/vm_event.h>

/* Exported by libxenctrl for its own libraries; replaces each gfn by its type. */
int xc_get_pfn_type_batch(xc_interface *xch, uint32_t dom, unsigned int num, xen_pfn_t *arr);

static xc_interface *xch;
static xenforeignmemory_handle *fmem;
static xenevtchn_handle *evtchn;
static evtchn_port_t port;
static uint32_t domid;
static vm_event_back_ring_t ring;

static void *guest_page(xen_pfn_t gfn)
{
	int err = 0;
	void *p = xenforeignmemory_map(fmem, domid, PROT_READ | PROT_WRITE, 1, &gfn, &err);

	return p && !err ? p : NULL;
}

static void *ring_page(void)
{
	uint64_t value;
	xen_pfn_t gfn;
	void *p;

	if (xc_hvm_param_get(xch, domid, HVM_PARAM_PAGING_RING_PFN, &value))
		die("gfn of the ring: %s", strerror(errno));
	gfn = value;
	p = guest_page(gfn);
	if (!p && !xc_domain_populate_physmap_exact(xch, domid, 1, 0, 0, &gfn))
		p = guest_page(gfn);
	if (!p)
		die("ring: %s", strerror(errno));
	return p;
}

static void paging_enable(void)
{
	void *page = ring_page();
	uint32_t remote;
	int rc;

	if (xc_mem_paging_enable(xch, domid, &remote)) {
		if (errno == ENOSYS || errno == EOPNOTSUPP)
			exit(77);
		die("enable: %s", strerror(errno));
	}
	rc = xenevtchn_bind_interdomain(evtchn, domid, remote);
	if (rc < 0)
		die("event channel: %s", strerror(errno));
	port = rc;
	SHARED_RING_INIT((vm_event_sring_t *)page);
	BACK_RING_INIT(&ring, (vm_event_sring_t *)page, XC_PAGE_SIZE);
}

/* Wait for the first request; false after the time. */
static bool request_take(vm_event_request_t *request, int seconds)
{
	struct pollfd pfd = { .fd = xenevtchn_fd(evtchn), .events = POLLIN };
	uint64_t end = now_ns() + seconds * 1000000000ULL;

	while (!RING_HAS_UNCONSUMED_REQUESTS(&ring)) {
		int ms = (int)((int64_t)(end - now_ns()) / 1000000);

		if (ms <= 0 || poll(&pfd, 1, ms) <= 0)
			return false;
		if (xenevtchn_pending(evtchn) < 0 || xenevtchn_unmask(evtchn, port))
			die("event: %s", strerror(errno));
	}
	memcpy(request, RING_GET_REQUEST(&ring, ring.req_cons), sizeof(*request));
	ring.req_cons++;
	ring.sring->req_event = ring.req_cons + 1;
	return true;
}

static void response_put(const vm_event_request_t *request)
{
	vm_event_response_t response = {
		.version = VM_EVENT_INTERFACE_VERSION,
		.vcpu_id = request->vcpu_id,
		.flags = request->flags,
		.reason = request->reason,
		.u = request->u,
	};

	memcpy(RING_GET_RESPONSE(&ring, ring.rsp_prod_pvt), &response, sizeof(response));
	ring.rsp_prod_pvt++;
	RING_PUSH_RESPONSES(&ring);
	if (xenevtchn_notify(evtchn, port))
		die("notify: %s", strerror(errno));
}

static void page_out(xen_pfn_t gfn, void *copy)
{
	xen_pfn_t type = gfn;
	void *p = guest_page(gfn);

	if (!p)
		die("page: %s", strerror(errno));
	memcpy(copy, p, XC_PAGE_SIZE);
	xenforeignmemory_unmap(fmem, p, 1);
	if (xc_mem_paging_nominate(xch, domid, gfn) || xc_mem_paging_evict(xch, domid, gfn))
		die("evict: %s", strerror(errno));
	if (xc_get_pfn_type_batch(xch, domid, 1, &type))
		die("type: %s", strerror(errno));
	printf("type %lx\nevicted\n", (unsigned long)type);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	vm_event_request_t request;
	xen_pfn_t gfn;
	void *copy;

	if (argc != 4)
		die("usage: rv-page DOMID GFN SECONDS");
	domid = strtoul(argv[1], NULL, 0);
	gfn = strtoul(argv[2], NULL, 0);
	xch = xc_interface_open(NULL, NULL, 0);
	fmem = xenforeignmemory_open(NULL, 0);
	evtchn = xenevtchn_open(NULL, 0);
	if (!xch || !fmem || !evtchn)
		die("libxen: %s", strerror(errno));
	copy = hypercall_alloc(XC_PAGE_SIZE);
	paging_enable();
	page_out(gfn, copy);
	if (request_take(&request, atoi(argv[3]))) {
		if (xc_mem_paging_load(xch, domid, gfn, copy))
			die("load: %s", strerror(errno));
		response_put(&request);
		printf("wanted\n");
	} else if (xc_mem_paging_load(xch, domid, gfn, copy)) {
		die("load: %s", strerror(errno));
	}
	fflush(stdout);
	if (xc_mem_paging_disable(xch, domid))
		die("disable: %s", strerror(errno));
	return 0;
}
