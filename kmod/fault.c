// SPDX-License-Identifier: GPL-2.0
/*
 * Fault injection: what may fail in a collection, and is no allocation. For kernels
 * with FAULT_INJECTION_DEBUG_FS, the debug kernel of the tests among them; others do not
 * have this file.
 *
 *   /sys/kernel/debug/gcarena/fail_stop	a thread does not stop in time: ETIMEDOUT
 *   /sys/kernel/debug/gcarena/fail_read	memory of the program cannot be read at the
 *						first try: a second one follows
 *
 * Both have the files that every attribute has (Documentation/fault-injection), and take
 * part in fail-nth.
 */
#include <linux/debugfs.h>
#include <linux/fault-inject.h>

#include "fault.h"

static DECLARE_FAULT_ATTR(fail_stop);
static DECLARE_FAULT_ATTR(fail_read);
static struct dentry *folder;

/* Should this stop take too long? */
bool gcarena_fail_stop(void)
{
	return should_fail(&fail_stop, 1);
}

/* Should this piece of memory not be there? */
bool gcarena_fail_read(void)
{
	return should_fail(&fail_read, 1);
}

/* At module load. It is for tests: an attribute that cannot be had is no error. */
void gcarena_fault_init(void)
{
	folder = debugfs_create_dir("gcarena", NULL);
	fault_create_debugfs_attr("fail_stop", folder, &fail_stop);
	fault_create_debugfs_attr("fail_read", folder, &fail_read);
}

void gcarena_fault_exit(void)
{
	debugfs_remove_recursive(folder);
}
