/* SPDX-License-Identifier: MIT */
/*
 * Migration: which chunk of guest memory is where, and how it gets elsewhere.
 * Walk B of README.md, as far as it is pure.
 *
 * Like core.h: events in, ops out, no system call, no clock, no allocation.
 * Time is a number that each event carries. One engine serves one device of
 * one guest. Not thread-safe: the worker's event loop is its only caller.
 *
 * A chunk is nr pages of an object from page "first" on: 512, 16 or 1, the
 * largest that fits. "obj" and "vm" are the slots of the request core. GPU
 * address spaces are few (MIG_MAX_VMS), so sets of them are masks.
 *
 * Numbers in comments are the invariants of DESIGN.md, section 9.
 */
#ifndef XU_MIGRATE_H
#define XU_MIGRATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIG_MAX_VMS	64U	/* a VM with a higher slot keeps its pages home */
#define MIG_MAX_GPUS	8U
#define MIG_MAX_COPIES	32U	/* of GPUs, in flight at once */
#define MIG_NEVER	UINT64_MAX
#define MIG_BUCKETS	32U	/* of a histogram; bucket n: below 2^n us */

struct mig;

/* Fixed for the life of the engine. All at least 1. */
struct mig_limits {
	uint64_t max_pages;	/* of all objects */
	uint32_t max_objects;
	uint32_t max_asks;	/* held or waiting at once */
	uint64_t hash_seed;	/* as in core_limits */
};

enum mig_policy_id {
	MIG_POLICY_MANUAL,	/* only what MIG_EV_MOVE says */
	MIG_POLICY_FIRST_USE,	/* to VRAM with the first job of a VM */
	MIG_POLICY_HINT,	/* what ADVISE says */
	MIG_POLICY_PRESSURE,	/* as first use; the least recently used goes */
	MIG_NR_POLICIES,
};

/* Changeable while running. Times in ms. */
struct mig_settings {
	uint32_t policy;	/* enum mig_policy_id */
	uint32_t kill_ms;	/* want to kill: a GPU that does not stop */
	uint32_t lost_ms;	/* want to loss; above kill_ms */
	uint32_t drain_ms;	/* longest wait for extra references */
	uint32_t poll_ms;	/* between two looks at them */
	uint32_t stop_ms;	/* longest wait for a stop that nobody wants */
	uint32_t copy_ms;	/* a GPU that copies has to get on within this */
	uint32_t run_ms;	/* a VM with work runs that long between two batches */
	uint32_t stay_ms;	/* nothing is evicted sooner */
	uint32_t bounce_ms;	/* home again within this: it bounced */
	uint32_t hold_ms;	/* hold-off after the first bounce; doubles */
	uint32_t hold_max_ms;
	uint32_t retry_ms;	/* after VRAM of others was full */
	uint32_t max_active;	/* chunks that leave home at once, at least 1 */
	uint32_t vram_page;	/* pages of 4 KiB in the smallest VRAM page */
	uint32_t home_gpus;	/* mask of GPUs: nothing goes to their VRAM, or stays there */
	uint64_t vram_pages;	/* limit of this guest, all GPUs */
};

/* Deadlines of DESIGN.md section 12, policy manual, no VRAM limit. */
extern const struct mig_settings mig_settings_default;

enum mig_event_type {
	MIG_EV_TIME,		/* now is all */
	MIG_EV_OBJ_ADD,		/* obj nr flags: mapped; its pages are home */
	MIG_EV_OBJ_DEL,		/* obj: instead of the LET_GO of a RELEASE ask
				 * of the whole object; nothing uses it */
	MIG_EV_VM_ADD,		/* vm gpu flags (MIG_VM_*) */
	MIG_EV_VM_DEL,		/* vm: closed, maps nothing any more */
	MIG_EV_USES,		/* obj first nr vm access: what vm maps of it */
	MIG_EV_JOB_END,		/* vm: a job that an EXEC ask let start */
	MIG_EV_MOVE,		/* obj first nr place gpu: by hand */
	MIG_EV_ADVISE,		/* obj first nr advice */
	MIG_EV_ALIAS,		/* obj first nr: these stay home from now on */
	MIG_EV_WANT,		/* obj first: an access found it revoked */
	MIG_EV_GONE,		/* obj first: the module gave it back as lost */
	MIG_EV_GPU_GONE,	/* gpu: nothing answers any more */
	MIG_EV_DONE,		/* id status extra_refs flags (MIG_DONE_REFS) */
	MIG_EV_STOPPED,		/* vm id status: the STOP with that id took effect, or
				 * failed: it is tried again */
	MIG_EV_ASK,		/* token kind obj first nr, or vm */
	MIG_EV_LET_GO,		/* token: of an ask that is READY */
	MIG_EV_SETTINGS,	/* settings */
	MIG_EV_DISCARD,		/* obj first nr: what chunks that are whole in it
				 * contain matters to nobody any more */
	MIG_NR_EVENTS,
};

