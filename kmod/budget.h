/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_BUDGET_H
#define GCARENA_BUDGET_H

#include "platform.h"

/*
 * Bytes to move in the first stop, and in the shortest ones. Each looks at all that points into
 * its chunks: to empty a sparse one in several is no gain.
 */
#define GCARENA_BUDGET_LEAST	(256ULL * 1024)

/**
 * struct gcarena_budget - how much to move in one stop of the world
 * @bytes: in the next one
 * @look: bytes of the objects to look at for that; more than @bytes, if much cannot be moved
 * @most: the program wants no more than that
 */
struct gcarena_budget {
	u64 bytes;
	u64 look;
	u64 most;
};

/**
 * struct gcarena_budget_stop - what a stop was like
 * @usual_ns: the program meets stops as long as that one anyway
 * @before_ns: time until the first object was moved: as long whatever the budget is
 * @stop_ns: all of it
 * @moved: bytes
 */
struct gcarena_budget_stop {
	u64 usual_ns;
	u64 before_ns;
	u64 stop_ns;
	u64 moved;
};

void gcarena_budget_init(struct gcarena_budget *budget, u64 most);
void gcarena_budget_limit(struct gcarena_budget *budget, u64 most);
void gcarena_budget_adapt(struct gcarena_budget *budget, const struct gcarena_budget_stop *stop);

#endif
