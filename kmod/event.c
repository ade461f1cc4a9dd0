// SPDX-License-Identifier: GPL-2.0
/*
 * Events: what a program reads from the arena's descriptor.
 *
 * A short ring. Posting never waits and never fails: the oldest event makes room, and
 * the next one that is read tells how many were lost. Readers share the ring: an
 * event goes to one of them.
 *
 * Locks: read_lock > mmap_lock, as events are copied out under it, and no page fault on
 * an arena takes it. lock is innermost, and never held when user memory is touched.
 */
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/uaccess.h>

#include "arena.h"
#include "event.h"

void gcarena_events_init(struct gcarena_events *events)
{
	mutex_init(&events->read_lock);
	spin_lock_init(&events->lock);
	init_waitqueue_head(&events->wait);
}

/**
 * gcarena_event_post() - tell the program that something happened
 * @events: the arena's events
 * @event: all but size, lost and time_ns, which are filled in here
 *
 * Context: process context. Does not sleep.
 */
void gcarena_event_post(struct gcarena_events *events, const struct gcarena_event *event)
{
	struct gcarena_event *slot;

	spin_lock(&events->lock);
	slot = &events->ring[events->written++ % GCARENA_EVENTS_MAX];
	*slot = *event;
	slot->size = sizeof(*slot);
	slot->lost = 0;
	slot->time_ns = ktime_get_ns();
	spin_unlock(&events->lock);
	wake_up_interruptible(&events->wait);
}

static bool events_pending(struct gcarena_events *events)
{
	bool pending;

	spin_lock(&events->lock);
	pending = events->read != events->written;
	spin_unlock(&events->lock);
	return pending;
}

/* Look at the oldest event, and leave it there. Return: its number, or -1: there is none. */
static s64 event_peek(struct gcarena_events *events, struct gcarena_event *event)
{
	u64 lost = 0, nr = events->read;

	lockdep_assert_held(&events->read_lock);
	spin_lock(&events->lock);
	if (events->written - nr > GCARENA_EVENTS_MAX)
		lost = events->written - nr - GCARENA_EVENTS_MAX;
	nr += lost;
	if (nr == events->written) {
		spin_unlock(&events->lock);
		return -1;
	}
	*event = events->ring[nr % GCARENA_EVENTS_MAX];
	spin_unlock(&events->lock);
	event->lost = min_t(u64, lost, U32_MAX);
	return nr;
}

static void event_consume(struct gcarena_events *events, s64 nr)
{
	spin_lock(&events->lock);
	events->read = nr + 1;
	spin_unlock(&events->lock);
}

/* What programs know that were built when there was no more to an event. */
#define FIRST_SIZE	offsetofend(struct gcarena_event, live_bytes)

/* Copy out as many as there are, and as fit. Return: bytes, or -EFAULT. */
static ssize_t read_pending(struct gcarena_events *events, char __user *buffer, size_t bytes)
{
	const size_t size = bytes < sizeof(struct gcarena_event) ? FIRST_SIZE
								 : sizeof(struct gcarena_event);
	struct gcarena_event event;
	size_t done = 0;
	s64 nr;

	while (bytes - done >= size) {
		nr = event_peek(events, &event);
		if (nr < 0)
			break;
		/* What cannot be copied is not lost: it is still the oldest. */
		event.size = size;
		if (copy_to_user(buffer + done, &event, size))
			return done ?: -EFAULT;
		event_consume(events, nr);
		done += size;
	}
	return done;
}

/**
 * gcarena_events_read() - read() on an arena
 * @file: the arena
 * @buffer: where to
 * @bytes: room there, for one event at least
 * @pos: not used
 *
 * Waits for an event unless the file is O_NONBLOCK.
 *
 * Return: bytes of whole events; -EINVAL: no room for one; -EAGAIN; -EFAULT: nothing was
 * read; -ERESTARTSYS: a signal came before an event did.
 */
ssize_t gcarena_events_read(struct file *file, char __user *buffer, size_t bytes, loff_t *pos)
{
	struct gcarena *arena = file->private_data;
	struct gcarena_events *events = &arena->events;
	ssize_t done;

	if (bytes < FIRST_SIZE)
		return -EINVAL;
	do {
		if (mutex_lock_interruptible(&events->read_lock))
			return -ERESTARTSYS;
		done = read_pending(events, buffer, bytes);
		mutex_unlock(&events->read_lock);
		if (done)
			return done;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
	} while (!wait_event_interruptible(events->wait, events_pending(events)));
	return -ERESTARTSYS;
}

/* poll() on an arena: readable when there is an event. */
__poll_t gcarena_events_poll(struct file *file, struct poll_table_struct *table)
{
	struct gcarena *arena = file->private_data;

	poll_wait(file, &arena->events.wait, table);
	return events_pending(&arena->events) ? EPOLLIN | EPOLLRDNORM : 0;
}
