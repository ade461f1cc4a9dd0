/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_EVENT_H
#define GCARENA_EVENT_H

#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include <linux/gcarena.h>

/**
 * struct gcarena_events - what happened to an arena and has not been read
 * @read_lock: one reader at a time; held while an event is copied out
 * @lock: protects all that follows
 * @wait: readers wait here
 * @written: events posted so far; the newest is in @ring[(@written - 1) % size]
 * @read: events read, or overwritten before they were
 * @ring: the newest events
 */
struct gcarena_events {
	struct mutex read_lock;		/* readers */
	spinlock_t lock;		/* written, read, ring */
	wait_queue_head_t wait;
	u64 written;
	u64 read;
	struct gcarena_event ring[GCARENA_EVENTS_MAX];
};

void gcarena_events_init(struct gcarena_events *events);
void gcarena_event_post(struct gcarena_events *events, const struct gcarena_event *event);
ssize_t gcarena_events_read(struct file *file, char __user *buffer, size_t bytes, loff_t *pos);
__poll_t gcarena_events_poll(struct file *file, struct poll_table_struct *table);

#endif
