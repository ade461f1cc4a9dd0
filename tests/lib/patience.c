// SPDX-License-Identifier: GPL-2.0
/*
 * Patience: the harness ends a test that takes too long by alarm(). This alarm(), which
 * every test program is linked with, waits GCARENA_PATIENCE times as long: a
 * kernel that checks every access takes five to ten times as long as another.
 */
#include <sys/time.h>
#include <unistd.h>

#include "rng.h"

unsigned int alarm(unsigned int seconds)
{
	struct itimerval old, new = {
		.it_value.tv_sec = seconds * rng_env_number("GCARENA_PATIENCE", 1),
	};

	if (setitimer(ITIMER_REAL, &new, &old))
		return 0;
	return old.it_value.tv_sec + !!old.it_value.tv_usec;
}
