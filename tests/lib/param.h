/* SPDX-License-Identifier: GPL-2.0 */
/* The module's parameters: root reads and sets them while the module is loaded. */
#ifndef GCARENA_TESTS_PARAM_H
#define GCARENA_TESTS_PARAM_H

#include <stdbool.h>
#include <stddef.h>

#define PARAMS_MAX	16

/* Values to go back to. */
struct params {
	const char *name[PARAMS_MAX];
	long before[PARAMS_MAX];
	size_t nr;
};

/* -1: there is none of that name. Y and N are 1 and 0. */
long param_get(const char *name);
/* False: not root, or no such parameter. */
bool param_set(const char *name, long value);

/* Set it, and remember what it was. False: as param_set(). */
bool params_set(struct params *params, const char *name, long value);
/* Set back all that were set, the last one first. */
void params_restore(struct params *params);

/* References to the module: one for each arena that is open, and for work that is on. */
long module_users(void);

#endif
