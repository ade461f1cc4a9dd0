/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * gcarena's generic netlink family: see and drive the arenas of a machine.
 *
 * gcarena.yaml, beside this header, describes the same for YNL.
 */
#ifndef _UAPI_LINUX_GCARENA_NETLINK_H
#define _UAPI_LINUX_GCARENA_NETLINK_H

#include <linux/gcarena.h>

/**
 * DOC: The family
 *
 * A request names an arena by its number, GCARENA_A_ARENA_ID. Numbers are given in the
 * order in which arenas are opened; ``/proc/PID/fdinfo/FD`` tells that of a descriptor.
 * The owner of an arena is the process that opened it; once that has ended, a process
 * that maps it.
 *
 * Who may see and drive an arena: who could trace its owner. That is decided from the real
 * user and group IDs, capabilities and dumpability, as ptrace(2) has it for reading; other
 * security modules are not asked, as they cannot be reached from a module. Besides,
 * CAP_SYS_PTRACE in the owner's user namespace will do, and CAP_SYS_ADMIN in the first
 * one. All of it must hold for the process that sends (or, in a dump, receives) and for
 * the one that opened the socket.
 *
 * Dumps leave out what the caller may not see, and arenas that were opened since they were
 * asked for. NLM_F_DUMP_INTR is set when arenas came or went meanwhile.
 *
 * Requests are validated strictly: an attribute that a command does not take is an error.
 * Nothing waits long: an arena whose lock cannot be had in a tenth of a second is EBUSY,
 * or GCARENA_A_STATS_BUSY in a dump. Errors come with a sentence (NLMSGERR_ATTR_MSG; those
 * of dumps in newer kernels alone):
 *
 * ========== ================================================================
 * EINVAL     an attribute is missing, malformed, not taken, or out of its range
 * ERANGE     a number of an arena or a process is 0; a flag has a value
 * ENOENT     there is no such arena, or no process of that number has one
 * EPERM      the caller may not trace the owner; a limit above the administrator's bound
 * EBUSY      see above; a dump: the socket is in the middle of another one
 * ENXIO      SET, COLLECT: the arena was not created, or no process maps it (COLLECT)
 * EOPNOTSUPP unknown kind of collection, or MAJOR; COMPACT and EVACUATE of an arena with
 *            GCARENA_ROOTS_EXPLICIT
 * ENOMEM     no memory
 * EAGAIN     the answer finds no room in the socket's receive buffer. What was asked for
 *            has been done. A dump: ENOBUFS, and it goes on as there is room
 * ========== ================================================================
 */

#define GCARENA_GENL_NAME	"gcarena"
#define GCARENA_GENL_VERSION	1

/*
 * The multicast group. Joining takes CAP_SYS_ADMIN in the user namespace of the socket's
 * network namespace. A network namespace hears of the arenas that were opened in it, the
 * first one of all. Nothing waits for a listener: one that falls behind gets ENOBUFS, and
 * gaps in GCARENA_A_EVENT_NR tell how many events of an arena it has missed.
 */
#define GCARENA_GENL_EVENTS	"events"

