/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the collector core (the first list in Kbuild) needs from its surroundings. In the
 * kernel that is the kernel; the unit tests put a platform.h of their own before this one on
 * the include path, and compile the same sources in user space.
 */
#ifndef GCARENA_PLATFORM_H
#define GCARENA_PLATFORM_H

#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/prefetch.h>
#include <linux/processor.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

/* What the program causes the kernel to hold is charged to the program's memcg. */
#define GCARENA_GFP	(GFP_KERNEL_ACCOUNT | __GFP_NOWARN)

/*
 * Called between bounded batches of every loop over the heap. May sleep.
 * Returns -EINTR when the caller is being killed, else 0.
 */
static inline int gcarena_checkpoint(void)
{
	cond_resched();
	return fatal_signal_pending(current) ? -EINTR : 0;
}

#endif
