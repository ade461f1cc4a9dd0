/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_REQUEST_H
#define GCARENA_REQUEST_H

#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct gcarena;

/**
 * struct gcarena_request - collections that somebody outside has asked for
 * @lock: protects what is not said to be protected otherwise
 * @work: carries out what was asked for
 * @asked: requests so far
 * @done: the last request that was carried out
 * @error: what came of it: 0 or a negative errno
 * @kinds: what is asked for next: bits numbered by enum gcarena_collect_kind
 * @flags: with which GCARENA_COLLECT_ bits
 * @evacuation: which one has to end before what was taken is done; 0: none. For @work alone
 * @taken: the last request that was taken to be carried out; likewise
 */
struct gcarena_request {
	spinlock_t lock;		/* see above */
	struct delayed_work work;
	u64 asked;
	u64 done;
	int error;
	u32 kinds;
	u32 flags;
	u64 evacuation;
	u64 taken;
};

void gcarena_request_init(struct gcarena *arena);
u64 gcarena_request_collect(struct gcarena *arena, u32 kind, u32 flags);
void gcarena_request_cancel(struct gcarena *arena);

#endif