/*
 * enum gcarena_cmd - commands
 * @GCARENA_CMD_ARENA_GET: do: one arena, by ID, or by PID: the first that it owns or
 *	maps. Dump: all arenas, or with PID those that it owns or maps. Replies are
 *	&enum gcarena_a_arena
 * @GCARENA_CMD_ARENA_SET: set LIMIT, MIN_HEAP, GC_PERCENT, MEMORY_LIMIT of an
 *	arena, all or none
 * @GCARENA_CMD_COLLECT: have a kernel worker collect an arena (KIND, RELEASE). Replies at
 *	once, with ASKED: the collection has been done when DONE has come that far. COMPACT
 *	and EVACUATE are for programs that are written for it: see &struct gcarena_collect
 * @GCARENA_CMD_STATS_GET: do, dump: statistics, &enum gcarena_a_stats
 * @GCARENA_CMD_CLASSES_GET: dump, of one arena: a message for each class of spans that it
 *	has, &enum gcarena_a_class
 * @GCARENA_CMD_SPANS_GET: dump, of one arena: a message for each span, in the order of
 *	addresses, &enum gcarena_a_span
 * @GCARENA_CMD_ARENA_CREATED: event: an arena was opened
 * @GCARENA_CMD_ARENA_GONE: event: an arena was closed for good
 * @GCARENA_CMD_CYCLE_BEGIN: event: a collection begins
 * @GCARENA_CMD_CYCLE_END: event: a collection has ended, or with ERROR was given up
 * @GCARENA_CMD_STOP_TIMEOUT: event: a thread did not stop in time
 * @GCARENA_CMD_LIMIT_HIT: event: an allocation has failed, although all was tried: the arena
 *	is full (ENOSPC), or the kernel has no memory for it (ENOMEM). Of a program that goes
 *	on trying, ten in a second are told
 *
 * Events are &enum gcarena_a_event.
 */
enum gcarena_cmd {
	GCARENA_CMD_UNSPEC,
	GCARENA_CMD_ARENA_GET,
	GCARENA_CMD_ARENA_SET,
	GCARENA_CMD_COLLECT,
	GCARENA_CMD_STATS_GET,
	GCARENA_CMD_CLASSES_GET,
	GCARENA_CMD_SPANS_GET,
	GCARENA_CMD_ARENA_CREATED,
	GCARENA_CMD_ARENA_GONE,
	GCARENA_CMD_CYCLE_BEGIN,
	GCARENA_CMD_CYCLE_END,
	GCARENA_CMD_STOP_TIMEOUT,
	GCARENA_CMD_LIMIT_HIT,
	/* private: */
	__GCARENA_CMD_MAX,
	GCARENA_CMD_MAX = __GCARENA_CMD_MAX - 1
};

/**
 * enum gcarena_phase - what a collection is doing
 * @GCARENA_PHASE_IDLE: there is none
 * @GCARENA_PHASE_STOP: it waits for the program's threads to stop
 * @GCARENA_PHASE_MARK: they stand still, and it looks for what can be reached
 * @GCARENA_PHASE_SWEEP: it makes free slots of what cannot
 * @GCARENA_PHASE_TRACE: it looks for what can be reached while they run
 * @GCARENA_PHASE_COMPACT: they stand still, and it moves objects
 */
enum gcarena_phase {
	GCARENA_PHASE_IDLE	= 0,
	GCARENA_PHASE_STOP	= 1,
	GCARENA_PHASE_MARK	= 2,
	GCARENA_PHASE_SWEEP	= 3,
	GCARENA_PHASE_TRACE	= 4,
	GCARENA_PHASE_COMPACT	= 5,
};

