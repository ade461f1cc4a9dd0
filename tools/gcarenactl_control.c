// SPDX-License-Identifier: GPL-2.0
/*
 * gcarenactl set, collect: change an arena's parameters, have it collected.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/gcarena_netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "gcarena.h"
#include "gcarenactl.h"

/* ---- set ---------------------------------------------------------------- */

/* 4096, 64M, 1.5GiB: the letter counts, in powers of 1024. */
static bool parse_bytes(const char *text, uint64_t *bytes)
{
	static const char letters[] = "KMGT";
	const char *letter;
	double value;
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	value = strtod(text, &end);
	letter = *end ? strchr(letters, toupper((unsigned char)*end)) : NULL;
	if (letter) {
		value *= 1ULL << 10 * (letter - letters + 1);
		end++;
		end += !strcmp(end, "iB") ? 2 : !strcmp(end, "B") ? 1 : 0;
	}
	if (errno || *end || value >= 0x1p63)
		return false;
	*bytes = value;
	return true;
}

static bool parse_percent(const char *text, int32_t *percent)
{
	unsigned long value;
	char *end;

	if (!strcmp(text, "off")) {
		*percent = GCARENA_GC_PERCENT_OFF;
		return true;
	}
	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || (*end && strcmp(end, "%")) || value > INT32_MAX)
		return false;
	*percent = value;
	return true;
}

static const struct knob {
	const char *name;
	int attr;
} knobs[] = {
	{ "limit", GCARENA_A_ARENA_LIMIT },
	{ "min-heap", GCARENA_A_ARENA_MIN_HEAP },
	{ "gc-percent", GCARENA_A_ARENA_GC_PERCENT },
	{ "memory-limit", GCARENA_A_ARENA_MEMORY_LIMIT },
};

/* NAME=VALUE as an attribute of @message, or with NULL only looked at. */
static bool put_setting(struct nl_msg *message, const char *setting)
{
	const char *value = strchr(setting, '=');
	const struct knob *knob;
	int32_t percent;
	uint64_t bytes;

	for (knob = knobs; value && knob < knobs + ARRAY_SIZE(knobs); knob++) {
		if (strlen(knob->name) != (size_t)(value - setting) ||
		    strncmp(knob->name, setting, value - setting))
			continue;
		if (knob->attr == GCARENA_A_ARENA_GC_PERCENT)
			return parse_percent(value + 1, &percent) &&
			       (!message || !nla_put_s32(message, knob->attr, percent));
		if (knob->attr == GCARENA_A_ARENA_MEMORY_LIMIT && !strcmp(value + 1, "off"))
			value = "=0";
		return parse_bytes(value + 1, &bytes) &&
		       (!message || !nla_put_u64(message, knob->attr, bytes));
	}
	return false;
}

static void show_result(const struct options *options, const struct arena_record *arena)
{
	struct output out;

	output_begin(&out, options->json, '{');
	output_title(&out, "arena @%u", arena->id);
	output_record(&out, &parameter_attributes, arena);
	output_end(&out, '}');
}

enum exit_status command_set(const struct options *options, int argc, char **argv)
{
	struct arena_record arena;
	enum exit_status status;
	struct nl_msg *message;
	int i, error;

	if (argc < 2)
		return usage_error("set needs an arena and something to set: @ID NAME=VALUE");
	for (i = 1; i < argc; i++)
		if (!put_setting(NULL, argv[i]))
			return usage_error("'%s' sets nothing: give limit=BYTES, min-heap=BYTES, gc-percent=N|off or memory-limit=BYTES|off",
					   argv[i]);
	status = arena_find_one(&arena, argv[0]);
	if (status)
		return status;
	message = netlink_question(GCARENA_CMD_ARENA_SET, false);
	if (message)
		nla_put_u32(message, GCARENA_A_ARENA_ID, arena.id);
	for (i = 1; i < argc && message; i++)
		put_setting(message, argv[i]);
	error = netlink_ask(message, NULL, NULL, NULL);
	error = error ? error : arena_refresh(&arena);
	if (error)
		return arena_failure(arena.id, error);
	show_result(options, &arena);
	return STATUS_OK;
}

