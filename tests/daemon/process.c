// SPDX-License-Identifier: MIT
#include "process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cm.h"
#include "fake-gpu.h"
#include "fake-xen.h"
#include "ipc.h"
#include "jobs.h"

/* What a dead process leaves behind is what this is about. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

const struct core_limits limits = {
	.max_pages = 1024,
	.max_objects = 4,
	.max_vms = 2,
	.max_mappings = 16,
	.max_jobs = 4,
	.max_requests = 4,
	.max_bind_ops = 4,
};

/* Those of the fake GPU are eventfds and have always signalled. */
int jobs_read_fence(int fence)
{
	(void)fence;
	return 0;
}

static int on_home(void *context)
{
	struct process *p = context;

	p->is_home = true;
	return 0;
}

static int on_mover(sd_event_source *source, int fd, uint32_t revents,
		    void *context)
{
	struct process *p = context;

	(void)source;
	(void)fd;
	(void)revents;
	p->error = migrator_on_mover(&p->m);
	return p->error;
}

static int on_timer(sd_event_source *source, int fd, uint32_t revents,
		    void *context)
{
	struct process *p = context;

	(void)source;
	(void)fd;
	(void)revents;
	p->error = migrator_on_timer(&p->m);
	return p->error;
}

static void env_make(struct process *p)
{
	p->env.gpu = &fake_gpu_ops;
	p->env.reader.status = &p->status;
	p->env.status = &p->status;
	p->env.max_objects = limits.max_objects;
	p->env.max_vms = limits.max_vms;
	p->env.keep_grefs = true;
}

int process_start(struct process *p, int journal)
{
	struct migrator *m = &p->m;
	int ret;

	env_make(p);
	m->env = &p->env;
	m->status = &p->status;
	m->journal = &p->journal;
	m->settings = mig_settings_default;
	m->settings.vram_pages = 1024;
	m->settings.vram_page = 1;
	m->vm_flags = MIG_VM_PREEMPT | MIG_VM_KILL;
	m->home = on_home;
	m->context = p;
	ret = journal_open(&p->journal, dup(journal), &limits);
	if (!ret)
		ret = work_init(&p->env);
	if (!ret)
		ret = sd_event_new(&m->loop) < 0 ? -ENOMEM : 0;
	if (!ret)
		ret = migrator_init(m, &limits, eventfd(0, EFD_CLOEXEC));
	if (ret)
		return ret;
	assert_true(sd_event_add_io(m->loop, NULL, m->thread.done_fd, EPOLLIN,
				    on_mover, p) >= 0);
	assert_true(sd_event_add_io(m->loop, NULL, m->timer, EPOLLIN, on_timer,
				    p) >= 0);
	return 0;
}

void rounds(struct process *p, unsigned int nr)
{
	while (nr-- && !p->is_home && !p->error)
		if (!sd_event_run(p->m.loop, 20000) && mig_idle(p->m.engine))
			break;
}

struct work object_read(struct process *p, uint32_t obj)
{
	static struct xen_userptrif_dir dir;
	struct work work = { .kind = WORK_OP };
	uint32_t i;

	for (i = 0; i < PAGES; i++)
		dir.gref[i] = GREF + i;
	fake_grant_clear();
	fake_grant(1, &dir);
	work.op.obj = obj;
	work.op.nr = PAGES;
	work.op.gref_directory = 1;
	work.op.type = CORE_OP_READ_DIR;
	work_run(&p->env, &work);
	work.op.type = CORE_OP_MAP;
	return work;
}

void object_map(struct process *p)
{
	struct work work = object_read(p, OBJ);

	work_run(&p->env, &work);
	assert_int_equal(work.status, XENUSERPTR_STATUS_OK);
	assert_int_equal(migrator_before_done(&p->m, &work), 0);
}

/* What a bind of the core would tell the engine. */
static void engine_tell(struct process *p, struct mig_event ev)
{
	struct mig_op ops[4];
	unsigned int nr;

	ev.obj = OBJ;
	ev.nr = PAGES;
	ev.now = p->m.alive_now;
	assert_int_equal(mig_step(p->m.engine, &ev, ops, 4, &nr), 0);
	journal_step(&p->journal, p->m.engine);
}

/* The broker's answer waits before it is asked. */
static void vm_open(struct process *p)
{
	struct work work = { .kind = WORK_OP, .op.type = CORE_OP_VM_OPEN };
	int node = eventfd(0, EFD_CLOEXEC), files[2];
	struct ipc_files_rsp rsp = { 0 };

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, files), 0);
	assert_int_equal(ipc_send(files[1], &rsp, sizeof(rsp), &node, 1), 0);
	p->env.files = files[0];
	work_run(&p->env, &work);
	assert_int_equal(work.status, XENUSERPTR_STATUS_OK);
	assert_int_equal(migrator_before_done(&p->m, &work), 0);
	close(node);
	close(files[0]);
	close(files[1]);
}

/* A VM that writes all of it, so that moving it means copying it. */
static void object_use(struct process *p)
{
	vm_open(p);
	engine_tell(p, (struct mig_event){ .type = MIG_EV_ASK,
					   .kind = MIG_ASK_HOME,
					   .token = 1000 });
	engine_tell(p, (struct mig_event){ .type = MIG_EV_USES,
					   .access = MIG_ACCESS_WRITE });
	engine_tell(p, (struct mig_event){ .type = MIG_EV_LET_GO,
					   .token = 1000 });
}

void worker_start(struct process *p, int journal)
{
	memset(&fake_gpu, 0, sizeof(fake_gpu));
	memset(&fake_module, 0, sizeof(fake_module));
	assert_int_equal(process_start(p, journal), 0);
	object_map(p);
	object_use(p);
}

void first_life(struct process *p, int journal, unsigned int back,
		unsigned int life)
{
	worker_start(p, journal);
	assert_int_equal(migrator_move(&p->m, OBJ, 0, PAGES, MIG_PLACE_VRAM), 0);
	rounds(p, life < back ? life : back);
	if (life > back) {
		assert_int_equal(migrator_move(&p->m, OBJ, 0, PAGES,
					       MIG_PLACE_RAM), 0);
		rounds(p, life - back);
	}
	helper_stop(&p->m.thread);
}

unsigned int pages_away(void)
{
	unsigned int i, nr = 0;

	for (i = 0; i < PAGES; i++)
		nr += fake_module.rev_state[GREF + i] == FAKE_REV_REVOKED;
	return nr;
}

void moving_end(struct migrator *m, struct work_env *env)
{
	grefs_fini(&m->grefs);
	mover_fini(&m->mover);
	work_fini(env);
	free(m->object);
	if (m->timer > 0)
		close(m->timer);
}

void process_free(struct process *p)
{
	sd_event_unref(p->m.loop);
	moving_end(&p->m, &p->env);
	if (p->journal.head)
		journal_close(&p->journal);
	free(p);
}

struct process *process_new(void)
{
	struct process *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	return p;
}

unsigned int worker_dies(const struct process *p)
{
	unsigned int i, lost = 0;

	for (i = 0; i < PAGES && !journal_ram(&p->journal, OBJ); i++) {
		lost += fake_module.rev_state[GREF + i] == FAKE_REV_REVOKED;
		fake_module.rev_state[GREF + i] = FAKE_REV_NONE;
	}
	return lost;
}
