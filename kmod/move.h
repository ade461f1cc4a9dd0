/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_MOVE_H
#define GCARENA_MOVE_H

#include <linux/types.h>

struct gcarena;
struct gcarena_move;
struct gcarena_ranges;
struct mm_struct;

int gcarena_move_begin(struct gcarena *arena);
void gcarena_move_end(struct gcarena *arena);
void gcarena_move_root_words(struct gcarena_move *move, const unsigned long *words, size_t nr,
			     bool precise);
int gcarena_move_slots(struct gcarena_move *move, struct mm_struct *mm,
		       const struct gcarena_ranges *slots);
int gcarena_move_run(struct gcarena *arena);

#endif
