// SPDX-License-Identifier: GPL-2.0
/*
 * Workers: what is done in slices while the program runs, a cycle (concurrent.c) or an
 * evacuation (evacuate.c), and how much of the processors it may take.
 *
 * A worker holds a reference to the arena's file, so that the arena cannot go while it
 * reads the program's memory: unmapping would wait for it, and it for mmap_lock. It gives
 * up what it does when nobody else has the file any more.
 *
 * Memory that it allocates is charged to the program.
 */
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/ktime.h>
#include <linux/memcontrol.h>
#include <linux/moduleparam.h>

#include "arena.h"
#include "compat.h"
#include "worker.h"

/*
 * After so many misses in a row the waits do not get longer: 20 us doubled 5 times. Threads
 * that allocate help for longer than that, and are gone for less.
 */
#define MISSES_MAX	5U
#define LATER_US	10000UL

static uint background_cpu_percent = 25;
module_param(background_cpu_percent, uint, 0644);
MODULE_PARM_DESC(background_cpu_percent, "Part of all processors that tracing may take while the program runs, percent, 1 to 100");

/* What may be taken while the program runs, in percent of one processor. */
unsigned int gcarena_worker_percent(void)
{
	return clamp(READ_ONCE(background_cpu_percent), 1U, 100U) * num_online_cpus();
}

/**
 * gcarena_worker_rest_due() - have we taken our part of the processors?
 * @arena: the arena; the caller holds its heap lock
 *
 * Return: ns for which they are left to others, 0 if we may go on.
 */
u64 gcarena_worker_rest_due(const struct gcarena *arena)
{
	return gcarena_share_wait(&arena->share, gcarena_worker_percent(), ktime_get_ns());
}

/**
 * gcarena_worker_charge() - a kernel thread has worked for the arena while the program ran
 * @arena: the arena; the caller holds its heap lock
 * @start: when it began, CLOCK_MONOTONIC, ns
 * @ns: for how long
 */
void gcarena_worker_charge(struct gcarena *arena, u64 start, u64 ns)
{
	gcarena_share_charge(&arena->share, gcarena_worker_percent(), start, ns);
}

static void rest_missed(unsigned int missed)
{
	fsleep(20UL << min(missed, MISSES_MAX));
}

/* Return: there may be more to do. */
static bool work_slice(struct gcarena *arena, const struct gcarena_job *job, unsigned int *missed)
{
	enum gcarena_work_next next = GCARENA_WORK_DONE;
	u64 start = ktime_get_ns(), rest = 0;

	/* A synchronous cycle may wait for a stalled page fault: do not spin for it. */
	if (!mutex_trylock(&arena->lock)) {
		rest_missed(++*missed);
		return true;
	}
	*missed = 0;
	if (file_count(arena->file) == 1)
		job->abandon(arena);
	else
		next = job->slice(arena);
	if (next == GCARENA_WORK_REST) {
		gcarena_worker_charge(arena, start, ktime_get_ns() - start);
		rest = gcarena_worker_rest_due(arena);
	}
	mutex_unlock(&arena->lock);
	if (rest)
		fsleep(div_u64(rest, NSEC_PER_USEC));
	else if (next == GCARENA_WORK_LATER)
		fsleep(LATER_US);
	else if (atomic_read(&arena->waiters))
		rest_missed(0);	/* A mutex goes to who is quick: be slow. */
	return next != GCARENA_WORK_DONE;
}

/**
 * gcarena_worker_run() - the whole of a work item
 * @arena: the arena that gcarena_worker_queue() was called for
 * @job: what is to be done
 *
 * Context: a worker of the module's workqueue. The arena may be gone afterwards.
 */
void gcarena_worker_run(struct gcarena *arena, const struct gcarena_job *job)
{
	struct file *file = arena->file;
	struct mem_cgroup *memcg = set_active_memcg(arena->memcg);
	unsigned int missed = 0;

	while (work_slice(arena, job, &missed))
		cond_resched();
	set_active_memcg(memcg);
	fput(file);
}

/**
 * gcarena_worker_queue() - have a worker begin, or go on
 * @arena: the arena
 * @work: the work item, whose function calls gcarena_worker_run()
 *
 * The caller may be a work item that the arena's end waits for (request.c): then the last
 * reference to the file may have been dropped already.
 *
 * Context: does not sleep.
 *
 * Return: 0; -ENXIO: the arena is about to end.
 */
int gcarena_worker_queue(struct gcarena *arena, struct work_struct *work)
{
	if (!gcarena_get_live_file(arena->file))
		return -ENXIO;
	if (!queue_work(gcarena_wq, work))
		fput(arena->file);
	return 0;
}
