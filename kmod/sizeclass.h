/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_SIZECLASS_H
#define GCARENA_SIZECLASS_H

#include "platform.h"
#include "sizeclass_table.h"

/* Class 0 is every object above GCARENA_MAX_SMALL: it has a span of its own. */
#define GCARENA_CLASS_LARGE	0

/**
 * struct gcarena_sizeclass - a row of the size-class table
 * @slot_bytes: length of a slot
 * @nr_blocks: blocks in a span
 * @nr_slots: slots in a span
 * @magic: ceil(2^32 / @slot_bytes): (offset * @magic) >> 32 is offset / @slot_bytes
 *	for each offset inside a span (Granlund and Montgomery 1994; the unit test
 *	tries them all)
 */
struct gcarena_sizeclass {
	u32 slot_bytes;
	u32 nr_blocks;
	u32 nr_slots;
	u32 magic;
};

extern const struct gcarena_sizeclass gcarena_sizeclasses[GCARENA_NR_CLASSES];

#endif
