/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The arena: a heap, the processes that map it and the threads that allocate in it.
 *
 * Locks, outermost first. A function takes them in this order and no other:
 *
 *	arena->lock		everything in arena->heap, leases, root ranges, statistics.
 *				Held for whole cycles, and while user memory is read
 *				or written: page faults may happen under it, so
 *				nothing that a page fault needs may take it.
 *	mm->mmap_lock		the kernel's. Our mmap(), open, close and fault
 *				callbacks are called under it.
 *	arena->setup_lock	fixing the parameters: CREATE and the first mmap()
 *	arena->backing_lock	chunk table and chunk->blocks against page faults, and
 *				which chunks are quiet (quiet.c). Read: fault, populate.
 *				Write: publishing a chunk, quieting one.
 *				No user memory is touched under it.
 *	stopped_lock		spin lock in park.c: which arenas are being stopped
 *	arena->park_lock	spin lock: arena->parkers and their state
 *	arena->mappings_lock	spin lock: arena->mappings, base
 *
 * Innermost are those of the list of arenas and of names (registry.c), and of requests
 * (request.c).
 * Netlink (netlink.c) tries arena->lock and gives up: its own locks are everybody's.
 *
 * Page tables are walked through the arena's inode: its i_mmap_rwsem, the kernel's, is
 * taken under arena->lock and under none of the others.
 *
 * The locks of events (event.c) stand apart: none of these is taken under them but
 * mmap_lock, by copying an event to the program.
 *
 * Waits for arena->lock can be ended by a fatal signal. A process that stalls a page
 * fault (userfaultfd, FUSE) delays its own arena and no other.
 *
 * Life: open() makes the arena, the last close or munmap frees it. A file's or a
 * VMA's reference keeps it, and keeps the module loaded. Who finds it on the list of
 * arenas keeps the last close waiting, for moments only. The background work is
 * cancelled before it is freed. Task works that are still queued then keep the empty
 * shell, and the module, until the sleeping threads that have them wake up.
 */
#ifndef GCARENA_ARENA_H
#define GCARENA_ARENA_H

#include <linux/fs.h>
#include <linux/hashtable.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <linux/gcarena.h>

#include "budget.h"
#include "event.h"
#include "heap.h"
#include "notify.h"
#include "pacer.h"
#include "quiet.h"
#include "registry.h"
#include "request.h"
#include "share.h"

struct gcarena_concurrent;
struct gcarena_evacuation;
struct gcarena_marker;
struct gcarena_move;
struct gcarena_parker;
struct gcarena_ranges;
struct gcarena_verifier;
struct seq_file;

/**
 * struct gcarena_params - what CREATE fixes
 * @reserve: bytes of address range
 * @limit: most bytes of backing
 * @min_heap: see struct gcarena_pacer
 * @gc_percent: see struct gcarena_pacer
 * @root_mode: enum gcarena_root_mode, never DEFAULT
 * @memory_limit: see struct gcarena_pacer
 */
struct gcarena_params {
	u64 reserve;
	u64 limit;
	u64 min_heap;
	int gc_percent;
	u32 root_mode;
	u64 memory_limit;
};

/**
 * struct gcarena_mapping - a process that uses the arena through a mapping of it
 * @link: on arena->mappings
 * @mm: whose it is; compared, never followed
 * @dead: the VMA is gone: free this at the next chance
 * @nr_owners: struct gcarena_owner that refer to it; under the heap lock
 * @id: unique in the arena, never 0
 * @scanned: arena->stop of the last stop that has read its memory
 * @ranges: what the process added as roots, or NULL; shared after fork()
 * @slots: what of its memory it added as precise slots, likewise
 * @pins: struct gcarena_pinned, by offset; @nr_pins of them
 * @nr_pins: see @pins
 */
struct gcarena_mapping {
	struct list_head link;
	struct mm_struct *mm;
	bool dead;
	unsigned int nr_owners;
	u64 id;
	u64 scanned;
	struct gcarena_ranges *ranges;
	struct gcarena_ranges *slots;
	struct rb_root pins;
	u32 nr_pins;
};

