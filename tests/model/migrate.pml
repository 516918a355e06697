/* SPDX-License-Identifier: MIT */
/*
 * One chunk that migrates (DESIGN.md, section 12): a vCPU that reads and writes
 * it, a GPU with a job that reads and writes it or polls a word that only the
 * guest writes, and a worker that moves it, may be overtaken by a want at any
 * step, and may die at any step; a new one carries on from the journal.
 *
 * Of each copy is known only whether it holds the newest contents. Nobody may
 * read one that does not (9), nothing that can change is copied (3), a GPU never
 * runs without a mapping, a vCPU that sleeps wakes up (7, 10), and a GPU that was
 * stopped goes on.
 *
 *   PREEMPT=0	the GPU stops only between jobs
 *   DEAF=1	... and ignores a kill
 *   POLL=1	the job ends only when the guest has written
 *   SHARED=1	the GPU only reads; only the guest's writes are revoked
 *   HANG=1	a copy home may not end, and go on after it was given up
 *   GONE=1	the contents are given up at some time, by somebody else
 *   REFUSE=1	a page may not be given back at the first try
 *
 * Variants with a known bug, each of which must be caught (run.sh):
 *   BUG_NO_STOP	copies home while the GPU runs
 *   BUG_NO_REVOKE	copies out while the guest can write
 *   BUG_RESTORE_FIRST	gives the page back before the GPU is off it
 *   BUG_GO_ON_EARLY	lets the GPU go on before it maps anything again
 *   BUG_LATE_TURN	turns back after the commit point
 *   BUG_WAIT_JOB	waits for the job instead of stopping it
 *   BUG_NO_DEADLINE	never gives up on a GPU that does not stop
 *   BUG_JOURNAL_LATE	writes the journal after the side effect
 *   BUG_RECOVER_HOME	a new worker takes a copy home as done
 *   BUG_NO_HOLD	a new worker lets the GPU go on before it maps anything
 *   BUG_LOST_WANT	a want during the way out is forgotten
 *   BUG_LATE_COPY	takes a copy that ignores its end for a failed one
 *   BUG_LEFT_COPY	a new worker forgets the copy that the old one began
 *   BUG_LOST_HELD	a GPU that was stopped for a chunk that is lost stays so
 *   BUG_REFUSED	takes a page that was not given back for one that was
 */
#ifndef PREEMPT
#define PREEMPT 1
#endif
#ifndef DEAF
#define DEAF 0
#endif
#ifndef POLL
#define POLL 0
#endif
#ifndef SHARED
#define SHARED 0
#endif
#ifndef HANG
#define HANG 0
#endif
#ifndef GONE
#define GONE 0
#endif
#ifndef REFUSE
#define REFUSE 0
#endif
#define MOVES	2		/* ways out */
#define CRASHES	1
#define RETURNS	1		/* ways home that nobody waits for */

mtype = { HOME, REVOKING, STOPPING, UNBINDING, COPYING_OUT, BINDING_OUT,
	  AWAY, STOPPING_HOME, UNBINDING_HOME, COPYING_HOME, RESTORING,
	  BINDING_HOME, LOSING, LOST,
	  NOWHERE, RAM, VRAM };

mtype st = HOME;		/* the journal */
bool clean = true;		/* ... home frames are the newest, in it too */
mtype map = RAM;		/* what the GPU maps */
bool reads = true, writes = true;	/* what the guest may do */
bool home_new = true, vram_new = false;
bool changed;			/* a write since the copy began */
bool lost = false;
bool want = false, asleep = false;
bool stop_asked = false, kill_asked = false, running = true, job = true;
bool word = false;		/* what a polling job waits for */
byte moves = 0, crashes = 0, polls = 0, returns = 0;
bool copying = false;		/* home, by an engine that may not end it */
bool gone = false;		/* the worker is told so */
bool refused = false, may_refuse = REFUSE;

inline write_home() { home_new = true; vram_new = false; changed = true }
inline write_vram() { vram_new = true; home_new = false; changed = true }

active proctype Guest()
{
	do
	:: atomic { reads -> assert(home_new || lost) }
	:: atomic { writes -> assert(home_new || lost); write_home();
		    word = true }
	:: atomic { !writes && !asleep -> want = true; asleep = true }
	od
}

/* Any return to a present entry wakes the vCPU; it tries again. */
inline restore()
{
	atomic { reads = true; writes = true; want = false; asleep = false }
}

