// SPDX-License-Identifier: MIT
/*
 * Walk A behind the core: directory -> map -> dma-buf -> import -> bind, and
 * EXEC. Each function performs one op by one adapter call and turns its errno
 * into a status of the wire. No decision is made here.
 */
#include "work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc.h"
#include "log.h"
#include "module.h"
#include "probe.h"

struct work_object {
	uint32_t *grefs;	/* from READ_DIR to MAP, or to UNMAP */
	uint32_t nr;
	bool is_readonly;
	int dmabuf;		/* or -1 */
	uint32_t life;		/* for the cookie */
};

struct work_vm {
	struct gpu_vm *vm;	/* or NULL */
	uint32_t *handles;	/* of imports, by object slot; 0: none */
	uint32_t life;		/* counts those that had this slot; vm_lock */
	bool is_used;		/* vm_lock: by the helper, without the lock */
	bool is_doomed;		/* vm_lock: the helper closes it after that */
};

/* What the GPU driver or the library said, on the wire. */
static uint32_t work_status(int error)
{
	switch (error) {
	case 0:
		return XENUSERPTR_STATUS_OK;
	case -EINVAL:
		return XENUSERPTR_STATUS_INVALID;
	case -ENOENT:
		return XENUSERPTR_STATUS_NO_ENTRY;
	case -ENOMEM:
	case -ENOSPC:
	case -EMFILE:
	case -ENFILE:
		return XENUSERPTR_STATUS_NO_MEMORY;
	case -ERANGE:
		return XENUSERPTR_STATUS_RANGE;
	case -EACCES:
		return XENUSERPTR_STATUS_ACCESS;
	case -EOPNOTSUPP:
		return XENUSERPTR_STATUS_UNSUPPORTED;
	default:
		return XENUSERPTR_STATUS_IO;
	}
}

/* What the module said to a MAP. */
static uint32_t work_map_status(int error)
{
	switch (error) {
	case -EDQUOT:
		return XENUSERPTR_STATUS_QUOTA;
	case -ENOSPC:
		return XENUSERPTR_STATUS_BUDGET;
	case -EIO:
		return XENUSERPTR_STATUS_BAD_GREF;
	default:
		return work_status(error);
	}
}

/* What reading a granted list said. */
static void work_set_read(struct work *work, int error)
{
	work->is_hostile = error == -EPROTO;
	work->status = error == -EIO ? XENUSERPTR_STATUS_BAD_GREF :
				       work_status(error);
}

int work_init(struct work_env *env)
{
	uint32_t i;

	if (!env->max_objects || !env->max_vms)
		return -EINVAL;
	env->objects = calloc(env->max_objects, sizeof(*env->objects));
	env->vms = calloc(env->max_vms, sizeof(*env->vms));
	if (!env->objects || !env->vms) {
		free(env->objects);
		free(env->vms);
		env->objects = NULL;
		env->vms = NULL;
		return -ENOMEM;
	}
	for (i = 0; i < env->max_objects; i++)
		env->objects[i].dmabuf = -1;
	pthread_mutex_init(&env->vm_lock, NULL);
	return 0;
}

uint32_t *work_grefs(const struct work_env *env, uint32_t obj)
{
	return env->objects[obj].grefs;
}

int work_adopt(struct work_env *env, uint32_t obj, uint32_t nr)
{
	struct work_object *object = &env->objects[obj];

	object->grefs = calloc(nr, sizeof(*object->grefs));
	object->nr = nr;
	return object->grefs ? 0 : -ENOMEM;
}

uint32_t work_pages(const struct work_env *env, uint32_t obj)
{
	return env->objects[obj].nr;
}

bool work_is_readonly(const struct work_env *env, uint32_t obj)
{
	return env->objects[obj].is_readonly;
}

int work_dmabuf(const struct work_env *env, uint32_t obj)
{
	return env->objects[obj].dmabuf;
}

uint32_t work_vm_life(struct work_env *env, uint32_t vm)
{
	uint32_t life;

	pthread_mutex_lock(&env->vm_lock);
	life = env->vms[vm].life;
	pthread_mutex_unlock(&env->vm_lock);
	return life;
}

