// SPDX-License-Identifier: GPL-2.0
/*
 * The budget: how many bytes to move in one stop of the world.
 *
 * A stop that moves objects should be no longer than others of the program: than the last one
 * of a concurrent cycle. How long it takes to move a byte is not known beforehand; so each
 * stop decides for the next one, by halves and doubles. Moving for less time than what
 * went by before the first object moved is no use. A stop in which nothing could be moved
 * tells nothing of moving: then more is looked at in the next one, so that what is pinned does
 * not cost a stop for each chunk, but no more is moved.
 *
 * Needs the heap lock.
 */
#include "budget.h"

/* A stop that is short enough, however long others are. */
#define SHORT_NS	1000000ULL

void gcarena_budget_init(struct gcarena_budget *budget, u64 most)
{
	budget->bytes = 0;
	gcarena_budget_limit(budget, most);
}

void gcarena_budget_limit(struct gcarena_budget *budget, u64 most)
{
	budget->most = most;
	budget->bytes = min(max(budget->bytes, GCARENA_BUDGET_LEAST), most);
	budget->look = budget->bytes;
}

/**
 * gcarena_budget_adapt() - decide for the next stop
 * @budget: the budget
 * @stop: the last one
 */
void gcarena_budget_adapt(struct gcarena_budget *budget, const struct gcarena_budget_stop *stop)
{
	u64 aim = max3(stop->usual_ns, 2 * stop->before_ns, SHORT_NS);
	u64 move_ns = stop->stop_ns - min(stop->before_ns, stop->stop_ns);
	bool more = stop->stop_ns + move_ns < aim;
	u64 bytes = budget->bytes;

	if (stop->stop_ns > aim)
		bytes = max(bytes / 2, GCARENA_BUDGET_LEAST);
	else if (more && stop->moved >= bytes / 2)
		bytes *= 2;
	budget->bytes = min(bytes, budget->most);
	budget->look = min(more && !stop->moved ? budget->look * 2 : budget->bytes, budget->most);
}
