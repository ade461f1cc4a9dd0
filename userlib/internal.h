/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the parts of libgcarena share.
 *
 *	error.c		what failed last, and sentences for it
 *	arena.c		arenas: open, close, parameters, roots, collection
 *	type.c		layouts
 *	cache.c		per-thread caches of spans: the allocation fast path
 *	slot.c		pins and precise root slots
 *	object.c	single objects: realloc, free, questions; statistics
 */
#ifndef GCARENA_INTERNAL_H
#define GCARENA_INTERNAL_H

#include <errno.h>
#include <stdint.h>

#include <linux/gcarena.h>

#include "gcarena.h"

#define GCA_PUBLIC	__attribute__((visibility("default")))
#define GCA_COLD	__attribute__((cold, noinline))
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

/* The size-class lookup: fine steps for small sizes, coarse ones above, as in Go. */
#define FINE_MAX	1024U
#define FINE_STEP	16U
#define COARSE_STEP	128U
#define MAX_CLASSES	128U
#define MAX_SMALL	65536U
#define FINE_ENTRIES	(FINE_MAX / FINE_STEP + 1)
#define COARSE_ENTRIES	((MAX_SMALL - FINE_MAX) / COARSE_STEP + 1)

/*
 * An arena. Constant after gca_open(), but for the list link. The base is kept
 * inverted: the collector may scan this memory, and would take the base for a
 * pointer to the first object.
 */
struct gca_arena {
	uint64_t id;			/* never used twice, never 0 */
	int fd;
	uint64_t inverted_base;
	uint64_t reserve;
	uint32_t max_small;
	uint32_t nr_classes;
	struct gca_arena *next;		/* registry; see arena.c */
	uint32_t slot_size[MAX_CLASSES];
	uint8_t fine[FINE_ENTRIES];
	uint8_t coarse[COARSE_ENTRIES];
};

struct gca_type {
	struct gca_arena *arena;
	uint32_t layout;
	uint32_t size_class;		/* of one element; 0 when large */
	size_t size;
	struct gca_type *next;		/* registry; see type.c */
};

/* What was being done when something failed; for gca_strerror(). */
enum gca_operation {
	GCA_OP_NONE,
	GCA_OP_OPEN,
	GCA_OP_MAP,
	GCA_OP_CREATE,
	GCA_OP_TYPE,
	GCA_OP_ALLOC,
	GCA_OP_FREE,
	GCA_OP_COLLECT,
	GCA_OP_ROOTS,
	GCA_OP_SET,
	GCA_OP_NAME,
	GCA_OP_QUERY,
	GCA_OP_EVENT,
	GCA_OP_PIN,
};

/* error.c: remember, set errno, return -error. */
int gca_fail(enum gca_operation op, int error);
int gca_ioctl(const struct gca_arena *arena, unsigned long command, void *arg,
	      enum gca_operation op);

/* arena.c */
void gca_copy_name(char *to, size_t room, const char *name);
struct gca_arena *gca_arena_or_default(struct gca_arena *arena);
struct gca_arena *gca_arena_of(const void *p);
void gca_arena_with_id(uint64_t id, void (*call)(struct gca_arena *arena, void *data),
		       void *data);
extern struct gca_arena *gca_the_default;

/* slot.c */
void gca_slots_forget(const struct gca_arena *arena);

/* type.c */
struct gca_type *gca_type_of(const struct gca_arena *arena, uint32_t layout);
void gca_types_forget(const struct gca_arena *arena);

/* cache.c */
void *gca_alloc_layout(struct gca_arena *arena, uint32_t layout, size_t size);
int gca_cache_put_back(struct gca_arena *arena, uint64_t addr);
void gca_cache_flush(struct gca_arena *arena);
void gca_cache_forget(struct gca_arena *arena);

static inline uint64_t gca_arena_base(const struct gca_arena *arena)
{
	return ~arena->inverted_base;
}

/* The smallest class that fits, for sizes up to max_small. */
static inline uint32_t gca_class_of(const struct gca_arena *arena, size_t size)
{
	if (likely(size <= FINE_MAX))
		return arena->fine[(size + FINE_STEP - 1) / FINE_STEP];
	return arena->coarse[(size - FINE_MAX + COARSE_STEP - 1) / COARSE_STEP];
}

#endif
