/* SPDX-License-Identifier: MIT */
/*
 * The page of counters that a worker shares with the broker (a memfd). The
 * worker alone writes; the broker reads and prints, and believes nothing.
 * Relaxed atomics: each number is right by itself, not with its neighbours.
 */
#ifndef XU_STATUS_H
#define XU_STATUS_H

#include <stdatomic.h>
#include <stdint.h>

#include "migrate.h"

/* name in JSON, what it counts; "now" is a level, the rest count up. */
#define WORKER_COUNTERS(X) \
	X(requests,	"ring packets taken") \
	X(responses,	"ring packets answered") \
	X(events,	"packets put on the event page") \
	X(events_held,	"events that had to wait for the frontend") \
	X(notifies,	"event channel notifications sent") \
	X(wakeups,	"event channel notifications received") \
	X(jobs,		"jobs queued") \
	X(jobs_failed,	"jobs that ended with an error") \
	X(jobs_now,	"jobs in flight") \
	X(vms_now,	"GPU address spaces open") \
	X(objects_now,	"objects mapped") \
	X(imports_now,	"imports of objects into address spaces") \
	X(map_calls,	"module calls that map grants") \
	X(copy_calls,	"grant copy calls") \
	X(copy_pages,	"pages read by grant copy") \
	X(copy_used,	"octets of directories that said something") \
	X(pages_mapped,	"pages mapped since the start") \
	X(unmapped,	"objects whose grants have ended") \
	X(binds,	"bind operations performed") \
	X(mig_out,	"pages that arrived in VRAM") \
	X(mig_home,	"pages that came home") \
	X(mig_revokes,	"chunks revoked") \
	X(mig_wants,	"accesses of the guest to revoked pages") \
	X(mig_rollbacks, "moves that turned back before they were done") \
	X(mig_evictions, "chunks that went home to make room") \
	X(mig_bounces,	"chunks that came back too soon and stay for a while") \
	X(mig_stops,	"GPU address spaces stopped") \
	X(mig_kills,	"GPU address spaces whose jobs were killed") \
	X(mig_copy_kills, "times that all copies of a GPU were ended") \
	X(mig_cpu_copies, "chunks that the CPU copied home") \
	X(mig_discards,	"chunks whose contents nobody wanted back") \
	X(mig_lost,	"pages whose contents were lost") \
	X(mig_vram_now,	"pages of VRAM in use or reserved")

/* A histogram of MIG_TIMES: bucket n counts what took less than 2^n us. */
struct worker_time {
	_Atomic uint64_t count;
	_Atomic uint64_t sum_us;
	_Atomic uint64_t max_us;
	_Atomic uint64_t bucket[MIG_BUCKETS];
};

struct worker_status {
#define X(name, text) _Atomic uint64_t name;
	WORKER_COUNTERS(X)
#undef X
	struct worker_time time[MIG_NR_TIMES];
};

static inline void status_put(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_store_explicit(counter, value, memory_order_relaxed);
}

static inline uint64_t status_get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static inline void status_add(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

static inline void status_sub(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_fetch_sub_explicit(counter, value, memory_order_relaxed);
}

#endif /* XU_STATUS_H */
