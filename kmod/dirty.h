/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_DIRTY_H
#define GCARENA_DIRTY_H

#include <linux/types.h>

struct gcarena;

/**
 * struct gcarena_dirty - pages that were written to
 * @pages: one bit for each page of the arena, up to its highest chunk
 * @nr_pages: bits in @pages
 * @room: bits that there is memory for
 * @page: bits below it have been dealt with since the last take
 */
struct gcarena_dirty {
	unsigned long *pages;
	u64 nr_pages;
	u64 room;
	unsigned long page;
};

void gcarena_dirty_free(struct gcarena_dirty *dirty);
int gcarena_dirty_take(struct gcarena *arena, struct gcarena_dirty *dirty);
int gcarena_dirty_add(struct gcarena *arena, struct gcarena_dirty *dirty,
		      const struct gcarena_dirty *from);
int gcarena_dirty_note(struct gcarena *arena, struct gcarena_dirty *dirty, u64 start, u64 bytes);
void gcarena_dirty_done(struct gcarena_dirty *dirty);
u32 gcarena_dirty_method(void);

#endif
