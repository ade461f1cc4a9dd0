/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_CREW_H
#define GCARENA_CREW_H

#include "mark.h"

/* Threads that trace together, at most. */
#define GCARENA_MARK_WORKERS_MAX	64U

#define SEGMENT_BYTES	(64UL * 1024)

/**
 * struct gcarena_mark_segment - a piece of mark stack
 * @below: the next one of a stack, or of a list
 * @nr: items in it
 * @item: room for SEGMENT_ITEMS
 */
struct gcarena_mark_segment {
	struct gcarena_mark_segment *below;
	u32 nr;
	u64 item[];
};

#define SEGMENT_ITEMS \
	((SEGMENT_BYTES - sizeof(struct gcarena_mark_segment)) / sizeof(u64))

/**
 * struct gcarena_helper - one that can be called to help
 * @marker: its own marker
 * @work: what runs gcarena_mark_help(): of gcarena_helper_call() and its kin
 * @called: it was, and has not left since; under crew->lock
 * @running: it may run: it was called, and not recalled since. The leader's
 * @busy: it has something to trace; its own
 * @helped: it had, once; its own while it is called
 * @came: when it came, CLOCK_MONOTONIC, ns; its own
 */
struct gcarena_helper {
	struct gcarena_marker marker;
	struct work_struct work;
	bool called;
	bool running;
	bool busy;
	bool helped;
	u64 came;
};

/**
 * struct gcarena_crew - what the markers of a trace share
 * @leader: the one that was asked to trace. Its thread holds the heap lock, for all
 * @lock: protects what follows, and the leader's account of segments and overflows
 * @full: segments on offer, none of them empty
 * @empty: a few that are
 * @nr_full: on @full
 * @nr_empty: on @empty
 * @busy: markers that have something to trace in their hands
 * @hungry: markers that wait for something
 * @stop: helpers are to leave
 * @asleep: the leader sleeps
 * @wait: there
 * @given: segments given away; whoever counts them sets it back
 * @marked: what helpers that have left have reached, and the leader has not been told
 * @steps: the same of their steps
 * @overflows: the same of their overflows
 * @busy_ns: the same of the time for which they had a processor
 * @nr: entries in @helper
 * @helper: those that can be called
 */
struct gcarena_crew {
	struct gcarena_marker *leader;
	spinlock_t lock;	/* all that follows but the helpers' markers */
	struct gcarena_mark_segment *full;
	struct gcarena_mark_segment *empty;
	unsigned int nr_full;
	unsigned int nr_empty;
	unsigned int busy;
	unsigned int hungry;
	bool stop;
	bool asleep;
	wait_queue_head_t wait;
	u64 given;
	struct heap_tally marked;
	u64 steps;
	u64 overflows;
	u64 busy_ns;
	unsigned int nr;
	struct gcarena_helper helper[];
};

static inline bool gcarena_crew_is_helper(const struct gcarena_marker *m)
{
	return m->crew && m->crew->leader != m;
}

/* Would somebody take work? A guess: nothing is lost if it is wrong. */
static inline bool gcarena_crew_wants(const struct gcarena_crew *crew)
{
	return READ_ONCE(crew->hungry) > READ_ONCE(crew->nr_full);
}

/* crew.c */
struct gcarena_mark_segment *gcarena_segment_get(struct gcarena_marker *m);
void gcarena_segment_put(struct gcarena_marker *m, struct gcarena_mark_segment *s);
void gcarena_span_flag(struct gcarena_marker *m, struct heap_span *span);
void gcarena_span_unflag(struct gcarena_marker *m, struct heap_span *span);
bool gcarena_crew_give(struct gcarena_marker *m);
struct gcarena_helper *gcarena_crew_absent(struct gcarena_marker *m);
void gcarena_crew_call(struct gcarena_marker *m, struct gcarena_helper *helper);
int gcarena_crew_await(struct gcarena_marker *m);
void gcarena_crew_recall(struct gcarena_marker *m);
void gcarena_crew_destroy(struct gcarena_marker *m);
unsigned int gcarena_crew_nr_helped(const struct gcarena_marker *m);
bool gcarena_crew_take(struct gcarena_helper *helper);
void gcarena_crew_leave(struct gcarena_helper *helper);

/* mark.c: what a helper does, from the moment it runs until it leaves */
void gcarena_mark_help(struct gcarena_helper *helper);

/*
 * Threads, supplied by helper.c in the kernel and by the test harness in user space.
 * call: some time, maybe never, gcarena_mark_help() runs in another thread. recall: it
 * does not run any more, and will not; what was called and has not begun, never does.
 */
void gcarena_helper_init(struct gcarena_helper *helper);
void gcarena_helper_call(struct gcarena_helper *helper);
void gcarena_helper_recall(struct gcarena_helper *helper);

#endif
