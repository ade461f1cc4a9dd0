// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Single objects: resize, free, questions. And statistics. */
#include <string.h>

#include "internal.h"

static struct gca_arena *find_arena(const void *p, enum gca_operation op)
{
	struct gca_arena *arena = gca_arena_of(p);

	if (!arena)
		gca_fail(op, EINVAL);
	return arena;
}

static int query(struct gca_arena *arena, const void *p, struct gcarena_object *object,
		 enum gca_operation op)
{
	*object = (struct gcarena_object) { .size = sizeof(*object), .addr = (uintptr_t)p };
	return gca_ioctl(arena, GCARENA_IOC_OBJECT, object, op);
}

GCA_PUBLIC int gca_query(const void *p, struct gca_object *object)
{
	struct gcarena_object found;
	struct gca_arena *arena;
	int ret;

	if (!object || object->size < sizeof(*object))
		return gca_fail(GCA_OP_NONE, EINVAL);
	arena = find_arena(p, GCA_OP_QUERY);
	if (!arena)
		return -EINVAL;
	ret = query(arena, p, &found, GCA_OP_QUERY);
	if (ret)
		return ret;
	*object = (struct gca_object) {
		.size = sizeof(*object),
		.base = (void *)(uintptr_t)found.base,
		.bytes = found.bytes,
		.type = gca_type_of(arena, found.layout),
		.noscan = found.layout == GCARENA_LAYOUT_NOSCAN,
		.marked = !!(found.state & GCARENA_OBJECT_MARKED),
		.old = found.region != GCARENA_REGION_YOUNG,
		.permanent = found.region == GCARENA_REGION_PERMANENT,
		.large = !!(found.state & GCARENA_OBJECT_LARGE),
	};
	return 0;
}

GCA_PUBLIC uint64_t gca_id(const void *p)
{
	struct gcarena_id arg = { .size = sizeof(arg), .addr = (uintptr_t)p };
	struct gca_arena *arena = find_arena(p, GCA_OP_QUERY);

	if (!arena || gca_ioctl(arena, GCARENA_IOC_ID, &arg, GCA_OP_QUERY))
		return 0;
	return arg.id;
}

/* What is behind the new end would come to light again when the object grows. */
static void *shrink(void *p, size_t size, size_t slot)
{
	if (size < slot)
		memset((char *)p + size, 0, slot - size);
	return p;
}

static void *move(struct gca_arena *arena, void *p, size_t size,
		  const struct gcarena_object *old)
{
	void *new = gca_alloc_layout(arena, old->layout, size);

	if (!new)
		return NULL;
	/* The old object is left to the collector: other pointers to it stay good. */
	memcpy(new, p, size < old->bytes ? size : old->bytes);
	return new;
}

GCA_PUBLIC void *gca_realloc(void *p, size_t size)
{
	struct gcarena_object old;
	struct gca_arena *arena;

	if (!p)
		return gca_alloc(size);
	arena = find_arena(p, GCA_OP_FREE);
	if (!arena || query(arena, p, &old, GCA_OP_FREE))
		return NULL;
	if (old.base != (uintptr_t)p) {
		gca_fail(GCA_OP_FREE, EINVAL);
		return NULL;
	}
	/* Half empty is worth moving for; less is not. */
	if (size <= old.bytes && size >= old.bytes / 2)
		return shrink(p, size, old.bytes);
	return move(arena, p, size, &old);
}

GCA_PUBLIC int gca_free(void *p)
{
	struct gcarena_free arg = { .size = sizeof(arg), .addr = (uintptr_t)p };
	struct gca_arena *arena;
	int ret;

	if (!p)
		return 0;
	arena = find_arena(p, GCA_OP_FREE);
	if (!arena)
		return -EINVAL;
	ret = gca_ioctl(arena, GCARENA_IOC_FREE, &arg, GCA_OP_FREE);
	if (ret != -EBUSY)
		return ret;
	/* The slot came from a span that a thread still has: ours, or another's. */
	ret = gca_cache_put_back(arena, arg.addr);
	return ret < 0 ? gca_fail(GCA_OP_FREE, -ret) : 0;
}

GCA_PUBLIC int gca_make_permanent(const void *p)
{
	struct gcarena_permanent arg = { .size = sizeof(arg), .addr = (uintptr_t)p };
	struct gca_arena *arena = find_arena(p, GCA_OP_QUERY);

	return arena ? gca_ioctl(arena, GCARENA_IOC_PERMANENT, &arg, GCA_OP_QUERY) : -EINVAL;
}

static void fill_pauses(struct gca_stats *stats, const struct gcarena_stats *k)
{
	size_t i;

	_Static_assert(GCA_PAUSE_BUCKETS == GCARENA_PAUSE_BUCKETS, "one for one");
	for (i = 0; i < GCA_PAUSE_BUCKETS; i++)
		stats->pauses[i] = k->pauses[i];
}

