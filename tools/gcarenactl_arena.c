// SPDX-License-Identifier: GPL-2.0
/*
 * Arenas: which ones are meant, and what they are.
 *
 * An arena is named by its number, @ID, or by a process: PID is all arenas that it opened
 * or maps, PID:FD the one behind a descriptor.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/gcarena_netlink.h>
#include <netlink/attr.h>

#include "gcarena.h"
#include "gcarenactl.h"

const char *const root_mode_names[] = { "default", "auto", "explicit", "all", NULL };

const char *const dirty_method_names[] = { "none", "page tables", "refault", NULL };
const char *const phase_names[] = {
	"idle", "stop", "mark", "sweep", "trace", "compact", NULL
};

#define ARENA(kind_, member_, label_, nl_, ...) \
	ATTRIBUTE(kind_, arena_record, member_, label_, .nl = GCARENA_A_ARENA_ ## nl_, \
		  ##__VA_ARGS__)

/* All that comes. */
static const struct attribute arena_rows[] = {
	ARENA(NUMBER, id, "arena", ID),
	ARENA(NUMBER, pid, "process", PID),
	ARENA(STRING, command, "command", COMM),
	ARENA(STRING, name, "name", NAME),
	ARENA(NUMBER, processes, "processes that map it", PROCESSES),
	ARENA(NAME, phase, "phase", PHASE, .names = phase_names),
	ARENA(COUNT, heap_objects, "objects", HEAP_OBJECTS, .heading = "heap"),
	ARENA(BYTES, heap_alloc, "bytes of objects", HEAP_BYTES),
	ARENA(BYTES, heap_sys, "held for objects", BACKING_BYTES),
	ARENA(BYTES, gc_sys, "metadata", METADATA_BYTES),
	ARENA(BYTES, total_alloc, "allocated so far", ALLOC_BYTES),
	ARENA(COUNT, limit_hits, "allocations that failed", LIMIT_HITS),
	ARENA(COUNT, num_gc, "completed", CYCLES, .heading = "collections"),
	ARENA(COUNT, num_aborted_gc, "given up", CYCLES_ABORTED),
	ARENA(NS, pause_last_ns, "last pause", PAUSE_LAST_NS),
	ARENA(NS, pause_max_ns, "longest pause", PAUSE_MAX_NS),
	ARENA(NS, pause_total_ns, "all pauses", PAUSE_TOTAL_NS),
	ARENA(COUNT, events, "events told", EVENTS),
	ARENA(COUNT, asked, "asked for from outside", ASKED),
	ARENA(COUNT, done, "of them carried out", DONE),
	ARENA(NUMBER, done_error, "error of the last", DONE_ERROR),
	ARENA(NUMBER, created, "fixed", CREATED, .heading = "parameters"),
	ARENA(ADDRESS, base, "base address", BASE),
	ARENA(BYTES, reserve, "address range", RESERVE),
	ARENA(BYTES, limit, "memory limit", LIMIT),
	ARENA(BYTES, memory_limit, "soft memory limit, 0: none", MEMORY_LIMIT),
	ARENA(BYTES, min_heap, "collects by itself from", MIN_HEAP),
	ARENA(PERCENT, gc_percent, "growth until a collection", GC_PERCENT),
	ARENA(NAME, root_mode, "roots", ROOT_MODE, .names = root_mode_names),
	ARENA(NAME, dirty_method, "written pages by", DIRTY_METHOD, .names = dirty_method_names),
};

static const struct attribute parameter_rows[] = {
	ARENA(ADDRESS, base, "base address", BASE, .heading = "parameters"),
	ARENA(BYTES, reserve, "address range", RESERVE),
	ARENA(BYTES, limit, "memory limit", LIMIT),
	ARENA(BYTES, memory_limit, "soft memory limit, 0: none", MEMORY_LIMIT),
	ARENA(BYTES, min_heap, "collects by itself from", MIN_HEAP),
	ARENA(PERCENT, gc_percent, "growth until a collection", GC_PERCENT),
	ARENA(NAME, root_mode, "roots", ROOT_MODE, .names = root_mode_names),
};

