// SPDX-License-Identifier: GPL-2.0
/*
 * Collections that somebody asks for who does not take part: through netlink.
 *
 * A worker carries them out, as who asks must not wait: he holds locks of netlink's that
 * everybody needs. Requests that come before the worker does are one collection, of the
 * kind that does what all of them want. What it allocates is charged to the program.
 *
 * The work item needs no reference to the arena: it is cancelled, and waited for, before
 * the arena is freed. A collection in a worker cannot be killed; what it waits for is
 * bounded by stop_timeout_ms, but for memory that a process maps from a file whose server
 * does not answer.
 */
#include <linux/jiffies.h>
#include <linux/memcontrol.h>

#include "arena.h"
#include "request.h"

#define BUSY_DELAY	(HZ / 100 + 1)

/* Take the request. Return: its number. */
static u64 request_take(struct gcarena_request *request, struct gcarena_collect *arg)
{
	u64 nr;

	spin_lock(&request->lock);
	nr = request->asked;
	arg->kind = request->kind;
	arg->flags = request->flags;
	request->kind = GCARENA_COLLECT_MINOR;
	request->flags = 0;
	spin_unlock(&request->lock);
	return nr;
}

static void request_done(struct gcarena_request *request, u64 nr, int error)
{
	spin_lock(&request->lock);
	request->done = nr;
	request->error = error;
	spin_unlock(&request->lock);
}

static void request_work(struct work_struct *work)
{
	struct gcarena *arena = container_of(to_delayed_work(work), struct gcarena, request.work);
	struct gcarena_collect arg = { };
	struct mem_cgroup *memcg;
	u64 nr;
	int ret;

	/* A cycle may wait for a stalled page fault: no worker shall wait with it. */
	if (!mutex_trylock(&arena->lock)) {
		queue_delayed_work(gcarena_wq, &arena->request.work, BUSY_DELAY);
		return;
	}
	nr = request_take(&arena->request, &arg);
	memcg = set_active_memcg(arena->memcg);
	/* What nobody can reach now may be reached again by who maps the arena later. */
	ret = gcarena_is_created(arena) && gcarena_mapping_count(arena) ?
	      gcarena_collect_locked(arena, &arg) : -ENXIO;
	set_active_memcg(memcg);
	mutex_unlock(&arena->lock);
	request_done(&arena->request, nr, ret);
}

void gcarena_request_init(struct gcarena *arena)
{
	spin_lock_init(&arena->request.lock);
	INIT_DELAYED_WORK(&arena->request.work, request_work);
	arena->request.kind = GCARENA_COLLECT_MINOR;
}

/**
 * gcarena_request_collect() - have a worker collect an arena
 * @arena: the arena, which the caller has found
 * @kind: enum gcarena_collect_kind
 * @flags: GCARENA_COLLECT_ bits
 *
 * Return: the number of the request. It has been carried out when request->done has
 * reached it.
 */
u64 gcarena_request_collect(struct gcarena *arena, u32 kind, u32 flags)
{
	struct gcarena_request *request = &arena->request;
	u64 nr;

	spin_lock(&request->lock);
	nr = ++request->asked;
	if (kind == GCARENA_COLLECT_COMPACT || request->kind == GCARENA_COLLECT_MINOR)
		request->kind = kind;
	request->flags |= flags;
	spin_unlock(&request->lock);
	queue_delayed_work(gcarena_wq, &request->work, 0);
	return nr;
}

/* The arena ends, and nobody finds it any more. */
void gcarena_request_cancel(struct gcarena *arena)
{
	cancel_delayed_work_sync(&arena->request.work);
}
