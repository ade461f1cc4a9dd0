// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"
#include "counters.h"

static struct counter {
	const char *name;
	uint64_t config;
	int fd;
	uint64_t before;
} counters[] = {
	{ "instructions", PERF_COUNT_HW_INSTRUCTIONS, -1, 0 },
	{ "cache misses", PERF_COUNT_HW_CACHE_MISSES, -1, 0 },
};

#define NR_COUNTERS	(sizeof(counters) / sizeof(counters[0]))

/* One by one: a group cannot be inherited by threads. */
void counters_open(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE, .size = sizeof(attr), .inherit = 1,
		.exclude_kernel = 1, .exclude_hv = 1,
	};
	size_t i;

	for (i = 0; i < NR_COUNTERS; i++) {
		attr.config = counters[i].config;
		counters[i].fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
		if (counters[i].fd < 0)
			bench_note("%s: not available (%s)", counters[i].name, strerror(errno));
	}
}

static uint64_t counter_read(const struct counter *c)
{
	uint64_t value = 0;

	if (c->fd >= 0 && read(c->fd, &value, sizeof(value)) != sizeof(value))
		bench_die("cannot read the counter of %s", c->name);
	return value;
}

void counters_start(void)
{
	size_t i;

	for (i = 0; i < NR_COUNTERS; i++)
		counters[i].before = counter_read(&counters[i]);
}

void counters_stop(const char *what, double objects)
{
	char name[64];
	size_t i;

	for (i = 0; i < NR_COUNTERS; i++) {
		if (counters[i].fd < 0)
			continue;
		snprintf(name, sizeof(name), "%s, %s/object", what, counters[i].name);
		bench_result(name, "", (counter_read(&counters[i]) - counters[i].before) / objects);
	}
}