/* ---- collect ------------------------------------------------------------ */

static const struct attribute collected_rows[] = {
	ATTRIBUTE(NUMBER, arena_record, id, "arena"),
	ATTRIBUTE(NUMBER, arena_record, num_gc, "collections completed"),
	ATTRIBUTE(NS, arena_record, pause_last_ns, "pause"),
	ATTRIBUTE(COUNT, arena_record, heap_objects, "objects left"),
	ATTRIBUTE(BYTES, arena_record, heap_alloc, "bytes of objects left"),
	ATTRIBUTE(BYTES, arena_record, heap_sys, "held for objects"),
};

static const struct attributes collected_attributes = ATTRIBUTES(collected_rows);

static void take_asked(struct nlattr **attrs, void *data)
{
	if (attrs[GCARENA_A_ARENA_ASKED])
		*(uint64_t *)data = nla_get_u64(attrs[GCARENA_A_ARENA_ASKED]);
}

static uint32_t kind_of(const struct options *options)
{
	return options->minor ? GCARENA_COLLECT_MINOR :
	       options->compact ? GCARENA_COLLECT_COMPACT :
	       options->evacuate ? GCARENA_COLLECT_EVACUATE : GCARENA_COLLECT_FULL;
}

static int ask_for_collection(const struct options *options, uint32_t id, uint64_t *asked)
{
	struct nl_msg *message = netlink_question(GCARENA_CMD_COLLECT, false);

	if (message) {
		nla_put_u32(message, GCARENA_A_ARENA_ID, id);
		nla_put_u32(message, GCARENA_A_ARENA_KIND, kind_of(options));
	}
	if (message && options->release)
		nla_put_flag(message, GCARENA_A_ARENA_RELEASE);
	return netlink_ask(message, take_asked, asked, NULL);
}

static void show_progress(const struct arena_record *arena, unsigned int ms)
{
	if (ms >= 1000 && ms % 1000 == 0 && isatty(STDERR_FILENO))
		fprintf(stderr, "\rgcarenactl: collecting @%u: %u s", arena->id, ms / 1000);
}

/* The worker starts when the arena is not busy, and so may take its time. */
static int wait_for_collection(struct arena_record *arena, uint64_t asked)
{
	unsigned int ms;
	int error = 0;

	for (ms = 0; !error; ms += 10) {
		error = arena_refresh(arena);
		if (error || arena->done >= asked)
			break;
		show_progress(arena, ms);
		usleep(10000);
	}
	if (ms >= 1000 && isatty(STDERR_FILENO))
		fputc('\n', stderr);
	return error;
}

static enum exit_status collection_failure(const struct arena_record *arena)
{
	if (arena->done_error == ETIMEDOUT)
		return failure("the collection of @%u was given up: a thread did not stop in time (`gcarenactl stats @%u` names it)",
			       arena->id, arena->id);
	return failure("the collection of @%u was given up: %s", arena->id,
		       gca_strerror(arena->done_error));
}

enum exit_status command_collect(const struct options *options, int argc, char **argv)
{
	struct arena_record arena;
	enum exit_status status;
	struct output out;
	uint64_t asked = 0;
	int error;

	if (argc != 1)
		return usage_error("collect needs one arena: @ID, PID or PID:FD");
	if (options->minor + options->compact + options->evacuate > 1)
		return usage_error("--minor, --compact and --evacuate: give one of them");
	status = arena_find_one(&arena, argv[0]);
	if (status)
		return status;
	error = ask_for_collection(options, arena.id, &asked);
	error = error ? error : wait_for_collection(&arena, asked);
	if (error)
		return arena_failure(arena.id, error);
	if (arena.done_error)
		return collection_failure(&arena);
	output_begin(&out, options->json, '{');
	output_record(&out, &collected_attributes, &arena);
	output_end(&out, '}');
	return STATUS_OK;
}
