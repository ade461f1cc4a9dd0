/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gcarenactl: what its files share.
 *
 *	gcarenactl.c		the command table, options, usage
 *	gcarenactl_info.c	info: what the module can do, its defaults
 *	gcarenactl_arena.c	which arenas are meant; list, show
 *	gcarenactl_stats.c	stats: numbers, and how they change
 *	gcarenactl_pauses.c	stats: how long pauses were
 *	gcarenactl_top.c	top: all arenas, again and again
 *	gcarenactl_screen.c	top: on the whole screen
 *	gcarenactl_map.c	map: what is where in an arena
 *	gcarenactl_svg.c	map: as a picture
 *	gcarenactl_control.c	set, collect
 *	gcarenactl_monitor.c	monitor: collections as they happen
 *	gcarenactl_netlink.c	questions to the module, by netlink
 *	gcarenactl_output.c	attribute tables, printed as text or JSON
 *	human.h			numbers for people
 */
#ifndef GCARENACTL_H
#define GCARENACTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DEVICE_PATH	"/dev/gcarena"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#ifndef __printf
#define __printf(m, n)	__attribute__((__format__(printf, m, n)))
#endif

enum exit_status {
	STATUS_OK	= 0,
	STATUS_FAILURE	= 1,
	STATUS_USAGE	= 2,
};

/* ---- gcarenactl.c ------------------------------------------------------- */

struct options {
	bool json;
	bool classes;
	bool minor;
	bool compact;
	bool evacuate;
	bool release;
	bool batch;
	bool once;
	const char *sort;	/* NULL: not given */
	const char *svg;	/* NULL: not given */
	unsigned long width;	/* 0: not given */
	double interval;	/* s, 0: not given */
	unsigned long count;	/* 0: not given */
};

/* Print "gcarenactl: ..." to stderr; both return the status to exit with. */
__printf(1, 2) enum exit_status failure(const char *format, ...);
__printf(1, 2) enum exit_status usage_error(const char *format, ...);

enum exit_status command_info(const struct options *options, int argc, char **argv);
enum exit_status command_list(const struct options *options, int argc, char **argv);
enum exit_status command_show(const struct options *options, int argc, char **argv);
enum exit_status command_stats(const struct options *options, int argc, char **argv);
enum exit_status command_set(const struct options *options, int argc, char **argv);
enum exit_status command_collect(const struct options *options, int argc, char **argv);
enum exit_status command_monitor(const struct options *options, int argc, char **argv);
enum exit_status command_top(const struct options *options, int argc, char **argv);
enum exit_status command_map(const struct options *options, int argc, char **argv);

/* ---- gcarenactl_netlink.c ----------------------------------------------- */

struct attributes;
struct nl_msg;
struct nl_sock;
struct nlattr;

#define NETLINK_ATTRS	256	/* more than any message has, or will have */

/* Called for each message of an answer. */
typedef void netlink_fn(struct nlattr **attrs, void *data);

/* Find the module; explains on stderr if there is none. */
enum exit_status netlink_open(void);
int netlink_family(void);
/* Another socket, connected; NULL, explained on stderr. */
struct nl_sock *netlink_socket(void);
/* A question to be filled with attributes; NULL, explained on stderr. */
struct nl_msg *netlink_question(uint8_t command, bool dump);
/*
 * Ask, and give each message of the answer to @fn. Frees @message, which may be NULL.
 * 0 or a negative errno. @interrupted, unless NULL: the dump was not consistent.
 */
int netlink_ask(struct nl_msg *message, netlink_fn *fn, void *data, bool *interrupted);
/*
 * Dump, with one attribute unless @attr is 0. @again, unless NULL, forgets what came so
 * far: the dump was not consistent, and is done once more.
 */
int netlink_dump(uint8_t command, int attr, uint32_t value, netlink_fn *fn, void *data,
		 void (*again)(void *data));
/* What the kernel said to the last error. */
const char *netlink_sentence(int error);
/* Fill a record from the attributes that its rows name. */
void netlink_fill(const struct attributes *attributes, void *record, struct nlattr **attrs);

/* ---- gcarenactl_arena.c ------------------------------------------------- */

#define COMM_LEN	64
#define NAME_LEN	64

