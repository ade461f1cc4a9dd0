// SPDX-License-Identifier: GPL-2.0
/*
 * gcarenactl stats: an arena's numbers, and with --interval how they change.
 *
 * Names and meanings are those of struct gca_stats in gcarena.h, which are those
 * of Go's MemStats where there is such a thing; the counters that only the kernel
 * has keep the names they have in linux/gcarena.h.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/gcarena_netlink.h>
#include <netlink/attr.h>

#include "gcarena.h"
#include "gcarenactl.h"

#define BUSY_TRIES	100
#define BUSY_WAIT_US	20000

/* An arena's numbers under the names they are shown by. */
struct arena_view {
	/* the heap now */
	uint64_t heap_objects, heap_alloc, heap_inuse, heap_idle, heap_sys, heap_peak;
	uint64_t heap_released, gc_sys, sys, next_gc;
	/* allocation so far */
	uint64_t mallocs, frees, total_alloc, total_freed;
	uint64_t refills, refill_spans, large_allocs, explicit_frees;
	uint64_t faults, populated_pages;
	/* collections so far */
	uint64_t num_gc, num_forced_gc, num_refused_gc, num_aborted_gc;
	uint64_t last_live_objects, last_live_bytes;
	uint64_t pause_last_ns, pause_max_ns, pause_total_ns;
	uint64_t mark_total_ns, root_total_ns, sweep_total_ns;
	uint64_t stop_total_ns, stop_max_ns, stop_threads, stop_timeout_pid;
	uint64_t num_minor_gc, old_objects, old_bytes;
	uint64_t dirty_method, dirty_pages, dirty_pages_total, dirty_total_ns;
	uint64_t num_compact_gc, moves, moved_objects, moved_bytes, compact_total_ns;
	uint64_t young_objects, young_bytes, permanent_objects, permanent_bytes;
	uint64_t clear_total_ns, root_stop_total_ns, last_stop_total_ns, gc_rounds, gc_rounds_last;
	uint64_t marked_objects, marked_bytes, dirty_passes, limit_exceeded, limit_throttled;
	uint64_t num_concurrent_gc, concurrent_ns, assist_ns, pause_p99_ns;
	uint64_t root_bytes, mark_stack_peak, mark_overflows, mark_workers, mark_shared;
	/* what it is made of */
	uint64_t owned_spans, huge_chunks, split_chunks;
	uint64_t quiet_bytes, quiet_total, quiet_faults;
};

