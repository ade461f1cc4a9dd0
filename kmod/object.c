// SPDX-License-Identifier: GPL-2.0
/*
 * Single objects: large ones, explicit free, questions.
 *
 * Everything here takes the heap lock. Addresses from the program are numbers until
 * gcarena_heap_resolve() has found an object there.
 */
#include "arena.h"
#include "ids.h"
#include "layout.h"
#include "trace.h"

/* Page table entries filled at once for a large object; the rest is faulted in. */
#define POPULATE_BYTES	(2ULL << 20)

/* A run may have been used before. The program is not running in it. */
static int span_zero(struct gcarena *arena, struct heap_span *span)
{
	u64 offset = span->start, end = span->start + span->bytes, n;

	if (span->zeroed)
		return 0;
	for (; offset < end; offset += n) {
		struct heap_chunk *chunk = gcarena_heap_chunk(&arena->heap, offset);

		n = min_t(u64, end - offset, GCARENA_CHUNK_BYTES - offset % GCARENA_CHUNK_BYTES);
		memset(chunk->kaddr + offset % GCARENA_CHUNK_BYTES, 0, n);
		if (gcarena_checkpoint())
			return -EINTR;
	}
	return 0;
}

/* Large objects that died give their memory back before more is taken. */
static int sweep_large(struct gcarena *arena)
{
	struct heap_span *span;
	unsigned int nr = 0;

	while ((span = gcarena_sweep_next(&arena->heap, &arena->heap.large))) {
		gcarena_span_settle(&arena->heap, span);
		if (++nr % 64 == 0 && gcarena_checkpoint())
			return -EINTR;
	}
	return 0;
}

static struct heap_span *large_create(struct gcarena *arena, struct heap_layout *layout, u64 bytes)
{
	struct heap_span *span;
	enum gcarena_effort effort = GCARENA_EFFORT_SWEEP;
	int ret;

	span = gcarena_span_create(&arena->heap, layout, GCARENA_CLASS_LARGE, bytes);
	while (IS_ERR(span) && effort < GCARENA_NR_EFFORTS) {
		ret = gcarena_make_space(arena, PTR_ERR(span), &effort);
		if (ret)
			return ERR_PTR(ret);
		span = gcarena_span_create(&arena->heap, layout, GCARENA_CLASS_LARGE, bytes);
	}
	return span;
}

static int alloc_locked(struct gcarena *arena, struct gcarena_alloc *arg,
			struct gcarena_run *run, u64 *mapping_id)
{
	struct gcarena_mapping *mapping = gcarena_mapping_get(arena);
	struct heap_layout *layout;
	struct heap_span *span;
	int ret;

	if (IS_ERR(mapping))
		return PTR_ERR(mapping);
	layout = gcarena_layout_find(&arena->heap, arg->layout);
	if (!layout)
		return -ENOENT;
	if (arg->bytes > arena->params.limit)
		return -ENOSPC;
	gcarena_lease_large_end(arena);
	gcarena_space_renew(arena);
	ret = gcarena_collect_if_due(arena) ?: sweep_large(arena);
	if (ret)
		return ret;
	span = large_create(arena, layout, arg->bytes);
	if (IS_ERR(span))
		return PTR_ERR(span);
	ret = span_zero(arena, span) ?: gcarena_lease_large(arena, mapping, span);
	if (ret) {
		gcarena_span_destroy(&arena->heap, span);
		return ret;
	}
	arena->counters.large_allocs++;
	*mapping_id = mapping->id;
	*run = (struct gcarena_run) { span->start, min(span->bytes, POPULATE_BYTES) };
	arg->addr = arena->heap.base + span->start;
	trace_gcarena_large_alloc(arena->entry.id, arg->layout, arg->addr, span->bytes);
	return 0;
}

/**
 * gcarena_object_alloc() - GCARENA_IOC_ALLOC
 * @arena: the arena
 * @arg: input and output, as in the ABI
 *
 * Return: 0 or a negative errno as in the ABI.
 */
int gcarena_object_alloc(struct gcarena *arena, struct gcarena_alloc *arg)
{
	struct gcarena_run run;
	u64 mapping_id;
	int ret;

	if (arg->bytes <= GCARENA_MAX_SMALL)
		return -EINVAL;
	if (gcarena_lock(arena))
		return -EINTR;
	ret = alloc_locked(arena, arg, &run, &mapping_id);
	if (ret)
		gcarena_out_of_space(arena, ret);
	mutex_unlock(&arena->lock);
	if (!ret)
		gcarena_populate(arena, mapping_id, &run, 1);
	return ret;
}

/*
 * Find the object at an address of the program. The span is swept then, or leased.
 * Return: 0; -EINVAL: not in the arena; -ENOENT: nothing there.
 */