static const struct attribute list_rows[] = {
	ARENA(NUMBER, id, "@ID", ID),
	ARENA(NUMBER, pid, "PID", PID),
	ARENA(NAME, phase, "PHASE", PHASE, .names = phase_names),
	ARENA(COUNT, heap_objects, "OBJECTS", HEAP_OBJECTS),
	ARENA(BYTES, heap_alloc, "ALLOC", HEAP_BYTES),
	ARENA(BYTES, heap_sys, "SYS", BACKING_BYTES),
	ARENA(COUNT, num_gc, "GCs", CYCLES),
	ARENA(NS, pause_max_ns, "MAX-PAUSE", PAUSE_MAX_NS),
	ARENA(STRING, name, "NAME", NAME),
	ARENA(STRING, command, "COMMAND", COMM),
};

static const struct attribute identity_rows[] = {
	ARENA(NUMBER, id, "arena", ID),
	ARENA(NUMBER, pid, "process", PID),
	ARENA(STRING, name, "name", NAME),
	ARENA(STRING, command, "command", COMM),
};

static const struct attributes arena_attributes = ATTRIBUTES(arena_rows);
static const struct attributes list_attributes = ATTRIBUTES(list_rows);
const struct attributes parameter_attributes = ATTRIBUTES(parameter_rows);
const struct attributes identity_attributes = ATTRIBUTES(identity_rows);

/* ---- Who it is ---------------------------------------------------------- */

const char *quoted_name(char *cell, const char *name)
{
	char printable[CELL_LEN];

	cell[0] = '\0';
	if (*name)
		snprintf(cell, CELL_LEN, "\"%s\" ", output_printable(printable, name));
	return cell;
}

void arena_title(struct output *out, const struct arena_record *arena)
{
	char name[CELL_LEN], command[CELL_LEN];

	output_title(out, "arena @%u %sof process %u (%s)", arena->id,
		     quoted_name(name, arena->name), arena->pid,
		     output_printable(command, arena->command));
}

/* ---- What is said when it fails ----------------------------------------- */

enum exit_status arena_failure(uint32_t id, int error)
{
	switch (error) {
	case -ENOENT:
		return failure("there is no arena @%u: `gcarenactl list` shows those there are",
			       id);
	case -EPERM:
		return failure("arena @%u: %s", id, netlink_sentence(error));
	case -EBUSY:
		return failure("arena @%u is busy, with a collection perhaps: try again", id);
	default:
		return failure("arena @%u: %s", id, netlink_sentence(error));
	}
}

static enum exit_status process_failure(int pid, int error)
{
	switch (error) {
	case 0:
	case -ENOENT:
		return failure("process %d has no arena: `gcarenactl list` shows those that have",
			       pid);
	case -EPERM:
		return failure("no permission to look into process %d: run gcarenactl as its owner or as root",
			       pid);
	default:
		return failure("process %d: %s", pid, netlink_sentence(error));
	}
}

/* ---- Asking ------------------------------------------------------------- */

static void take_record(struct nlattr **attrs, void *data)
{
	struct arena_record *arena = data;

	*arena = (struct arena_record){ };
	netlink_fill(&arena_attributes, arena, attrs);
}

/* @attr: GCARENA_A_ARENA_ID or _PID. */
static int ask_one(struct arena_record *arena, int attr, uint32_t value)
{
	struct nl_msg *message = netlink_question(GCARENA_CMD_ARENA_GET, false);

	if (message)
		nla_put_u32(message, attr, value);
	return netlink_ask(message, take_record, arena, NULL);
}

int arena_refresh(struct arena_record *arena)
{
	return ask_one(arena, GCARENA_A_ARENA_ID, arena->id);
}

static struct arena_record *set_grow(struct arena_set *set)
{
	struct arena_record *grown;

	grown = reallocarray(set->arenas, set->nr + 1, sizeof(*grown));
	if (!grown) {
		set->no_memory = true;
		return NULL;
	}
	set->arenas = grown;
	return &grown[set->nr++];
}

