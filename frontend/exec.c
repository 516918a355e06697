// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * exec.c: the EXEC ioctl.
 *
 * Checks the call, makes a job and queues it (fence.c); never waits for the
 * other VM or for a fence. Process context, no lock held.
 */
#include <linux/slab.h>

#include "trace.h"
#include "xen_userptr.h"

static int exec_check(const struct drm_xen_userptr_exec *args,
		      const struct xu_conn *conn)
{
	u64 end;

	if (args->engine >= conn->device.nr_engines || !args->cmd_length)
		return -EINVAL;
	if (check_add_overflow(args->cmd_va, (u64)args->cmd_length, &end))
		return -EINVAL;
	if (args->cmd_va < conn->device.va_start || end > conn->device.va_end)
		return -EINVAL;
	return 0;
}

static void exec_fill(struct xen_userptrif_req *pkt,
		      const struct drm_xen_userptr_exec *args,
		      const struct xu_queue *queue)
{
	pkt->operation = XENUSERPTR_OP_EXEC;
	pkt->op.exec.vm_id = queue->vm->id;
	pkt->op.exec.engine = queue->engine;
	pkt->op.exec.cmd_va = args->cmd_va;
	pkt->op.exec.cmd_length = args->cmd_length;
	pkt->op.exec.timeline = queue->timeline;
}

static int exec_push(struct drm_file *file, struct xu_queue *queue,
		     const struct drm_xen_userptr_exec *args)
{
	struct xu_job *job = xu_job_alloc();
	struct xu_syncs syncs;
	int err;

	if (!job)
		return -ENOMEM;
	err = xu_syncs_parse(file, args->syncs, args->nr_syncs, &syncs);
	if (err)
		goto err_job;
	xu_syncs_move_in(&syncs, job);
	exec_fill(&job->req.pkt, args, queue);
	err = xu_queue_submit(queue, job, &syncs);
	xu_syncs_fini(&syncs);
	if (err)
		goto err_job;
	xu_job_put(job);
	return 0;
err_job:
	xu_job_free_unarmed(job);
	return err;
}

int xu_exec_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_xen_userptr_exec *args = data;
	struct xu_queue *queue;
	struct xu_vm *vm;
	int err;

	if (args->flags || args->pad)
		return -EINVAL;
	vm = xu_vm_lookup(file, args->vm_id);
	if (!vm)
		return -ENOENT;
	err = READ_ONCE(vm->conn->broken) ? -ENODEV : 0;
	if (!err)
		err = exec_check(args, vm->conn);
	if (!err)
		err = xu_vm_check_objects(vm);
	if (err)
		goto put_vm;
	queue = xu_vm_queue(vm, args->engine);
	err = IS_ERR(queue) ? PTR_ERR(queue) : exec_push(file, queue, args);
put_vm:
	trace_xen_userptr_exec(vm, args->engine, err);
	xu_vm_put(vm);
	return err;
}
