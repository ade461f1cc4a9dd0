// SPDX-License-Identifier: GPL-2.0
/* Coverage by /sys/kernel/debug/kcov. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kcov.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz/kcov.h"
#include "fuzz/sys.h"
#include "lib/rng.h"

#define KCOV_FILE	"/sys/kernel/debug/kcov"
#define WORDS		(64UL << 10)
#define BYTES		(WORDS * sizeof(unsigned long))

bool coverage_exists(void)
{
	return access(KCOV_FILE, R_OK | W_OK) == 0;
}

bool coverage_prepare(struct coverage *c)
{
	void *buffer;

	c->buffer = NULL;
	c->fd = open(KCOV_FILE, O_RDWR | O_CLOEXEC);
	if (c->fd < 0)
		return false;
	if (ioctl(c->fd, KCOV_INIT_TRACE, WORDS))
		return false;
	buffer = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
	if (buffer == MAP_FAILED)
		return false;
	c->buffer = buffer;
	return true;
}

bool coverage_enable(struct coverage *c)
{
	return c->buffer && ioctl(c->fd, KCOV_ENABLE, KCOV_TRACE_PC) == 0;
}

void coverage_begin(struct coverage *c)
{
	if (c)
		__atomic_store_n(&c->buffer[0], 0, __ATOMIC_RELAXED);
}

void coverage_end(struct coverage *c, struct shared *shared)
{
	unsigned long n, i, last = 0;

	if (!c)
		return;
	n = __atomic_load_n(&c->buffer[0], __ATOMIC_RELAXED);
	for (i = 1; i <= n && i < WORDS; i++) {
		unsigned long here = c->buffer[i];
		uint32_t bit = rng_mix(here ^ (last << 20)) % FEATURE_BITS;
		uint8_t mask = 1 << bit % 8;

		last = here;
		if (!(shared->hit[bit / 8] & mask))
			atomic_fetch_or(&shared->hit[bit / 8], mask);
	}
}