static void take_another(struct nlattr **attrs, void *data)
{
	struct arena_record *arena = set_grow(data);

	if (arena)
		take_record(attrs, arena);
}

static void forget(void *data)
{
	struct arena_set *set = data;

	set->nr = 0;
}

void arena_set_free(struct arena_set *set)
{
	free(set->arenas);
	*set = (struct arena_set){ };
}

/* ---- Who is meant ------------------------------------------------------- */

/* A decimal number from @least to INT_MAX that ends at @end. */
static bool parse_number(const char *text, int least, int *number, const char **end)
{
	unsigned long value;
	char *stop;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	value = strtoul(text, &stop, 10);
	if (errno || value > INT_MAX || value < (unsigned long)least)
		return false;
	*number = value;
	*end = stop;
	return true;
}

/* The arena behind a descriptor, as its fdinfo tells; 0: it is none, or not to be seen. */
static uint32_t id_of_descriptor(int pid, int fd)
{
	char path[64], line[128];
	uint32_t id = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (!id && fgets(line, sizeof(line), file))
		sscanf(line, "gcarena-id: %u", &id);
	fclose(file);
	return id;
}

static enum exit_status add_id(struct arena_set *set, uint32_t id)
{
	struct arena_record *arena = set_grow(set);
	int error;

	if (!arena)
		return failure("no memory");
	error = ask_one(arena, GCARENA_A_ARENA_ID, id);
	if (!error)
		return STATUS_OK;
	set->nr--;
	return arena_failure(id, error);
}

static enum exit_status add_descriptor(struct arena_set *set, int pid, int fd)
{
	uint32_t id = id_of_descriptor(pid, fd);

	if (!id)
		return failure("descriptor %d of process %d is no arena, or yours to see: `gcarenactl list %d` shows its arenas",
			       fd, pid, pid);
	return add_id(set, id);
}

/* Of an arena that may not be seen a dump says nothing, so ask for it. */
static enum exit_status add_process(struct arena_set *set, int pid)
{
	struct arena_set found = { };
	struct arena_record one;
	size_t i;
	int error;

	error = netlink_dump(GCARENA_CMD_ARENA_GET, GCARENA_A_ARENA_PID, pid, take_another,
			     &found, forget);
	if (!error && !found.nr)
		error = ask_one(&one, GCARENA_A_ARENA_PID, pid);
	if (error || !found.nr)
		return process_failure(pid, error);
	for (i = 0; i < found.nr; i++) {
		struct arena_record *arena = set_grow(set);

		if (arena)
			*arena = found.arenas[i];
	}
	arena_set_free(&found);
	return STATUS_OK;
}

static enum exit_status add_target(struct arena_set *set, const char *text)
{
	const char *end;
	int number, fd;

	if (*text == '@' && parse_number(text + 1, 1, &number, &end) && !*end)
		return add_id(set, number);
	if (parse_number(text, 1, &number, &end)) {
		if (!*end)
			return add_process(set, number);
		if (*end == ':' && parse_number(end + 1, 0, &fd, &end) && !*end)
			return add_descriptor(set, number, fd);
	}
	return usage_error("'%s' is no arena: give @ID, PID or PID:FD", text);
}

/* Those that cannot be reached are told about, and the others still found. */
enum exit_status arenas_find(struct arena_set *set, int argc, char **argv)
{
	enum exit_status status = netlink_open(), one;
	int i, error;

	if (status)
		return status;
	if (!argc) {
		error = netlink_dump(GCARENA_CMD_ARENA_GET, 0, 0, take_another, set, forget);
		if (error)
			return failure("%s", netlink_sentence(error));
	}
	for (i = 0; i < argc; i++) {
		one = add_target(set, argv[i]);
		if (one == STATUS_USAGE)
			return one;
		status = status ? status : one;
	}
	return set->no_memory ? failure("no memory") : status;
}

enum exit_status arena_find_one(struct arena_record *arena, char *argument)
{
	struct arena_set set = { };
	enum exit_status status = arenas_find(&set, 1, &argument);