/**
 * struct gcarena_run - a piece of the arena
 * @start: offset
 * @bytes: length
 */
struct gcarena_run {
	u64 start;
	u64 bytes;
};

/**
 * enum gcarena_effort - what to try when the arena is full
 * @GCARENA_EFFORT_SWEEP: sweep everything that the last cycle left
 * @GCARENA_EFFORT_SPARE: where the memory limit is the lower one: collect, unless that
 *	happened too often lately
 * @GCARENA_EFFORT_EXCEED: where it is: it is soft
 * @GCARENA_EFFORT_COLLECT: collect, and sweep everything
 * @GCARENA_NR_EFFORTS: then it is full
 */
enum gcarena_effort {
	GCARENA_EFFORT_SWEEP,
	GCARENA_EFFORT_SPARE,
	GCARENA_EFFORT_EXCEED,
	GCARENA_EFFORT_COLLECT,
	GCARENA_NR_EFFORTS,
};

/* What can be read at any time, without a lock: each number for itself is right. */
struct gcarena_overview {
	struct gcarena_params params;
	bool created;
	u32 phase;
	u64 base;
	u64 heap_objects;
	u64 heap_bytes;
	u64 backing_bytes;
	u64 metadata_bytes;
	u64 cycles;
	u64 cycles_aborted;
	u64 pause_last_ns;
	u64 pause_max_ns;
	u64 pause_total_ns;
	u64 alloc_bytes;
	u64 limit_hits;
};

/*
 * Statistics that nobody else keeps. See the same names in struct gcarena_stats; cycle_ is how
 * the last one ended.
 */
struct gcarena_counters {
	u64 cycles;
	u64 cycles_forced;
	u64 cycles_aborted;
	u64 cycles_minor;
	u64 dirty_pages_last;
	u64 dirty_pages_total;
	u64 dirty_total_ns;
	u64 cycles_compact;
	u64 moves;
	struct heap_tally moved;
	struct heap_tally moved_last;
	u64 compact_total_ns;
	u64 stop_last_ns;
	u64 stop_total_ns;
	u64 stop_max_ns;
	u64 stop_threads_last;
	u64 stop_timeout_pid;
	struct heap_tally last_live;
	u64 pause_total_ns;
	u64 pause_last_ns;
	u64 pause_max_ns;
	u64 cycle_paused_ns;
	u64 last_stop_ns;
	int cycle_error;
	u64 pauses[GCARENA_PAUSE_BUCKETS];
	u64 cycles_concurrent;
	u64 rounds;
	u64 concurrent_ns;
	u64 assist_ns;
	u64 mark_total_ns;
	u64 mark_workers_last;
	u64 mark_shared;
	u64 root_total_ns;
	u64 sweep_total_ns;
	u64 root_bytes_last;
	u64 mark_stack_peak;
	u64 mark_overflows;
	u64 refills;
	u64 refill_spans;
	u64 large_allocs;
	u64 frees;
	u64 owned_spans;
	u64 huge_chunks;
	u64 split_chunks;
	u64 clear_total_ns;
	u64 root_stop_total_ns;
	u64 last_stop_total_ns;
	struct heap_tally marked;
	u64 rounds_last;
	u64 dirty_passes;
	u64 limit_exceeded;
	u64 limit_throttled;
	u64 limit_hits;
};

