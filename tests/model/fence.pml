/* SPDX-License-Identifier: MIT */
/*
 * The fence page and the event page (userptrif.md 3.2, 3.3): three jobs of one
 * timeline, the second of which fails. The frontend must signal every job, none
 * early, and the failed one with its error, with an event page of one slot.
 *
 * Variants with a known bug, each of which must be caught (run.sh):
 *   BUG_EVENTS_FIRST	frontend drains the events, then reads the fence page
 *   BUG_FENCE_FIRST	backend writes the fence, then the event
 *   BUG_OUT_OF_ORDER	backend writes a fence when its job ends, whatever runs
 *   BUG_DROP		backend drops an event that does not fit
 */
#define JOBS	3
#define SLOTS	1
#define FAILED(job) ((job) != 1)	/* two errors: more than slots */

byte fence = 0;			/* the fence page: jobs up to this have ended */
byte prod = 0, cons = 0;	/* of the event page */
byte event[SLOTS];		/* seqno of the job that failed */
bool ended[JOBS + 1];
bool kick = false;		/* the event channel */
byte signalled = 0;		/* the frontend's fences up to this */

active proctype Gpu()
{
	byte left = JOBS;

	do
	:: left > 0 ->
		if
		:: atomic { !ended[1] -> ended[1] = true }
		:: atomic { !ended[2] -> ended[2] = true }
		:: atomic { !ended[3] -> ended[3] = true }
		fi;
		left--
	:: left == 0 -> break
	od
}

inline put_event(seqno)
{
#ifdef BUG_DROP
	if
	:: prod - cons < SLOTS -> event[prod % SLOTS] = seqno; prod++
	:: prod - cons == SLOTS
	fi
#else
	prod - cons < SLOTS;	/* the rest stays in the backend's queue */
	event[prod % SLOTS] = seqno;
	prod++;
	kick = true
#endif
}

active proctype Backend()
{
	byte next = 1;

	do
	:: next <= JOBS ->
#ifdef BUG_OUT_OF_ORDER
		if
		:: ended[next]
		:: next < JOBS && ended[next + 1] -> next++
		fi;
#else
		ended[next];
#endif
#ifdef BUG_FENCE_FIRST
		fence = next;
		if
		:: FAILED(next) -> put_event(next)
		:: !FAILED(next)
		fi;
#else
		if
		:: FAILED(next) -> put_event(next)
		:: !FAILED(next)
		fi;
		fence = next;
#endif
		kick = true;
		next++
	:: next > JOBS -> break
	od
}

bool error[JOBS + 1];

inline drain()
{
	do
	:: cons < prod -> error[event[cons % SLOTS]] = true; cons++
	:: cons == prod -> break
	od
}

inline signal_up_to(upto)
{
	do
	:: signalled < upto ->
		signalled++;
		assert(ended[signalled]);
		assert(error[signalled] == FAILED(signalled))
	:: signalled >= upto -> break
	od
}

active proctype Frontend()
{
	byte seen;

	do
	:: signalled < JOBS ->
		atomic { kick -> kick = false };
#ifdef BUG_EVENTS_FIRST
		drain();
		seen = fence;
#else
		seen = fence;
		drain();
#endif
		signal_up_to(seen)
	:: signalled == JOBS -> break
	od
}

#ifdef LIVE
ltl all_signalled { <> (signalled == JOBS) }
#endif