static int find_object(struct gcarena *arena, u64 addr, struct heap_slot *slot)
{
	u64 offset = addr - arena->heap.base;

	lockdep_assert_held(&arena->lock);
	if (!gcarena_is_created(arena) || !arena->heap.base || offset >= arena->params.reserve)
		return -EINVAL;
	gcarena_sweep_at(&arena->heap, offset);
	*slot = gcarena_heap_resolve(&arena->heap, offset);
	if (!slot->span || !gcarena_slot_allocated(slot))
		return -ENOENT;
	return 0;
}

static u64 slot_address(const struct gcarena *arena, const struct heap_slot *slot)
{
	return arena->heap.base + slot->span->start + slot->index * slot->span->slot_bytes;
}

static int free_locked(struct gcarena *arena, u64 addr)
{
	struct heap_slot slot;
	int ret = find_object(arena, addr, &slot);

	if (ret)
		return ret;
	if (slot_address(arena, &slot) != addr)
		return -EINVAL;
	if (gcarena_slot_permanent(&slot))
		return -EPERM;
	gcarena_lease_large_free(arena, slot.span);
	if (gcarena_lease_handed_out(&slot)) {
		/* The thread may use the slot again, for an object of another identity. */
		gcarena_ids_drop(&arena->heap, slot.span, slot.index / 64,
				 BIT_ULL(slot.index % 64));
		return -EBUSY;
	}
	gcarena_pacer_freed(&arena->pacer, slot.span->slot_bytes);
	gcarena_slot_free(&arena->heap, &slot);
	arena->counters.frees++;
	return 0;
}

/* GCARENA_IOC_FREE. Return: 0 or a negative errno as in the ABI. */
int gcarena_object_free(struct gcarena *arena, u64 addr)
{
	int ret;

	if (gcarena_lock(arena))
		return -EINTR;
	ret = free_locked(arena, addr);
	mutex_unlock(&arena->lock);
	return ret;
}

static void object_describe(struct gcarena *arena, const struct heap_slot *slot,
			    struct gcarena_object *arg)
{
	const struct heap_span *span = slot->span;

	arg->base = slot_address(arena, slot);
	arg->bytes = span->slot_bytes;
	arg->layout = span->layout->number;
	arg->size_class = span->class;
	arg->region = gcarena_slot_permanent(slot) ? GCARENA_REGION_PERMANENT :
		      gcarena_slot_marked(slot) ? GCARENA_REGION_OLD : GCARENA_REGION_YOUNG;
	arg->state = (gcarena_slot_marked(slot) ? GCARENA_OBJECT_MARKED : 0) |
		     (span->class == GCARENA_CLASS_LARGE ? GCARENA_OBJECT_LARGE :
		      span->lease ? GCARENA_OBJECT_OWNED : 0);
}

/* GCARENA_IOC_OBJECT. Return: 0 or a negative errno as in the ABI. */
int gcarena_object_query(struct gcarena *arena, struct gcarena_object *arg)
{
	struct heap_slot slot;
	int ret;

	if (gcarena_lock(arena))
		return -EINTR;
	ret = find_object(arena, arg->addr, &slot);
	if (!ret)
		object_describe(arena, &slot, arg);
	mutex_unlock(&arena->lock);
	return ret;
}

/* GCARENA_IOC_PERMANENT. Return: 0 or a negative errno as in the ABI. */
int gcarena_object_permanent(struct gcarena *arena, u64 addr)
{
	struct heap_slot slot;
	int ret;

	if (gcarena_lock(arena))
		return -EINTR;
	ret = find_object(arena, addr, &slot) ?: gcarena_permanent_add(&arena->heap, &slot);
	mutex_unlock(&arena->lock);
	return ret;
}

/* Where the object is that address @addr lies in. Return: as find_object(). */
int gcarena_object_locate(struct gcarena *arena, u64 addr, struct gcarena_run *where)
{
	struct heap_slot slot;
	int ret = find_object(arena, addr, &slot);

	if (ret)
		return ret;
	where->start = slot_address(arena, &slot) - arena->heap.base;
	where->bytes = slot.span->slot_bytes;
	return 0;
}

static int id_locked(struct gcarena *arena, struct gcarena_id *arg)
{
	struct heap_slot slot;
	int ret = find_object(arena, arg->addr, &slot);
	u64 id;

	ret = ret ?: gcarena_id_get(&arena->heap, &slot, &id);
	if (!ret)
		arg->id = id;
	return ret;
}

/* GCARENA_IOC_ID. Return: 0 or a negative errno as in the ABI. */
int gcarena_object_id(struct gcarena *arena, struct gcarena_id *arg)
{
	int ret;

	if (gcarena_lock(arena))
		return -EINTR;
	ret = id_locked(arena, arg);
	mutex_unlock(&arena->lock);
	return ret;
}
