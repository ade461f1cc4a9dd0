/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_EVACUATE_H
#define GCARENA_EVACUATE_H

#include <linux/types.h>

#include <linux/gcarena.h>

struct gcarena;
struct gcarena_dirty;
struct heap_span;
struct work_struct;

#define GCARENA_COMPACT_BYTES_DEFAULT	(1024ULL * 1024)

void gcarena_evacuate_if_fragmented(struct gcarena *arena);
int gcarena_evacuate_begin(struct gcarena *arena, u64 *number);
int gcarena_evacuate_result(const struct gcarena *arena, u64 number);
int gcarena_evacuate_now(struct gcarena *arena, struct gcarena_collect *arg);
void gcarena_evacuate_abandon(struct gcarena *arena);
void gcarena_evacuate_exchange(struct gcarena *arena, struct gcarena_dirty *dirty);
void gcarena_evacuate_handed_out(struct gcarena *arena, const struct heap_span *span);
void gcarena_evacuate_zeal(struct gcarena *arena);
void gcarena_evacuate_work(struct work_struct *work);

#endif
