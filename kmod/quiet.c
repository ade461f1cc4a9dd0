// SPDX-License-Identifier: GPL-2.0
/*
 * Quiet chunks: memory that nobody can write to, where looks for written pages (dirty.c)
 * need not look. Most of a large heap is not written for a long time, and the last look of
 * each cycle happens with the world stopped: its length shall not be the heap's.
 *
 * Invariant: while a chunk is quiet
 *
 *  - no page table has an entry for a page of it, and no processor a translation;
 *  - nobody but the arena has a reference to a page of it: no I/O is on, nothing is pinned;
 *  - no page of it is flagged as written.
 *
 * So whoever wants to write has to take a page fault first, the kernel for system calls,
 * other processes' and I/O included. What the collector itself writes through its own
 * mapping, it flags (gcarena_backing_mark_dirty()).
 *
 * How a chunk becomes quiet, under the heap lock, the program running or not:
 *
 *  1. It is called quiet, under backing_lock for writing.
 *  2. Its pages are unmapped, in all processes, and translations are flushed. What
 *     entries told of writes goes to the pages' flags, and stays there.
 *  3. If then a page has more than one reference, or is flagged, the chunk is woken. Else
 *     the invariant holds, and stays true, as all references begin with an entry.
 *
 * How it wakes: a page fault, or filling entries ahead of use, calls it no longer quiet
 * before it makes an entry, in one section under backing_lock for reading. If that came
 * before step 1, step 2 removes the entry; if after, the chunk is not quiet any more,
 * whatever step 2 removes and step 3 sees. fork() copies entries to a mapping that
 * unmapping reaches later than the one copied from, as truncation relies on.
 *
 * A look that skips a quiet chunk has missed nothing: what is written after that, by a
 * thread that wakes the chunk in the same moment, is for the next look to find, as
 * anywhere. In the last look of a cycle no thread of the program can do that. In a
 * system call one can: it stores what the program has not been told of yet.
 *
 * Which chunks: those that were not written in the last few cycles. A fault maps all of
 * a chunk that was quiet, so that what reading costs is one fault for each chunk
 * and process; and who wakes soon is left alone twice as long the next time.
 *
 * Needs the heap lock.
 */
#include <linux/bitmap.h>
#include <linux/moduleparam.h>

#include "arena.h"

/* Cycles without a write, first and at most. */
#define PATIENCE_MIN	4
#define PATIENCE_MAX	64
/* Cycles that it should stay quiet to be worth a page fault. */
#define WORTH_CYCLES	8
/* Chunks to unmap in one go, while allocation waits for the heap lock. */
#define RUN_CHUNKS	4U
/* Chunks to go through in one go. */
#define WALK_CHUNKS	4096U

static bool quiet = true;
module_param(quiet, bool, 0644);
MODULE_PARM_DESC(quiet, "Unmap memory that is not written for some collections, so that finding written pages need not look there; for arenas opened from now on");

bool gcarena_quiet_default(void)
{
	return READ_ONCE(quiet);
}

void gcarena_nap_init(struct gcarena_nap *nap)
{
	*nap = (struct gcarena_nap) { .patience = PATIENCE_MIN };
}

/* Nobody wants to know who writes to a chunk that holds no pointers. */
static bool is_loud(const struct gcarena *arena, u32 index)
{
	const struct heap_chunk *chunk = arena->heap.chunks[index];

	return chunk && chunk->nr_scanned && !gcarena_backing_is_quiet(chunk);
}

/**
 * gcarena_quiet_next_loud() - chunks to look at
 * @arena: the arena
 * @first: where to begin; set to the index of the first that may hold pointers, and is
 *	not quiet
 * @max: not more than so many
 *
 * Return: how many in a row, 0 at the end.
 */
u32 gcarena_quiet_next_loud(const struct gcarena *arena, u32 *first, u32 max)
{
	u32 nr = 0;

	lockdep_assert_held(&arena->lock);
	while (*first < arena->heap.top && !is_loud(arena, *first))
		(*first)++;
	while (nr < max && *first + nr < arena->heap.top && is_loud(arena, *first + nr))
		nr++;
	return nr;
}

/* A look at chunks has found what is set in @pages. */
void gcarena_quiet_note(struct gcarena *arena, u32 first, u32 nr, const unsigned long *pages)
{
	u32 i;

	for (i = first; i < first + nr; i++) {
		unsigned long page = (unsigned long)i * GCARENA_CHUNK_PAGES;
		unsigned long end = page + GCARENA_CHUNK_PAGES;

		if (find_next_bit(pages, end, page) < end)
			gcarena_backing_nap(arena->heap.chunks[i])->written = true;
	}
}

/* It was quiet, and is not any more. */
static void woken(const struct gcarena *arena, struct gcarena_nap *nap)
{
	bool worth = arena->counters.cycles - nap->since >= WORTH_CYCLES;

	nap->asleep = false;
	nap->calm = 0;
	nap->patience = worth ? PATIENCE_MIN : min(nap->patience * 2, PATIENCE_MAX);
}

/* Part of a walk. Shall the chunk be quiet? */
static bool is_calm(const struct gcarena *arena, u32 index)
{
	struct gcarena_nap *nap;

	if (!is_loud(arena, index))
		return false;
	nap = gcarena_backing_nap(arena->heap.chunks[index]);
	if (nap->asleep)
		woken(arena, nap);
	else if (nap->written)
		nap->calm = 0;
	else if (nap->calm < nap->patience)
		nap->calm++;
	nap->written = false;
	return nap->calm >= nap->patience;
}

static void make_quiet(struct gcarena *arena, u32 first, u32 nr)
{
	u32 i;

	gcarena_backing_unmap(arena, first, nr, true);
	arena->quiet.total += gcarena_backing_settle(arena, first, nr, true);
	for (i = first; i < first + nr; i++) {
		struct gcarena_nap *nap = gcarena_backing_nap(arena->heap.chunks[i]);

		nap->asleep = true;
		nap->since = arena->counters.cycles;
	}
}

/* Is there news for a walk? */
static bool walk_begin(struct gcarena *arena)
{
	const struct gcarena_counters *c = &arena->counters;
	struct gcarena_quiet *q = &arena->quiet;

	if (q->seen_looks == c->dirty_passes || q->seen_cycles == c->cycles)
		return false;
	q->walking = true;
	q->pos = 0;
	q->seen_looks = c->dirty_passes;
	q->seen_cycles = c->cycles;
	return true;
}

/**
 * gcarena_quiet_some() - let chunks be quiet that were not written of late
 * @arena: the arena
 *
 * Some of them. Once after each cycle, or less often, all chunks are gone through.
 *
 * Return: true: there may be more, call again.
 */
bool gcarena_quiet_some(struct gcarena *arena)
{
	struct gcarena_quiet *q = &arena->quiet;
	u32 end, first = 0, nr = 0;

	lockdep_assert_held(&arena->lock);
	if (!q->allowed || arena->dirty_method != GCARENA_DIRTY_PTE)
		return false;
	if (!q->walking && !walk_begin(arena))
		return false;
	end = min(q->pos + WALK_CHUNKS, arena->heap.top);
	while (q->pos < end && nr < RUN_CHUNKS) {
		u32 index = q->pos++;

		if (!is_calm(arena, index)) {
			if (nr)
				break;
			continue;
		}
		if (!nr++)
			first = index;
	}
	if (nr)
		make_quiet(arena, first, nr);
	q->walking = q->pos < arena->heap.top;
	return q->walking;
}
