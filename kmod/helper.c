// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that help to trace: work items of the module's unbound workqueue, and how many.
 *
 * A trace is the business of the thread that holds the heap lock. It calls helpers when
 * there is work for them (crew.c), and they work on its behalf: they take no lock but the
 * crew's, and never outlive the slice or the stop in which they were called. One whose turn
 * has not come by then is cancelled, so nobody waits for a processor that is not to be had.
 * They cannot be killed; the leader can, and sends them away.
 *
 * What they allocate is charged to the program, as what the leader allocates is.
 */
#include <linux/cpumask.h>
#include <linux/memcontrol.h>
#include <linux/moduleparam.h>

#include "arena.h"
#include "crew.h"
#include "helper.h"
#include "worker.h"

/* By default no more than this: what they share is one lock and the memory's bandwidth. */
#define AUTO_WORKERS	8U

static uint mark_workers;
module_param(mark_workers, uint, 0644);
MODULE_PARM_DESC(mark_workers, "Threads that trace together, at most, the one that collects included; 0 is one for each processor, up to 8");

static unsigned int most_workers(void)
{
	uint workers = READ_ONCE(mark_workers) ?: min(num_online_cpus(), AUTO_WORKERS);

	return min(workers, GCARENA_MARK_WORKERS_MAX);
}

/* How many may help while the world is stopped: the program leaves its processors to us. */
unsigned int gcarena_helpers_stopped(void)
{
	return most_workers() - 1;
}

/* And while the program runs: a worker has that many processors more than its own. */
unsigned int gcarena_helpers_beside(void)
{
	unsigned int percent = gcarena_worker_percent();

	return percent < 200 ? 0 : min(percent / 100, most_workers()) - 1;
}

/* And for a thread that allocates: as many as a worker is, and helpers of its own. */
unsigned int gcarena_helpers_assisting(void)
{
	unsigned int percent = gcarena_worker_percent();

	return min(DIV_ROUND_UP(percent, 100U), most_workers() - 1);
}

static void help(struct work_struct *work)
{
	struct gcarena_helper *helper = container_of(work, struct gcarena_helper, work);
	struct gcarena *arena = gcarena_of_heap(helper->marker.heap);
	struct mem_cgroup *memcg = set_active_memcg(arena->memcg);

	gcarena_mark_help(helper);
	set_active_memcg(memcg);
}

void gcarena_helper_init(struct gcarena_helper *helper)
{
	INIT_WORK(&helper->work, help);
}

void gcarena_helper_call(struct gcarena_helper *helper)
{
	queue_work(gcarena_wq, &helper->work);
}

void gcarena_helper_recall(struct gcarena_helper *helper)
{
	cancel_work_sync(&helper->work);
}
