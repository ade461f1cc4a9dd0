/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Failures on demand, from the kernel's fault injection: let the n-th thing that may
 * fail in this thread's next system call fail, or, at random, any of them.
 *
 * Which kind of thing failed is told by the counters in debugfs ("times"), which the
 * kernel takes one off for each failure.
 */
#ifndef GCARENA_TESTS_NTH_H
#define GCARENA_TESTS_NTH_H

#include <stdbool.h>

enum nth_kind {
	NTH_NONE,		/* nothing failed: the call has fewer places than n */
	NTH_MEMORY,		/* an allocation: from a slab, or of pages */
	NTH_USERCOPY,		/* copying from or to the program */
	NTH_STOP,		/* waiting for a thread to stop: the module's own fault */
	NTH_READ,		/* reading the program's memory, once: the same */
	NTH_KINDS
};

struct nth {
	int fd;			/* fail-nth of the calling thread */
	long left[NTH_KINDS];	/* failures left when armed */
};

/* 0; or why there is nothing to test here: the program is to be skipped. */
const char *nth_unavailable(void);

/* Before anything may fail. 0 or -errno. */
int nth_settle(void);

/* For the calling thread. 0 or -errno. */
int nth_open(struct nth *nth);
void nth_close(struct nth *nth);

/* The @n-th place from here on fails. Between these two: one system call. */
int nth_arm(struct nth *nth, unsigned int n);
enum nth_kind nth_disarm(struct nth *nth);

/*
 * From here on each allocation of this thread, and of threads and processes it
 * makes, fails with this probability; 0 ends it. 0 or -errno.
 */
int nth_random(unsigned int percent);

#endif /* GCARENA_TESTS_NTH_H */
