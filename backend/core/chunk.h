/* SPDX-License-Identifier: MIT */
/*
 * What the files of the migration engine share. Not for adapters: migrate.h is.
 *
 *   event -> migrate.c -> what it means for each chunk (enum chunk_event)
 *         -> chunk-table.c: next state and action -> chunk.c performs it
 *         -> queue of ops that are due -> migrate.c emits them
 *
 * policy.c starts moves of chunks at rest, migrate-ask.c keeps chunks where
 * somebody needs them, chunk-vm.c stops VMs for several chunks at once.
 */
#ifndef XU_CHUNK_H
#define XU_CHUNK_H

#include "idmap.h"
#include "migrate.h"
#include "pool.h"

#define NONE POOL_NONE
#define CHUNK_MAX_PAGES	512U
#define MIG_MAX_CHUNKS	(1U << 24)

/*
 * The first NR_REST states are states of rest. The order is part of the
 * journal's format.
 */
enum chunk_state {
	CHUNK_HOME,
	CHUNK_SHARED,
	CHUNK_DEVICE,
	CHUNK_MAPPED,		/* reserved */
	CHUNK_HOST,		/* reserved */
	CHUNK_LOST,
	CHUNK_ALLOCATING,
	CHUNK_ARMING,
	CHUNK_REVOKING,
	CHUNK_DRAINING,		/* extra references: QUERY in flight */
	CHUNK_DRAIN_WAIT,	/* ... and some time between two of them */
	CHUNK_STOPPING,
	CHUNK_UNBINDING,
	CHUNK_COPYING_OUT,
	CHUNK_BINDING_OUT,
	CHUNK_STOPPING_HOME,
	CHUNK_UNBINDING_HOME,
	CHUNK_COPYING_HOME,
	CHUNK_COPYING_CPU,	/* ... again, without the engine */
	CHUNK_RESTORING,
	CHUNK_BINDING_HOME,	/* home; VMs that do not map it do so now */
	CHUNK_LOSING,
	CHUNK_LOST_UNBINDING,	/* the GPU stopped at last */
	CHUNK_NR_STATES,
};

#define CHUNK_NR_REST	(CHUNK_LOST + 1)

enum chunk_event {
	CHUNK_EV_LEAVE,		/* policy or hand: to VRAM */
	CHUNK_EV_RETURN,	/* policy or hand: home, in no hurry */
	CHUNK_EV_WANTED,	/* guest, bind, release: home, now */
	CHUNK_EV_VALIDATE,	/* a VM needs its mapping */
	CHUNK_EV_DONE,
	CHUNK_EV_DONE_BACK,	/* done; turned back, or home is as good */
	CHUNK_EV_DONE_SHARED,	/* done; the copy is one of two */
	CHUNK_EV_DONE_GONE,	/* done; the contents are gone meanwhile */
	CHUNK_EV_FAIL,
	CHUNK_EV_BUSY,		/* done; there are extra references */
	CHUNK_EV_STOPPED,	/* every VM that it stops has stopped */
	CHUNK_EV_GONE,		/* the contents are gone */
	CHUNK_EV_TIME_POLL,
	CHUNK_EV_TIME_DRAIN,
	CHUNK_EV_TIME_STOP,
	CHUNK_EV_TIME_STOP_SHARED,
	CHUNK_EV_TIME_KILL,
	CHUNK_EV_TIME_LOST,
	CHUNK_EV_TIME_COPY,	/* the GPU does not get on with its copies */
	CHUNK_EV_TIME_STUCK,	/* ... and does not end them */
	CHUNK_NR_EVENTS,
};

