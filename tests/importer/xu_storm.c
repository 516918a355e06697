// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * For tests: as long as it is loaded, one thread notifies an event channel of this
 * domain as fast as it can, as a hostile peer would. User space cannot: the port
 * belongs to a driver.
 */
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>

#include <xen/events.h>
#include <xen/xen.h>

static uint port;
module_param(port, uint, 0444);
MODULE_PARM_DESC(port, "This domain's end of the channel");

static ulong sent;
module_param(sent, ulong, 0444);
MODULE_PARM_DESC(sent, "Notifications so far");

static struct task_struct *storm_task;

static int storm_thread(void *unused)
{
	while (!kthread_should_stop()) {
		notify_remote_via_evtchn(port);
		WRITE_ONCE(sent, sent + 1);
		cond_resched();
	}
	return 0;
}

static int __init storm_init(void)
{
	if (!xen_domain())
		return -ENODEV;
	storm_task = kthread_run(storm_thread, NULL, "xu_storm");
	return PTR_ERR_OR_ZERO(storm_task);
}

static void __exit storm_exit(void)
{
	kthread_stop(storm_task);
}

module_init(storm_init);
module_exit(storm_exit);
MODULE_DESCRIPTION("Event channel storm for tests");
MODULE_LICENSE("Dual MIT/GPL");