struct gpu_vm *work_vm_get(struct work_env *env, uint32_t vm, uint32_t life)
{
	pthread_mutex_lock(&env->vm_lock);
	if (env->vms[vm].vm && !env->vms[vm].is_doomed &&
	    env->vms[vm].life == life)
		return env->vms[vm].vm;
	pthread_mutex_unlock(&env->vm_lock);
	return NULL;
}

void work_vm_put(struct work_env *env)
{
	pthread_mutex_unlock(&env->vm_lock);
}

uint32_t work_vm_handle(const struct work_env *env, uint32_t vm, uint32_t obj)
{
	return env->vms[vm].handles[obj];
}

static void work_close_vm(struct work_env *env, struct work_vm *vm)
{
	uint32_t i;

	if (!vm->vm)
		return;
	env->gpu->vm_close(vm->vm);
	vm->vm = NULL;
	status_sub(&env->status->vms_now, 1);
	for (i = 0; i < env->max_objects; i++)
		if (vm->handles[i])
			status_sub(&env->status->imports_now, 1);
	free(vm->handles);
	vm->handles = NULL;
}

void work_vm_drop(struct work_env *env, uint32_t vm, uint32_t life)
{
	pthread_mutex_lock(&env->vm_lock);
	if (env->vms[vm].life == life && env->vms[vm].is_used)
		env->vms[vm].is_doomed = true;
	else if (env->vms[vm].life == life)
		work_close_vm(env, &env->vms[vm]);
	pthread_mutex_unlock(&env->vm_lock);
}

/*
 * The helper's calls may take long, and the mover must not wait for them: so they are
 * made without the lock. Who drops the address space meanwhile leaves that to the
 * helper.
 */
static struct work_vm *work_vm_use(struct work_env *env, uint32_t vm)
{
	pthread_mutex_lock(&env->vm_lock);
	env->vms[vm].is_used = true;
	pthread_mutex_unlock(&env->vm_lock);
	return &env->vms[vm];
}

static void work_vm_used(struct work_env *env, struct work_vm *vm)
{
	pthread_mutex_lock(&env->vm_lock);
	vm->is_used = false;
	if (vm->is_doomed)
		work_close_vm(env, vm);
	vm->is_doomed = false;
	pthread_mutex_unlock(&env->vm_lock);
}

/* The last that had the slot. The helper's thread alone opens them. */
static void work_drop_vm(struct work_env *env, uint32_t vm)
{
	work_vm_drop(env, vm, work_vm_life(env, vm));
}

static void work_drop_object(struct work_env *env, struct work_object *object)
{
	free(object->grefs);
	object->grefs = NULL;
	if (object->dmabuf < 0)
		return;
	close(object->dmabuf);
	object->dmabuf = -1;
	status_sub(&env->status->objects_now, 1);
}

void work_fini(struct work_env *env)
{
	uint32_t i;

	for (i = 0; env->vms && i < env->max_vms; i++)
		work_drop_vm(env, i);
	for (i = 0; env->objects && i < env->max_objects; i++)
		work_drop_object(env, &env->objects[i]);
	free(env->vms);
	free(env->objects);
	env->vms = NULL;
	env->objects = NULL;
}

static void work_read_dir(struct work_env *env, struct work *work)
{
	struct work_object *object = &env->objects[work->op.obj];
	int ret;

	ret = grant_read_dir(&env->reader, work->op.gref_directory,
			     work->op.nr, &object->grefs);
	if (!ret)
		object->nr = work->op.nr;
	work_set_read(work, ret);
}

static void work_read_bind(struct work_env *env, struct work *work)
{
	int ret;

	ret = grant_read_binds(&env->reader, work->op.gref_directory,
			       work->op.nr, &work->untrusted_ops);
	work_set_read(work, ret);
}