/* The hypervisor may refuse it: then the guest has to wait on. */
inline give_back()
{
	if
	:: restore()
	:: atomic { may_refuse -> may_refuse = false; refused = true }
	fi
}

inline gpu_access()
{
	if
	:: map == RAM -> assert(home_new || lost)
	:: map == VRAM -> assert(vram_new || lost)
	:: map == NOWHERE -> assert(lost)
	fi;
	if
	:: SHARED || map == NOWHERE
	:: !SHARED && map == RAM -> write_home()
	:: !SHARED && map == VRAM -> write_vram()
	fi
}

active proctype Gpu()
{
	do
	/* One that can stop, or die, does so before anything else. */
	:: atomic { running && job && !(stop_asked && PREEMPT) &&
		    !(kill_asked && !DEAF) -> gpu_access() }
	:: atomic { running && job && (!POLL || word) -> job = false }
	:: atomic { running && job && kill_asked && !DEAF -> job = false }
	:: atomic { running && stop_asked && (PREEMPT || !job) ->
		    running = false }
	:: atomic { !running && !stop_asked -> running = true }
	:: atomic { !job && !stop_asked && !POLL -> job = true }
	:: atomic { !job && !stop_asked && POLL && polls == 0 ->
		    polls++; job = true; word = false }
	od
}

/* What it read may be old by the time it is written. */
active proctype CopyEngine()
{
	do
	:: atomic { copying -> home_new = !changed; copying = false }
	od
}

#if GONE
/* The guest took the page back, or the module of the kernel gave it up. */
active proctype Loss()
{
	atomic { lost = true; restore(); gone = true }
}
#endif

/* Home frames are the newest: what else is there is of no use. */
inline turn_back() { clean = true }

/* The old worker dies here; what it was about to do may have been done. */
#define MAY_DIE \
	if \
	:: crashes < CRASHES -> atomic { crashes++; kill_asked = false; \
					 goto recover } \
	:: true \
	fi