static const struct attribute stats_rows[] = {
	ATTRIBUTE(COUNT, arena_view, heap_objects, "objects", .heading = "heap"),
	ATTRIBUTE(BYTES, arena_view, heap_alloc, "bytes of objects"),
	ATTRIBUTE(BYTES, arena_view, heap_inuse, "in spans"),
	ATTRIBUTE(BYTES, arena_view, heap_idle, "idle"),
	ATTRIBUTE(BYTES, arena_view, heap_sys, "held for objects"),
	ATTRIBUTE(BYTES, arena_view, heap_peak, "held at most"),
	ATTRIBUTE(BYTES, arena_view, gc_sys, "metadata"),
	ATTRIBUTE(BYTES, arena_view, sys, "held in all"),
	ATTRIBUTE(BYTES, arena_view, heap_released, "given back so far"),
	ATTRIBUTE(LIMIT, arena_view, next_gc, "next collection at"),

	ATTRIBUTE(COUNT, arena_view, mallocs, "objects allocated",
		  .heading = "allocation since the start"),
	ATTRIBUTE(COUNT, arena_view, frees, "objects freed"),
	ATTRIBUTE(COUNT, arena_view, explicit_frees, "of them by gca_free"),
	ATTRIBUTE(BYTES, arena_view, total_alloc, "bytes allocated"),
	ATTRIBUTE(BYTES, arena_view, total_freed, "bytes freed"),
	ATTRIBUTE(COUNT, arena_view, refills, "refills"),
	ATTRIBUTE(COUNT, arena_view, refill_spans, "spans handed out"),
	ATTRIBUTE(COUNT, arena_view, large_allocs, "large objects"),
	ATTRIBUTE(COUNT, arena_view, faults, "page faults"),
	ATTRIBUTE(COUNT, arena_view, populated_pages, "pages mapped ahead"),

	ATTRIBUTE(COUNT, arena_view, num_gc, "completed",
		  .heading = "collections since the start"),
	ATTRIBUTE(COUNT, arena_view, num_forced_gc, "of them asked for"),
	ATTRIBUTE(COUNT, arena_view, num_refused_gc, "refused"),
	ATTRIBUTE(COUNT, arena_view, num_aborted_gc, "given up"),
	ATTRIBUTE(COUNT, arena_view, last_live_objects, "last found live"),
	ATTRIBUTE(BYTES, arena_view, last_live_bytes, "bytes of them"),
	ATTRIBUTE(NS, arena_view, pause_last_ns, "last pause"),
	ATTRIBUTE(NS, arena_view, pause_max_ns, "longest pause"),
	ATTRIBUTE(NS, arena_view, pause_p99_ns, "99 % of pauses below"),
	ATTRIBUTE(NS, arena_view, pause_total_ns, "all pauses"),
	ATTRIBUTE(NS, arena_view, mark_total_ns, "of them marking"),
	ATTRIBUTE(NS, arena_view, root_total_ns, "of them reading roots"),
	ATTRIBUTE(NS, arena_view, stop_total_ns, "of them stopping threads"),
	ATTRIBUTE(NS, arena_view, stop_max_ns, "longest stop"),
	ATTRIBUTE(COUNT, arena_view, stop_threads, "threads stopped last"),
	ATTRIBUTE(COUNT, arena_view, stop_timeout_pid, "thread that did not stop"),
	ATTRIBUTE(COUNT, arena_view, num_minor_gc, "minor"),
	ATTRIBUTE(COUNT, arena_view, num_concurrent_gc, "concurrent"),
	ATTRIBUTE(NS, arena_view, concurrent_ns, "tracing meanwhile"),
	ATTRIBUTE(NS, arena_view, assist_ns, "threads helping"),
	ATTRIBUTE(NS, arena_view, root_stop_total_ns, "stops for roots alone"),
	ATTRIBUTE(NS, arena_view, last_stop_total_ns, "last stops"),
	ATTRIBUTE(COUNT, arena_view, gc_rounds, "rounds"),
	ATTRIBUTE(COUNT, arena_view, gc_rounds_last, "of the last"),
	ATTRIBUTE(NS, arena_view, clear_total_ns, "clearing marks"),
	ATTRIBUTE(COUNT, arena_view, marked_objects, "objects marked"),
	ATTRIBUTE(BYTES, arena_view, marked_bytes, "bytes of them"),
	ATTRIBUTE(COUNT, arena_view, dirty_passes, "looks for written pages"),
	ATTRIBUTE(NS, arena_view, dirty_total_ns, "time of these"),
	ATTRIBUTE(NAME, arena_view, dirty_method, "by", .names = dirty_method_names),
	ATTRIBUTE(COUNT, arena_view, dirty_pages, "pages found written last"),
	ATTRIBUTE(COUNT, arena_view, dirty_pages_total, "by all looks"),
	ATTRIBUTE(NS, arena_view, sweep_total_ns, "sweeping"),
	ATTRIBUTE(BYTES, arena_view, root_bytes, "roots read by the last"),
	ATTRIBUTE(BYTES, arena_view, mark_stack_peak, "largest mark stack"),
	ATTRIBUTE(COUNT, arena_view, mark_overflows, "mark stack overflows"),
	ATTRIBUTE(COUNT, arena_view, mark_workers, "threads that marked last"),
	ATTRIBUTE(COUNT, arena_view, mark_shared, "mark stack pieces shared"),

	ATTRIBUTE(COUNT, arena_view, limit_exceeded, "times above the memory limit"),
	ATTRIBUTE(COUNT, arena_view, limit_throttled, "put off, to save time"),

	ATTRIBUTE(COUNT, arena_view, num_compact_gc, "compacting collections",
		  .heading = "moving since the start"),
	ATTRIBUTE(COUNT, arena_view, moves, "times that objects moved"),
	ATTRIBUTE(COUNT, arena_view, moved_objects, "objects moved"),
	ATTRIBUTE(BYTES, arena_view, moved_bytes, "bytes of them"),
	ATTRIBUTE(NS, arena_view, compact_total_ns, "pauses for that"),

	ATTRIBUTE(COUNT, arena_view, young_objects, "young objects", .heading = "regions"),
	ATTRIBUTE(BYTES, arena_view, young_bytes, "bytes of them"),
	ATTRIBUTE(COUNT, arena_view, old_objects, "old objects"),
	ATTRIBUTE(BYTES, arena_view, old_bytes, "bytes of them"),
	ATTRIBUTE(COUNT, arena_view, permanent_objects, "of these, permanent"),
	ATTRIBUTE(BYTES, arena_view, permanent_bytes, "bytes of them"),

	ATTRIBUTE(COUNT, arena_view, owned_spans, "spans in threads' hands",
		  .heading = "memory"),
	ATTRIBUTE(COUNT, arena_view, huge_chunks, "chunks on a 2 MiB page"),
	ATTRIBUTE(COUNT, arena_view, split_chunks, "chunks on small pages"),
	ATTRIBUTE(BYTES, arena_view, quiet_bytes, "unmapped, as not written"),
	ATTRIBUTE(COUNT, arena_view, quiet_total, "chunks unmapped so far"),
	ATTRIBUTE(COUNT, arena_view, quiet_faults, "faults that mapped one"),
};

