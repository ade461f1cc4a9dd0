// SPDX-License-Identifier: GPL-2.0
/*
 * Background work: what should happen after a cycle, or after a process has gone, even
 * if nobody calls in.
 *
 * Sweeps in short batches, dropping the heap lock between them; lets chunks be quiet that
 * are not written any more (quiet.c); takes back what dead threads and processes held;
 * gives empty chunks back. At once those beyond what the heap may need before its next
 * cycle; the others when it has been idle for a while.
 *
 * The work item needs no reference to the arena: it is cancelled, and waited for,
 * before the arena is freed.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>

#include "arena.h"
#include "trace.h"

#define BATCH_SPANS	256
#define BUSY_DELAY	(HZ / 20 + 1)
#define IDLE_DELAY	(5 * HZ)

/* Backing to keep at hand: what the heap may hold before its next cycle, bytes. */
u64 gcarena_background_keep(const struct gcarena *arena)
{
	const struct gcarena_pacer *pacer = &arena->pacer;
	u64 limit = pacer->memory_limit ?: U64_MAX, keep;

	limit -= min(limit, arena->heap.metadata_bytes);
	if (pacer->goal == GCARENA_PACER_NEVER)
		keep = 2 * pacer->marked + GCARENA_CHUNK_BYTES;
	else	/* A tenth for spans that are not quite full, as Go's scavenger does. */
		keep = pacer->goal + pacer->goal / 10 + GCARENA_CHUNK_BYTES;
	return min(keep, limit);
}

/* So many bytes of backing were given back. Return: the same. */
u64 gcarena_released(struct gcarena *arena, u64 bytes)
{
	if (bytes)
		trace_gcarena_release(arena->entry.id, bytes, gcarena_heap_held(&arena->heap));
	return bytes;
}

/* Give empty chunks back until @keep bytes of backing are left. Return: bytes given. */
u64 gcarena_release_to(struct gcarena *arena, u64 keep)
{
	return gcarena_released(arena, gcarena_chunks_release(&arena->heap, keep));
}

/* The same, and what is free in the others. To have that again is dear. */
u64 gcarena_release_hard(struct gcarena *arena, u64 keep)
{
	u64 bytes = gcarena_chunks_release(&arena->heap, keep);

	return gcarena_released(arena, bytes + gcarena_blocks_release(&arena->heap, keep));
}

/* Sweep some of what the last cycle left. Return: there is more. */
bool gcarena_sweep_batch(struct gcarena *arena)
{
	struct heap_tally freed = arena->heap.freed;
	u64 start = ktime_get_ns(), ns;
	bool more = gcarena_sweep_some(&arena->heap, BATCH_SPANS);

	ns = ktime_get_ns() - start;
	arena->counters.sweep_total_ns += ns;
	if (arena->heap.freed.objects != freed.objects)
		trace_gcarena_sweep(arena->entry.id, true,
				    arena->heap.freed.objects - freed.objects,
				    arena->heap.freed.bytes - freed.bytes, ns);
	return more;
}

/* Return: jiffies until there may be more to do, 0 for nothing. */
static unsigned long background_step(struct gcarena *arena)
{
	lockdep_assert_held(&arena->lock);
	gcarena_owners_reap(arena);
	gcarena_mappings_reap(arena, false);
	if (gcarena_sweep_batch(arena) || gcarena_quiet_some(arena))
		return 1;
	if (!arena->heap.nr_empty) {
		arena->background_refills = arena->counters.refills;
		return 0;
	}
	/* Idle means: no refill since this work last ran to its end. */
	if (arena->background_refills == arena->counters.refills)
		gcarena_release_to(arena, 0);
	else
		gcarena_release_to(arena, gcarena_background_keep(arena));
	arena->background_refills = arena->counters.refills;
	return arena->heap.nr_empty ? IDLE_DELAY : 0;
}

void gcarena_background_work(struct work_struct *work)
{
	struct gcarena *arena = container_of(to_delayed_work(work), struct gcarena, background);
	unsigned long delay = BUSY_DELAY;

	/* A cycle may wait for a stalled page fault: no worker shall wait with it. */
	if (mutex_trylock(&arena->lock)) {
		delay = background_step(arena);
		mutex_unlock(&arena->lock);
	}
	if (delay)
		queue_delayed_work(gcarena_wq, &arena->background, delay);
}

/* There is something to do soon. Any context that may take a spin lock. */
void gcarena_background_kick(struct gcarena *arena)
{
	mod_delayed_work(gcarena_wq, &arena->background, 1);
}
