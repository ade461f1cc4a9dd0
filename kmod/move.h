/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_MOVE_H
#define GCARENA_MOVE_H

#include <linux/types.h>

struct gcarena;
struct gcarena_move;
struct gcarena_ranges;
struct remember_region;
struct mm_struct;

int gcarena_move_begin(struct gcarena *arena);
void gcarena_move_end(struct gcarena *arena);
void gcarena_move_root_words(struct gcarena_move *move, const unsigned long *words, size_t nr,
			     bool precise);
int gcarena_move_slots(struct gcarena_move *move, struct mm_struct *mm,
		       const struct gcarena_ranges *slots);
int gcarena_move_run(struct gcarena *arena);
int gcarena_move_begin_regions(struct gcarena *arena, const struct remember_region *regions,
			       u32 nr);
int gcarena_move_regions(struct gcarena *arena, const struct remember_region *regions, u32 nr,
			 u64 budget, u32 *done);

#endif