enum chunk_action {
	CHUNK_REFUSE,		/* no entry: the event does not fit */
	CHUNK_IGNORE,
	CHUNK_DO_ALLOC,
	CHUNK_DO_ARM,
	CHUNK_DO_REVOKE,
	CHUNK_DO_QUERY,
	CHUNK_DO_WAIT,
	CHUNK_DO_STOP,
	CHUNK_DO_UNBIND,
	CHUNK_DO_COPY_OUT,
	CHUNK_DO_BIND_VRAM,
	CHUNK_DO_ARRIVE,	/* the commit point: VMs go on in VRAM */
	CHUNK_DO_COPY_HOME,
	CHUNK_DO_COPY_CPU,
	CHUNK_DO_RESTORE,
	CHUNK_DO_BIND_HOME,
	CHUNK_DO_SETTLE,	/* home: free VRAM, VMs go on */
	CHUNK_DO_TURN,		/* when the op in flight ends: back */
	CHUNK_DO_HURRY,		/* deadlines begin */
	CHUNK_DO_KILL,
	CHUNK_DO_MARK,		/* when the op in flight ends: lost */
	CHUNK_DO_LOSE,		/* give the home frames back as lost */
	CHUNK_DO_TELL,
	CHUNK_DO_REST,		/* stays where it is: VMs go on */
	CHUNK_DO_UNUSE,		/* lost, and no GPU can reach it any more */
	CHUNK_DO_KILL_COPY,
	CHUNK_NR_ACTIONS,
};

struct chunk_step {
	uint8_t next;		/* enum chunk_state */
	uint8_t action;		/* enum chunk_action */
};

/* Where the newest contents are, for the whole of a state. */
enum chunk_newest {
	NEWEST_HOME,
	NEWEST_VRAM,
	NEWEST_BOTH,
	NEWEST_FLAG,		/* chunk.clean says: home, or VRAM alone */
	NEWEST_NOWHERE,
};

/* What is true of a state, whatever the event. */
struct chunk_facts {
	const char *name;
	uint8_t op;		/* enum mig_op_type that it waits for, or NO_OP */
	uint8_t newest;		/* enum chunk_newest */
	uint8_t recover;	/* enum chunk_state that a new worker puts it in */
};

#define NO_OP MIG_NR_OPS

extern const struct chunk_facts chunk_facts[CHUNK_NR_STATES];
extern const struct chunk_step chunk_steps[CHUNK_NR_STATES][CHUNK_NR_EVENTS];
const char *chunk_event_name(uint32_t event);
const char *chunk_action_name(uint32_t action);

/* The lists of LIST_DUE: ops that somebody waits for, others; copies that are held, alike. */
enum chunk_due {
	DUE_URGENT,
	DUE_SOON,
	DUE_HELD_URGENT,
	DUE_HELD,
	CHUNK_NR_DUE,
};

struct links {
	uint32_t next;
	uint32_t prev;
};

struct list {
	uint32_t first;
	uint32_t last;
	uint32_t nr;
};

/* Which list of a chunk. */
enum chunk_list {
	LIST_ACTIVE,		/* not at rest */
	LIST_DUE,		/* its op has to be emitted */
	LIST_JOURNAL,		/* its record has to be written */
	LIST_AWAY,		/* at rest in VRAM */
	CHUNK_NR_LISTS,
};

/* When things began, in us; 0: unknown. For statistics alone. */
struct chunk_marks {
	uint64_t state;		/* it entered its state */
	uint64_t walk;		/* it left its last rest */
	uint64_t want;		/* somebody began to wait */
	uint64_t kill;
	bool rolled;		/* it turned back in this walk */
};

enum chunk_wish { WISH_NONE, WISH_RAM, WISH_VRAM };

