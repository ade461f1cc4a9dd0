// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Events: what the kernel tells of an arena. The descriptor is O_NONBLOCK. */
#include <poll.h>
#include <unistd.h>

#include "internal.h"

static void fill_event(struct gca_event *event, const struct gcarena_event *raw)
{
	*event = (struct gca_event) {
		.size = sizeof(*event),
		.kind = raw->kind,
		.error = raw->error,
		.pid = raw->pid,
		.lost = raw->lost,
		.time_ns = raw->time_ns,
		.cycle = raw->cycle,
		.duration_ns = raw->duration_ns,
		.live_bytes = raw->live_bytes,
		.longest_ns = raw->longest_ns,
		.moves = raw->moves,
		.moved_objects = raw->moved_objects,
		.moved_bytes = raw->moved_bytes,
	};
}

GCA_PUBLIC int gca_next_event(gca_arena *arena, int timeout_ms, struct gca_event *event)
{
	struct gcarena_event raw;
	struct pollfd ready = { .events = POLLIN };
	int nr;

	if (!event || event->size < sizeof(*event))
		return gca_fail(GCA_OP_NONE, EINVAL);
	arena = gca_arena_or_default(arena);
	if (!arena)
		return -errno;
	ready.fd = arena->fd;
	/* Another thread may have been quicker: then there is nothing, after all. */
	do {
		nr = poll(&ready, 1, timeout_ms);
		if (nr < 0)
			return gca_fail(GCA_OP_EVENT, errno);
		if (nr && read(arena->fd, &raw, sizeof(raw)) == sizeof(raw)) {
			fill_event(event, &raw);
			return 0;
		}
		if (nr && errno != EAGAIN)
			return gca_fail(GCA_OP_EVENT, errno);
	} while (timeout_ms < 0);
	return gca_fail(GCA_OP_EVENT, EAGAIN);
}