/* OBJ_ADD flags */
#define MIG_OBJ_READONLY	(1U << 0) /* only writes may be revoked */

/* VM_ADD flags. Without any an EXEC brings the chunks of the VM home. */
#define MIG_VM_PREEMPT		(1U << 0) /* STOP stops inside a job */
#define MIG_VM_KILL		(1U << 1) /* KILL ends a job in bounded time */

/* DONE of REVOKE: extra_refs is what a QUERY would say, so none is needed. */
#define MIG_DONE_REFS		(1U << 0)

enum mig_access { MIG_ACCESS_NONE, MIG_ACCESS_READ, MIG_ACCESS_WRITE };

enum mig_place {
	MIG_PLACE_RAM,
	MIG_PLACE_VRAM,
	MIG_PLACE_MAPPED,	/* refused: -EOPNOTSUPP, MIG_WHY_RESERVED */
	MIG_PLACE_HOST,		/* the same */
};

/*
 * What the request core asks before it does something to pages. The chunks are
 * held from READY until LET_GO: none of them moves, not even for a want, so a
 * holder may wait for nothing but the backend's own calls (10).
 */
enum mig_ask {
	MIG_ASK_HOME,		/* all home: before a bind that maps them */
	MIG_ASK_REST,		/* at rest, wherever: before an unmap */
	MIG_ASK_RELEASE,	/* home, before the object is destroyed */
	MIG_ASK_EXEC,		/* vm: everything that it maps is bound. READY
				 * counts the job, nothing is held */
};

struct mig_event {
	enum mig_event_type type;
	uint32_t obj;
	uint32_t first;		/* page */
	uint32_t nr;		/* pages */
	uint32_t vm;
	uint32_t gpu;
	uint32_t flags;
	uint32_t access;	/* enum mig_access */
	uint32_t place;		/* enum mig_place */
	uint32_t advice;	/* XENUSERPTR_ADVICE_* */
	uint32_t kind;		/* enum mig_ask */
	uint32_t token;		/* of the caller's choice, not in use */
	uint32_t id;
	uint32_t status;	/* enum mig_status */
	uint32_t extra_refs;	/* DONE of QUERY, or with MIG_DONE_REFS */
	uint64_t now;		/* ms; never falls */
	uint64_t us;		/* the same for statistics alone; 0: unknown */
	const struct mig_settings *settings;
};

/* How an op ended. */
enum mig_status {
	MIG_OK,
	MIG_FAILED,
	MIG_NO_VRAM,		/* ALLOC */
	MIG_ALIASED,		/* ARM: a page is armed through another gref */
	MIG_NOT_ALLOWED,	/* ARM: the guest did not opt in, or cannot */
};

/*
 * Ops of a chunk name it by obj, first, nr; those marked D are answered by one
 * DONE with the op's id, and a chunk has at most one of them in flight. "vms"
 * may name a VM that is closed meanwhile: it counts as done. A COPY that does not
 * end though it was killed is given up: it may go on for ever, so what it uses
 * must stay allocated for it, and its DONE, if there is one, is ignored.
 */
enum mig_op_type {
	MIG_OP_ALLOC,		/* D gpu: VRAM for the chunk */
	MIG_OP_FREE,		/*   gpu: no VM maps it any more */
	MIG_OP_ARM,		/* D */
	MIG_OP_REVOKE,		/* D flags: MIG_OP_WRITES */
	MIG_OP_QUERY,		/* D extra_refs: sum over the pages */
	MIG_OP_RESTORE,		/* D flags: MIG_OP_LOST */
	MIG_OP_UNBIND,		/* D vms: nothing maps the chunk, TLBs clean */
	MIG_OP_BIND,		/* D vms gpu flags (MIG_OP_VRAM): every gpuva */
	MIG_OP_COPY,		/* D gpu flags: MIG_OP_VRAM (to), MIG_OP_CPU */
	MIG_OP_STOP,		/*   vm id: start; STOPPED with the id follows.
				 *   All STOPs come before anything waits */
	MIG_OP_KILL,		/*   vm: end its jobs */
	MIG_OP_RESUME,		/*   vm */
	MIG_OP_CLOSE,		/*   vm: it maps what cannot be unbound: close
				 *   its file; VM_DEL follows */
	MIG_OP_TELL,		/*   tell the guest: contents are gone */
	MIG_OP_READY,		/*   token status: the ask is granted */
	MIG_OP_KILL_COPIES,	/*   gpu: end the copies in flight, but by CPU */
	MIG_NR_OPS,
};

#define MIG_OP_WRITES	(1U << 0)
#define MIG_OP_LOST	(1U << 1)
#define MIG_OP_VRAM	(1U << 2)
#define MIG_OP_CPU	(1U << 3)	/* by the CPU: the GPU failed */