static void work_map(struct work_env *env, struct work *work)
{
	struct work_object *object = &env->objects[work->op.obj];
	uint32_t flags = work->op.flags & XENUSERPTR_OBJ_READONLY ?
			 XEN_USERPTR_BACK_MAP_READONLY : 0;
	uint64_t cookie;
	int ret;

	cookie = (uint64_t)++object->life << 32 | work->op.obj;
	status_add(&env->status->map_calls, 1);
	ret = module_map(env->module, object->grefs, object->nr, flags, cookie,
			 &work->error_index);
	if (ret < 0 || !env->keep_grefs) {
		free(object->grefs);
		object->grefs = NULL;
	}
	if (ret < 0) {
		log_debug("map of %u pages: %s", object->nr, strerror(-ret));
		work->status = work_map_status(ret);
		return;
	}
	object->dmabuf = ret;
	object->is_readonly = flags;
	status_add(&env->status->objects_now, 1);
	status_add(&env->status->pages_mapped, object->nr);
}

static void work_trim(struct work_env *env, struct work *work)
{
	int ret = -EIO;

	if (env->objects[work->op.obj].dmabuf >= 0)
		ret = module_trim(env->module, env->objects[work->op.obj].dmabuf,
				  work->op.first, work->op.nr);
	if (ret)
		log_debug("trim of %u pages: %s", work->op.nr, strerror(-ret));
	work->status = ret == -EBUSY ? XENUSERPTR_STATUS_BUSY : work_status(ret);
}

/* The broker opens the GPU: the sandbox has no open(). */
int work_ask_file(int files, uint32_t what, uint32_t gpu)
{
	struct ipc_files_req req = { .what = what, .gpu = gpu };
	struct ipc_files_rsp rsp;
	int node, ret;

	ret = ipc_send(files, &req, sizeof(req), NULL, 0);
	if (ret)
		return ret;
	ret = ipc_recv(files, &rsp, sizeof(rsp), &node, 1);
	if (ret == 1)
		return node;
	if (ret == 0)
		return rsp.error < 0 ? rsp.error : -EIO;
	return ret;
}

static int work_open_vm(struct work_env *env, struct work_vm *vm, uint32_t gpu)
{
	int node, ret;

	vm->handles = calloc(env->max_objects, sizeof(*vm->handles));
	if (!vm->handles)
		return -ENOMEM;
	node = work_ask_file(env->files, IPC_FILES_OPEN_GPU, gpu);
	pthread_mutex_lock(&env->vm_lock);
	ret = node < 0 ? node : env->gpu->vm_open(node, &vm->vm);
	if (ret) {
		vm->vm = NULL;
		free(vm->handles);
		vm->handles = NULL;
	} else if (!++vm->life) {
		vm->life = 1;
	}
	pthread_mutex_unlock(&env->vm_lock);
	if (ret && node >= 0)
		close(node);
	return ret;
}

static void work_vm_open(struct work_env *env, struct work *work)
{
	int ret = work_open_vm(env, &env->vms[work->op.vm], work->op.gpu);

	if (!ret)
		status_add(&env->status->vms_now, 1);
	else
		work->status = ret == -ENOMEM ? XENUSERPTR_STATUS_NO_MEMORY :
						XENUSERPTR_STATUS_IO;
}

static void work_import(struct work_env *env, struct work *work)
{
	struct work_vm *vm = work_vm_use(env, work->op.vm);
	int ret = -EIO;

	if (vm->vm && env->objects[work->op.obj].dmabuf >= 0)
		ret = env->gpu->import(vm->vm,
				       env->objects[work->op.obj].dmabuf,
				       &vm->handles[work->op.obj]);
	if (!ret)
		status_add(&env->status->imports_now, 1);
	work_vm_used(env, vm);
	work->status = work_status(ret);
}

static void work_close(struct work_env *env, struct work *work)
{
	struct work_vm *vm = work_vm_use(env, work->op.vm);
	uint32_t handle = vm->vm ? vm->handles[work->op.obj] : 0;
	int ret = handle ? env->gpu->close(vm->vm, handle) : 0;

	if (handle && !ret) {
		vm->handles[work->op.obj] = 0;
		status_sub(&env->status->imports_now, 1);
	}
	work_vm_used(env, vm);
	work->status = work_status(ret);
}

static void work_fill_binds(const struct work_vm *vm, const struct core_op *op,
			    struct gpu_bind *binds)
{
	uint32_t i;

