// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Pins, and precise root slots: what a program needs when objects may move.
 *
 * Slots come from blocks of memory that are precise root ranges as a whole. A free slot
 * holds the address of the next free one, which is in no arena. slots_lock protects
 * the list of blocks and what is free in them; a slot's value is its owner's.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "internal.h"

#define BLOCK_BYTES	(16U * 1024)
#define BLOCK_SLOTS	(BLOCK_BYTES / sizeof(void *))

struct block {
	struct block *next;
	struct gca_arena *arena;
	void **slots;			/* BLOCK_SLOTS */
	void **free;			/* the first one, or NULL */
};

static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *blocks;

static int change_pin(const void *p, unsigned long command)
{
	struct gcarena_pin arg = { .size = sizeof(arg), .addr = (uintptr_t)p };
	struct gca_arena *arena = gca_arena_of(p);

	return arena ? gca_ioctl(arena, command, &arg, GCA_OP_PIN) : gca_fail(GCA_OP_PIN, EINVAL);
}

GCA_PUBLIC int gca_pin(const void *p)
{
	return change_pin(p, GCARENA_IOC_PIN);
}

GCA_PUBLIC int gca_unpin(const void *p)
{
	return change_pin(p, GCARENA_IOC_UNPIN);
}

static int change_slots(struct gca_arena *arena, unsigned long command, void *start, size_t length)
{
	struct gcarena_roots arg = {
		.size = sizeof(arg),
		.flags = GCARENA_ROOTS_PRECISE,
		.addr = (uintptr_t)start,
		.len = length,
	};

	arena = gca_arena_or_default(arena);
	return arena ? gca_ioctl(arena, command, &arg, GCA_OP_ROOTS) : -errno;
}

GCA_PUBLIC int gca_slots_add_in(gca_arena *arena, void *start, size_t length)
{
	return change_slots(arena, GCARENA_IOC_ROOTS_ADD, start, length);
}

GCA_PUBLIC int gca_slots_remove_in(gca_arena *arena, void *start, size_t length)
{
	return change_slots(arena, GCARENA_IOC_ROOTS_DEL, start, length);
}

GCA_PUBLIC int gca_slots_add(void *start, size_t length)
{
	return gca_slots_add_in(NULL, start, length);
}

GCA_PUBLIC int gca_slots_remove(void *start, size_t length)
{
	return gca_slots_remove_in(NULL, start, length);
}

static void block_free(struct block *block)
{
	munmap(block->slots, BLOCK_BYTES);
	free(block);
}

static struct block *block_new(struct gca_arena *arena)
{
	struct block *block = calloc(1, sizeof(*block));
	size_t i;

	if (!block)
		return NULL;
	block->slots = mmap(NULL, BLOCK_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (block->slots == MAP_FAILED) {
		free(block);
		return NULL;
	}
	for (i = 0; i + 1 < BLOCK_SLOTS; i++)
		block->slots[i] = &block->slots[i + 1];
	block->free = block->slots;
	block->arena = arena;
	if (gca_slots_add_in(arena, block->slots, BLOCK_BYTES)) {
		block_free(block);
		return NULL;
	}
	block->next = blocks;
	blocks = block;
	return block;
}

static void **slot_take(struct gca_arena *arena, void *object)
{
	struct block *block = blocks;
	void **slot;

	while (block && (block->arena != arena || !block->free))
		block = block->next;
	if (!block)
		block = block_new(arena);
	if (!block)
		return NULL;
	slot = block->free;
	block->free = *slot;
	*slot = object;
	return slot;
}

GCA_PUBLIC void **gca_root_slot_in(gca_arena *arena, void *object)
{
	void **slot;

	arena = gca_arena_or_default(arena);
	if (!arena)
		return NULL;
	errno = ENOMEM;
	pthread_mutex_lock(&slots_lock);
	slot = slot_take(arena, object);
	pthread_mutex_unlock(&slots_lock);
	if (!slot)
		gca_fail(GCA_OP_ROOTS, errno);
	return slot;
}

GCA_PUBLIC void **gca_root_slot(void *object)
{
	return gca_root_slot_in(NULL, object);
}

GCA_PUBLIC int gca_root_slot_free(void **slot)
{
	struct block *block;

	if (!slot)
		return 0;
	pthread_mutex_lock(&slots_lock);
	for (block = blocks; block; block = block->next) {
		if (slot >= block->slots && slot < block->slots + BLOCK_SLOTS)
			break;
	}
	if (block) {
		*slot = block->free;
		block->free = slot;
	}
	pthread_mutex_unlock(&slots_lock);
	return block ? 0 : gca_fail(GCA_OP_ROOTS, EINVAL);
}

/* ---- Handles: slots under another name ---- */

GCA_PUBLIC gca_handle *gca_handle_new_in(gca_arena *arena, void *object)
{
	return (gca_handle *)gca_root_slot_in(arena, object);
}

GCA_PUBLIC gca_handle *gca_handle_new(void *object)
{
	return gca_handle_new_in(NULL, object);
}

/* The collector may change it while other threads run: not in the middle of a load. */
GCA_PUBLIC void *gca_handle_get(const gca_handle *handle)
{
	return *(void *const volatile *)handle;
}

GCA_PUBLIC void gca_handle_set(gca_handle *handle, void *object)
{
	*(void *volatile *)handle = object;
}

GCA_PUBLIC int gca_handle_free(gca_handle *handle)
{
	return gca_root_slot_free((void **)handle);
}

/* The arena is being closed: its ranges have gone with its mapping. */
void gca_slots_forget(const struct gca_arena *arena)
{
	struct block **link = &blocks, *block;

	pthread_mutex_lock(&slots_lock);
	while ((block = *link)) {
		if (block->arena == arena) {
			*link = block->next;
			block_free(block);
		} else {
			link = &block->next;
		}
	}
	pthread_mutex_unlock(&slots_lock);
}
