// SPDX-License-Identifier: GPL-2.0
/*
 * Stopping the world: while a cycle traces, no program code runs that can see the
 * arena, in any thread of any process that maps it.
 *
 * Threads are parked by park.c. The calling thread is in an ioctl and so stands still, or
 * is a worker; while it collects it counts as settled for other arenas' cycles, which
 * would otherwise wait for it as it may wait for them.
 *
 * Order of a stop: gcarena_world_stop(); then gcarena_roots_mark() scans each thread
 * and process, and asks gcarena_world_check() for more until there are none; then
 * gcarena_world_start().
 */
#include <linux/ktime.h>
#include <linux/xarray.h>

#include "arena.h"
#include "park.h"
#include "trace.h"

/* Threads in a cycle, by the number of their task. */
static DEFINE_XARRAY(collecting);

bool gcarena_is_collecting(const struct task_struct *task)
{
	return xa_load(&collecting, (unsigned long)task >> 6);
}

/**
 * gcarena_world_check() - let all threads of all processes settle
 * @arena: the arena, between gcarena_world_stop() and gcarena_world_start()
 *
 * Return: 0; -ETIMEDOUT, -ENOMEM or -EINTR: the cycle must be given up.
 */
int gcarena_world_check(struct gcarena *arena)
{
	int ret = gcarena_park_gather(arena);

	return ret < 0 ? ret : gcarena_park_wait(arena);
}

static void count_stop(struct gcarena_counters *c, u64 ns)
{
	c->stop_last_ns = ns;
	c->stop_total_ns += ns;
	c->stop_max_ns = max(c->stop_max_ns, ns);
}

/**
 * gcarena_world_stop() - keep the program from running
 * @arena: the arena; the caller holds its heap lock
 *
 * Return: 0; -ETIMEDOUT: a thread did not stop in time; -ENOMEM; -EINTR. On failure
 * the program runs on.
 */
int gcarena_world_stop(struct gcarena *arena)
{
	u64 start = ktime_get_ns(), ns;
	int asked, ret;

	lockdep_assert_held(&arena->lock);
	ret = xa_err(xa_store(&collecting, (unsigned long)current >> 6, current, GCARENA_GFP));
	if (ret)
		return ret;
	trace_gcarena_stop_begin(arena->entry.id);
	gcarena_park_reap(arena, false);
	gcarena_park_begin(arena);
	asked = gcarena_park_gather(arena);
	ret = asked < 0 ? asked : gcarena_park_wait(arena);
	ns = ktime_get_ns() - start;
	trace_gcarena_stop_end(arena->entry.id, ret, max(asked, 0), ns);
	if (ret)
		gcarena_world_start(arena);
	else
		count_stop(&arena->counters, ns);
	return ret;
}

/* Let it run again. */
void gcarena_world_start(struct gcarena *arena)
{
	lockdep_assert_held(&arena->lock);
	gcarena_park_end(arena);
	xa_erase(&collecting, (unsigned long)current >> 6);
	trace_gcarena_world_start(arena->entry.id);
}
