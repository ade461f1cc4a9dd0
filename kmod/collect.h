/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between synchronous cycles (collect.c), concurrent ones (concurrent.c) and what they
 * share (tracer.c).
 */
#ifndef GCARENA_COLLECT_H
#define GCARENA_COLLECT_H

#include "arena.h"
#include "dirty.h"
#include "mark.h"

/* tracer.c */
int gcarena_trace_init(struct gcarena *arena, struct gcarena_marker *m);
int gcarena_trace_last(struct gcarena *arena, struct gcarena_marker *m, u64 since,
		       struct gcarena_dirty *dirty);

/* collect.c */
void gcarena_count_marked(struct gcarena_counters *c, const struct gcarena_marker *m);
void gcarena_count_pause(struct gcarena_counters *c, u64 ns);
void gcarena_cycle_announce(struct gcarena *arena, enum gcarena_collect_kind kind);
void gcarena_cycle_tell(struct gcarena *arena, enum gcarena_collect_kind kind, int error, u64 ns,
			u64 longest);
void gcarena_cycle_dropped(struct gcarena *arena, enum gcarena_collect_kind kind, u64 ns,
			   u64 longest);
int gcarena_sweep_now(struct gcarena *arena);
int gcarena_give_way(struct gcarena *arena);

/* concurrent.c */
bool gcarena_concurrent_wanted(const struct gcarena *arena);
bool gcarena_concurrent_needs_help(const struct gcarena *arena);
int gcarena_concurrent_begin(struct gcarena *arena, enum gcarena_collect_kind kind);
int gcarena_concurrent_assist(struct gcarena *arena);
int gcarena_concurrent_step(struct gcarena *arena);
int gcarena_concurrent_finish(struct gcarena *arena);
void gcarena_concurrent_abandon(struct gcarena *arena);

#endif