/*
 * enum gcarena_a_arena - attributes of an arena
 * @GCARENA_A_ARENA_PAD: aligns what follows
 * @GCARENA_A_ARENA_ID: u32: its number
 * @GCARENA_A_ARENA_PID: u32: the owner, as the caller sees it; 0 if it does not. In a
 *	request: a process that owns or maps the arena
 * @GCARENA_A_ARENA_COMM: string: the owner's command name
 * @GCARENA_A_ARENA_CREATED: u32: 1: its parameters are fixed. What it would be, else
 * @GCARENA_A_ARENA_BASE: u64: address, 0 before the first mmap()
 * @GCARENA_A_ARENA_RESERVE: u64: see &struct gcarena_create.reserve
 * @GCARENA_A_ARENA_LIMIT: u64: see GCARENA_PARAM_LIMIT
 * @GCARENA_A_ARENA_MIN_HEAP: u64: see GCARENA_PARAM_MIN_HEAP
 * @GCARENA_A_ARENA_GC_PERCENT: s32: see GCARENA_PARAM_GC_PERCENT
 * @GCARENA_A_ARENA_ROOT_MODE: u32: enum gcarena_root_mode
 * @GCARENA_A_ARENA_DIRTY_METHOD: u32: enum gcarena_dirty_method
 * @GCARENA_A_ARENA_PHASE: u32: enum gcarena_phase
 * @GCARENA_A_ARENA_PROCESSES: u32: how many map it
 * @GCARENA_A_ARENA_HEAP_OBJECTS: u64: see &struct gcarena_stats.heap_objects
 * @GCARENA_A_ARENA_HEAP_BYTES: u64: see &struct gcarena_stats.heap_bytes
 * @GCARENA_A_ARENA_BACKING_BYTES: u64: see &struct gcarena_stats.backing_bytes
 * @GCARENA_A_ARENA_CYCLES: u64: see &struct gcarena_stats.cycles
 * @GCARENA_A_ARENA_CYCLES_ABORTED: u64: see &struct gcarena_stats.cycles_aborted
 * @GCARENA_A_ARENA_PAUSE_LAST_NS: u64: see &struct gcarena_stats.pause_last_ns
 * @GCARENA_A_ARENA_PAUSE_MAX_NS: u64: see &struct gcarena_stats.pause_max_ns
 * @GCARENA_A_ARENA_EVENTS: u64: GCARENA_A_EVENT_NR of the last event
 * @GCARENA_A_ARENA_KIND: u32, COLLECT: enum gcarena_collect_kind; FULL without it
 * @GCARENA_A_ARENA_RELEASE: flag, COLLECT: see GCARENA_COLLECT_RELEASE
 * @GCARENA_A_ARENA_ASKED: u64: number of the last COLLECT, from 1
 * @GCARENA_A_ARENA_DONE: u64: the last COLLECT that was carried out
 * @GCARENA_A_ARENA_DONE_ERROR: u32: the errno it failed with, or 0
 * @GCARENA_A_ARENA_MEMORY_LIMIT: u64: see GCARENA_PARAM_MEMORY_LIMIT; 0: none
 * @GCARENA_A_ARENA_METADATA_BYTES: u64: see &struct gcarena_stats.metadata_bytes
 * @GCARENA_A_ARENA_NAME: string: what the program calls it, or ""
 * @GCARENA_A_ARENA_ALLOC_BYTES: u64: see &struct gcarena_stats.total_alloc_bytes
 * @GCARENA_A_ARENA_PAUSE_TOTAL_NS: u64: see &struct gcarena_stats.pause_total_ns
 * @GCARENA_A_ARENA_LIMIT_HITS: u64: allocations that failed for want of memory, see
 *	GCARENA_CMD_LIMIT_HIT
 *
 * Read without waiting, while the program runs: numbers may not fit together.
 */
enum gcarena_a_arena {
	GCARENA_A_ARENA_UNSPEC,
	GCARENA_A_ARENA_PAD,
	GCARENA_A_ARENA_ID,
	GCARENA_A_ARENA_PID,
	GCARENA_A_ARENA_COMM,
	GCARENA_A_ARENA_CREATED,
	GCARENA_A_ARENA_BASE,
	GCARENA_A_ARENA_RESERVE,
	GCARENA_A_ARENA_LIMIT,
	GCARENA_A_ARENA_MIN_HEAP,
	GCARENA_A_ARENA_GC_PERCENT,
	GCARENA_A_ARENA_ROOT_MODE,
	GCARENA_A_ARENA_DIRTY_METHOD,
	GCARENA_A_ARENA_PHASE,
	GCARENA_A_ARENA_PROCESSES,
	GCARENA_A_ARENA_HEAP_OBJECTS,
	GCARENA_A_ARENA_HEAP_BYTES,
	GCARENA_A_ARENA_BACKING_BYTES,
	GCARENA_A_ARENA_CYCLES,
	GCARENA_A_ARENA_CYCLES_ABORTED,
	GCARENA_A_ARENA_PAUSE_LAST_NS,
	GCARENA_A_ARENA_PAUSE_MAX_NS,
	GCARENA_A_ARENA_EVENTS,
	GCARENA_A_ARENA_KIND,
	GCARENA_A_ARENA_RELEASE,
	GCARENA_A_ARENA_ASKED,
	GCARENA_A_ARENA_DONE,
	GCARENA_A_ARENA_DONE_ERROR,
	GCARENA_A_ARENA_MEMORY_LIMIT,
	GCARENA_A_ARENA_METADATA_BYTES,
	GCARENA_A_ARENA_NAME,
	GCARENA_A_ARENA_ALLOC_BYTES,
	GCARENA_A_ARENA_PAUSE_TOTAL_NS,
	GCARENA_A_ARENA_LIMIT_HITS,
	/* private: */
	__GCARENA_A_ARENA_MAX,
	GCARENA_A_ARENA_MAX = __GCARENA_A_ARENA_MAX - 1
};