/**
 * struct gcarena - one open of /dev/gcarena
 * @lock: the heap lock
 * @heap: see heap.h
 * @pacer: see pacer.h
 * @owners: struct gcarena_owner by thread number; see lease.c
 * @counters: statistics
 * @params: fixed once @created is set; what gcarena_knob_set() sets changes under @lock
 * @generational: there may be minor cycles: full ones clear the dirty bits, too
 * @concurrent_allowed: cycles that begin by themselves may trace beside the program
 * @must_trace_all: the marks are not those of a completed cycle
 * @concurrent: the concurrent cycle that is on, or NULL
 * @trace_ns: time that the last full and the last minor cycle took; 0: there was none
 * @trace_steps: struct gcarena_marker.steps of the last concurrent ones
 * @dirty_method: enum gcarena_dirty_method
 * @quiet: see quiet.c
 * @move: while a compacting cycle is on; see move.c
 * @evacuation: chunks are being emptied beside the program, or NULL; see evacuate.c
 * @evacuations: how often that was begun
 * @evacuated: which one has ended last, and why: 0: it was done
 * @evacuate_longest_ns: longest stop for it
 * @compact_percent: it is begun when a full cycle finds more than this fragmented; 0: never
 * @compact_budget: bytes to move in one stop
 * @compact_futile: so many evacuations in a row have moved next to nothing
 * @compact_wait: full cycles that begin no evacuation because of that
 * @setup_lock: orders CREATE and the first mmap()
 * @created: set last, with release semantics, when heap and params are ready
 * @file: the open file whose arena this is; no reference
 * @inode: the arena's own: page tables are found through its address_space
 * @backing_lock: see above
 * @mappings_lock: see above
 * @mappings: struct gcarena_mapping
 * @last_mapping_id: the newest struct gcarena_mapping.id
 * @refs: one for the file and its VMAs, one for each queued task work
 * @park_lock: see above
 * @parkers: struct gcarena_parker, by task
 * @stopped_link: on park.c's list while the world is stopped
 * @closed: the world is stopped: threads on their way to user mode park, and mmap()
 *	waits. Changes under @park_lock and @mappings_lock
 * @abandoned: the file is gone: task works free themselves
 * @escaped: a newborn thread could not be stopped, for want of memory
 * @stop: number of the current or last stop
 * @stop_deadline: jiffies when it is given up
 * @go: parked threads, and mmap(), wait here for @closed to fall
 * @changed: the stopper waits here for the thread it awaits
 * @awaited: that thread
 * @faults: page faults so far
 * @populated_pages: pages mapped ahead of use so far
 * @events: what read() tells
 * @background: sweeps and gives memory back after a cycle; see background.c
 * @background_refills: counters.refills when @background last ran to its end
 * @waiters: threads that wait for @lock
 * @share: what threads of ours took of the processors beside the program; see worker.c
 * @tracer: advances @concurrent; see concurrent.c
 * @evacuator: advances @evacuation; see evacuate.c
 * @memcg: what the program's kernel memory is charged to, also by @tracer; may be NULL
 * @entry: how others find it
 * @request: collections that others have asked for
 * @notify: what listeners are told
 */
struct gcarena {
	struct mutex lock;		/* heap, pacer, owners, counters */
	struct gcarena_heap heap;
	struct gcarena_pacer pacer;
	struct xarray owners;
	struct gcarena_counters counters;
	struct gcarena_params params;
	bool generational;
	bool concurrent_allowed;
	bool must_trace_all;
	struct gcarena_concurrent *concurrent;
	u64 trace_ns[2];
	u64 trace_steps[2];
	u32 dirty_method;
	struct gcarena_quiet quiet;
	struct gcarena_move *move;
	struct gcarena_evacuation *evacuation;
	u64 evacuations;
	struct {
		u64 number;
		int error;
	} evacuated;
	u64 evacuate_longest_ns;
	u32 compact_percent;
	struct gcarena_budget compact_budget;
	u32 compact_futile;
	u32 compact_wait;

	struct mutex setup_lock;	/* created */
	bool created;

	struct file *file;
	struct inode *inode;
	struct rw_semaphore backing_lock;

	spinlock_t mappings_lock;	/* mappings, heap.base */
	struct list_head mappings;
	u64 last_mapping_id;

	refcount_t refs;
	spinlock_t park_lock;		/* parkers, closed, stop */
	DECLARE_HASHTABLE(parkers, 6);
	struct list_head stopped_link;
	bool closed;
	bool abandoned;
	bool escaped;
	u64 stop;
	unsigned long stop_deadline;
	wait_queue_head_t go;
	wait_queue_head_t changed;
	struct gcarena_parker *awaited;

