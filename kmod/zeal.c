// SPDX-License-Identifier: GPL-2.0
/*
 * Zeal: modes that make bugs come out, for tests. All are off by default, and are set by
 * root in /sys/module/gcarena/parameters, at any time, for all arenas.
 */
#include <linux/delay.h>
#include <linux/moduleparam.h>

#include "arena.h"
#include "zeal.h"

static bool verify;
module_param(verify, bool, 0644);
MODULE_PARM_DESC(verify, "Testing: look for each cycle's reachable objects a second time, in another way. A collection that would lose one fails with EIO, and the kernel log tells");

static ulong verified_cycles;
module_param(verified_cycles, ulong, 0444);
MODULE_PARM_DESC(verified_cycles, "How many cycles the verifier has looked at and found right");

static uint zeal_refill;
module_param(zeal_refill, uint, 0644);
MODULE_PARM_DESC(zeal_refill, "Testing: collect at every n-th refill, unless gc_percent is off; 0 is never");

static uint zeal_mark_stack;
module_param(zeal_mark_stack, uint, 0644);
MODULE_PARM_DESC(zeal_mark_stack, "Testing: items that the mark stack holds; 0 is no such limit");

static bool zeal_poison;
module_param(zeal_poison, bool, 0644);
MODULE_PARM_DESC(zeal_poison, "Testing: overwrite the slots that sweeping frees");

static uint zeal_delay_us;
module_param(zeal_delay_us, uint, 0644);
MODULE_PARM_DESC(zeal_delay_us, "Testing: wait between the phases of a cycle, us, at most 1000000");

static bool zeal_compact;
module_param(zeal_compact, bool, 0644);
MODULE_PARM_DESC(zeal_compact, "Testing: each full cycle compacts, unless only explicit roots count: such programs may hold addresses where the collector does not look");

static uint zeal_slice;
module_param(zeal_slice, uint, 0644);
MODULE_PARM_DESC(zeal_slice, "Testing: concurrent cycles advance by no more than so many steps at a time, at each refill and in the background; 0 is no such limit");

static bool zeal_quiet;
module_param(zeal_quiet, bool, 0644);
MODULE_PARM_DESC(zeal_quiet, "Testing: each look for written pages leaves all chunks quiet that can be");

bool gcarena_zeal_verify(void)
{
	return READ_ONCE(verify);
}

/* Of several arenas at a time one may be missed: it is for people and tests to see. */
void gcarena_zeal_verified(void)
{
	WRITE_ONCE(verified_cycles, READ_ONCE(verified_cycles) + 1);
}

bool gcarena_zeal_poison(void)
{
	return READ_ONCE(zeal_poison);
}

/* Return: items, 0 for no limit. */
u32 gcarena_zeal_mark_stack(void)
{
	return READ_ONCE(zeal_mark_stack);
}

/* Is a cycle due at this refill, whatever the pacer says? Under the heap lock. */
bool gcarena_zeal_due(const struct gcarena *arena)
{
	uint n = READ_ONCE(zeal_refill);

	return n && arena->params.gc_percent != GCARENA_GC_PERCENT_OFF &&
	       arena->counters.refills % n == 0;
}

/* Is a full cycle to be a compacting one? */
bool gcarena_zeal_compact(const struct gcarena *arena)
{
	return READ_ONCE(zeal_compact) && arena->params.root_mode != GCARENA_ROOTS_EXPLICIT;
}

/* Return: steps, 0 for no limit. */
u32 gcarena_zeal_slice(void)
{
	return READ_ONCE(zeal_slice);
}

/* Kinds of cycles take turns: full, full and concurrent, minor, minor and concurrent. */
bool gcarena_zeal_minor(const struct gcarena *arena)
{
	return arena->generational && arena->counters.cycles & 2;
}

bool gcarena_zeal_concurrent(const struct gcarena *arena)
{
	return arena->concurrent_allowed && arena->counters.cycles & 1;
}

bool gcarena_zeal_quiet(void)
{
	return READ_ONCE(zeal_quiet);
}

/* Between two phases. May sleep. Return: 0, or -EINTR: the caller is being killed. */
int gcarena_zeal_delay(void)
{
	uint us = min(READ_ONCE(zeal_delay_us), 1000000U);

	if (us)
		fsleep(us);
	return gcarena_checkpoint();
}
