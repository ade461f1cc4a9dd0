// SPDX-License-Identifier: GPL-2.0
/*
 * Collections that somebody asks for who does not take part: through netlink.
 *
 * A worker carries them out, as who asks must not wait: he holds locks of netlink's that
 * everybody needs. Requests that come before the worker does are one collection, of the
 * kind that does what all of them want. An evacuation begins after that, and goes on beside
 * the program with a worker of its own; requests that come meanwhile wait for it to end.
 * What is allocated is charged to the program.
 *
 * The work item needs no reference to the arena: it is cancelled, and waited for, before
 * the arena is freed. A collection in a worker cannot be killed; what it waits for is
 * bounded by stop_timeout_ms, but for memory that a process maps from a file whose server
 * does not answer.
 */
#include <linux/jiffies.h>
#include <linux/memcontrol.h>

#include "arena.h"
#include "evacuate.h"
#include "request.h"

#define BUSY_DELAY	(HZ / 100 + 1)

/**
 * struct errand - what has been asked for, taken together
 * @kinds: see struct gcarena_request
 * @flags: likewise
 */
struct errand {
	u32 kinds;
	u32 flags;
};

static struct errand request_take(struct gcarena_request *request)
{
	struct errand errand;

	spin_lock(&request->lock);
	request->taken = request->asked;
	errand = (struct errand) { request->kinds, request->flags };
	request->kinds = 0;
	request->flags = 0;
	spin_unlock(&request->lock);
	return errand;
}

/* Return: something else has been asked for meanwhile. */
static bool request_done(struct gcarena_request *request, int error)
{
	bool more;

	spin_lock(&request->lock);
	request->done = request->taken;
	request->error = error;
	more = request->asked != request->taken;
	spin_unlock(&request->lock);
	return more;
}

/* The collection that does what all of them want. */
static int collect(struct gcarena *arena, const struct errand *errand)
{
	struct gcarena_collect arg = { .kind = GCARENA_COLLECT_MINOR, .flags = errand->flags };

	if (errand->kinds & BIT(GCARENA_COLLECT_COMPACT))
		arg.kind = GCARENA_COLLECT_COMPACT;
	else if (errand->kinds & BIT(GCARENA_COLLECT_FULL))
		arg.kind = GCARENA_COLLECT_FULL;
	else if (!(errand->kinds & BIT(GCARENA_COLLECT_MINOR)))
		return 0;
	return gcarena_collect_locked(arena, &arg);
}

/* Under the heap lock. Return: 0; -EAGAIN: an evacuation goes on; or why it has failed. */
static int run(struct gcarena *arena)
{
	struct gcarena_request *request = &arena->request;
	struct errand errand = request_take(request);
	struct mem_cgroup *memcg;
	int ret;

	/* What nobody can reach now may be reached again by who maps the arena later. */
	if (!gcarena_is_created(arena) || !gcarena_mapping_count(arena))
		return -ENXIO;
	memcg = set_active_memcg(arena->memcg);
	ret = collect(arena, &errand);
	if (!ret && errand.kinds & BIT(GCARENA_COLLECT_EVACUATE))
		ret = gcarena_evacuate_begin(arena, &request->evacuation) ?: -EAGAIN;
	set_active_memcg(memcg);
	return ret;
}

/* Under the heap lock. Return: as run(). */
static int go_on(struct gcarena *arena)
{
	struct gcarena_request *request = &arena->request;
	int ret;

	if (!request->evacuation)
		return run(arena);
	ret = gcarena_evacuate_result(arena, request->evacuation);
	if (ret == -EAGAIN)
		return ret;
	request->evacuation = 0;
	return ret;
}

static void request_work(struct work_struct *work)
{
	struct gcarena *arena = container_of(to_delayed_work(work), struct gcarena, request.work);
	bool more = true;
	int ret = -EAGAIN;

	/* A cycle may wait for a stalled page fault: no worker shall wait with it. */
	if (mutex_trylock(&arena->lock)) {
		ret = go_on(arena);
		mutex_unlock(&arena->lock);
	}
	if (ret != -EAGAIN)
		more = request_done(&arena->request, ret);
	if (more)
		queue_delayed_work(gcarena_wq, &arena->request.work, BUSY_DELAY);
}

void gcarena_request_init(struct gcarena *arena)
{
	spin_lock_init(&arena->request.lock);
	INIT_DELAYED_WORK(&arena->request.work, request_work);
}

/**
 * gcarena_request_collect() - have a worker collect an arena
 * @arena: the arena, which the caller has found
 * @kind: enum gcarena_collect_kind, not MAJOR
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
	request->kinds |= BIT(kind);
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