struct chunk {
	struct links links[CHUNK_NR_LISTS];
	bool on[CHUNK_NR_LISTS];
	bool used;
	uint8_t state;		/* enum chunk_state */
	uint8_t guest;		/* enum mig_access that the guest may have */
	uint8_t advice;		/* XENUSERPTR_ADVICE_* */
	uint8_t wish;		/* enum chunk_wish: by hand */
	uint8_t why;		/* enum mig_why */
	uint8_t gpu;		/* of its VRAM, or where it is to go */
	bool shared;		/* goes, or went, as one of two copies */
	bool clean;		/* home frames hold the newest contents */
	bool back;		/* turned back before the commit point */
	bool hurry;		/* somebody waits: deadlines run */
	bool adrift;		/* recovered half-way: it cannot stay away */
	bool killed;		/* KILL was sent in this walk */
	bool marked;		/* contents are gone, op in flight */
	bool vram;		/* VRAM is reserved */
	bool discarded;		/* any contents will do */
	bool emitted;		/* the state's op is in flight */
	uint8_t due;		/* enum chunk_due */
	bool copies;		/* a COPY of its GPU is in flight */
	bool stays;		/* alias, or refused by the hypervisor */
	uint8_t given_up;	/* ops; in the id of those that follow */
	bool no_refs;		/* REVOKE found no extra references */
	uint32_t obj;
	uint32_t first;
	uint32_t nr;
	uint32_t obj_next;	/* next chunk of the object */
	uint32_t obj_prev;
	uint32_t holds;		/* asks that keep it where it is */
	uint32_t bounces;
	uint32_t moves;
	uint64_t users;		/* VMs with a gpuva on it */
	uint64_t writers;	/* ... a writable one */
	uint64_t at_home;	/* VMs that may map the home frames */
	uint64_t at_vram;	/* VMs that may map the VRAM */
	uint64_t stopping;	/* VMs that it holds stopped */
	uint64_t op_vms;	/* VMs of the bind or unbind in flight */
	uint64_t bad;		/* users that have no way to it now */
	uint64_t since;		/* ms: state entered */
	uint64_t drained;	/* ms: the wait for extra references began */
	uint64_t hurried;	/* ms: deadlines began */
	uint64_t copy_killed;	/* ms: its copy was, or 0 */
	uint64_t arrived;	/* ms: in VRAM since */
	uint64_t hold_until;	/* ms: hold-off */
	uint64_t evicted;	/* count of EXECs when it had to go, or 0 */
	struct chunk_marks marks;
};

struct mig_object {
	uint32_t nr_pages;
	uint32_t flags;
	uint32_t chunks;	/* first one */
	uint32_t asks;		/* first ask on it */
	uint64_t moved_out;	/* pages, ever */
	uint64_t moved_home;
	bool used;
};

enum mig_vm_state { MIG_VM_RUNNING, MIG_VM_STOPPING, MIG_VM_STOPPED };

struct mig_vm {
	bool used;
	bool dead;		/* its GPU is gone: counts as stopped */
	bool wedged;		/* maps VRAM that could not be unbound */
	bool leaving;		/* a chunk let go of it: the batch is closed */
	uint8_t state;		/* enum mig_vm_state */
	uint8_t gpu;
	uint32_t flags;		/* MIG_VM_* */
	uint32_t holders;	/* chunks that want it stopped */
	uint32_t stop_id;	/* of the last STOP */
	uint32_t jobs;
	uint32_t bad;		/* chunks that it uses and cannot reach */
	uint32_t asks;		/* first EXEC that waits */
	uint64_t last_exec;	/* of the engine's count of EXECs */
	uint64_t resumed;	/* ms */
};

struct mig_asked {
	uint32_t token;
	uint32_t kind;		/* enum mig_ask */
	uint32_t obj;
	uint32_t vm;
	uint32_t first;
	uint32_t nr;
	uint32_t pending;	/* chunks that are not held yet */
	uint32_t status;	/* enum mig_status */
	uint32_t next;		/* of the object or VM */
	uint32_t ready_next;
	bool used;
	bool ready;		/* READY is due or was given */
};

