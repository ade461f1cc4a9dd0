/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_SLOTS_H
#define GCARENA_SLOTS_H

#include <linux/list.h>
#include <linux/types.h>

struct gcarena_compact;
struct gcarena_ranges;
struct mm_struct;
struct slot_write;

/**
 * struct gcarena_slots - precise slots of all processes, in one compacting cycle
 * @spaces: the address spaces that have some
 * @writes: slots that will get a new value
 * @nr: how many
 * @room: entries in @writes
 */
struct gcarena_slots {
	struct list_head spaces;
	struct slot_write *writes;
	size_t nr;
	size_t room;
};

void gcarena_slots_init(struct gcarena_slots *slots);
void gcarena_slots_destroy(struct gcarena_slots *slots);
int gcarena_slots_add(struct gcarena_slots *slots, struct mm_struct *mm,
		      const struct gcarena_ranges *ranges);
int gcarena_slots_prepare(struct gcarena_slots *slots, const struct gcarena_compact *c);
void gcarena_slots_finish(struct gcarena_slots *slots, bool write);

#endif
