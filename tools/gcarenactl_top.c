// SPDX-License-Identifier: GPL-2.0
/*
 * gcarenactl top: what all arenas do, as tables.
 *
 * Each look is one dump that takes no arena's lock, so who looks disturbs nobody. Rates are
 * what has changed since the look before; an arena that is new has none yet.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gcarenactl.h"
#include "human.h"

#define DEFAULT_SECONDS	1

/* An arena as it is shown. */
struct top_row {
	uint32_t id, pid, phase;
	uint64_t live, alloc_per_s, pages, heap_sys;
	uint64_t num_gc, num_gc_new, pause_per_s, pause_last_ns, pause_max_ns;
	char name[NAME_LEN], command[COMM_LEN];
};

#define TOP(kind_, member_, label_, ...) \
	ATTRIBUTE(kind_, top_row, member_, label_, ##__VA_ARGS__)

static const struct attribute top_rows[] = {
	TOP(NUMBER, id, "@ID"),
	TOP(NUMBER, pid, "PID"),
	TOP(NAME, phase, "PHASE", .names = phase_names),
	TOP(BYTES, live, "LIVE"),
	TOP(BYTES, alloc_per_s, "ALLOC/s"),
	TOP(COUNT, pages, "PAGES"),
	TOP(BYTES, heap_sys, "SYS"),
	TOP(COUNT, num_gc, "GCs"),
	TOP(COUNT, num_gc_new, "NEW"),
	TOP(NS, pause_per_s, "PAUSE/s"),
	TOP(NS, pause_last_ns, "LAST"),
	TOP(NS, pause_max_ns, "MAX"),
	TOP(STRING, name, "NAME"),
	TOP(STRING, command, "COMMAND"),
};

const struct attributes top_attributes = ATTRIBUTES(top_rows);

/* ---- Orders ------------------------------------------------------------- */

static int compare_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* The largest first, but of numbers of arenas the smallest. */
static int by_live(const struct top_row *a, const struct top_row *b)
{
	return compare_u64(b->live, a->live);
}

static int by_rate(const struct top_row *a, const struct top_row *b)
{
	return compare_u64(b->alloc_per_s, a->alloc_per_s);
}

static int by_pause(const struct top_row *a, const struct top_row *b)
{
	int order = compare_u64(b->pause_per_s, a->pause_per_s);

	return order ? order : compare_u64(b->pause_max_ns, a->pause_max_ns);
}

static int by_pages(const struct top_row *a, const struct top_row *b)
{
	return compare_u64(b->pages, a->pages);
}

static int by_id(const struct top_row *a, const struct top_row *b)
{
	return compare_u64(a->id, b->id);
}

const struct top_order top_orders[] = {
	{ 'l', "live", "bytes of objects", by_live },
	{ 'a', "rate", "bytes allocated in a second", by_rate },
	{ 'p', "pause", "for how long of a second the program stood still", by_pause },
	{ 'g', "pages", "memory held for objects", by_pages },
	{ 'i', "id", "number", by_id },
	{ }
};

static int compare_rows(const void *a, const void *b, void *data)
{
	const struct top *top = data;
	int order = top->order->compare(a, b);

	if (top->reverse)
		order = -order;
	return order ? order : by_id(a, b);
}

void top_sort(struct top *top)
{
	qsort_r(top->rows, top->nr, sizeof(*top->rows), compare_rows, top);
}

/* ---- Looking ------------------------------------------------------------ */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static uint64_t per_second(uint64_t new, uint64_t old, uint64_t ns)
{
	return new > old && ns ? (new - old) * 1e9 / ns : 0;
}

/* Both are in the order of numbers. */
static const struct arena_record *find_old(const struct arena_set *set, size_t *from, uint32_t id)
{
	while (*from < set->nr && set->arenas[*from].id < id)
		(*from)++;
	return *from < set->nr && set->arenas[*from].id == id ? &set->arenas[*from] : NULL;
}

static void row_fill(struct top_row *row, const struct arena_record *new,
		     const struct arena_record *old, uint64_t ns)
{
	*row = (struct top_row){
		.id = new->id,
		.pid = new->pid,
		.phase = new->phase,
		.live = new->heap_alloc,
		.heap_sys = new->heap_sys,
		.pages = new->heap_sys / sysconf(_SC_PAGESIZE),
		.num_gc = new->num_gc,
		.pause_last_ns = new->pause_last_ns,
		.pause_max_ns = new->pause_max_ns,
	};
	memcpy(row->name, new->name, sizeof(row->name));
	memcpy(row->command, new->command, sizeof(row->command));
	if (!old)
		return;
	row->alloc_per_s = per_second(new->total_alloc, old->total_alloc, ns);
	row->pause_per_s = per_second(new->pause_total_ns, old->pause_total_ns, ns);
	row->num_gc_new = new->num_gc - old->num_gc;
}

enum exit_status top_look(struct top *top)
{
	struct arena_set new = { };
	enum exit_status status = arenas_find(&new, 0, NULL);
	uint64_t now = now_ns();
	size_t i, from = 0;

	free(top->rows);
	top->nr = 0;
	top->rows = calloc(new.nr + 1, sizeof(*top->rows));
	if (!status && !top->rows)
		status = failure("no memory");
	if (status) {
		arena_set_free(&new);
		return status;
	}
	top->interval_ns = top->time_ns ? now - top->time_ns : 0;
	for (i = 0; i < new.nr; i++)
		row_fill(&top->rows[i], &new.arenas[i],
			 find_old(&top->arenas, &from, new.arenas[i].id), top->interval_ns);
	top->nr = new.nr;
	top->time_ns = now;
	arena_set_free(&top->arenas);
	top->arenas = new;
	top_sort(top);
	return STATUS_OK;
}

const void *top_record(const struct top *top, size_t i)
{
	return &top->rows[i];
}

const char *top_summary(char *line, const struct top *top)
{
	char live[HUMAN_LEN], held[HUMAN_LEN], rate[HUMAN_LEN];
	struct top_row sum = { };
	size_t i;

	for (i = 0; i < top->nr; i++) {
		sum.live += top->rows[i].live;
		sum.heap_sys += top->rows[i].heap_sys;
		sum.alloc_per_s += top->rows[i].alloc_per_s;
		sum.num_gc_new += top->rows[i].num_gc_new;
	}
	snprintf(line, CELL_LEN, "%zu %s, %s live, %s held, %s/s allocated, %llu collections",
		 top->nr, top->nr == 1 ? "arena" : "arenas", human_bytes(live, sum.live),
		 human_bytes(held, sum.heap_sys), human_bytes(rate, sum.alloc_per_s),
		 (unsigned long long)sum.num_gc_new);
	return line;
}

/* ---- Tables ------------------------------------------------------------- */

static void print_text(const struct top *top)
{
	struct output out = { };
	char line[CELL_LEN];

	puts(top_summary(line, top));
	output_table(&out, &top_attributes, top->rows, top->nr, sizeof(*top->rows));
}

struct look_record {
	uint64_t time_ns, interval_ns;
};

static const struct attribute look_rows[] = {
	ATTRIBUTE(NS, look_record, time_ns, "time"),
	ATTRIBUTE(NS, look_record, interval_ns, "interval"),
};

static const struct attributes look_attributes = ATTRIBUTES(look_rows);

static void print_json(const struct top *top)
{
	struct look_record look = { top->time_ns, top->interval_ns };
	struct output out;

	output_begin_line(&out);
	output_record(&out, &look_attributes, &look);
	output_open(&out, "arenas", '[');
	output_table(&out, &top_attributes, top->rows, top->nr, sizeof(*top->rows));
	output_close(&out, ']');
	output_end(&out, '}');
}

/* Each table is of the interval before it. */
static enum exit_status run_batch(const struct options *options, struct top *top, double seconds)
{
	unsigned long shown, count = options->once ? 1 : options->count;
	struct timespec pause = {
		.tv_sec = seconds,
		.tv_nsec = (seconds - (time_t)seconds) * 1e9,
	};
	enum exit_status status = top_look(top);

	for (shown = 0; !status && (!count || shown < count); shown++) {
		nanosleep(&pause, NULL);
		status = top_look(top);
		if (status)
			break;
		if (shown && !options->json)
			putchar('\n');
		if (options->json)
			print_json(top);
		else
			print_text(top);
		if (output_finish())
			break;
	}
	return status;
}

/* ---- The command -------------------------------------------------------- */

static const struct top_order *find_order(const char *name)
{
	const struct top_order *order;

	for (order = top_orders; order->name; order++)
		if (!strcmp(order->name, name))
			return order;
	return NULL;
}

enum exit_status command_top(const struct options *options, int argc, char **argv)
{
	bool batch = options->batch || options->once || options->json;
	double seconds = options->interval ? options->interval : DEFAULT_SECONDS;
	struct top top = { .order = find_order(options->sort ? options->sort : "live") };
	enum exit_status status;

	(void)argc;
	(void)argv;
	if (!top.order)
		return usage_error("'%s' is no order: give live, rate, pause, pages or id",
				   options->sort);
	if (options->count && !batch)
		return usage_error("--count is for --batch");
	status = netlink_open();
	if (!status)
		status = batch ? run_batch(options, &top, seconds) : screen_run(&top, seconds);
	free(top.rows);
	arena_set_free(&top.arenas);
	return status;
}
