/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_NOTIFY_H
#define GCARENA_NOTIFY_H

#include <linux/types.h>

#include <linux/gcarena_netlink.h>

struct gcarena;
struct gcarena_event;
struct task_struct;

/* Counters at the begin of a cycle; see the same names in struct gcarena_counters. */
struct gcarena_begin {
	u64 stop_total_ns;
	u64 root_total_ns;
	u64 mark_total_ns;
	u64 dirty_total_ns;
	u64 compact_total_ns;
	u64 concurrent_ns;
	u64 assist_ns;
	u64 rounds;
};

/**
 * struct gcarena_notify - what listeners of netlink are told
 * @nr: events so far, told or not
 * @phase: enum gcarena_phase: what the current collection does
 * @kind: enum gcarena_collect_kind of it
 * @heap_bytes: at its begin: bytes of slots in use
 * @begin: at its begin: what its end is compared with
 * @sweep_ns: at the end of the last one: counters.sweep_total_ns
 * @limit_jiffies: since when limit hits are counted: no more than so many are told a second
 * @limit_told: told since then
 *
 * Under the heap lock, except at birth and death. @phase and @nr are read without.
 */
struct gcarena_notify {
	u64 nr;
	u32 phase;
	u32 kind;
	u64 heap_bytes;
	struct gcarena_begin begin;
	u64 sweep_ns;
	unsigned long limit_jiffies;
	unsigned int limit_told;
};

static inline void gcarena_phase_set(struct gcarena_notify *notify, enum gcarena_phase phase)
{
	WRITE_ONCE(notify->phase, phase);
}

void gcarena_notify_created(struct gcarena *arena);
void gcarena_notify_gone(struct gcarena *arena);
void gcarena_notify_begin(struct gcarena *arena, u32 kind);
void gcarena_notify_end(struct gcarena *arena, const struct gcarena_event *event);
void gcarena_notify_timeout(struct gcarena *arena, struct task_struct *thread);
void gcarena_notify_limit(struct gcarena *arena, int error);

#endif
