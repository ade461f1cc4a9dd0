// SPDX-License-Identifier: GPL-2.0
/*
 * gcarenactl map: what is where in an arena.
 *
 * Its spans, of all sizes, are shared out to cells of one size, so that it fits the
 * terminal: cells show how full they are, and how old what is in them is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/gcarena_netlink.h>
#include <netlink/attr.h>

#include "gcarenactl.h"
#include "human.h"

#define LEAST_CELL	8192
#define LABEL_COLUMNS	12
#define DEFAULT_WIDTH	80
#define TEXT_ROWS	32
#define BUSY_TRIES	20
#define BUSY_WAIT_US	50000

/* As it is printed. */
struct span_record {
	uint64_t start, bytes;
	uint32_t size_class, layout;
	char type[NAME_LEN];
	uint32_t state, slots, used, old;
};

static const char *const state_names[] = { "owned", "unswept", NULL };

#define SPAN(kind_, member_, nl_, ...) \
	ATTRIBUTE(kind_, span_record, member_, #member_, .nl = GCARENA_A_SPAN_ ## nl_, \
		  ##__VA_ARGS__)

static const struct attribute span_rows[] = {
	SPAN(NUMBER, start, START),
	SPAN(NUMBER, bytes, BYTES),
	SPAN(NUMBER, size_class, SIZE_CLASS),
	SPAN(NUMBER, layout, LAYOUT),
	ATTRIBUTE(STRING, span_record, type, "type"),
	SPAN(NAMES, state, STATE, .names = state_names),
	SPAN(NUMBER, slots, SLOTS),
	SPAN(NUMBER, used, USED),
	SPAN(NUMBER, old, OLD),
};

static const struct attributes span_attributes = ATTRIBUTES(span_rows);

const char *const map_age_names[MAP_NR_AGES] = { "no span", "empty", "young", "mixed", "old" };

/* ---- Asking ------------------------------------------------------------- */

static void take_span(struct nlattr **attrs, void *data)
{
	struct map *map = data;
	struct span_record *grown;

	if (map->nr_spans == map->room) {
		grown = reallocarray(map->spans, 2 * map->room + 64, sizeof(*grown));
		map->no_memory |= !grown;
		if (!grown)
			return;
		map->spans = grown;
		map->room = 2 * map->room + 64;
	}
	map->spans[map->nr_spans] = (struct span_record){ };
	netlink_fill(&span_attributes, &map->spans[map->nr_spans++], attrs);
}

/* A dump ends where the arena is busy, and begins anew. */
static int read_spans(struct map *map)
{
	int error, tries;

	for (tries = 0; tries < BUSY_TRIES; tries++) {
		map->nr_spans = 0;
		error = netlink_dump(GCARENA_CMD_SPANS_GET, GCARENA_A_SPAN_ID, map->arena->id,
				     take_span, map, NULL);
		if (error != -EBUSY)
			break;
		usleep(BUSY_WAIT_US);
	}
	return error ? error : map->no_memory ? -ENOMEM : 0;
}

/* What types are called, for programs. */
static void name_types(struct map *map)
{
	struct class_set set;
	size_t i, n;

	if (classes_read(map->arena->id, &set))
		set.nr = 0;	/* they have none then */
	for (i = 0; i < map->nr_spans; i++) {
		for (n = 0; n < set.nr && set.classes[n].layout != map->spans[i].layout; n++)
			;
		if (n < set.nr)
			memcpy(map->spans[i].type, set.classes[n].name, NAME_LEN);
	}
	free(set.classes);
}

static double used_bytes(const struct span_record *span)
{
	return span->slots ? (double)span->bytes * span->used / span->slots : 0;
}

static double old_bytes(const struct span_record *span)
{
	return span->slots ? (double)span->bytes * span->old / span->slots : 0;
}

static void add_up(struct map *map)
{
	size_t i;

	for (i = 0; i < map->nr_spans; i++) {
		const struct span_record *span = &map->spans[i];

		if (span->start + span->bytes > map->end)
			map->end = span->start + span->bytes;
		map->span_bytes += span->bytes;
		map->used_bytes += used_bytes(span);
		map->old_bytes += old_bytes(span);
	}
}

/* ---- Cells -------------------------------------------------------------- */

/* In equal shares, by length: where in a span its objects are is not told. */
static void share_out(struct map *map, const struct span_record *span)
{
	uint64_t at = span->start, end = span->start + span->bytes, next;
	struct map_cell *cell;
	double share;

	for (; at < end; at = next) {
		cell = &map->cells[at / map->cell_bytes];
		next = (at / map->cell_bytes + 1) * map->cell_bytes;
		next = next < end ? next : end;
		share = (double)(next - at) / span->bytes;
		cell->span_bytes += next - at;
		cell->used_bytes += share * used_bytes(span);
		cell->old_bytes += share * old_bytes(span);
	}
}

bool map_make_cells(struct map *map, size_t columns, size_t rows)
{
	size_t i;

	map->columns = columns;
	for (map->cell_bytes = LEAST_CELL; map->end > map->cell_bytes * columns * rows;)
		map->cell_bytes *= 2;
	map->nr_cells = (map->end + map->cell_bytes - 1) / map->cell_bytes;
	map->cells = calloc(map->nr_cells + 1, sizeof(*map->cells));
	if (!map->cells)
		return false;
	for (i = 0; i < map->nr_spans; i++)
		share_out(map, &map->spans[i]);
	return true;
}

enum map_age map_cell_age(const struct map_cell *cell)
{
	if (!cell->span_bytes)
		return MAP_NONE;
	if (!cell->used_bytes)
		return MAP_EMPTY;
	if (cell->old_bytes >= cell->used_bytes * 0.9)
		return MAP_OLD;
	return cell->old_bytes <= cell->used_bytes * 0.1 ? MAP_YOUNG : MAP_MIXED;
}

unsigned int map_cell_level(const struct map *map, const struct map_cell *cell,
			    unsigned int steps)
{
	unsigned int level = cell->used_bytes / map->cell_bytes * steps + 0.5;

	if (level > steps)
		level = steps;
	return level || !cell->used_bytes ? level : 1;
}

const char *map_summary(char *text, const struct map *map)
{
	char used[HUMAN_LEN], spans[HUMAN_LEN], old[HUMAN_LEN], nr[HUMAN_LEN], end[HUMAN_LEN];

	snprintf(text, CELL_LEN, "%s spans of %s, up to %s: %s in use (%.0f %%), of that %s old",
		 human_count(nr, map->nr_spans), human_bytes(spans, map->span_bytes),
		 human_bytes(end, map->end), human_bytes(used, map->used_bytes),
		 map->span_bytes ? 100.0 * map->used_bytes / map->span_bytes : 0,
		 human_bytes(old, map->old_bytes));
	return text;
}

/* ---- Text --------------------------------------------------------------- */

static const char *const age_colours[MAP_NR_AGES] = { "", "90", "32", "33", "34" };
static const char age_letters[MAP_NR_AGES + 1] = " .ymo";

/* The convention of no-color.org. */
static bool wants_colour(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && (!no_color || !*no_color) && term &&
	       strcmp(term, "dumb");
}

static const char *cell_text(const struct map *map, const struct map_cell *cell)
{
	static const char *const blocks[] = {
		"·", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"
	};
	static const char *const ascii[] = { ".", ":", "-", "=", "+", "*", "%", "@", "#" };
	unsigned int level = map_cell_level(map, cell, 8);

	if (!cell->span_bytes)
		return " ";
	return output_is_utf8() ? blocks[level] : ascii[level];
}

static void print_blocks(const struct map *map, size_t first, size_t nr, bool colour)
{
	enum map_age age, last = MAP_NONE;
	size_t i;

	for (i = first; i < first + nr; i++) {
		age = map_cell_age(&map->cells[i]);
		if (colour && age != last)
			printf("\033[%sm", age_colours[age]);
		last = age;
		fputs(cell_text(map, &map->cells[i]), stdout);
	}
	if (colour && last != MAP_NONE)
		printf("\033[m");
	putchar('\n');
}

static void print_row(const struct map *map, size_t first, bool colour)
{
	size_t nr = map->nr_cells - first < map->columns ? map->nr_cells - first : map->columns, i;
	char label[HUMAN_LEN];

	printf("%*s ", LABEL_COLUMNS - 2, human_bytes(label, first * map->cell_bytes));
	print_blocks(map, first, nr, colour);
	if (colour)
		return;
	printf("%*s", LABEL_COLUMNS - 1, "");
	for (i = first; i < first + nr; i++)
		putchar(age_letters[map_cell_age(&map->cells[i])]);
	putchar('\n');
}

static void print_legend(const struct map *map, bool colour)
{
	char bytes[HUMAN_LEN];
	enum map_age age;

	printf("\n  a column is %s:", human_bytes(bytes, map->cell_bytes));
	for (age = MAP_EMPTY; age < MAP_NR_AGES; age++) {
		if (colour)
			printf("  \033[%sm%s\033[m %s", age_colours[age],
			       output_is_utf8() ? "█" : "#", map_age_names[age]);
		else
			printf("  %c %s", age_letters[age], map_age_names[age]);
	}
	putchar('\n');
}

/* A power of two, so that rows begin at round numbers. */
static size_t text_columns(const struct options *options)
{
	unsigned long width = options->width ? options->width : DEFAULT_WIDTH;
	struct winsize size;
	size_t columns = 8;

	if (!options->width && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col >= 20)
		width = size.ws_col;
	while (columns * 2 + LABEL_COLUMNS <= width)
		columns *= 2;
	return columns;
}

static enum exit_status show_text(struct map *map, const struct options *options)
{
	bool colour = wants_colour();
	struct output out = { };
	char text[CELL_LEN];
	size_t i;

	if (!map_make_cells(map, text_columns(options), TEXT_ROWS))
		return failure("no memory");
	arena_title(&out, map->arena);
	printf("  %s\n\n", map_summary(text, map));
	for (i = 0; i < map->nr_cells; i += map->columns)
		print_row(map, i, colour);
	print_legend(map, colour);
	return STATUS_OK;
}

/* ---- The command -------------------------------------------------------- */

static enum exit_status show_json(struct map *map)
{
	struct output out;

	name_types(map);
	output_begin(&out, true, '{');
	output_record(&out, &identity_attributes, map->arena);
	output_record(&out, &parameter_attributes, map->arena);
	output_open(&out, "spans", '[');
	output_table(&out, &span_attributes, map->spans, map->nr_spans, sizeof(*map->spans));
	output_close(&out, ']');
	output_end(&out, '}');
	return STATUS_OK;
}

enum exit_status command_map(const struct options *options, int argc, char **argv)
{
	struct arena_record arena;
	struct map map = { .arena = &arena };
	enum exit_status status;
	int error;

	if (argc != 1)
		return usage_error("map needs one arena: @ID, PID or PID:FD");
	if (options->json && options->svg)
		return usage_error("give --json or --svg, not both");
	status = arena_find_one(&arena, argv[0]);
	if (status)
		return status;
	error = read_spans(&map);
	if (error == -ENOMEM) {
		status = failure("no memory");
	} else if (error) {
		status = arena_failure(arena.id, error);
	} else {
		add_up(&map);
		status = options->json ? show_json(&map) :
			 options->svg ? svg_write(&map, options->svg) :
			 show_text(&map, options);
	}
	free(map.spans);
	free(map.cells);
	return status;
}
