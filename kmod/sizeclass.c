// SPDX-License-Identifier: GPL-2.0
/*
 * The size-class table. tools/gen-sizeclasses writes the rows and gives the
 * reasons; this file only turns them into data.
 */
#include "sizeclass.h"

#define SIZECLASS_ROW(slot, blocks, slots) {			\
	.slot_bytes = (slot),					\
	.nr_blocks = (blocks),					\
	.nr_slots = (slots),					\
	.magic = (slot) ? U32_MAX / ((slot) ? (slot) : 1) + 1 : 0, \
},

const struct gcarena_sizeclass gcarena_sizeclasses[GCARENA_NR_CLASSES] = {
	GCARENA_SIZECLASS_TABLE(SIZECLASS_ROW)
};
