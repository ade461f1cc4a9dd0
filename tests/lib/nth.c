// SPDX-License-Identifier: GPL-2.0
/*
 * Failures on demand: see nth.h.
 *
 * The counters are set to a number that is never used up, and taken as differences.
 * What reads and writes files here takes part in the counting, since copying may fail
 * as well: that is why disarming looks at what failed, and tries twice.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nth.h"

#define DEBUGFS		"/sys/kernel/debug/"
#define SELF_NTH	"/proc/thread-self/fail-nth"
#define TIMES		1000000000L
#define STACK_BYTES	(256 * 1024)

static int put_once(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* Switching failures off has to work while they are on. */
static int put(const char *path, const char *value)
{
	int ret, tries = 100;

	do {
		ret = put_once(path, value);
	} while (ret == -ENOMEM && tries--);
	return ret;
}

static int put_number(const char *path, long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", value);
	return put(path, text);
}

static long get_number(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[24] = "";
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n > 0 ? atol(text) : 0;
}

/* All kinds of allocations count, and none is reported in the kernel's log. */
static const struct {
	const char *path;
	const char *value;
} settings[] = {
	{ DEBUGFS "failslab/ignore-gfp-wait", "N" },
	{ DEBUGFS "failslab/cache-filter", "N" },
	{ DEBUGFS "failslab/probability", "0" },
	{ DEBUGFS "failslab/verbose", "0" },
	{ DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N" },
	{ DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N" },
	{ DEBUGFS "fail_page_alloc/min-order", "0" },
	{ DEBUGFS "fail_page_alloc/probability", "0" },
	{ DEBUGFS "fail_page_alloc/verbose", "0" },
};

#define SLAB_TIMES	DEBUGFS "failslab/times"
#define PAGE_TIMES	DEBUGFS "fail_page_alloc/times"

/* What may be absent: a kernel without this kind, a module built for no faults. */
static const struct {
	enum nth_kind kind;
	const char *name;
} others[] = {
	{ NTH_USERCOPY, "fail_usercopy" },
	{ NTH_STOP, "gcarena/fail_stop" },
	{ NTH_READ, "gcarena/fail_read" },
};

#define NR_OTHERS	(sizeof(others) / sizeof(others[0]))

static const char *path_of(unsigned int other, const char *file)
{
	static char path[128];

	snprintf(path, sizeof(path), DEBUGFS "%s/%s", others[other].name, file);
	return path;
}

const char *nth_unavailable(void)
{
	unsigned int i;

	if (access(SELF_NTH, F_OK))
		return "the kernel has no fail-nth: see Debug kernel in tests/README.md";
	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (put(settings[i].path, settings[i].value))
			return "failslab and fail_page_alloc in debugfs cannot be set";
	if (put_number(SLAB_TIMES, TIMES) || put_number(PAGE_TIMES, TIMES))
		return "failslab/times in debugfs cannot be set";
	for (i = 0; i < NR_OTHERS; i++) {
		put(path_of(i, "verbose"), "0");
		put(path_of(i, "probability"), "0");
		put_number(path_of(i, "times"), TIMES);
	}
	return NULL;
}

/*
 * The program's own page faults need memory as well: its text, which a file system reads,
 * or a stack that grows. It would die of that. What it will need is there before.
 */
int nth_settle(void)
{
	volatile char stack[STACK_BYTES];
	size_t i;

	for (i = 0; i < sizeof(stack); i += 4096)
		stack[i] = 0;
	return mlockall(MCL_CURRENT) ? -errno : 0;
}

int nth_open(struct nth *nth)
{
	nth->fd = open(SELF_NTH, O_RDWR | O_CLOEXEC);
	return nth->fd < 0 ? -errno : 0;
}

void nth_close(struct nth *nth)
{
	close(nth->fd);
}

static void get_left(long left[NTH_KINDS])
{
	unsigned int i;

	left[NTH_NONE] = 0;
	left[NTH_MEMORY] = get_number(SLAB_TIMES) + get_number(PAGE_TIMES);
	for (i = 0; i < NR_OTHERS; i++)
		left[others[i].kind] = get_number(path_of(i, "times"));
}

int nth_arm(struct nth *nth, unsigned int n)
{
	char text[24];
	int length = snprintf(text, sizeof(text), "%u", n);

	get_left(nth->left);
	return pwrite(nth->fd, text, length, 0) == length ? 0 : -errno;
}

enum nth_kind nth_disarm(struct nth *nth)
{
	char text[24] = "";
	ssize_t got = pread(nth->fd, text, sizeof(text) - 1, 0);
	enum nth_kind kind = NTH_KINDS;
	long left[NTH_KINDS];

	/* If the failure hits here, then the call was over without it. */
	if (got < 0 || atoi(text) != 0) {
		if (pwrite(nth->fd, "0", 1, 0) < 0)
			pwrite(nth->fd, "0", 1, 0);
		return NTH_NONE;
	}
	get_left(left);
	while (--kind != NTH_NONE && left[kind] >= nth->left[kind])
		;
	return kind;
}

static int set_probability(unsigned int percent)
{
	int ret = put_number(DEBUGFS "fail_page_alloc/probability", percent);

	return ret ?: put_number(DEBUGFS "failslab/probability", percent);
}

static int set_filter(const char *on, const char *me)
{
	int ret = put("/proc/thread-self/make-it-fail", me);

	ret = ret ?: put(DEBUGFS "failslab/task-filter", on);
	return ret ?: put(DEBUGFS "fail_page_alloc/task-filter", on);
}

/* Without the filter the whole machine would suffer: it is there first, and goes last. */
int nth_random(unsigned int percent)
{
	int ret;

	if (percent)
		return set_filter("Y", "1") ?: set_probability(percent);
	ret = set_probability(0);
	return ret ?: set_filter("N", "0");
}