/* Said once at each place: run.sh compares what was done with the program's table. */
#define TOOK(kind, from, to) \
	c_code { static char told; if (!told) { told = 1; \
		 printf("took " #kind " " #from " " #to "\n"); } }

/*
 * Every change of state names both, and is one of the table (edges.c). What a new worker
 * begins with is another column of it.
 */
#define MOVE(from, to) \
	atomic { assert(st == from); TOOK(step, from, to); st = to }
#define RECOVER(from, to) \
	st == from -> TOOK(recover, from, to); st = to

/* Enter a state: the record first, then what the state does. */
#ifdef BUG_JOURNAL_LATE
#define STEP(from, to, effect)	effect; MAY_DIE; MOVE(from, to)
#else
#define STEP(from, to, effect)	MOVE(from, to); MAY_DIE; effect
#endif

/* It is lost: a GPU that may still reach its VRAM has to stop, another goes on. */
inline tell()
{
	atomic {
		kill_asked = false;
#ifdef BUG_LOST_HELD
		stop_asked = stop_asked || map == VRAM
#else
		stop_asked = (map == VRAM)
#endif
	}
}

active proctype Worker()
{
	bool source;

	do
	:: st == HOME && moves < MOVES ->
		moves++;
		clean = true;
#ifdef BUG_NO_REVOKE
		MOVE(HOME, REVOKING)
#else
		STEP(HOME, REVOKING, atomic { writes = false; reads = SHARED })
#endif
	:: st == REVOKING && want -> STEP(REVOKING, RESTORING, give_back())
	:: st == REVOKING && !want -> STEP(REVOKING, STOPPING, stop_asked = true)
	:: st == STOPPING && want ->
		stop_asked = false;
		STEP(STOPPING, RESTORING, give_back())
	:: st == STOPPING && !running -> STEP(STOPPING, UNBINDING, map = NOWHERE)
	:: st == STOPPING && !PREEMPT && running && job ->
		/* It does not stop, and nobody needs it to. */
		stop_asked = false;
		STEP(STOPPING, RESTORING, give_back())
	:: st == UNBINDING && want ->
		turn_back();
		STEP(UNBINDING, RESTORING, give_back())
	:: st == UNBINDING && !want ->
		MOVE(UNBINDING, COPYING_OUT);
		atomic { source = home_new; changed = false };
		MAY_DIE;
		atomic { vram_new = source && !changed;
			 assert(!changed || lost) }
	:: st == COPYING_OUT && !want -> STEP(COPYING_OUT, BINDING_OUT, map = VRAM)
	:: st == COPYING_OUT && want ->
		turn_back();
		STEP(COPYING_OUT, RESTORING, give_back())
	:: st == BINDING_OUT && want ->
#ifdef BUG_LOST_WANT
		want = false
#else
		STEP(BINDING_OUT, UNBINDING_HOME, map = NOWHERE)
#endif
	:: st == BINDING_OUT && !want ->
		/* The commit point. */
		clean = SHARED;
		STEP(BINDING_OUT, AWAY, stop_asked = false)
	/* Nobody needs it at home: if the GPU does not stop, it stays. */
	:: st == AWAY && !want && returns < RETURNS ->
		returns++;
		STEP(AWAY, STOPPING_HOME, stop_asked = true)
#ifndef BUG_NO_STOP
	:: st == STOPPING_HOME && !want && running && !kill_asked ->
		STEP(STOPPING_HOME, AWAY, stop_asked = false)
#endif
	:: st == AWAY && want ->
#ifdef BUG_LATE_TURN
		clean = true;
#endif
#ifdef BUG_NO_STOP
		MOVE(AWAY, STOPPING_HOME)
#elif defined(BUG_RESTORE_FIRST)
		restore();
		STEP(AWAY, STOPPING_HOME, stop_asked = true)
#else
		STEP(AWAY, STOPPING_HOME, stop_asked = true)
#endif
#ifdef BUG_NO_STOP
	:: st == STOPPING_HOME -> MOVE(STOPPING_HOME, UNBINDING_HOME)
#elif defined(BUG_WAIT_JOB)
	:: st == STOPPING_HOME && !job -> STEP(STOPPING_HOME, UNBINDING_HOME, map = NOWHERE)
#else
	:: st == STOPPING_HOME && !running ->
		STEP(STOPPING_HOME, UNBINDING_HOME, map = NOWHERE)
#endif
#if !defined(BUG_NO_DEADLINE) && !defined(BUG_WAIT_JOB)
	/* A GPU that can stop does so in time, so these are for others. */
	:: st == STOPPING_HOME && !PREEMPT && running && !kill_asked ->
		kill_asked = true
	:: st == STOPPING_HOME && DEAF && running && kill_asked ->
		atomic { lost = !clean; MOVE(STOPPING_HOME, LOSING) }
#endif
	:: st == UNBINDING_HOME && clean -> STEP(UNBINDING_HOME, RESTORING, give_back())
	:: st == UNBINDING_HOME && !clean ->
		MOVE(UNBINDING_HOME, COPYING_HOME);
		atomic { source = vram_new; changed = false; copying = HANG };
		MAY_DIE;
		if
		:: atomic { !HANG || !copying -> home_new = source && !changed;
			    assert(!changed || lost) }
		/* It ends when it is killed; the CPU does it instead. */
		:: atomic { HANG && copying -> copying = false;
			    home_new = source && !changed }
		/* It does not. */
		:: HANG && copying ->
#ifdef BUG_LATE_COPY
			home_new = source && !changed
#else
			atomic { lost = true; MOVE(COPYING_HOME, LOSING) }
#endif
		fi
	:: st == COPYING_HOME ->
		clean = true;
		STEP(COPYING_HOME, RESTORING, give_back())
	:: st == RESTORING && refused ->
		refused = false;
#ifndef BUG_REFUSED
		atomic { lost = true; MOVE(RESTORING, LOSING) }
#endif
	:: st == RESTORING && !refused ->
#ifdef BUG_GO_ON_EARLY
		stop_asked = false;
#endif
		STEP(RESTORING, BINDING_HOME, map = RAM)
	:: st == BINDING_HOME ->
		kill_asked = false;
		STEP(BINDING_HOME, HOME, stop_asked = false)
	:: st == LOSING ->
		/* A GPU that runs keeps its old copy; the guest was told. */
		lost = true;
		STEP(LOSING, LOST, restore());
		tell()
	:: st == LOST && map == VRAM && !running ->
		map = NOWHERE;
		MAY_DIE;
		tell()
	/* An op that is under way ends first. */
	:: gone && st == HOME -> STEP(HOME, LOST, tell())
	:: gone && st == REVOKING -> MOVE(REVOKING, LOSING)
	:: gone && st == STOPPING -> MOVE(STOPPING, LOSING)
	:: gone && st == UNBINDING -> MOVE(UNBINDING, LOSING)
	:: gone && st == COPYING_OUT -> MOVE(COPYING_OUT, LOSING)
	:: gone && st == BINDING_OUT -> MOVE(BINDING_OUT, LOSING)
	:: gone && st == AWAY -> MOVE(AWAY, LOSING)
	:: gone && st == STOPPING_HOME -> MOVE(STOPPING_HOME, LOSING)
	:: gone && st == UNBINDING_HOME -> MOVE(UNBINDING_HOME, LOSING)
	:: gone && st == COPYING_HOME -> MOVE(COPYING_HOME, LOSING)
	:: gone && st == RESTORING -> STEP(RESTORING, LOST, tell())
	:: gone && st == BINDING_HOME -> STEP(BINDING_HOME, LOST, tell())
	od;

recover:
	atomic {
		if
		:: RECOVER(REVOKING, RESTORING)
		:: RECOVER(STOPPING, RESTORING)
		:: RECOVER(UNBINDING, STOPPING_HOME); clean = true
		:: RECOVER(COPYING_OUT, STOPPING_HOME); clean = true
		:: RECOVER(BINDING_OUT, STOPPING_HOME); clean = true
		:: RECOVER(UNBINDING_HOME, STOPPING_HOME)
#ifdef BUG_RECOVER_HOME
		:: RECOVER(COPYING_HOME, STOPPING_HOME); clean = true
#elif defined(BUG_LEFT_COPY)
		:: RECOVER(COPYING_HOME, STOPPING_HOME)
#else
		/* The engine stops, or what it copies is given up. */
		:: RECOVER(COPYING_HOME, STOPPING_HOME);
			if
			:: copying = false
			:: copying -> lost = true; MOVE(STOPPING_HOME, LOSING)
			fi
#endif
		:: else
		fi;
		/* QUERY says who sleeps; all run that nobody holds. */
		stop_asked = (st == STOPPING_HOME);
#ifndef BUG_NO_HOLD
		/* ... or that maps nothing: the record says who does, but of a bind. */
		stop_asked = stop_asked || st == BINDING_HOME ||
			     (st == RESTORING && map == NOWHERE);
#endif
		/* ... or that may still reach the VRAM of a chunk that is lost. */
		stop_asked = stop_asked || (st == LOST && map == VRAM);
		want = want || asleep
	};
	if
	:: st == RESTORING -> restore()
	:: st == LOST -> lost = true; restore()
	:: else
	fi;
	goto again;
again:
	run Successor()
}

/* The same worker again, without another death. */
proctype Successor()
{
	bool source;

	do
	:: st == STOPPING_HOME && !running ->
		MOVE(STOPPING_HOME, UNBINDING_HOME); map = NOWHERE
	:: st == STOPPING_HOME && !PREEMPT && running && !kill_asked ->
		kill_asked = true
	:: st == STOPPING_HOME && DEAF && running && kill_asked ->
		atomic { lost = !clean; MOVE(STOPPING_HOME, LOSING) }
	:: st == UNBINDING_HOME && clean -> MOVE(UNBINDING_HOME, RESTORING); restore()
	:: st == UNBINDING_HOME && !clean ->
		MOVE(UNBINDING_HOME, COPYING_HOME);
		atomic { source = vram_new; changed = false };
		atomic { home_new = source && !changed;
			 assert(!changed || lost) };
		clean = true;
		MOVE(COPYING_HOME, RESTORING);
		restore()
	:: st == RESTORING -> MOVE(RESTORING, BINDING_HOME)
	:: st == BINDING_HOME ->
		map = RAM;
		kill_asked = false;
		MOVE(BINDING_HOME, HOME);
		stop_asked = false
	:: st == AWAY && want -> MOVE(AWAY, STOPPING_HOME); stop_asked = true
	:: st == LOSING -> MOVE(LOSING, LOST);
		lost = true;
		restore();
		tell()
	:: st == LOST && map == VRAM && !running -> map = NOWHERE; tell()
	:: gone && st == HOME -> MOVE(HOME, LOST)
	:: gone && st == AWAY -> MOVE(AWAY, LOSING)
	:: gone && st == STOPPING_HOME -> MOVE(STOPPING_HOME, LOSING)
	:: gone && st == UNBINDING_HOME -> MOVE(UNBINDING_HOME, LOSING)
	:: gone && st == RESTORING -> MOVE(RESTORING, LOST); tell()
	:: gone && st == BINDING_HOME -> MOVE(BINDING_HOME, LOST); tell()
	od
}

#ifdef LIVE
ltl wakes { [] (asleep -> <> !asleep) }
#endif
#ifdef LIVE_GPU
ltl goes_on { [] (stop_asked -> <> !stop_asked) }
#endif
