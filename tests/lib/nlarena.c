// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "nlarena.h"

uint64_t nl_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

void nl_see_arena(const struct nl_message *message, void *data)
{
	struct nl_seen *seen = data;

	seen->nr++;
	seen->id = nl_u32(message, GCARENA_A_ARENA_ID);
	seen->pid = nl_u32(message, GCARENA_A_ARENA_PID);
	seen->created = nl_u32(message, GCARENA_A_ARENA_CREATED);
	seen->phase = nl_u32(message, GCARENA_A_ARENA_PHASE);
	seen->processes = nl_u32(message, GCARENA_A_ARENA_PROCESSES);
	seen->gc_percent = nl_u32(message, GCARENA_A_ARENA_GC_PERCENT);
	seen->done_error = nl_u32(message, GCARENA_A_ARENA_DONE_ERROR);
	seen->base = nl_u64(message, GCARENA_A_ARENA_BASE);
	seen->reserve = nl_u64(message, GCARENA_A_ARENA_RESERVE);
	seen->limit = nl_u64(message, GCARENA_A_ARENA_LIMIT);
	seen->min_heap = nl_u64(message, GCARENA_A_ARENA_MIN_HEAP);
	seen->heap_bytes = nl_u64(message, GCARENA_A_ARENA_HEAP_BYTES);
	seen->cycles = nl_u64(message, GCARENA_A_ARENA_CYCLES);
	seen->asked = nl_u64(message, GCARENA_A_ARENA_ASKED);
	seen->done = nl_u64(message, GCARENA_A_ARENA_DONE);
	seen->events = nl_u64(message, GCARENA_A_ARENA_EVENTS);
	snprintf(seen->comm, sizeof(seen->comm), "%s",
		 nl_string(message, GCARENA_A_ARENA_COMM));
	snprintf(seen->name, sizeof(seen->name), "%s",
		 nl_string(message, GCARENA_A_ARENA_NAME));
	seen->limit_hits = nl_u64(message, GCARENA_A_ARENA_LIMIT_HITS);
	seen->alloc_bytes = nl_u64(message, GCARENA_A_ARENA_ALLOC_BYTES);
}

int nl_see(int fd, uint32_t id, struct nl_seen *seen)
{
	*seen = (struct nl_seen){ };
	return nl_ask_about(fd, NLM_F_ACK, GCARENA_CMD_ARENA_GET, GCARENA_A_ARENA_ID, id,
			    nl_see_arena, seen).error;
}

int nl_set_percent(int fd, uint32_t id, int32_t percent)
{
	struct nl_request request;

	nl_begin(&request, NLM_F_ACK, GCARENA_CMD_ARENA_SET);
	nl_put_u32(&request, GCARENA_A_ARENA_ID, id);
	nl_put(&request, GCARENA_A_ARENA_GC_PERCENT, &percent, sizeof(percent));
	return nl_ask(fd, &request, NULL, NULL).error;
}

int nl_collect(int fd, uint32_t id, uint32_t kind, struct nl_seen *seen)
{
	struct nl_request request;

	nl_begin(&request, NLM_F_ACK, GCARENA_CMD_COLLECT);
	nl_put_u32(&request, GCARENA_A_ARENA_ID, id);
	nl_put_u32(&request, GCARENA_A_ARENA_KIND, kind);
	nl_put(&request, GCARENA_A_ARENA_RELEASE, NULL, 0);
	*seen = (struct nl_seen){ };
	return nl_ask(fd, &request, nl_see_arena, seen).error;
}

int nl_collect_and_wait(int fd, uint32_t id, uint32_t kind, struct nl_seen *seen)
{
	uint64_t asked, end = nl_now_ms() + 30000;
	int error = nl_collect(fd, id, kind, seen);

	asked = seen->asked;
	while (!error && nl_now_ms() < end) {
		error = nl_see(fd, id, seen);
		if (seen->done >= asked)
			return error;
		usleep(1000);
	}
	return error ? error : -ETIMEDOUT;
}

int nl_become(uid_t uid)
{
	return setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid);
}
