/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_SHIFT_H
#define GCARENA_SHIFT_H

struct gcarena_compact;

int gcarena_shift_plan(struct gcarena_compact *c);
void gcarena_shift_move(struct gcarena_compact *c);

#endif