struct mig_op {
	enum mig_op_type type;
	uint32_t id;
	uint32_t obj;
	uint32_t first;
	uint32_t nr;
	uint32_t vm;
	uint32_t gpu;
	uint32_t flags;
	uint32_t token;
	uint32_t status;	/* READY: MIG_OK, or MIG_FAILED */
	uint64_t vms;
};

/* Why a chunk does not leave home, or did not. */
enum mig_why {
	MIG_WHY_NONE,
	MIG_WHY_RESERVED,	/* MAPPED, HOST: the module cannot revoke them */
	MIG_WHY_NEVER_MOVE,
	MIG_WHY_ALIAS,
	MIG_WHY_SMALL,		/* smaller than a VRAM page */
	MIG_WHY_LOST,
	MIG_WHY_HELD,
	MIG_WHY_NO_STOP,	/* a job runs that cannot be stopped */
	MIG_WHY_NO_PEER,	/* a job of another GPU uses it */
	MIG_WHY_NO_VRAM,
	MIG_WHY_BOUNCED,	/* hold-off */
	MIG_WHY_REFUSED,	/* the hypervisor: no opt-in */
	MIG_WHY_WANTED,		/* the guest touched it on the way */
	MIG_WHY_EXTRA_REFS,
	MIG_WHY_NOT_STOPPED,	/* stop_ms */
	MIG_WHY_FAILED,		/* an op */
	MIG_NR_WHYS,
};

/*
 * What is timed. Nothing is decided by these: the clock is mig_event.us. Name,
 * its name in JSON, in words.
 */
#define MIG_TIMES(X) \
	X(REVOKE,	revoke,		"revoke a chunk") \
	X(STOP,		stop,		"stop every GPU that maps a chunk") \
	X(COPY_OUT,	copy_out,	"copy a chunk to VRAM") \
	X(COPY_HOME,	copy_home,	"copy a chunk home") \
	X(OUT,		out,		"a chunk's whole way to VRAM") \
	X(WANT,		want,		"want, to the guest has it again") \
	X(ROLLBACK,	rollback,	"a move that turned back, to home again") \
	X(KILL,		kill,		"kill jobs until the GPU has stopped")

enum mig_time_id {
#define X(id, name, text) MIG_TIME_##id,
	MIG_TIMES(X)
#undef X
	MIG_NR_TIMES,
};

struct mig_time {
	uint64_t count;
	uint64_t sum_us;
	uint64_t max_us;
	uint64_t bucket[MIG_BUCKETS];
};

struct mig_stats {
	uint64_t revokes;
	uint64_t wants;
	uint64_t copies_out;
	uint64_t copies_home;
	uint64_t pages_out;	/* arrived */
	uint64_t pages_home;
	uint64_t rollbacks;
	uint64_t bounces;
	uint64_t evictions;
	uint64_t stops;		/* STOP ops */
	uint64_t kills;		/* KILL ops */
	uint64_t copy_kills;	/* KILL_COPIES ops */
	uint64_t cpu_copies;	/* chunks copied home by CPU */
	uint64_t discards;	/* chunks whose contents nobody wanted back */
	uint64_t losses;	/* chunks */
	uint64_t timed;		/* counts of all times together */
	struct mig_time time[MIG_NR_TIMES];
};

struct mig_chunk_info {
	uint32_t first;
	uint32_t nr;
	uint32_t state;		/* enum chunk_state (chunk.h) */
	uint32_t why;		/* enum mig_why: of the last refusal */
	uint32_t gpu;		/* valid unless home */
	uint32_t bounces;
	uint32_t moves;		/* arrivals in VRAM */
	bool wished;		/* asked for by hand, and not decided yet */
	uint64_t hold_until;	/* ms */
};

/** mig_size() - octets for an engine; 0: a limit is zero or too large */
size_t mig_size(const struct mig_limits *limits);

/**
 * mig_init() - make an engine in the caller's memory
 * @mem: mig_size() octets, aligned to 64, zeroed; stays the caller's
 *
 * NULL on limits that mig_size() refuses, or settings that contradict each
 * other (mig_settings_valid()).
 */
struct mig *mig_init(void *mem, const struct mig_limits *limits,
		     const struct mig_settings *settings);

bool mig_settings_valid(const struct mig_settings *settings);

/**
 * mig_step() - take one event, give ops
 * @ev: the event, or NULL to fetch more ops of earlier events
 * @ops: room for @max_ops, at least 1
 *
 * The caller performs the ops in order and, if it keeps a journal, writes it
 * (mig_journal_next()) before the first of them. Returns 1 if there are more
 * ops, 0 if not. An event that is refused has changed nothing: -EINVAL (it
 * does not fit to what is known or in flight: a fault of the caller),
 * -EOPNOTSUPP (MAPPED and HOST), -ENOSPC (more objects or asks than the limit).
 */