/* What there is to know about an arena at any time, under the names it is shown by. */
struct arena_record {
	uint32_t id;
	uint32_t pid;
	char name[NAME_LEN], command[COMM_LEN];
	uint32_t created;
	uint64_t base, reserve, limit, min_heap, memory_limit;
	int32_t gc_percent;
	uint32_t root_mode, dirty_method, phase, processes;
	uint64_t heap_objects, heap_alloc, heap_sys, gc_sys;
	uint64_t num_gc, num_aborted_gc, pause_last_ns, pause_max_ns;
	uint64_t pause_total_ns, total_alloc, limit_hits;
	uint64_t events, asked, done;
	uint32_t done_error;
};

struct arena_set {
	struct arena_record *arenas;
	size_t nr;
	bool no_memory;
};

extern const struct attributes parameter_attributes;
extern const struct attributes identity_attributes;
extern const char *const root_mode_names[];
extern const char *const phase_names[];
extern const char *const dirty_method_names[];

struct output;

/* A line of text that says which one it is. */
void arena_title(struct output *out, const struct arena_record *arena);
/* Its name in quotes and a blank, or ""; @cell is of CELL_LEN bytes. */
const char *quoted_name(char *cell, const char *name);

/* The arenas that the arguments name, or with none all. */
enum exit_status arenas_find(struct arena_set *set, int argc, char **argv);
/* Exactly one. */
enum exit_status arena_find_one(struct arena_record *arena, char *argument);
/* Ask again about @arena->id; a negative errno when it fails. */
int arena_refresh(struct arena_record *arena);
/* Explain on stderr why something could not be done to an arena. */
enum exit_status arena_failure(uint32_t id, int error);
void arena_set_free(struct arena_set *set);

/* The spans of one class. */
struct class_record {
	uint32_t size_class, layout;
	char name[NAME_LEN];
	uint64_t slot_size, spans, span_bytes, owned, unswept, slots, used, used_bytes, old;
};

struct class_set {
	struct class_record *classes;
	size_t nr;
};

/* 0 or a negative errno. @set->classes is to be freed. */
int classes_read(uint32_t id, struct class_set *set);

/* ---- gcarenactl_stats.c ------------------------------------------------- */

struct gcarena_stats;

/* 0 or a negative errno; -EBUSY: a collection keeps the arena, try again. */
int stats_read(uint32_t id, struct gcarena_stats *stats);

/* ---- gcarenactl_pauses.c ------------------------------------------------ */

/* @pauses: those of struct gcarena_stats. */
void pauses_show(struct output *out, const unsigned long long *pauses);

/* ---- gcarenactl_top.c --------------------------------------------------- */

struct top_row;

/* What top shows: rows, and what they are sorted by. */
struct top {
	struct arena_set arenas;	/* as last seen, in the order of numbers */
	uint64_t time_ns;		/* when; 0: not yet */
	uint64_t interval_ns;		/* since the look before */
	struct top_row *rows;
	size_t nr;
	const struct top_order *order;
	bool reverse;
};

/* An order that rows can have. */
struct top_order {
	char key;
	const char *name;
	const char *help;
	int (*compare)(const struct top_row *a, const struct top_row *b);
};

extern const struct top_order top_orders[];	/* ends with an empty one */
extern const struct attributes top_attributes;

/* Look at all arenas. */
enum exit_status top_look(struct top *top);
void top_sort(struct top *top);
/* One line: how many arenas, and what they have together; @line is of CELL_LEN bytes. */
const char *top_summary(char *line, const struct top *top);
const void *top_record(const struct top *top, size_t i);

/* ---- gcarenactl_screen.c ------------------------------------------------ */

/* Until the user ends it. */
enum exit_status screen_run(struct top *top, double interval);

/* ---- gcarenactl_map.c, gcarenactl_svg.c --------------------------------- */

/* A piece of an arena, of the same length as all others of the map. */
struct map_cell {
	double span_bytes, used_bytes, old_bytes;	/* of spans, in use, of that survivors */
};

struct span_record;

enum map_age { MAP_NONE, MAP_EMPTY, MAP_YOUNG, MAP_MIXED, MAP_OLD, MAP_NR_AGES };

struct map {
	const struct arena_record *arena;
	struct span_record *spans;
	size_t nr_spans, room;
	bool no_memory;
	uint64_t end;			/* of the last span, from the base */
	uint64_t span_bytes, used_bytes, old_bytes;
	struct map_cell *cells;
	size_t nr_cells, columns;
	uint64_t cell_bytes;
};