static const struct attributes stats_attributes = ATTRIBUTES(stats_rows);

/* ---- From the ABI's structures to the view ------------------------------ */

static void view_heap(struct arena_view *view, const struct gcarena_stats *stats)
{
	view->heap_objects = stats->heap_objects;
	view->heap_alloc = stats->heap_bytes;
	view->heap_inuse = stats->span_bytes;
	view->heap_idle = stats->backing_bytes - stats->span_bytes;
	view->heap_sys = stats->backing_bytes;
	view->heap_peak = stats->backing_peak;
	view->heap_released = stats->released_bytes;
	view->gc_sys = stats->metadata_bytes;
	view->sys = stats->backing_bytes + stats->metadata_bytes;
	view->next_gc = stats->next_gc;
	view->owned_spans = stats->owned_spans;
	view->young_objects = stats->heap_objects - stats->old_objects;
	view->young_bytes = stats->heap_bytes - stats->old_bytes;
	view->permanent_objects = stats->permanent_objects;
	view->permanent_bytes = stats->permanent_bytes;
	view->huge_chunks = stats->huge_chunks;
	view->split_chunks = stats->split_chunks;
	view->quiet_bytes = stats->quiet_bytes;
	view->quiet_total = stats->quiet_total;
	view->quiet_faults = stats->quiet_faults;
}

static void view_allocation(struct arena_view *view, const struct gcarena_stats *stats)
{
	view->mallocs = stats->total_alloc_objects;
	view->frees = stats->total_freed_objects;
	view->total_alloc = stats->total_alloc_bytes;
	view->total_freed = stats->total_freed_bytes;
	view->refills = stats->refills;
	view->refill_spans = stats->refill_spans;
	view->large_allocs = stats->large_allocs;
	view->explicit_frees = stats->frees;
	view->faults = stats->faults;
	view->populated_pages = stats->populated_pages;
}