struct mig {
	struct mig_limits limits;
	struct mig_settings settings;
	struct mig_stats stats;
	uint64_t now;
	uint64_t us;		/* of the last event that knew it */
	uint64_t vram_used;	/* pages */
	uint64_t execs;		/* counted */
	uint64_t gpu_full[MIG_MAX_GPUS];	/* ms: until then no ALLOC */
	uint64_t copied_at[MIG_MAX_GPUS];	/* ms: its last good copy ended */
	uint32_t gpus_gone;	/* mask */
	uint32_t copies;	/* of GPUs, in flight and not given up */
	uint32_t copies_stuck;	/* given up, and not known to have ended */
	uint32_t leaving;	/* chunks on their way out */
	uint32_t lost_vram;	/* lost chunks whose VRAM is kept */
	uint32_t next_stop;
	uint32_t cursor;	/* of the policy's pass */
	uint32_t pass_left;	/* chunks that the pass still has to see */
	uint32_t looks;		/* ... of them with this event */
	uint64_t no_victim[MIG_MAX_GPUS];	/* for what was used up to then, in
						 * this look */
	uint64_t pass_at;	/* ms: the next pass at the latest */
	uint32_t max_chunks;
	uint64_t stop_due;	/* VMs */
	uint64_t kill_due;
	uint64_t close_due;
	uint64_t stop_failed;	/* due again from stop_again on */
	uint64_t stop_again;	/* ms */
	uint64_t resume_due;
	uint32_t copies_due;	/* GPUs: KILL_COPIES */
	uint64_t vm_journal;	/* VMs whose record has to be written */
	uint32_t ready_first;	/* asks whose READY is due */
	uint32_t ready_last;
	struct list active;
	struct list due[CHUNK_NR_DUE];	/* of LIST_DUE */
	struct list journal;
	struct list away;	/* roughly in order of arrival */
	struct chunk *chunk;
	struct mig_object *obj;
	struct mig_asked *ask;
	struct pool chunk_pool;
	struct pool ask_pool;
	struct idmap chunk_ids;
	struct idmap tokens;
	uint64_t *free_due;	/* bit per chunk: FREE */
	uint64_t *tell_due;	/* bit per chunk: TELL */
	uint32_t nr_notes;	/* bits set in both */
	struct mig_vm vm[MIG_MAX_VMS];
};

static inline bool chunk_at_rest(const struct chunk *chunk)
{
	return chunk->state < CHUNK_NR_REST;
}

/* At rest in VRAM. */
static inline bool chunk_is_away(const struct chunk *chunk)
{
	return chunk->state == CHUNK_DEVICE || chunk->state == CHUNK_SHARED;
}

/* Its copy engine has the chunk, not the CPU. */
static inline bool chunk_gpu_copies(const struct chunk *chunk)
{
	return chunk->state == CHUNK_COPYING_OUT ||
	       chunk->state == CHUNK_COPYING_HOME;
}

static inline uint64_t vm_bit(uint32_t vm)
{
	return UINT64_C(1) << vm;
}

/* The id of a chunk's ops, from which slot and ops given up can be told. */
#define CHUNK_SLOT(id)		((id) % MIG_MAX_CHUNKS)
#define CHUNK_GIVEN_UP(id)	((id) / MIG_MAX_CHUNKS)

static inline uint32_t chunk_op_id(const struct mig *mig, uint32_t slot)
{
	return slot + MIG_MAX_CHUNKS * mig->chunk[slot].given_up;
}

/* For each VM of a mask; the mask is used up. */
#define for_each_vm(vm, mask) \
	for (; (mask) && ((vm) = (uint32_t)__builtin_ctzll(mask), true); \
	     (mask) &= (mask) - 1)