	atomic64_t faults;
	atomic64_t populated_pages;
	struct gcarena_events events;
	struct delayed_work background;
	u64 background_refills;
	atomic_t waiters;
	struct gcarena_share share;
	struct work_struct tracer;
	struct work_struct evacuator;
	struct mem_cgroup *memcg;
	struct gcarena_entry entry;
	struct gcarena_request request;
	struct gcarena_notify notify;
};

static inline struct gcarena *gcarena_of_heap(struct gcarena_heap *heap)
{
	return container_of(heap, struct gcarena, heap);
}

/* Take the heap lock. Whoever traces under it lets go soon. Return: 0 or -EINTR. */
static inline int gcarena_lock(struct gcarena *arena)
{
	int ret;

	atomic_inc(&arena->waiters);
	ret = mutex_lock_killable(&arena->lock);
	atomic_dec(&arena->waiters);
	return ret ? -EINTR : 0;
}

static inline bool gcarena_is_created(const struct gcarena *arena)
{
	return smp_load_acquire(&arena->created);	/* pairs with arena_setup() */
}

/* arena.c: life and parameters */
extern unsigned int gcarena_max_limit_mib;
extern unsigned int gcarena_stop_timeout_ms;
struct gcarena *gcarena_create(void);
void gcarena_destroy(struct gcarena *arena);
void gcarena_get(struct gcarena *arena);
void gcarena_put(struct gcarena *arena);
int gcarena_setup(struct gcarena *arena, const struct gcarena_params *params);
int gcarena_setup_default(struct gcarena *arena);
void gcarena_params_default(struct gcarena_params *params);
int gcarena_limit_check(u64 limit, u64 reserve);
bool gcarena_percent_is_valid(s64 percent);
int gcarena_knob_check(struct gcarena *arena, u32 param, s64 value);
s64 gcarena_knob_set(struct gcarena *arena, u32 param, s64 value);
u64 gcarena_memory_overhead(const struct gcarena *arena);

/* mapping.c: mmap() and the processes that did it */
int gcarena_mmap(struct file *file, struct vm_area_struct *vma);
unsigned long gcarena_get_area(struct file *file, unsigned long addr, unsigned long len,
			       unsigned long pgoff, unsigned long flags);
struct gcarena_mapping *gcarena_mapping_get(struct gcarena *arena);
void gcarena_mappings_reap(struct gcarena *arena, bool last);
void gcarena_populate(struct gcarena *arena, u64 mapping_id, const struct gcarena_run *runs,
		      unsigned int nr);
bool gcarena_mapping_has_mm(struct gcarena *arena, const struct mm_struct *mm);
struct gcarena_mapping *gcarena_mapping_unscanned(struct gcarena *arena);
unsigned int gcarena_mapping_count(struct gcarena *arena);
u64 gcarena_mapping_newest(struct gcarena *arena);

/* backing.c: pages */
extern struct page *gcarena_gap_page;
vm_fault_t gcarena_backing_fault(struct gcarena *arena, struct vm_fault *vmf);
bool gcarena_backing_is_populated(struct gcarena *arena, u64 mapping_id,
				  const struct gcarena_run *runs, unsigned int nr);
void gcarena_backing_unmap(struct gcarena *arena, u32 first, u32 nr, bool whole);
u32 gcarena_backing_settle(struct gcarena *arena, u32 first, u32 nr, bool may_stay);
void gcarena_backing_dirty(struct gcarena *arena, u32 first, u32 nr, unsigned long *pages);
bool gcarena_backing_is_quiet(const struct heap_chunk *chunk);
struct gcarena_nap *gcarena_backing_nap(const struct heap_chunk *chunk);
void gcarena_backing_populate(struct gcarena *arena, struct vm_area_struct *vma,
			      u64 mapping_id, const struct gcarena_run *runs, unsigned int nr);

/* lease.c: spans in the hands of threads */
int gcarena_refill(struct gcarena *arena, struct gcarena_refill *arg);
int gcarena_release(struct gcarena *arena, const struct gcarena_release *arg);
void gcarena_owners_reap(struct gcarena *arena);
void gcarena_owners_destroy(struct gcarena *arena);
int gcarena_lease_large(struct gcarena *arena, struct gcarena_mapping *mapping,
			struct heap_span *span);
