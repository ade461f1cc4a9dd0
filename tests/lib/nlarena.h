/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Arenas through netlink, as tests ask for them. Functions return 0 or -errno. @fd is a
 * socket of nl_open().
 */
#ifndef GCARENA_TESTS_NLARENA_H
#define GCARENA_TESTS_NLARENA_H

#include <sys/types.h>
#include <linux/gcarena.h>

#include "nl.h"

#define NOBODY	65534

/* What ARENA_GET says, as far as tests look at it. */
struct nl_seen {
	unsigned int nr;
	uint32_t id, pid, created, phase, processes, gc_percent, done_error;
	uint64_t base, reserve, limit, min_heap, heap_bytes, cycles, asked, done, events;
	uint64_t limit_hits, alloc_bytes;
	char comm[32], name[GCARENA_NAME_LEN + 1];
};

/* For dumps: fills in a struct nl_seen, and counts. */
void nl_see_arena(const struct nl_message *message, void *data);
int nl_see(int fd, uint32_t id, struct nl_seen *seen);
int nl_set_percent(int fd, uint32_t id, int32_t percent);
/* Ask for a collection that releases memory. */
int nl_collect(int fd, uint32_t id, uint32_t kind, struct nl_seen *seen);
/* And wait until it is done. */
int nl_collect_and_wait(int fd, uint32_t id, uint32_t kind, struct nl_seen *seen);

uint64_t nl_now_ms(void);
/* Another user for good, with no groups. Not 0: it cannot be done. */
int nl_become(uid_t uid);

#endif /* GCARENA_TESTS_NLARENA_H */