/* The bound, a power of two microseconds, that @percent of the pauses stayed below. */
static uint64_t pause_quantile(const struct gcarena_stats *stats, unsigned int percent)
{
	uint64_t all = 0, seen = 0;
	unsigned int i;

	for (i = 0; i < GCARENA_PAUSE_BUCKETS; i++)
		all += stats->pauses[i];
	for (i = 0; i < GCARENA_PAUSE_BUCKETS && all; i++) {
		seen += stats->pauses[i];
		if (seen * 100 >= all * percent)
			return i == GCARENA_PAUSE_BUCKETS - 1 ? stats->pause_max_ns
							      : 1000ULL << i;
	}
	return 0;
}

static void view_collections(struct arena_view *view, const struct gcarena_stats *stats)
{
	view->num_gc = stats->cycles;
	view->num_forced_gc = stats->cycles_forced;
	view->num_refused_gc = stats->cycles_refused;
	view->num_aborted_gc = stats->cycles_aborted;
	view->last_live_objects = stats->last_live_objects;
	view->last_live_bytes = stats->last_live_bytes;
	view->pause_last_ns = stats->pause_last_ns;
	view->pause_max_ns = stats->pause_max_ns;
	view->pause_p99_ns = pause_quantile(stats, 99);
	view->pause_total_ns = stats->pause_total_ns;
	view->mark_total_ns = stats->mark_total_ns;
	view->root_total_ns = stats->root_total_ns;
	view->stop_total_ns = stats->stop_total_ns;
	view->stop_max_ns = stats->stop_max_ns;
	view->stop_threads = stats->stop_threads_last;
	view->stop_timeout_pid = stats->stop_timeout_pid;
	view->num_minor_gc = stats->cycles_minor;
	view->num_concurrent_gc = stats->cycles_concurrent;
	view->concurrent_ns = stats->concurrent_ns;
	view->assist_ns = stats->assist_ns;
	view->old_objects = stats->old_objects;
	view->old_bytes = stats->old_bytes;
	view->sweep_total_ns = stats->sweep_total_ns;
	view->root_bytes = stats->root_bytes_last;
	view->mark_stack_peak = stats->mark_stack_peak;
	view->mark_overflows = stats->mark_overflows;
	view->mark_workers = stats->mark_workers_last;
	view->mark_shared = stats->mark_shared;
}

static void view_phases(struct arena_view *view, const struct gcarena_stats *stats)
{
	view->clear_total_ns = stats->clear_total_ns;
	view->root_stop_total_ns = stats->root_stop_total_ns;
	view->last_stop_total_ns = stats->last_stop_total_ns;
	view->gc_rounds = stats->rounds;
	view->gc_rounds_last = stats->rounds_last;
	view->marked_objects = stats->marked_objects;
	view->marked_bytes = stats->marked_bytes;
	view->dirty_passes = stats->dirty_passes;
	view->limit_exceeded = stats->limit_exceeded;
	view->limit_throttled = stats->limit_throttled;
}

static void view_writes(struct arena_view *view, const struct gcarena_stats *stats)
{
	view->dirty_method = stats->dirty_method;
	view->dirty_pages = stats->dirty_pages_last;
	view->dirty_pages_total = stats->dirty_pages_total;
	view->dirty_total_ns = stats->dirty_total_ns;
}

static void view_moves(struct arena_view *view, const struct gcarena_stats *stats)
{
	view->num_compact_gc = stats->cycles_compact;
	view->moves = stats->moves;
	view->moved_objects = stats->moved_objects;
	view->moved_bytes = stats->moved_bytes;
	view->compact_total_ns = stats->compact_total_ns;
}

static void view_fill(struct arena_view *view, const struct gcarena_stats *stats)
{
	view_heap(view, stats);
	view_allocation(view, stats);
	view_collections(view, stats);
	view_phases(view, stats);
	view_writes(view, stats);
	view_moves(view, stats);
}

/* ---- Asking ------------------------------------------------------------- */