static void fill_stats(struct gca_stats *stats, const struct gcarena_stats *k)
{
	*stats = (struct gca_stats) {
		.size = sizeof(*stats),
		.alloc = k->heap_bytes,
		.total_alloc = k->total_alloc_bytes,
		.sys = k->backing_bytes + k->metadata_bytes,
		.mallocs = k->total_alloc_objects,
		.frees = k->total_freed_objects,
		.heap_alloc = k->heap_bytes,
		.heap_sys = k->backing_bytes,
		.heap_idle = k->backing_bytes - k->span_bytes,
		.heap_inuse = k->span_bytes,
		.heap_released = k->released_bytes,
		.heap_objects = k->heap_objects,
		.heap_peak = k->backing_peak,
		.gc_sys = k->metadata_bytes,
		.next_gc = k->next_gc,
		.pause_total_ns = k->pause_total_ns,
		.pause_last_ns = k->pause_last_ns,
		.pause_max_ns = k->pause_max_ns,
		.mark_total_ns = k->mark_total_ns,
		.root_total_ns = k->root_total_ns,
		.sweep_total_ns = k->sweep_total_ns,
		.num_gc = k->cycles,
		.num_forced_gc = k->cycles_forced,
		.num_refused_gc = k->cycles_refused,
		.num_aborted_gc = k->cycles_aborted,
		.last_live_objects = k->last_live_objects,
		.last_live_bytes = k->last_live_bytes,
		.root_bytes = k->root_bytes_last,
		.mark_stack_peak = k->mark_stack_peak,
		.mark_overflows = k->mark_overflows,
		.refills = k->refills,
		.refill_spans = k->refill_spans,
		.large_allocs = k->large_allocs,
		.faults = k->faults,
		.populated_pages = k->populated_pages,
		.stop_total_ns = k->stop_total_ns,
		.stop_last_ns = k->stop_last_ns,
		.stop_max_ns = k->stop_max_ns,
		.stop_threads = k->stop_threads_last,
		.num_minor_gc = k->cycles_minor,
		.old_objects = k->old_objects,
		.old_bytes = k->old_bytes,
		.dirty_pages = k->dirty_pages_last,
		.num_compact_gc = k->cycles_compact,
		.moves = k->moves,
		.moved_objects = k->moved_objects,
		.moved_bytes = k->moved_bytes,
		.num_concurrent_gc = k->cycles_concurrent,
		.concurrent_ns = k->concurrent_ns,
		.assist_ns = k->assist_ns,
		.gc_rounds = k->rounds,
		.mark_workers = k->mark_workers_last,
		.mark_shared = k->mark_shared,
		.permanent_objects = k->permanent_objects,
		.permanent_bytes = k->permanent_bytes,
		.clear_total_ns = k->clear_total_ns,
		.root_stop_total_ns = k->root_stop_total_ns,
		.last_stop_total_ns = k->last_stop_total_ns,
		.marked_objects = k->marked_objects,
		.marked_bytes = k->marked_bytes,
		.dirty_passes = k->dirty_passes,
		.limit_exceeded = k->limit_exceeded,
		.limit_throttled = k->limit_throttled,
		.dirty_method = k->dirty_method,
		.dirty_pages_total = k->dirty_pages_total,
		.dirty_total_ns = k->dirty_total_ns,
		.compact_total_ns = k->compact_total_ns,
		.gc_rounds_last = k->rounds_last,
		.quiet_bytes = k->quiet_bytes,
		.quiet_total = k->quiet_total,
		.quiet_faults = k->quiet_faults,
	};
	fill_pauses(stats, k);
}

/* The structure as it was first; what was appended is for those that have room for it. */
#define FIRST_STATS	(offsetof(struct gca_stats, mark_shared) + sizeof(uint64_t))

static void give_stats(struct gca_stats *to, const struct gcarena_stats *k)
{
	struct gca_stats stats;

	fill_stats(&stats, k);
	if (stats.size > to->size)
		stats.size = to->size;
	memcpy(to, &stats, stats.size);
}

GCA_PUBLIC int gca_read_stats_in(gca_arena *arena, struct gca_stats *stats)
{
	struct gcarena_stats kernel = { .size = sizeof(kernel) };
	int ret;

	if (!stats || stats->size < FIRST_STATS)
		return gca_fail(GCA_OP_NONE, EINVAL);
	arena = gca_arena_or_default(arena);
	if (!arena)
		return -errno;
	gca_cache_flush(arena);
	ret = gca_ioctl(arena, GCARENA_IOC_STATS, &kernel, GCA_OP_NONE);
	if (!ret)
		give_stats(stats, &kernel);
	return ret;
}

GCA_PUBLIC int gca_read_stats(struct gca_stats *stats)
{
	return gca_read_stats_in(NULL, stats);
}
