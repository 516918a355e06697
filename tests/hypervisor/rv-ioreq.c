// SPDX-License-Identifier: MIT
/*
 * The stock way to take a page away and to learn that the guest touches it, which
 * revocable grants are measured against: the frame is moved to another place of the
 * guest's address space, and a device model of our own gets what is emulated there.
 *
 * rv-ioreq DOMID emulate|cancel N GFN SCRATCH GREF
 *
 * N times: move GFN to SCRATCH, tell the guest's module rv_pages by the page of GREF to
 * touch it, move it back, and answer. With "cancel" the vCPU's state is set to what it
 * is before that, by which Xen gives up the emulation and the instruction runs once
 * more: only so are locked instructions right. A guest with one vCPU.
 */
#include "rv.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xenctrl.h>
#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xengnttab.h>
#include <xen/hvm/ioreq.h>
#include <xen/memory.h>

#define WAIT_MS 20000

static xc_interface *xch;
static xenevtchn_handle *evtchn;
static evtchn_port_t port;
static uint32_t domid;
static uint64_t gfn, scratch;
static bool cancel;
static volatile ioreq_t *req;
static volatile uint64_t *mail;

static volatile ioreq_t *server_open(xendevicemodel_handle *dm, ioservid_t id)
{
	xenforeignmemory_handle *fmem = xenforeignmemory_open(NULL, 0);
	void *page = NULL;

	if (!fmem || !xenforeignmemory_map_resource(fmem, domid, XENMEM_resource_ioreq_server, id,
			XENMEM_resource_ioreq_server_frame_ioreq(0), 1, &page,
			PROT_READ | PROT_WRITE, 0))
		die("page of the server: %s", strerror(errno));
	if (xendevicemodel_map_io_range_to_ioreq_server(dm, domid, id, 1, gfn * RV_PAGE,
							gfn * RV_PAGE + RV_PAGE - 1) ||
	    xendevicemodel_set_ioreq_server_state(dm, domid, id, 1))
		die("server: %s", strerror(errno));
	return &((shared_iopage_t *)page)->vcpu_ioreq[0];
}

static void answer(void)
{
	__sync_synchronize();
	req->state = STATE_IORESP_READY;
	if (xenevtchn_notify(evtchn, port))
		die("notify: %s", strerror(errno));
}

static void emulation_cancel(void)
{
	static vcpu_guest_context_any_t context;

	if (xc_vcpu_getcontext(xch, domid, 0, &context) ||
	    xc_vcpu_setcontext(xch, domid, 0, &context))
		die("context: %s", strerror(errno));
}

static void move(uint64_t from, uint64_t to)
{
	if (xc_domain_add_to_physmap(xch, domid, XENMAPSPACE_gmfn, from, to))
		die("move: %s", strerror(errno));
}

static void access_serve(void)
{
	req->state = STATE_IOREQ_INPROCESS;
	move(scratch, gfn);
	if (cancel)
		emulation_cancel();
	req->data = 0;
	answer();
}

/* Xen also says that mappings of the guest's memory may be stale. True after an access. */
static bool serve(int ms)
{
	struct pollfd pfd = { .fd = xenevtchn_fd(evtchn), .events = POLLIN };

	if (poll(&pfd, 1, ms) <= 0)
		return false;
	if (xenevtchn_pending(evtchn) < 0 || xenevtchn_unmask(evtchn, port))
		die("event: %s", strerror(errno));
	if (req->state != STATE_IOREQ_READY)
		return false;
	if (req->type == IOREQ_TYPE_COPY) {
		access_serve();
		return true;
	}
	answer();
	return false;
}

static void rounds_run(unsigned int rounds)
{
	unsigned int i;
	uint64_t end;

	mail[1] = 0;
	for (i = 1; i <= rounds; i++) {
		move(gfn, scratch);
		mail[0] = i;
		end = now_ns() + WAIT_MS * 1000000ULL;
		while (!serve(100))
			if (now_ns() > end)
				die("the guest does not touch the page");
		while (mail[1] != i)
			serve(1);
	}
}

int main(int argc, char **argv)
{
	xendevicemodel_handle *dm = xendevicemodel_open(NULL, 0);
	xengnttab_handle *gnt = xengnttab_open(NULL, 0);
	ioservid_t id;
	int rc;

	xch = xc_interface_open(NULL, NULL, 0);
	evtchn = xenevtchn_open(NULL, 0);
	if (argc != 7)
		die("usage: rv-ioreq DOMID emulate|cancel N GFN SCRATCH GREF");
	if (!xch || !dm || !gnt || !evtchn)
		die("libxen: %s", strerror(errno));
	domid = strtoul(argv[1], NULL, 0);
	cancel = !strcmp(argv[2], "cancel");
	gfn = strtoull(argv[4], NULL, 0);
	scratch = strtoull(argv[5], NULL, 0);
	mail = xengnttab_map_grant_ref(gnt, domid, strtoul(argv[6], NULL, 0), PROT_READ | PROT_WRITE);
	if (!mail || xendevicemodel_create_ioreq_server(dm, domid, 0, &id))
		die("guest: %s", strerror(errno));
	req = server_open(dm, id);
	rc = xenevtchn_bind_interdomain(evtchn, domid, req->vp_eport);
	if (rc < 0)
		die("bind: %s", strerror(errno));
	port = rc;
	rounds_run(strtoul(argv[3], NULL, 0));
	if (xendevicemodel_destroy_ioreq_server(dm, domid, id))
		die("server: %s", strerror(errno));
	return 0;
}
