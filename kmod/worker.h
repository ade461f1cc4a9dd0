/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_WORKER_H
#define GCARENA_WORKER_H

#include <linux/types.h>

struct gcarena;
struct work_struct;

/**
 * enum gcarena_work_next - what a worker does after a slice
 * @GCARENA_WORK_DONE: it ends, until it is queued again
 * @GCARENA_WORK_REST: there is more to do, once others have had the processor as well
 * @GCARENA_WORK_HURRY: there is more to do, at once
 * @GCARENA_WORK_LATER: something else has to come to its end first
 */
enum gcarena_work_next {
	GCARENA_WORK_DONE,
	GCARENA_WORK_REST,
	GCARENA_WORK_HURRY,
	GCARENA_WORK_LATER,
};

/**
 * struct gcarena_job - what a worker does, for one arena at a time
 * @slice: do some of it, with the heap lock held; there may be nothing to do any more
 * @abandon: give it up, if it is on; with the heap lock held
 */
struct gcarena_job {
	enum gcarena_work_next (*slice)(struct gcarena *arena);
	void (*abandon)(struct gcarena *arena);
};

unsigned int gcarena_worker_percent(void);
u64 gcarena_worker_rest_due(const struct gcarena *arena);
void gcarena_worker_charge(struct gcarena *arena, u64 start, u64 ns);
int gcarena_worker_queue(struct gcarena *arena, struct work_struct *work);
void gcarena_worker_run(struct gcarena *arena, const struct gcarena_job *job);

#endif
