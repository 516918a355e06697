// SPDX-License-Identifier: MIT
/*
 * Tells the module that this worker lives, while something moves or a want may
 * wait: by an operation without effect once in a while. The module takes the
 * pages back from a worker that makes no call (want.c there), and a want may
 * have to wait for a GPU longer than that.
 *
 * The call is made by the mover, on its way of wants: a mover that hangs does not
 * live. And when nothing has moved for a while, it disarms what is armed and home,
 * and gives spare VRAM back.
 * The event loop's thread only.
 */
#include "migrator.h"
#include "mover-ops.h"

/* Several in the 5 s that the module waits. */
#define ALIVE_MS	1000U

/* What moved in that time may move again, and is quicker if it is still armed. */
#define REST_MS		5000U

static bool alive_is_due(const struct migrator *m)
{
	return m->alive_now < m->wanted_until || !mig_idle(m->engine);
}

static uint64_t sign_time(const struct migrator *m)
{
	return m->is_alive_sent || !alive_is_due(m) ? MIG_NEVER :
						     m->alive_at + ALIVE_MS;
}

uint64_t alive_time(const struct migrator *m)
{
	uint64_t at = sign_time(m);

	return m->rest_at < at ? m->rest_at : at;
}

void alive_wanted(struct migrator *m)
{
	m->wanted_until = m->alive_now + m->settings.lost_ms;
}

/* Any gref that is mapped will do. */
static bool alive_gref(const struct migrator *m, uint32_t *gref)
{
	uint32_t obj;

	for (obj = 0; obj < m->env->max_objects; obj++) {
		if (m->object[obj] == OBJECT_UNKNOWN)
			continue;
		*gref = work_grefs(m->env, obj)[0];
		return true;
	}
	return false;
}

void alive_say(struct migrator *m)
{
	uint32_t gref;

	if (alive_gref(m, &gref))
		mover_alive(m->env->module, gref);
}

/* Nothing has moved for a while. */
static int rest_look(struct migrator *m)
{
	if (!mig_idle(m->engine))
		m->rest_at = m->alive_now + REST_MS;
	if (m->alive_now < m->rest_at)
		return 0;
	m->rest_at = MIG_NEVER;
	return migrator_submit_rest(m);
}

static int sign_look(struct migrator *m)
{
	uint32_t gref;

	/* What moves begins with calls of its own. */
	if (!alive_is_due(m))
		m->alive_at = m->alive_now;
	if (m->alive_now < sign_time(m))
		return 0;
	m->alive_at = m->alive_now;
	if (!alive_gref(m, &gref))
		return 0;
	m->is_alive_sent = true;
	return migrator_submit_alive(m, gref);
}

int alive_look(struct migrator *m)
{
	int ret = rest_look(m);

	return ret ? ret : sign_look(m);
}

int alive_done(struct migrator *m)
{
	m->is_alive_sent = false;
	return migrator_timer(m);
}