	if (!status && set.nr != 1)
		status = failure("process %s has %zu arenas: name one by its number, as `gcarenactl list %s` shows it",
				 argument, set.nr, argument);
	if (!status)
		*arena = set.arenas[0];
	arena_set_free(&set);
	return status;
}

/* ---- list --------------------------------------------------------------- */

enum exit_status command_list(const struct options *options, int argc, char **argv)
{
	struct arena_set set = { };
	enum exit_status status = arenas_find(&set, argc, argv);
	struct output out;

	if (!status || set.nr) {
		output_begin(&out, options->json, '[');
		output_table(&out, &list_attributes, set.arenas, set.nr,
			     sizeof(*set.arenas));
		output_end(&out, ']');
	}
	arena_set_free(&set);
	return status;
}

/* ---- show --------------------------------------------------------------- */

#define CLASS(kind_, member_, label_, nl_) \
	ATTRIBUTE(kind_, class_record, member_, label_, .nl = GCARENA_A_CLASS_ ## nl_)

static const struct attribute class_rows[] = {
	CLASS(NUMBER, size_class, "class", SIZE_CLASS),
	CLASS(NUMBER, slot_size, "slot", SLOT_BYTES),
	CLASS(NUMBER, layout, "layout", LAYOUT),
	CLASS(COUNT, spans, "spans", SPANS),
	CLASS(COUNT, owned, "owned", OWNED),
	CLASS(COUNT, unswept, "unswept", UNSWEPT),
	CLASS(BYTES, span_bytes, "bytes", SPAN_BYTES),
	CLASS(COUNT, slots, "slots", SLOTS),
	CLASS(COUNT, used, "used", USED),
	CLASS(COUNT, old, "old", OLD),
	CLASS(BYTES, used_bytes, "used bytes", USED_BYTES),
	CLASS(STRING, name, "name", NAME),
};

static const struct attributes class_attributes = ATTRIBUTES(class_rows);

static void take_class(struct nlattr **attrs, void *data)
{
	struct class_record *grown;
	struct class_set *set = data;

	grown = reallocarray(set->classes, set->nr + 1, sizeof(*grown));
	if (!grown)
		return;
	set->classes = grown;
	grown[set->nr] = (struct class_record){ };
	netlink_fill(&class_attributes, &grown[set->nr++], attrs);
}

int classes_read(uint32_t id, struct class_set *set)
{
	*set = (struct class_set){ };
	return netlink_dump(GCARENA_CMD_CLASSES_GET, GCARENA_A_CLASS_ID, id, take_class, set,
			    NULL);
}

static enum exit_status show_classes(struct output *out, uint32_t id)
{
	struct class_set set;
	int error = classes_read(id, &set);

	output_open(out, "span_classes", '[');
	if (!error && set.nr) {
		if (!out->json)
			puts(" spans by class");
		output_table(out, &class_attributes, set.classes, set.nr, sizeof(*set.classes));
	}
	output_close(out, ']');
	free(set.classes);
	return error ? arena_failure(id, error) : STATUS_OK;
}

static enum exit_status show_one(struct output *out, const struct arena_record *arena)
{
	enum exit_status status;

	output_open(out, NULL, '{');
	arena_title(out, arena);
	output_record(out, &arena_attributes, arena);
	status = show_classes(out, arena->id);
	output_close(out, '}');
	return status;
}

enum exit_status command_show(const struct options *options, int argc, char **argv)
{
	enum exit_status status, one;
	struct arena_set set = { };
	struct output out;
	size_t i;

	if (!argc)
		return usage_error("show needs an arena: @ID, PID or PID:FD");
	status = arenas_find(&set, argc, argv);
	if (status && !set.nr) {
		arena_set_free(&set);
		return status;
	}
	output_begin(&out, options->json, '[');
	for (i = 0; i < set.nr; i++) {
		one = show_one(&out, &set.arenas[i]);
		status = status ? status : one;
	}
	output_end(&out, ']');
	arena_set_free(&set);
	return status;
}