/* Share the spans out to cells: @columns in a row, a power of two; at most @rows. */
bool map_make_cells(struct map *map, size_t columns, size_t rows);
enum map_age map_cell_age(const struct map_cell *cell);
/* How full a cell is, of @steps; 0: nothing in use. */
unsigned int map_cell_level(const struct map *map, const struct map_cell *cell,
			    unsigned int steps);
extern const char *const map_age_names[MAP_NR_AGES];
/* One sentence: how many spans, and what is in use; @text is of CELL_LEN bytes. */
const char *map_summary(char *text, const struct map *map);
enum exit_status svg_write(struct map *map, const char *path);

/* ---- gcarenactl_info.c -------------------------------------------------- */

/* Open the device; a negative errno, explained on stderr, when it cannot. */
int device_open(void);

/* ---- gcarenactl_output.c ------------------------------------------------ */

enum attribute_kind {
	ATTRIBUTE_COUNT,	/* 12,345 */
	ATTRIBUTE_BYTES,	/* 61.4 MiB */
	ATTRIBUTE_LIMIT,	/* bytes, of which all ones are "never" and null */
	ATTRIBUTE_NS,		/* 1.25 ms */
	ATTRIBUTE_PERCENT,	/* 100 %, or "off" when negative */
	ATTRIBUTE_ADDRESS,	/* 0x7f..., of which 0 is "none" and null */
	ATTRIBUTE_NAME,		/* an enum: names[value] */
	ATTRIBUTE_NAMES,	/* a bit set: names[bit] */
	ATTRIBUTE_NUMBER,	/* 12345: a process or a version, no quantity */
	ATTRIBUTE_STRING,	/* a char array */
};

/*
 * One value of a record. The same row prints it as text, under @label, and as
 * JSON, under @name: without a unit there, in bytes and nanoseconds.
 */
struct attribute {
	const char *name;
	const char *label;
	const char *heading;	/* text only: starts a new paragraph */
	enum attribute_kind kind;
	size_t offset;
	size_t width;		/* bytes of the member: 4 or 8, or of the array */
	const char *const *names;	/* ends in NULL */
	int nl;			/* the netlink attribute that it comes in, or 0 */
};

#define ATTRIBUTE(kind_, record_, member_, label_, ...) \
	{ .name = #member_, .label = (label_), .kind = ATTRIBUTE_ ## kind_, \
	  .offset = offsetof(struct record_, member_), \
	  .width = sizeof(((struct record_ *)0)->member_), __VA_ARGS__ }

struct attributes {
	const struct attribute *rows;
	size_t nr;
};

#define ATTRIBUTES(rows_)	{ .rows = (rows_), .nr = ARRAY_SIZE(rows_) }

/* In text, titles are shown and keys are not; in JSON, the other way round. */
struct output {
	bool json;
	bool line;		/* JSON: all in one line */
	unsigned int depth;	/* JSON: brackets open */
	bool empty;		/* JSON: nothing yet in the innermost object or array */
	unsigned int titles;	/* text: printed so far */
};

void output_begin(struct output *out, bool json, char bracket);
/* An object in a line of its own: JSON lines. */
void output_begin_line(struct output *out);
void output_end(struct output *out, char bracket);
void output_open(struct output *out, const char *key, char bracket);
void output_close(struct output *out, char bracket);
__printf(2, 3) void output_title(struct output *out, const char *format, ...);
void output_string(struct output *out, const char *key, const char *label,
		   const char *value);
void output_record(struct output *out, const struct attributes *attributes,
		   const void *record);
void output_table(struct output *out, const struct attributes *attributes,
		  const void *records, size_t nr, size_t stride);
/* Copy @string to @cell without what would upset a terminal; returns @cell. */
#define CELL_LEN	256
const char *output_printable(char *cell, const char *string);
/* A value of a record as text; @cell is of CELL_LEN bytes. */
void output_format(char *cell, const struct attribute *attribute, const void *record);
/* Does it stand at the left of its column? Numbers stand at the right. */
bool output_is_text(const struct attribute *attribute);
/* Columns that a string takes on a terminal. */
size_t output_width(const char *string);
/* Does the terminal show what is not ASCII? */
bool output_is_utf8(void);
/* 0, or -EIO when stdout could not take everything. */
int output_finish(void);

#endif /* GCARENACTL_H */