/* chunk.c */
/* Does what the table says; -EINVAL and nothing if it has no entry. */
int chunk_event(struct mig *mig, uint32_t slot, enum chunk_event event);
/* What DONE with this status means in the chunk's state. */
int chunk_done(struct mig *mig, uint32_t slot, const struct mig_event *ev);
/* Fill in the op that is due. */
void chunk_emit(struct mig *mig, uint32_t slot, struct mig_op *op);
/* Deadlines: raise what is due; when is the next? */
void chunk_time(struct mig *mig, uint32_t slot);
uint64_t chunk_next_time(const struct mig *mig, const struct chunk *chunk);
/* Users that have no way to it now. */
uint64_t chunk_bad(const struct mig *mig, const struct chunk *chunk);
/* Its users or state have changed: counts and journal follow. */
void chunk_changed(struct mig *mig, uint32_t slot);
/* The state's op is not needed, or is of no use: as if it had ended so. */
void chunk_skip(struct mig *mig, uint32_t slot, enum mig_status status);
/* Changed: its record has to be written. */
void chunk_touch(struct mig *mig, uint32_t slot);
/* At rest, or let go of: does somebody need it elsewhere? */
void chunk_rested(struct mig *mig, uint32_t slot);
/* FREE or TELL is due. */
void chunk_note(struct mig *mig, uint64_t *bits, uint32_t slot);
/* VRAM that no VM maps any more is given back. */
void chunk_free_vram(struct mig *mig, uint32_t slot);
/* The walk into a state without the event, for mig_recover(). */
void chunk_enter(struct mig *mig, uint32_t slot, enum chunk_state state);

/* Somebody waits from now on: deadlines run. */
void chunk_hurry(struct mig *mig, struct chunk *chunk);

/* chunk-due.c */
/* The op of its state is due, or is no more. */
void chunk_due_add(struct mig *mig, uint32_t slot);
void chunk_due_del(struct mig *mig, uint32_t slot);
/* It gets before others, since somebody has started to wait. */
void chunk_due_hurry(struct mig *mig, uint32_t slot);
/* Emit the first of a list that need not be held; false: there is none. */
bool chunk_due_emit(struct mig *mig, enum chunk_due due, struct mig_op *op);
/* Those that are not held. */
uint32_t chunk_due_nr(const struct mig *mig);
/* Its op has ended, or is given up: if a GPU copied, a copy that is held is due. */
void chunk_copy_ended(struct mig *mig, struct chunk *chunk);
/* Those that are held will not be done. */
void chunk_copies_fail(struct mig *mig);

/* chunk-stats.c */
/* It is about to leave its state. */
void chunk_stats_leave(struct mig *mig, struct chunk *chunk,
		       enum chunk_state next);
void chunk_stats_kill(const struct mig *mig, struct chunk *chunk);
void chunk_stats_rollback(struct mig *mig, struct chunk *chunk);
/* Its contents have arrived in VRAM, or at home. */
void chunk_stats_out(struct mig *mig, const struct chunk *chunk);
void chunk_stats_home(struct mig *mig, const struct chunk *chunk);

/* chunk-list.c */
void list_init(struct list *list);
void chunk_list_add(struct mig *mig, struct list *list, enum chunk_list which,
		    uint32_t slot);
void chunk_list_del(struct mig *mig, struct list *list, enum chunk_list which,
		    uint32_t slot);

/* chunk-vm.c */
/* Hold these stopped; the STOPs become due at once. */
void chunk_stop(struct mig *mig, struct chunk *chunk, uint64_t vms);
bool chunk_stopped(const struct mig *mig, const struct chunk *chunk);
void chunk_kill(struct mig *mig, struct chunk *chunk);
/* They may map VRAM and nobody can change it: never resumed again. */
void chunk_wedge(struct mig *mig, struct chunk *chunk);
/* Let go of the VMs in the mask. */
void chunk_resume(struct mig *mig, struct chunk *chunk, uint64_t vms);
int mig_vm_add(struct mig *mig, const struct mig_event *ev);
int mig_vm_del(struct mig *mig, const struct mig_event *ev);
int mig_vm_stopped(struct mig *mig, const struct mig_event *ev);
int mig_gpu_gone(struct mig *mig, const struct mig_event *ev);
/* Its last job has ended. */
void mig_vm_idle(struct mig *mig, uint32_t vm);
bool mig_vm_emit(struct mig *mig, struct mig_op *op);
/* STOPs that failed are due again, if it is time. */
void mig_stops_again(struct mig *mig);
/* VMs of the mask that can map VRAM of this GPU. */
uint64_t mig_vms_reach(const struct mig *mig, uint64_t vms, uint32_t gpu);
/* VMs of the mask that map nothing any more: GPU gone, being closed. */
uint64_t mig_vms_gone(const struct mig *mig, uint64_t vms);
/* These, and those that never run again. */
uint64_t mig_vms_dead(const struct mig *mig, uint64_t vms);
/* VMs of the mask that can be neither preempted nor killed. */
uint64_t mig_vms_stubborn(const struct mig *mig, uint64_t vms);
bool mig_vm_is_stopped(const struct mig *mig, uint32_t vm);

