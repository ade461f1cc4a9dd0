// SPDX-License-Identifier: GPL-2.0
/*
 * gcarenactl stats and list: the arenas that processes have open now.
 *
 * Names and meanings are those of struct gca_stats in gcarena.h, which are those
 * of Go's MemStats where there is such a thing; the counters that only the kernel
 * has keep the names they have in linux/gcarena.h.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/gcarena.h>

#include "gcarena.h"
#include "gcarenactl.h"

/* An arena's numbers under the names they are shown by. */
struct arena_view {
	/* who has it */
	uint32_t pid;
	uint32_t fd;
	char command[COMM_LEN];
	/* its parameters */
	uint64_t base, reserve, limit, min_heap;
	int32_t gc_percent;
	uint32_t root_mode;
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
	uint64_t num_minor_gc, old_objects, old_bytes, dirty_pages;
	uint64_t num_concurrent_gc, concurrent_ns, assist_ns, pause_p99_ns;
	uint64_t root_bytes, mark_stack_peak, mark_overflows;
	/* what it is made of */
	uint64_t owned_spans, huge_chunks, split_chunks;
};

static const char *const root_mode_names[] = {
	"default", "auto", "explicit", "all", NULL
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
	ATTRIBUTE(COUNT, arena_view, old_objects, "old objects"),
	ATTRIBUTE(BYTES, arena_view, old_bytes, "old objects' bytes"),
	ATTRIBUTE(COUNT, arena_view, dirty_pages, "pages found written last"),
	ATTRIBUTE(NS, arena_view, sweep_total_ns, "sweeping"),
	ATTRIBUTE(BYTES, arena_view, root_bytes, "roots read by the last"),
	ATTRIBUTE(BYTES, arena_view, mark_stack_peak, "largest mark stack"),
	ATTRIBUTE(COUNT, arena_view, mark_overflows, "mark stack overflows"),

	ATTRIBUTE(COUNT, arena_view, owned_spans, "spans in threads' hands",
		  .heading = "memory"),
	ATTRIBUTE(COUNT, arena_view, huge_chunks, "chunks on a 2 MiB page"),
	ATTRIBUTE(COUNT, arena_view, split_chunks, "chunks on small pages"),

	ATTRIBUTE(ADDRESS, arena_view, base, "base address", .heading = "parameters"),
	ATTRIBUTE(BYTES, arena_view, reserve, "address range"),
	ATTRIBUTE(BYTES, arena_view, limit, "memory limit"),
	ATTRIBUTE(BYTES, arena_view, min_heap, "collects by itself from"),
	ATTRIBUTE(PERCENT, arena_view, gc_percent, "growth until a collection"),
	ATTRIBUTE(NAME, arena_view, root_mode, "roots", .names = root_mode_names),
};

static const struct attribute identity_rows[] = {
	ATTRIBUTE(NUMBER, arena_view, pid, "PID"),
	ATTRIBUTE(NUMBER, arena_view, fd, "FD"),
	ATTRIBUTE(STRING, arena_view, command, "COMMAND"),
};

static const struct attribute list_rows[] = {
	ATTRIBUTE(NUMBER, arena_view, pid, "PID"),
	ATTRIBUTE(NUMBER, arena_view, fd, "FD"),
	ATTRIBUTE(COUNT, arena_view, heap_objects, "OBJECTS"),
	ATTRIBUTE(BYTES, arena_view, heap_alloc, "ALLOC"),
	ATTRIBUTE(BYTES, arena_view, heap_sys, "SYS"),
	ATTRIBUTE(COUNT, arena_view, num_gc, "GCs"),
	ATTRIBUTE(NS, arena_view, pause_max_ns, "MAX-PAUSE"),
	ATTRIBUTE(STRING, arena_view, command, "COMMAND"),
};

static const struct attributes stats_attributes = ATTRIBUTES(stats_rows);
static const struct attributes identity_attributes = ATTRIBUTES(identity_rows);
static const struct attributes list_attributes = ATTRIBUTES(list_rows);

/* ---- From the ABI's structures to the view ------------------------------ */

static void view_identity(struct arena_view *view, const struct process_arena *arena)
{
	view->pid = arena->pid;
	view->fd = arena->their_fd;
	strcpy(view->command, arena->command);
}

static void view_parameters(struct arena_view *view, const struct gcarena_info *info)
{
	view->base = info->base;
	view->reserve = info->reserve;
	view->limit = info->limit;
	view->min_heap = info->min_heap;
	view->gc_percent = info->gc_percent;
	view->root_mode = info->root_mode;
}

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
	view->huge_chunks = stats->huge_chunks;
	view->split_chunks = stats->split_chunks;
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
	view->dirty_pages = stats->dirty_pages_last;
	view->sweep_total_ns = stats->sweep_total_ns;
	view->root_bytes = stats->root_bytes_last;
	view->mark_stack_peak = stats->mark_stack_peak;
	view->mark_overflows = stats->mark_overflows;
}

