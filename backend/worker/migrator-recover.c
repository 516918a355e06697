// SPDX-License-Identifier: MIT
/*
 * After the death of a worker: what the journal says becomes the engine's, and all of
 * it comes home. In a rescuer, before its event loop runs.
 */
#include "migrator.h"

#include <errno.h>
#include <stdlib.h>

#include "chunk.h"
#include "log.h"

/* The engine knows from its records which pages stay home. */
static void alias_is_known(void *context, enum grefs_side side, uint32_t obj,
			   uint32_t page)
{
	(void)context;
	(void)side;
	(void)obj;
	(void)page;
}

/* Grefs for the module, handles for the GPU. */
static int object_adopt(struct migrator *m, uint32_t obj,
			const struct journal_page *pages, uint32_t nr)
{
	uint32_t i;
	int ret = work_adopt(m->env, obj, nr);

	for (i = 0; !ret && i < nr; i++) {
		work_grefs(m->env, obj)[i] = pages[i].gref;
		if (pages[i].vram)
			ret = mover_adopt_vram(&m->mover, obj, i,
					       pages[i].vram);
	}
	if (ret)
		return ret;
	mover_adopt_ram(&m->mover, obj, journal_ram(m->journal, obj));
	m->object[obj] = OBJECT_KNOWN;
	return grefs_add(&m->grefs, obj, work_grefs(m->env, obj), nr,
			 alias_is_known, NULL);
}

/* Written down before the engine knows it, forgotten after. */
static int object_recover(struct migrator *m, uint32_t obj)
{
	uint32_t size = migrator_pages(m, obj), nr;
	struct journal_page *pages;
	int ret;

	if (!size)
		return 0;
	ret = journal_pages(m->journal, obj, &pages, &nr);
	if (ret)
		return ret == -ENOENT ? -EBADMSG : ret;
	ret = nr == size ? object_adopt(m, obj, pages, nr) : -EBADMSG;
	free(pages);
	return ret;
}

int migrator_recover(struct migrator *m)
{
	uint32_t obj;
	int ret;

	ret = journal_recover(m->journal, m->engine, clock_us() / 1000);
	for (obj = 0; !ret && obj < m->env->max_objects; obj++)
		ret = object_recover(m, obj);
	if (ret)
		return ret;
	m->vms = mig_vms(m->engine);
	if (m->env->max_vms < MIG_MAX_VMS && m->vms >> m->env->max_vms)
		return -EBADMSG;
	alive_say(m);
	return 0;
}

int migrator_lost_before(struct migrator *m, uint32_t gref)
{
	struct mig_event ev = { .type = MIG_EV_GONE };
	unsigned int nr;
	int ret;

	if (!grefs_find(&m->grefs, gref, &ev.obj, &ev.first) ||
	    m->object[ev.obj] == OBJECT_UNKNOWN)
		return 0;
	ev.us = clock_us();
	ev.now = ev.us / 1000;
	/* Without room for ops none is emitted. */
	ret = mig_step(m->engine, &ev, NULL, 0, &nr);
	if (ret < 0)
		return ret;
	/* The module says it once: the next rescuer has to know it too. */
	journal_step(m->journal, m->engine);
	return 0;
}

int migrator_rescue(struct migrator *m)
{
	uint32_t vm;
	int ret = 0;

	for (vm = 0; !ret && vm < MIG_MAX_VMS; vm++)
		ret = migrator_vm_closed(m, vm);
	return ret ? ret : migrator_bring_home(m);
}