/*
 * enum gcarena_a_stats - attributes of statistics
 * @GCARENA_A_STATS_PAD: aligns what follows
 * @GCARENA_A_STATS_ID: u32: the arena's number
 * @GCARENA_A_STATS_BUSY: flag, in dumps: the arena's lock could not be had: all others
 *	are missing
 * @GCARENA_A_STATS_FIRST: u64: first field of &struct gcarena_stats; the second has the
 *	next number, and so on for all
 */
enum gcarena_a_stats {
	GCARENA_A_STATS_UNSPEC,
	GCARENA_A_STATS_PAD,
	GCARENA_A_STATS_ID,
	GCARENA_A_STATS_BUSY,
	GCARENA_A_STATS_FIRST,
};

/*
 * enum gcarena_a_class - attributes of a class of spans
 * @GCARENA_A_CLASS_PAD: aligns what follows
 * @GCARENA_A_CLASS_ID: u32: the arena's number. The one attribute of the request
 * @GCARENA_A_CLASS_SIZE_CLASS: u32: index into the size-class table; 0: large objects
 * @GCARENA_A_CLASS_LAYOUT: u32: number of the layout
 * @GCARENA_A_CLASS_NAME: string: what the program calls the layout
 * @GCARENA_A_CLASS_SLOT_BYTES: u64: length of a slot; 0: large objects, which differ
 * @GCARENA_A_CLASS_SPANS: u64: how many spans there are
 * @GCARENA_A_CLASS_SPAN_BYTES: u64: bytes of them
 * @GCARENA_A_CLASS_OWNED: u64: of the spans, those that threads hold
 * @GCARENA_A_CLASS_UNSWEPT: u64: of the spans, those not looked at since the last cycle
 * @GCARENA_A_CLASS_SLOTS: u64: slots in them
 * @GCARENA_A_CLASS_USED: u64: of the slots, those in use
 * @GCARENA_A_CLASS_USED_BYTES: u64: bytes of those
 * @GCARENA_A_CLASS_OLD: u64: of the slots in use, those that survived a collection
 */
enum gcarena_a_class {
	GCARENA_A_CLASS_UNSPEC,
	GCARENA_A_CLASS_PAD,
	GCARENA_A_CLASS_ID,
	GCARENA_A_CLASS_SIZE_CLASS,
	GCARENA_A_CLASS_LAYOUT,
	GCARENA_A_CLASS_NAME,
	GCARENA_A_CLASS_SLOT_BYTES,
	GCARENA_A_CLASS_SPANS,
	GCARENA_A_CLASS_SPAN_BYTES,
	GCARENA_A_CLASS_OWNED,
	GCARENA_A_CLASS_UNSWEPT,
	GCARENA_A_CLASS_SLOTS,
	GCARENA_A_CLASS_USED,
	GCARENA_A_CLASS_USED_BYTES,
	GCARENA_A_CLASS_OLD,
	/* private: */
	__GCARENA_A_CLASS_MAX,
	GCARENA_A_CLASS_MAX = __GCARENA_A_CLASS_MAX - 1
};

