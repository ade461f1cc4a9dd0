/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_FAULT_H
#define GCARENA_FAULT_H

#include <linux/types.h>

#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS
bool gcarena_fail_stop(void);
bool gcarena_fail_read(void);
void gcarena_fault_init(void);
void gcarena_fault_exit(void);
#else
static inline bool gcarena_fail_stop(void)
{
	return false;
}

static inline bool gcarena_fail_read(void)
{
	return false;
}

static inline void gcarena_fault_init(void)
{
}

static inline void gcarena_fault_exit(void)
{
}
#endif

#endif