	for (i = 0; i < op->nr; i++) {
		const struct core_bind *from = &op->binds[i];

		binds[i].op = from->op;
		binds[i].flags = from->flags;
		if (from->op == XENUSERPTR_BIND_MAP)
			binds[i].handle = vm->handles[from->obj];
		binds[i].offset = from->offset;
		binds[i].length = from->length;
		binds[i].gpu_va = from->gpu_va;
	}
}

static void work_bind(struct work_env *env, struct work *work)
{
	struct work_vm *vm = work_vm_use(env, work->op.vm);
	struct gpu_bind *binds;
	int ret = -EIO;

	binds = calloc(work->op.nr, sizeof(*binds));
	if (!binds) {
		ret = -ENOMEM;
	} else if (vm->vm) {
		work_fill_binds(vm, &work->op, binds);
		ret = env->gpu->bind(vm->vm, binds, work->op.nr,
				     &work->error_index);
	}
	free(binds);
	work_vm_used(env, vm);
	if (ret)
		log_debug("bind of %u ops: %s", work->op.nr, strerror(-ret));
	else
		status_add(&env->status->binds, work->op.nr);
	work->status = work_status(ret);
}

static void work_exec(struct work_env *env, struct work *work)
{
	struct work_vm *vm = work_vm_use(env, work->op.vm);
	struct gpu_job job = {
		.engine = work->op.engine,
		.cmd_length = work->op.cmd_length,
		.cmd_va = work->op.cmd_va,
	};
	int ret = -EIO;

	if (vm->vm)
		ret = env->gpu->exec(vm->vm, &job, &work->fence, &work->cookie);
	work_vm_used(env, vm);
	if (ret)
		work->fence = -1;
	work->status = work_status(ret);
}

static void work_fault(struct work_env *env, struct work *work)
{
	struct work_vm *vm = work_vm_use(env, work->op.vm);

	work->fault_va = vm->vm ? env->gpu->fault_va(vm->vm, work->cookie) : 0;
	work_vm_used(env, vm);
}

static void work_op(struct work_env *env, struct work *work)
{
	switch (work->op.type) {
	case CORE_OP_READ_DIR:
		work_read_dir(env, work);
		break;
	case CORE_OP_READ_BIND:
		work_read_bind(env, work);
		break;
	case CORE_OP_MAP:
		work_map(env, work);
		break;
	case CORE_OP_UNMAP:
		work_drop_object(env, &env->objects[work->op.obj]);
		break;
	case CORE_OP_TRIM:
		work_trim(env, work);
		break;
	case CORE_OP_VM_OPEN:
		work_vm_open(env, work);
		break;
	case CORE_OP_VM_CLOSE:
		work_drop_vm(env, work->op.vm);
		break;
	case CORE_OP_IMPORT:
		work_import(env, work);
		break;
	case CORE_OP_CLOSE:
		work_close(env, work);
		break;
	case CORE_OP_BIND:
		work_bind(env, work);
		break;
	case CORE_OP_EXEC:
		work_exec(env, work);
		break;
	case CORE_OP_RESPOND:
	case CORE_OP_EVENT:
	case CORE_OP_FENCE:
		break;	/* the event loop performs these itself */
	}
}

static void work_close_all(struct work_env *env)
{
	uint32_t i;

	for (i = 0; i < env->max_vms; i++)
		work_drop_vm(env, i);
}

void work_run(void *context, struct work *work)
{
	struct work_env *env = context;

	if (work->kind != WORK_REFUSE)
		work->status = XENUSERPTR_STATUS_OK;
	work->error_index = UINT32_MAX;
	switch (work->kind) {
	case WORK_OP:
		PROBE4(op_run, work->op.type, work->op.id, work->op.obj,
		       work->op.vm);
		work_op(env, work);
		PROBE3(op_ran, work->op.type, work->op.id, work->status);
		break;
	case WORK_FAULT:
		work_fault(env, work);
		break;
	case WORK_CLOSE_ALL:
		work_close_all(env);
		break;
	case WORK_REFUSE:
	case WORK_MOVE:
		break;
	}
}