/* Fields have the numbers of their attributes, in order. */
static void take_stats(struct nlattr **attrs, void *data)
{
	struct gcarena_stats *stats = data;
	uint64_t *field = (uint64_t *)&stats->heap_objects;
	size_t i, nr = (sizeof(*stats) - offsetof(struct gcarena_stats, heap_objects)) /
		       sizeof(*field);

	for (i = 0; i < nr; i++)
		if (attrs[GCARENA_A_STATS_FIRST + i])
			field[i] = nla_get_u64(attrs[GCARENA_A_STATS_FIRST + i]);
}

int stats_read(uint32_t id, struct gcarena_stats *stats)
{
	struct nl_msg *message = netlink_question(GCARENA_CMD_STATS_GET, false);

	*stats = (struct gcarena_stats){ .size = sizeof(*stats) };
	if (message)
		nla_put_u32(message, GCARENA_A_STATS_ID, id);
	return netlink_ask(message, take_stats, stats, NULL);
}

/* A collection takes as long as it takes; the kernel does not wait for it, we do. */
static int stats_read_patiently(uint32_t id, struct gcarena_stats *stats)
{
	int error, tries;

	for (tries = 0; tries < BUSY_TRIES; tries++) {
		error = stats_read(id, stats);
		if (error != -EBUSY)
			return error;
		usleep(BUSY_WAIT_US);
	}
	return error;
}

/* ---- All numbers -------------------------------------------------------- */

static enum exit_status show_arena(struct output *out, const struct arena_record *arena)
{
	struct gcarena_stats stats;
	struct arena_view view = { };
	int error = stats_read_patiently(arena->id, &stats);

	if (error)
		return arena_failure(arena->id, error);
	view_fill(&view, &stats);
	output_open(out, NULL, '{');
	if (out->json)
		output_record(out, &identity_attributes, arena);
	arena_title(out, arena);
	output_record(out, &stats_attributes, &view);
	pauses_show(out, stats.pauses);
	output_record(out, &parameter_attributes, arena);
	output_close(out, '}');
	return STATUS_OK;
}

static enum exit_status show_arenas(const struct options *options, const struct arena_set *set)
{
	enum exit_status status = STATUS_OK, one;
	struct output out;
	size_t i;

	output_begin(&out, options->json, '[');
	for (i = 0; i < set->nr; i++) {
		one = show_arena(&out, &set->arenas[i]);
		status = status ? status : one;
	}
	output_end(&out, ']');
	return status;
}

/* ---- How they change ---------------------------------------------------- */

/* What happened to an arena from one look to the next. */
struct change {
	uint32_t id;
	uint64_t interval_ns;
	uint64_t alloc_bytes_per_s, alloc_objects_per_s;
	uint64_t cycles, minor, pause_ns, faults, released_bytes;
	uint64_t heap_alloc, heap_sys;
};

#define CHANGE(kind_, member_, label_)	ATTRIBUTE(kind_, change, member_, label_)

static const struct attribute change_rows[] = {
	CHANGE(NUMBER, id, "@ID"),
	CHANGE(NS, interval_ns, "TIME"),
	CHANGE(BYTES, alloc_bytes_per_s, "ALLOC/s"),
	CHANGE(COUNT, alloc_objects_per_s, "OBJECTS/s"),
	CHANGE(COUNT, cycles, "GCs"),
	CHANGE(COUNT, minor, "MINOR"),
	CHANGE(NS, pause_ns, "PAUSES"),
	CHANGE(COUNT, faults, "FAULTS"),
	CHANGE(BYTES, released_bytes, "RELEASED"),
	CHANGE(BYTES, heap_alloc, "HEAP"),
	CHANGE(BYTES, heap_sys, "SYS"),
};

static const struct attributes change_attributes = ATTRIBUTES(change_rows);