int mig_step(struct mig *mig, const struct mig_event *ev, struct mig_op *ops,
	     unsigned int max_ops, unsigned int *nr_ops);

/** mig_next_time() - when MIG_EV_TIME is due at the latest, or MIG_NEVER */
uint64_t mig_next_time(const struct mig *mig);

/** mig_check() - as core_check(): 0, or the number of a broken invariant */
int mig_check(const struct mig *mig);

/** mig_idle() - nothing moves, no ask waits, no op is due or in flight */
bool mig_idle(const struct mig *mig);

/** mig_chunk_get() - the chunk of a page; -ENOENT */
int mig_chunk_get(const struct mig *mig, uint32_t obj, uint32_t page,
		  struct mig_chunk_info *info);

/* Where the newest contents of an object's pages are; shared ones are home. */
struct mig_pages {
	uint32_t home;
	uint32_t vram;
	uint32_t lost;
	uint64_t moved_out;	/* pages that arrived in VRAM ever */
	uint64_t moved_home;
};

/** mig_pages() - count them; all zero if there is no such object */
void mig_pages(const struct mig *mig, uint32_t obj, struct mig_pages *pages);

/** mig_vms() - the VMs that it knows, as a mask */
uint64_t mig_vms(const struct mig *mig);

/** mig_vram_used() - pages of VRAM that are reserved or in use */
uint64_t mig_vram_used(const struct mig *mig);

const struct mig_stats *mig_stats(const struct mig *mig);
const char *mig_why_text(uint32_t why);
/** mig_state_text() - name of a mig_chunk_info.state */
const char *mig_state_text(uint32_t state);
/** mig_state_rests() - nothing moves in it by itself */
bool mig_state_rests(uint32_t state);

/*
 * The journal: one record of fixed size per chunk and per VM, in the order of
 * the engine's slots, little-endian, kept by the broker. It is enough for a new
 * worker to carry on: every op may be repeated, and what was done or not done
 * when the old worker died makes no difference.
 */
#define MIG_RECORD	96U

/**
 * mig_journal_next() - what has to be written
 * @index: (out) the record's place in the journal
 *
 * Returns false when nothing has changed since the last call said so.
 */
bool mig_journal_next(struct mig *mig, uint32_t *index,
		      uint8_t record[MIG_RECORD]);

/** mig_journal_records() - room that the journal needs, in records */
uint32_t mig_journal_records(const struct mig_limits *limits);

/**
 * mig_recover() - take over from a journal
 * @journal: mig_journal_records() of them
 *
 * For a new engine, before any event but SETTINGS. Resumes, repeats or takes
 * back what was under way; call mig_step() with NULL afterwards. Asks and jobs
 * are the caller's to repeat, and so are wants (QUERY all grefs). VRAM that
 * no chunk has in its record is the caller's to free before the first ALLOC,
 * and the first ops may FREE what was never allocated. @copying: copies of the
 * old worker may still be going on; what they may write is lost. -EINVAL: the
 * journal is not one of an engine with these limits; the engine is unusable.
 */
int mig_recover(struct mig *mig, const uint8_t *journal, uint64_t now,
		bool copying);

/*
 * A trace is a list of events, each in MIG_TRACE octets; SETTINGS carry their
 * settings. Replayed through a new engine it leads to the same ops and states.
 */
#define MIG_TRACE	160U

void mig_trace_encode(const struct mig_event *ev, uint8_t trace[MIG_TRACE]);

/** mig_trace_decode() - @settings: room for those of the event; or -EINVAL */
int mig_trace_decode(const uint8_t trace[MIG_TRACE], struct mig_event *ev,
		     struct mig_settings *settings);

/*
 * A recorded trace: a head, the SETTINGS that the engine began with, then
 * the events, MIG_TRACE octets each. The hash is of all ops that were given.
 */
struct mig_trace_head {
	struct mig_limits limits;	/* hash_seed is not kept */
	uint64_t events;
	uint64_t dropped;		/* events after these, for lack of room */
	uint64_t ops;
	uint64_t hash;			/* MIG_TRACE_HASH before the first op */
};

#define MIG_TRACE_HASH	14695981039346656037U

void mig_trace_head_encode(const struct mig_trace_head *head,
			   uint8_t trace[MIG_TRACE]);
/** mig_trace_head_decode() - or -EINVAL: that is no head of a trace */
int mig_trace_head_decode(const uint8_t trace[MIG_TRACE],
			  struct mig_trace_head *head);
/** mig_trace_op() - one more op: count and hash */
void mig_trace_op(struct mig_trace_head *head, const struct mig_op *op);

#endif /* XU_MIGRATE_H */