/* Bits of GCARENA_A_SPAN_STATE */
#define GCARENA_SPAN_STATE_OWNED	(1U << 0)	/* a thread holds it */
#define GCARENA_SPAN_STATE_UNSWEPT	(1U << 1)	/* not looked at since the last cycle */

/*
 * enum gcarena_a_span - attributes of a span
 * @GCARENA_A_SPAN_PAD: aligns what follows
 * @GCARENA_A_SPAN_ID: u32: the arena's number. The one attribute of the request
 * @GCARENA_A_SPAN_START: u64: where it lies, bytes from the arena's base
 * @GCARENA_A_SPAN_BYTES: u64: its length
 * @GCARENA_A_SPAN_SIZE_CLASS: u32: index into the size-class table; 0: a large object
 * @GCARENA_A_SPAN_LAYOUT: u32: number of the layout
 * @GCARENA_A_SPAN_STATE: u32: GCARENA_SPAN_STATE_ bits
 * @GCARENA_A_SPAN_SLOTS: u32: its slots
 * @GCARENA_A_SPAN_USED: u32: of these, slots in use
 * @GCARENA_A_SPAN_OLD: u32: of those, slots that survived a collection
 *
 * Each message is true of one moment, but not all of the same.
 */
enum gcarena_a_span {
	GCARENA_A_SPAN_UNSPEC,
	GCARENA_A_SPAN_PAD,
	GCARENA_A_SPAN_ID,
	GCARENA_A_SPAN_START,
	GCARENA_A_SPAN_BYTES,
	GCARENA_A_SPAN_SIZE_CLASS,
	GCARENA_A_SPAN_LAYOUT,
	GCARENA_A_SPAN_STATE,
	GCARENA_A_SPAN_SLOTS,
	GCARENA_A_SPAN_USED,
	GCARENA_A_SPAN_OLD,
	/* private: */
	__GCARENA_A_SPAN_MAX,
	GCARENA_A_SPAN_MAX = __GCARENA_A_SPAN_MAX - 1
};