/* One look at an arena. */
struct look {
	uint64_t time_ns;
	bool gone;
	struct gcarena_stats stats;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* Slots that are given back are taken off again, so the count may fall. */
static uint64_t per_second(uint64_t new, uint64_t old, uint64_t ns)
{
	return new > old && ns ? (new - old) * 1e9 / ns : 0;
}

static struct change change_between(uint32_t id, const struct look *old, const struct look *new)
{
	const struct gcarena_stats *a = &old->stats, *b = &new->stats;
	uint64_t ns = new->time_ns - old->time_ns;

	return (struct change){
		.id = id,
		.interval_ns = ns,
		.alloc_bytes_per_s = per_second(b->total_alloc_bytes, a->total_alloc_bytes, ns),
		.alloc_objects_per_s = per_second(b->total_alloc_objects,
						  a->total_alloc_objects, ns),
		.cycles = b->cycles - a->cycles,
		.minor = b->cycles_minor - a->cycles_minor,
		.pause_ns = b->pause_total_ns - a->pause_total_ns,
		.faults = b->faults - a->faults,
		.released_bytes = b->released_bytes - a->released_bytes,
		.heap_alloc = b->heap_bytes,
		.heap_sys = b->backing_bytes,
	};
}

/* 0, or the error that ends it; an arena that has gone is no error. */
static int look_at(struct look *look, uint32_t id)
{
	int error = stats_read_patiently(id, &look->stats);

	look->time_ns = now_ns();
	if (error == -ENOENT) {
		look->gone = true;
		error = 0;
	}
	return error;
}

static size_t changes_of(const struct arena_set *set, struct look *looks, struct change *changes,
			 int *error)
{
	size_t i, nr = 0;

	for (i = 0; i < set->nr && !*error; i++) {
		struct look old = looks[i];

		if (old.gone)
			continue;
		*error = look_at(&looks[i], set->arenas[i].id);
		if (!*error && !looks[i].gone && old.time_ns)
			changes[nr++] = change_between(set->arenas[i].id, &old, &looks[i]);
	}
	return nr;
}

static bool any_left(const struct arena_set *set, const struct look *looks)
{
	size_t i;

	for (i = 0; i < set->nr; i++)
		if (!looks[i].gone)
			return true;
	return false;
}

static void print_changes(bool json, const struct change *changes, size_t nr)
{
	struct output out = { };
	size_t i;

	for (i = 0; i < nr && json; i++) {
		output_begin_line(&out);
		output_record(&out, &change_attributes, &changes[i]);
		output_end(&out, '}');
	}
	if (!json)
		output_table(&out, &change_attributes, changes, nr, sizeof(*changes));
}

static int watch(const struct options *options, const struct arena_set *set, struct look *looks,
		 struct change *changes)
{
	struct timespec pause = {
		.tv_sec = options->interval,
		.tv_nsec = (options->interval - (time_t)options->interval) * 1e9,
	};
	unsigned long shown;
	int error = 0;
	size_t nr;

	changes_of(set, looks, changes, &error);
	for (shown = 0; !error && (!options->count || shown < options->count); shown++) {
		nanosleep(&pause, NULL);
		nr = changes_of(set, looks, changes, &error);
		print_changes(options->json, changes, nr);
		if (output_finish() || !any_left(set, looks))
			break;
	}
	return error;
}

static enum exit_status show_changes(const struct options *options, const struct arena_set *set)
{
	struct look *looks = calloc(set->nr + 1, sizeof(*looks));
	struct change *changes = calloc(set->nr + 1, sizeof(*changes));
	int error = -ENOMEM;

	if (looks && changes)
		error = watch(options, set, looks, changes);
	free(looks);
	free(changes);
	return error ? failure("%s", netlink_sentence(error)) : STATUS_OK;
}

enum exit_status command_stats(const struct options *options, int argc, char **argv)
{
	struct arena_set set = { };
	enum exit_status status, shown = STATUS_OK;

	status = arenas_find(&set, argc, argv);
	if (!status || set.nr)
		shown = options->interval ? show_changes(options, &set)
					  : show_arenas(options, &set);
	arena_set_free(&set);
	return status ? status : shown;
}
