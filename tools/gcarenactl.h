/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gcarenactl: what its files share.
 *
 *	gcarenactl.c		the command table, options, usage
 *	gcarenactl_info.c	info: what the module can do, its defaults
 *	gcarenactl_stats.c	stats, list: the arenas of processes
 *	gcarenactl_process.c	reaching an arena that another process has open
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
};

/* Print "gcarenactl: ..." to stderr; both return the status to exit with. */
__printf(1, 2) enum exit_status failure(const char *format, ...);
__printf(1, 2) enum exit_status usage_error(const char *format, ...);

enum exit_status command_info(const struct options *options, int argc, char **argv);
enum exit_status command_stats(const struct options *options, int argc, char **argv);
enum exit_status command_list(const struct options *options, int argc, char **argv);

/* ---- gcarenactl_process.c ----------------------------------------------- */

#define COMM_LEN	64

/* An arena as a process sees it, and our own descriptor of the same arena. */
struct process_arena {
	pid_t pid;
	int their_fd;
	int fd;
	char command[COMM_LEN];
};

struct arena_list {
	struct process_arena *arenas;
	size_t nr;
	size_t nr_found;	/* duplicates too */
};

/* Open the device; a negative errno, explained on stderr, when it cannot. */
int device_open(void);
/* Explain on stderr an ioctl on @arena that failed with @error. */
enum exit_status arena_failure(const struct process_arena *arena, int error);

/*
 * Add the arenas of process @pid, each once however often its descriptor was
 * duplicated, or the one behind descriptor @fd when that is not negative.
 * 0 or a negative errno, explained on stderr.
 */
int arenas_of_process(struct arena_list *list, pid_t pid, int fd);
/* Add those of all processes that may be looked at; tell whether there are others. */
int arenas_of_system(struct arena_list *list, bool *hidden);
void arena_list_free(struct arena_list *list);

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
	unsigned int depth;	/* JSON: brackets open */
	bool empty;		/* JSON: nothing yet in the innermost object or array */
	unsigned int titles;	/* text: printed so far */
};

void output_begin(struct output *out, bool json, char bracket);
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
/* 0, or -EIO when stdout could not take everything. */
int output_finish(void);

#endif /* GCARENACTL_H */
