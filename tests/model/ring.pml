/* SPDX-License-Identifier: MIT */
/*
 * One page of one object through its life: pinned, granted, registered, used
 * by the GPU, released, unpinned. Between a frontend that relies on the
 * hypervisor only, a worker that may die at any time, a kernel module that
 * outlives it, and, with LYING, a backend domain that does what it wants.
 *
 * Numbers are the invariants of DESIGN.md section 9. What must hold:
 *   4  the page is pinned while its grant is not ended, or somebody maps it
 *   2  the GPU uses the frame only while it is mapped
 *   6  each request gets one answer, and no id is in flight twice
 *   8  when an honest backend says UNMAPPED nobody maps the page
 *   and with an honest or dead backend the page is unpinned in the end
 *
 * Variants with a known bug, each of which must be caught (run.sh):
 *   BUG_TRUST_UNMAPPED	frontend unpins because the answer says so (LYING)
 *   BUG_TRUST_DEATH	frontend unpins because the backend is dead
 *   BUG_ANSWER_EARLY	worker answers when UNMAP is done, not when UNMAPPED
 *   BUG_NO_FENCE	module unmaps without waiting for the GPU's fence
 *   BUG_REUSE_ID	frontend gives a killed process's request id away
 *   BUG_TWO_STEPS	frontend looks whether the grant is in use, then ends it
 *   BUG_GIVE_UP	frontend tries to end the grant once only
 */
#ifndef LYING
#define LYING 0
#endif

mtype = { CREATE, DESTROY };
#define JOBS 2

bool pinned = false;
bool granted = false;	/* the frontend's grant table entry */
byte maps = 0;		/* the hypervisor's count of active mappings */

bool alive = true;	/* the worker */
bool struck = false;
bool mapped = false;	/* the module maps the page */
bool dropped = false;	/* the worker's file of the dma-buf is closed */
bool record = false;	/* an UNMAPPED record can be read */
bool gpu_uses = false;	/* a job that may touch the frame is not signalled */

chan ring = [2] of { mtype, byte };
chan answers = [2] of { mtype, byte };
bool in_flight[2];	/* ids, as the backend sees them */
bool asked[2];		/* ids, as the frontend sees them */
bool finished = false;

inline send(what, id)
{
	atomic { !asked[id]; asked[id] = true; ring!what,id }
}

/* The answer to id, which must be about what was asked, or the death. */
inline await(what, id)
{
	if
	:: atomic { answers?op,eval(id) ->
		assert(asked[id] && (LYING || op == what));
		asked[id] = false }
	:: !alive
	fi
}

/* Ask the hypervisor until it says yes: it does so when nobody maps the page. */
inline end_grant()
{
#ifdef BUG_TWO_STEPS
	maps == 0;
	granted = false
#else
#ifdef BUG_GIVE_UP
	if
	:: atomic { maps == 0 -> granted = false }
	:: maps > 0
	fi
#else
	atomic { maps == 0 -> granted = false }
#endif
#endif
}

active proctype Frontend()
{
	bool killed = false;
	mtype op;

	pinned = true;
	granted = true;
	send(CREATE, 0);
	if
	:: await(CREATE, 0)
	:: killed = true	/* the process is gone; the request is not */
	fi;
	if
	:: killed ->
#ifdef BUG_REUSE_ID
		asked[0] = false;
		send(DESTROY, 0);
		await(DESTROY, 0);
#else
		await(CREATE, 0);
		if
		:: alive -> send(DESTROY, 1); await(DESTROY, 1)
		:: !alive
		fi
#endif
	:: !killed && alive -> send(DESTROY, 1); await(DESTROY, 1)
	:: !killed && !alive
	fi;
#ifdef BUG_TRUST_UNMAPPED
	if
	:: alive -> granted = false
	:: !alive -> end_grant()
	fi;
#else
#ifdef BUG_TRUST_DEATH
	if
	:: alive -> end_grant()
	:: !alive -> granted = false
	fi;
#else
	end_grant();
#endif
#endif
	pinned = false;
	finished = true
}

/* The hypervisor lets nobody map what is not granted. */
inline map_page()
{
	atomic {
		if
		:: granted -> maps++; mapped = true; dropped = false
		:: !granted	/* the answer will be BAD_GREF */
		fi
	}
}

inline unmap_page()
{
	dropped = true;
#ifndef BUG_ANSWER_EARLY
	if
	:: mapped || record -> (record); record = false; assert(maps == 0)
	:: !mapped && !record
	fi;
#endif
	skip
}

inline take(id)
{
	assert(!in_flight[id]);
	in_flight[id] = true
}

inline answer(what, id)
{
	atomic { in_flight[id] = false; answers!what,id }
}

active proctype Worker()
{
	byte id, jobs = JOBS;

#if LYING
end_lie:
	do
	:: atomic { ring?CREATE,id -> answers!CREATE,id }
	:: atomic { ring?DESTROY,id -> answers!DESTROY,id }
	:: atomic { granted && maps < 2 -> maps++ }
	:: atomic { maps > 0 -> maps-- }
	od
#else
	{
end_idle:
	do
	:: atomic { ring?CREATE,id -> take(id) };
		map_page();
		answer(CREATE, id)
	:: atomic { ring?DESTROY,id -> take(id) };
		unmap_page();
#ifdef BUG_ANSWER_EARLY
		assert(maps == 0);
#endif
		answer(DESTROY, id)
	/* A job is queued only while the object is there. */
	:: atomic { mapped && !dropped && !gpu_uses && jobs > 0 ->
		jobs--; gpu_uses = true }
	od } unless { struck };
	/* The kernel closes its files. */
	atomic { alive = false; dropped = true }
#endif
}

/* The worker may be killed at any time, in the middle of a request too. */
active proctype Killer()
{
	if
	:: struck = true
	:: skip
	fi
}

active proctype Module()
{
end_module:
	do
#ifdef BUG_NO_FENCE
	:: atomic { mapped && dropped ->
#else
	:: atomic { mapped && dropped && !gpu_uses ->
#endif
		mapped = false; maps--; record = true }
	od
}

active proctype Gpu()
{
end_gpu:
	do
	:: atomic { gpu_uses -> assert(maps > 0); gpu_uses = false }
	od
}

/* Invariant 4. */
active proctype Monitor()
{
end_monitor:
	atomic { (granted || maps > 0) && !pinned -> assert(false) }
}

#ifdef LIVE
ltl released { <> (finished && !pinned && !granted) }
#endif