/*
 * enum gcarena_a_event - attributes of events
 * @GCARENA_A_EVENT_PAD: aligns what follows
 * @GCARENA_A_EVENT_ID: u32: the arena's number
 * @GCARENA_A_EVENT_NR: u64: number of the event among the arena's, from 1. A gap: some
 *	were lost
 * @GCARENA_A_EVENT_TIME_NS: u64: when, CLOCK_MONOTONIC
 * @GCARENA_A_EVENT_PID: u32: the process that opened the arena, in the first PID namespace
 *	to listeners in the first network namespace, else in its own
 * @GCARENA_A_EVENT_COMM: string: CREATED: its command name; STOP_TIMEOUT, LIMIT_HIT: the
 *	thread's
 * @GCARENA_A_EVENT_THREAD: u32: STOP_TIMEOUT, LIMIT_HIT: the thread, as PID
 * @GCARENA_A_EVENT_KIND: u32: CYCLE_: enum gcarena_collect_kind that it is
 * @GCARENA_A_EVENT_CYCLE: u64: CYCLE_: number of the last completed cycle
 * @GCARENA_A_EVENT_HEAP_BYTES: u64: CYCLE_: bytes of slots in use, at its begin; LIMIT_HIT:
 *	bytes of slots in use
 * @GCARENA_A_EVENT_ERROR: u32: CYCLE_END: it was given up, and has freed nothing: errno;
 *	ECANCELED: another one took its place, or the arena goes. Of what follows up to
 *	GOAL_BYTES, DURATION_NS alone is there, and LONGEST_NS. LIMIT_HIT: what the program was told
 * @GCARENA_A_EVENT_DURATION_NS: u64: CYCLE_END: for how long the program could not run
 * @GCARENA_A_EVENT_STOP_NS: u64: CYCLE_END: part of it spent stopping threads, all stops
 * @GCARENA_A_EVENT_ROOT_NS: u64: CYCLE_END: part of it spent reading roots
 * @GCARENA_A_EVENT_MARK_NS: u64: CYCLE_END: part of it spent tracing
 * @GCARENA_A_EVENT_DIRTY_NS: u64: CYCLE_END: part of it spent finding written pages
 * @GCARENA_A_EVENT_SWEEP_NS: u64: CYCLE_END: time spent sweeping since the last cycle
 * @GCARENA_A_EVENT_THREADS: u64: CYCLE_END: threads stopped
 * @GCARENA_A_EVENT_DIRTY_PAGES: u64: CYCLE_END, of a minor one: pages found written
 * @GCARENA_A_EVENT_LIVE_BYTES: u64: CYCLE_END: bytes of slots found reachable
 * @GCARENA_A_EVENT_GOAL_BYTES: u64: CYCLE_END: &struct gcarena_stats.next_gc
 * @GCARENA_A_EVENT_LONGEST_NS: u64: CYCLE_END: see &struct gcarena_event.longest_ns
 * @GCARENA_A_EVENT_NAME: string: what the program calls the arena; missing if it has no name
 * @GCARENA_A_EVENT_TRACE_NS: u64: CYCLE_END: time spent tracing while the program ran
 * @GCARENA_A_EVENT_ASSIST_NS: u64: CYCLE_END: time that allocating threads spent on it
 * @GCARENA_A_EVENT_COMPACT_NS: u64: CYCLE_END: part of DURATION_NS spent moving objects
 * @GCARENA_A_EVENT_ROUNDS: u64: CYCLE_END: times that written pages were looked for; 0: it
 *	was not a concurrent one
 * @GCARENA_A_EVENT_BACKING_BYTES: u64: LIMIT_HIT: memory held for objects
 * @GCARENA_A_EVENT_LIMIT: u64: LIMIT_HIT: the most there may be
 * @GCARENA_A_EVENT_HITS: u64: LIMIT_HIT: how many there were so far, told or not
 */
enum gcarena_a_event {
	GCARENA_A_EVENT_UNSPEC,
	GCARENA_A_EVENT_PAD,
	GCARENA_A_EVENT_ID,
	GCARENA_A_EVENT_NR,
	GCARENA_A_EVENT_TIME_NS,
	GCARENA_A_EVENT_PID,
	GCARENA_A_EVENT_COMM,
	GCARENA_A_EVENT_THREAD,
	GCARENA_A_EVENT_KIND,
	GCARENA_A_EVENT_CYCLE,
	GCARENA_A_EVENT_HEAP_BYTES,
	GCARENA_A_EVENT_ERROR,
	GCARENA_A_EVENT_DURATION_NS,
	GCARENA_A_EVENT_STOP_NS,
	GCARENA_A_EVENT_ROOT_NS,
	GCARENA_A_EVENT_MARK_NS,
	GCARENA_A_EVENT_DIRTY_NS,
	GCARENA_A_EVENT_SWEEP_NS,
	GCARENA_A_EVENT_THREADS,
	GCARENA_A_EVENT_DIRTY_PAGES,
	GCARENA_A_EVENT_LIVE_BYTES,
	GCARENA_A_EVENT_GOAL_BYTES,
	GCARENA_A_EVENT_LONGEST_NS,
	GCARENA_A_EVENT_NAME,
	GCARENA_A_EVENT_TRACE_NS,
	GCARENA_A_EVENT_ASSIST_NS,
	GCARENA_A_EVENT_COMPACT_NS,
	GCARENA_A_EVENT_ROUNDS,
	GCARENA_A_EVENT_BACKING_BYTES,
	GCARENA_A_EVENT_LIMIT,
	GCARENA_A_EVENT_HITS,
	/* private: */
	__GCARENA_A_EVENT_MAX,
	GCARENA_A_EVENT_MAX = __GCARENA_A_EVENT_MAX - 1
};

#endif /* _UAPI_LINUX_GCARENA_NETLINK_H */