void gcarena_lease_large_end(struct gcarena *arena);
void gcarena_lease_large_free(struct gcarena *arena, const struct heap_span *span);
bool gcarena_lease_handed_out(const struct heap_slot *slot);
size_t gcarena_lease_size(void);

/* object.c: single objects */
int gcarena_object_alloc(struct gcarena *arena, struct gcarena_alloc *arg);
int gcarena_object_free(struct gcarena *arena, u64 addr);
int gcarena_object_query(struct gcarena *arena, struct gcarena_object *arg);
int gcarena_object_permanent(struct gcarena *arena, u64 addr);
int gcarena_object_id(struct gcarena *arena, struct gcarena_id *arg);
int gcarena_object_locate(struct gcarena *arena, u64 addr, struct gcarena_run *where);

/* pin.c: objects that must stay */
int gcarena_object_pin(struct gcarena *arena, u64 addr);
int gcarena_object_unpin(struct gcarena *arena, u64 addr);
unsigned int gcarena_pins_read(const struct gcarena *arena, const struct gcarena_mapping *mapping,
			       struct rb_node **node, unsigned long *words, unsigned int room);
void gcarena_pins_free(struct gcarena_mapping *mapping);

/* collect.c: cycles */
int gcarena_collect_now(struct gcarena *arena, struct gcarena_collect *arg);
int gcarena_collect_locked(struct gcarena *arena, struct gcarena_collect *arg);
int gcarena_collect_if_due(struct gcarena *arena);
int gcarena_make_space(struct gcarena *arena, int error, enum gcarena_effort *effort);
void gcarena_space_renew(struct gcarena *arena);
void gcarena_out_of_space(struct gcarena *arena, int error);

bool gcarena_generational_default(u32 dirty_method);

/* concurrent.c: cycles beside the program */
bool gcarena_concurrent_default(u32 dirty_method);
void gcarena_concurrent_work(struct work_struct *work);

/* roots.c: where the program's pointers are */
int gcarena_range_add(struct gcarena *arena, u64 addr, u64 len, bool precise);
int gcarena_range_del(struct gcarena *arena, u64 addr, u64 len, bool precise);
struct rb_node *gcarena_range_next(const struct gcarena_ranges *ranges, struct rb_node *node,
				   u64 *start, u64 *end);
struct gcarena_ranges *gcarena_ranges_get(struct gcarena_ranges *ranges);
void gcarena_ranges_put(struct gcarena_ranges *ranges);
int gcarena_roots_mark(struct gcarena *arena, struct gcarena_marker *m,
		       struct gcarena_verifier *verifier, u64 since, u64 *bytes);

/* world.c: stopping the program */
int gcarena_world_stop(struct gcarena *arena);
int gcarena_world_check(struct gcarena *arena);
bool gcarena_is_collecting(const struct task_struct *task);
void gcarena_world_start(struct gcarena *arena);

/* background.c: work after a cycle */
void gcarena_background_work(struct work_struct *work);
void gcarena_background_kick(struct gcarena *arena);
u64 gcarena_background_keep(const struct gcarena *arena);
bool gcarena_sweep_batch(struct gcarena *arena);
u64 gcarena_released(struct gcarena *arena, u64 bytes);
u64 gcarena_release_to(struct gcarena *arena, u64 keep);
u64 gcarena_release_hard(struct gcarena *arena, u64 keep);

/* stats.c: numbers for people */
void gcarena_stats_fill(struct gcarena *arena, struct gcarena_stats *stats);
void gcarena_info_fill(struct gcarena *arena, struct gcarena_info *info);
void gcarena_overview_fill(struct gcarena *arena, struct gcarena_overview *o);
void gcarena_fdinfo(struct seq_file *m, struct file *file);

/* ioctl.c */
long gcarena_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

extern struct kmem_cache *gcarena_lease_cache;
extern struct workqueue_struct *gcarena_wq;

#endif