/* migrate-object.c */
uint32_t mig_max_chunks(const struct mig_limits *limits);
/* Pages of the chunk of an object of nr_pages that begins at page. */
uint32_t mig_chunk_pages(uint32_t nr_pages, uint32_t page);
uint32_t mig_chunk_find(const struct mig *mig, uint32_t obj, uint32_t page);
/* First chunk of a range that must lie in a known object, or NONE. */
uint32_t mig_range_first(const struct mig *mig, uint32_t obj, uint32_t first,
			 uint32_t nr);
/* The next one that begins before end, or NONE. */
uint32_t mig_range_next(const struct mig *mig, uint32_t slot, uint32_t end);
int mig_obj_add(struct mig *mig, const struct mig_event *ev);
int mig_obj_del(struct mig *mig, const struct mig_event *ev);
int mig_uses(struct mig *mig, const struct mig_event *ev);
/* As the events, but of a chunk that is held when nobody holds it any more. */
int chunk_wanted(struct mig *mig, uint32_t slot);
int chunk_gone(struct mig *mig, uint32_t slot);
/* A chunk at home that covers these pages of a known object. */
void mig_chunk_make(struct mig *mig, uint32_t slot, uint32_t obj,
		    uint32_t first);
/* FREE or TELL of it is due. */
bool mig_noted(const struct mig *mig, uint32_t slot);
int mig_want(struct mig *mig, const struct mig_event *ev);
int mig_gone(struct mig *mig, const struct mig_event *ev);

/* migrate-ask.c */
int mig_ask(struct mig *mig, const struct mig_event *ev);
int mig_let_go(struct mig *mig, const struct mig_event *ev);
/* A release is READY and nothing else is asked of the object; end it. */
bool mig_released(const struct mig *mig, uint32_t obj);
void mig_release_end(struct mig *mig, uint32_t obj);
int mig_job_end(struct mig *mig, const struct mig_event *ev);
bool mig_ask_emit(struct mig *mig, struct mig_op *op);
/* Does an ask need the chunk at home? */
bool mig_asked_home(const struct mig *mig, uint32_t slot);
/* At rest and fitting: all asks on it hold it. */
void mig_asks_hold(struct mig *mig, uint32_t slot);
/* An EXEC waits for one of these VMs? */
bool mig_exec_waits(const struct mig *mig, uint64_t vms);
void mig_execs_go(struct mig *mig, uint32_t vm);
void mig_execs_fail(struct mig *mig, uint64_t vms);
/* The VM is gone: its EXECs fail. */
void mig_vm_asks_fail(struct mig *mig, uint32_t vm);

/* policy.c */
int mig_move(struct mig *mig, const struct mig_event *ev);
int mig_advise(struct mig *mig, const struct mig_event *ev);
int mig_alias(struct mig *mig, const struct mig_event *ev);
int mig_discard(struct mig *mig, const struct mig_event *ev);
/* Something changed that the policy may act on. */
void policy_kick(struct mig *mig);
/* A new event: some more chunks may be looked at. */
void policy_begin(struct mig *mig);
/* Are there chunks to look at now, or later, and could one of them leave? */
bool policy_pending(const struct mig *mig);
bool policy_waits(const struct mig *mig);
/* Look at some of them; true: it did. */
bool policy_run(struct mig *mig);
/* The guest wants the chunk back, on its way out or in VRAM. */
void policy_wanted(struct mig *mig, struct chunk *chunk);
/* It stays home for a time that grows. */
void policy_hold_off(struct mig *mig, struct chunk *chunk);

#endif /* XU_CHUNK_H */
