// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The event channel through which the hypervisor announces wants of a domain:
 * opened by the first OPS of a binding, closed with its last descriptor.
 *
 * There is one channel per pair of domains, so only one binding of a domain
 * can have it. The interrupt only queues work, and its end is signalled when
 * the work has fetched everything, so that a guest cannot cause a storm.
 * Closing the channel makes the hypervisor give every armed page back: with
 * the last descriptor gone nobody could.
 *
 * Locks: opened under ops_lock. The fault work takes no lock but record_lock.
 */
#include <linux/interrupt.h>
#include <asm/xen/hypercall.h>
#include <xen/events.h>
#include <xen/interface/event_channel.h>

#include "back.h"

/* Then others of the queue get their turn. */
#define BACK_FETCHES	16

/* Binding the channel raises it, so this can run before the binding returns. */
static irqreturn_t back_channel_interrupt(int irq, void *data)
{
	struct back_binding *binding = data;

	binding->channel.irq = irq;
	/* irq is set before: the work that sees eoi_due ends that interrupt */
	smp_store_release(&binding->channel.eoi_due, true);
	queue_work(back_want_wq, &binding->channel.fault_work);
	return IRQ_HANDLED;
}

/* How many wants were there. */
static u32 back_faults_fetch(struct back_binding *binding)
{
	struct gnttab_revocable_fault *faults = binding->channel.faults;
	u32 i;

	for (i = 0; i < BACK_FAULTS; i++)
		faults[i] = (struct gnttab_revocable_fault){
			.dom = binding->domid,
			.status = GNTST_eagain,
		};
	if (HYPERVISOR_grant_table_op(GNTTABOP_revocable_faults, faults,
				      BACK_FAULTS))
		return 0;
	if (faults[0].status == GNTST_bad_domain)
		back_binding_set_gone(binding);
	for (i = 0; i < BACK_FAULTS && faults[i].status == GNTST_okay; i++)
		back_want_event(binding, &faults[i]);
	return i;
}

static void back_channel_fault_work(struct work_struct *work)
{
	struct back_binding *binding =
		container_of(work, struct back_binding, channel.fault_work);
	u32 total = 0, got, n = 0;

	do {
		got = back_faults_fetch(binding);
		total += got;
	} while (got == BACK_FAULTS && ++n < BACK_FETCHES);
	if (got == BACK_FAULTS)
		queue_work(back_want_wq, &binding->channel.fault_work);
	else if (xchg(&binding->channel.eoi_due, false) &&
		 !READ_ONCE(binding->channel.closing))
		xen_irq_lateeoi(binding->channel.irq,
				total ? 0 : XEN_EOI_FLAG_SPURIOUS);
}

void back_channel_init(struct back_binding *binding)
{
	INIT_WORK(&binding->channel.fault_work, back_channel_fault_work);
	INIT_DELAYED_WORK(&binding->channel.deadline_work,
			  back_want_deadline_work);
}

static int back_setup_call(struct back_binding *binding, u16 flags, u32 *port)
{
	struct gnttab_revocable_setup setup = {
		.dom = binding->domid,
		.flags = flags,
		.status = GNTST_general_error,
	};
	int ret = HYPERVISOR_grant_table_op(GNTTABOP_revocable_setup, &setup, 1);

	if (ret)
		return ret;
	*port = setup.port;
	switch (setup.status) {
	case GNTST_okay:
		return 0;
	case GNTST_eagain:
		return -EAGAIN;
	case GNTST_bad_domain:
		return -ENODEV;
	case GNTST_not_allowed:
		return -EACCES;
	case GNTST_permission_denied:
		return -EPERM;
	case GNTST_no_space:
		return -ENOSPC;
	default:
		return -EOPNOTSUPP;
	}
}

/* With many armed pages it takes several calls. */
static void back_setup_close(struct back_binding *binding)
{
	u32 port;

	while (back_setup_call(binding, GNTREV_SETUP_close, &port) == -EAGAIN)
		cond_resched();
}

static int back_channel_bind(struct back_binding *binding, u32 remote_port)
{
	struct evtchn_bind_interdomain bind = {
		.remote_dom = binding->domid,
		.remote_port = remote_port,
	};
	struct evtchn_close close;
	int ret;

	ret = HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &bind);
	if (ret)
		return ret;
	ret = bind_evtchn_to_irqhandler_lateeoi(bind.local_port,
						back_channel_interrupt, 0,
						"xen-userptr-back", binding);
	if (ret < 0) {
		close.port = bind.local_port;
		HYPERVISOR_event_channel_op(EVTCHNOP_close, &close);
		return ret;
	}
	binding->channel.irq = ret;
	return 0;
}

int back_channel_open(struct back_binding *binding)
{
	u32 port;
	int ret;

	lockdep_assert_held(&binding->ops_lock);
	if (binding->channel.open)
		return 0;
	ret = back_channel_claim(binding);
	if (ret)
		return ret;
	ret = back_setup_call(binding, GNTREV_SETUP_open, &port);
	if (ret)
		goto disclaim;
	ret = back_channel_bind(binding, port);
	if (ret)
		goto close_setup;
	binding->channel.open = true;
	/* What was queued before we listened. */
	queue_work(back_want_wq, &binding->channel.fault_work);
	return 0;

close_setup:
	back_setup_close(binding);
disclaim:
	back_channel_disclaim(binding);
	return ret;
}

/* The last descriptor is gone: no OPS can come any more. */
void back_channel_close(struct back_binding *binding)
{
	if (!binding->channel.open)
		return;
	/* No work may use the interrupt's number when it is another's. */
	WRITE_ONCE(binding->channel.closing, true);
	cancel_work_sync(&binding->channel.fault_work);
	unbind_from_irqhandler(binding->channel.irq, binding);
	cancel_work_sync(&binding->channel.fault_work);
	cancel_delayed_work_sync(&binding->channel.deadline_work);
	mutex_lock(&binding->ops_lock);
	binding->channel.open = false;
	back_setup_close(binding);
	back_wants_clear(binding);
	mutex_unlock(&binding->ops_lock);
	back_channel_disclaim(binding);
}
