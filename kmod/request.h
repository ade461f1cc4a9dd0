/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_REQUEST_H
#define GCARENA_REQUEST_H

#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct gcarena;

/**
 * struct gcarena_request - collections that somebody outside has asked for
 * @lock: protects all but @work
 * @work: carries out what was asked for
 * @asked: requests so far
 * @done: the last request that was carried out
 * @error: what came of it: 0 or a negative errno
 * @kind: enum gcarena_collect_kind of the next collection
 * @flags: its GCARENA_COLLECT_ bits
 */
struct gcarena_request {
	spinlock_t lock;		/* all but work */
	struct delayed_work work;
	u64 asked;
	u64 done;
	int error;
	u32 kind;
	u32 flags;
};

void gcarena_request_init(struct gcarena *arena);
u64 gcarena_request_collect(struct gcarena *arena, u32 kind, u32 flags);
void gcarena_request_cancel(struct gcarena *arena);

#endif