static int view_fill(struct arena_view *view, const struct process_arena *arena)
{
	struct gcarena_info info = { .size = sizeof(info) };
	struct gcarena_stats stats = { .size = sizeof(stats) };

	if (ioctl(arena->fd, GCARENA_IOC_INFO, &info) ||
	    ioctl(arena->fd, GCARENA_IOC_STATS, &stats))
		return -errno;
	view_identity(view, arena);
	view_parameters(view, &info);
	view_heap(view, &stats);
	view_allocation(view, &stats);
	view_collections(view, &stats);
	return 0;
}

/* ---- Arguments ---------------------------------------------------------- */

/* A decimal number from 0 to INT_MAX that ends at @end. */
static bool parse_number(const char *text, int *number, const char **end)
{
	unsigned long value;
	char *stop;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	value = strtoul(text, &stop, 10);
	if (errno || value > INT_MAX)
		return false;
	*number = value;
	*end = stop;
	return true;
}

/* PID or PID:FD; @fd is -1 when it is not given. */
static bool parse_target(const char *text, int *pid, int *fd)
{
	const char *end;

	*fd = -1;
	if (!parse_number(text, pid, &end) || !*pid)
		return false;
	if (*end == ':')
		return parse_number(end + 1, fd, &end) && !*end;
	return !*end;
}

/* Those that cannot be reached are told about, and the others still shown. */
static enum exit_status find_arenas(struct arena_list *list, int argc, char **argv)
{
	enum exit_status status = STATUS_OK;
	int i, pid, fd;

	for (i = 0; i < argc; i++)
		if (!parse_target(argv[i], &pid, &fd))
			return usage_error("'%s' is no process: give PID or PID:FD", argv[i]);
	for (i = 0; i < argc; i++) {
		parse_target(argv[i], &pid, &fd);
		if (arenas_of_process(list, pid, fd))
			status = STATUS_FAILURE;
	}
	return status;
}

/* ---- stats -------------------------------------------------------------- */

static void show_arena(struct output *out, const struct arena_view *view)
{
	char command[CELL_LEN];

	output_open(out, NULL, '{');
	if (out->json)
		output_record(out, &identity_attributes, view);
	output_title(out, "process %u (%s), descriptor %u", view->pid,
		     output_printable(command, view->command), view->fd);
	output_record(out, &stats_attributes, view);
	output_close(out, '}');
}

static enum exit_status show_arenas(const struct options *options,
				    const struct arena_list *list)
{
	enum exit_status status = STATUS_OK;
	struct arena_view view;
	struct output out;
	size_t i;
	int error;

	output_begin(&out, options->json, '[');
	for (i = 0; i < list->nr; i++) {
		error = view_fill(&view, &list->arenas[i]);
		if (error)
			status = arena_failure(&list->arenas[i], -error);
		else
			show_arena(&out, &view);
	}
	output_end(&out, ']');
	return status;
}

enum exit_status command_stats(const struct options *options, int argc, char **argv)
{
	struct arena_list list = { };
	enum exit_status status, shown;

	if (!argc)
		return usage_error("stats needs a process: PID or PID:FD");
	status = find_arenas(&list, argc, argv);
	if (status == STATUS_USAGE)
		return status;
	shown = show_arenas(options, &list);
	arena_list_free(&list);
	return status ? status : shown;
}

/* ---- list --------------------------------------------------------------- */

static size_t fill_views(struct arena_view *views, const struct arena_list *list,
			 enum exit_status *status)
{
	size_t i, nr = 0;
	int error;

	for (i = 0; i < list->nr; i++) {
		error = view_fill(&views[nr], &list->arenas[i]);
		if (error)
			*status = arena_failure(&list->arenas[i], -error);
		else
			nr++;
	}
	return nr;
}

static enum exit_status show_list(const struct options *options,
				  const struct arena_list *list)
{
	struct arena_view *views = calloc(list->nr + 1, sizeof(*views));
	enum exit_status status = STATUS_OK;
	struct output out;
	size_t nr;

	if (!views)
		return failure("%s", gca_strerror(ENOMEM));
	nr = fill_views(views, list, &status);
	output_begin(&out, options->json, '[');
	output_table(&out, &list_attributes, views, nr, sizeof(*views));
	output_end(&out, ']');
	free(views);
	return status;
}

enum exit_status command_list(const struct options *options, int argc, char **argv)
{
	struct arena_list list = { };
	enum exit_status status, shown;
	bool hidden = false;

	if (argc)
		status = find_arenas(&list, argc, argv);
	else
		status = arenas_of_system(&list, &hidden) ? STATUS_FAILURE : STATUS_OK;
	if (status == STATUS_USAGE || (status && !list.nr))
		return status;
	shown = show_list(options, &list);
	if (hidden)
		fputs("gcarenactl: other users' processes are left out: run it as root\n", stderr);
	arena_list_free(&list);
	return status ? status : shown;
}
