/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkggraph: reading the files, paragraph by paragraph, packed or not.
 *
 * The text of a paragraph is in the arena, where it becomes garbage as soon as
 * the next one is read: that keeps the collector busy while the graph is built.
 */
#ifndef PKGGRAPH_INPUT_H
#define PKGGRAPH_INPUT_H

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

enum field {
	FIELD_PACKAGE,
	FIELD_VERSION,
	FIELD_MACHINE,
	FIELD_SECTION,
	FIELD_SIZE,
	FIELD_DESCRIPTION,
	FIELD_PRE_DEPENDS,	/* the four in the order of enum dependency_kind */
	FIELD_DEPENDS,
	FIELD_RECOMMENDS,
	FIELD_SUGGESTS,
	NR_FIELDS,
};

static const char *const field_names[NR_FIELDS] = {
	[FIELD_PACKAGE] = "Package",
	[FIELD_VERSION] = "Version",
	[FIELD_MACHINE] = "Architecture",
	[FIELD_SECTION] = "Section",
	[FIELD_SIZE] = "Installed-Size",
	[FIELD_DESCRIPTION] = "Description",
	[FIELD_PRE_DEPENDS] = "Pre-Depends",
	[FIELD_DEPENDS] = "Depends",
	[FIELD_RECOMMENDS] = "Recommends",
	[FIELD_SUGGESTS] = "Suggests",
};

/*
 * The text of a paragraph is in the arena, where it becomes garbage as soon as
 * the next one is read; its checksum is that of the lines as they came.
 */
struct paragraph {
	char *text;
	size_t length, room;
	uint64_t check;
	struct slice fields[NR_FIELDS];
};

static struct {
	size_t nr_files;
	size_t nr_paragraphs;
	size_t nr_skipped;
	unsigned long nr_copies;
	uint64_t bytes;
} input;

/* A line of the file, from malloc(); NULL at the file's end. */
struct reader {
	FILE *file;
	const char *name;
	char *line;
	size_t room;
	ssize_t length;
};

static bool read_line(struct reader *reader)
{
	reader->length = getline(&reader->line, &reader->room, reader->file);
	if (reader->length < 0 && ferror(reader->file))
		die("cannot read %s: %s", reader->name, strerror(errno));
	return reader->length >= 0;
}

/* The text before is left to the collector, as all else is. */
static void paragraph_reserve(struct paragraph *p, size_t room)
{
	char *text = gca_alloc_noscan(room);

	if (!text)
		die_of_arena("allocate in the arena");
	if (p->length)
		memcpy(text, p->text, p->length);
	p->text = text;
	p->room = room;
}

static void paragraph_append(struct paragraph *p, const char *line, size_t length)
{
	if (p->length + length > p->room)
		paragraph_reserve(p, 2 * (p->length + length) + 1000);
	memcpy(p->text + p->length, line, length);
	p->check = hash_bytes(p->check, line, length);
	p->length += length;
}

static void paragraph_start(struct paragraph *p)
{
	unsigned int i;

	*p = (struct paragraph){ .check = HASH_START };
	for (i = 0; i < NR_FIELDS; i++)
		p->fields[i].at = "";
}

static bool paragraph_read(struct paragraph *p, struct reader *reader)
{
	paragraph_start(p);
	while (read_line(reader)) {
		if (reader->length > 1 || reader->line[0] != '\n')
			paragraph_append(p, reader->line, reader->length);
		else if (p->length)
			break;
	}
	input.bytes += p->length;
	return p->length;
}

static void paragraph_verify(const struct paragraph *p)
{
	const char *at = p->text, *end = p->text + p->length, *next;
	uint64_t check = HASH_START;

	for (; at < end; at = next) {
		next = memchr(at, '\n', end - at);
		next = next ? next + 1 : end;
		check = hash_bytes(check, at, next - at);
	}
	if (check != p->check)
		die("a paragraph changed while it was read: the arena is damaged");
}

static void paragraph_note_field(struct paragraph *p, struct slice text)
{
	struct slice name = cut(&text, ':');
	unsigned int i;

	for (i = 0; i < NR_FIELDS; i++)
		if (strlen(field_names[i]) == name.length &&
		    !memcmp(field_names[i], name.at, name.length))
			p->fields[i] = trim(text);
}

/* A field ends before the first line that does not start with a blank. */
static void paragraph_parse(struct paragraph *p)
{
	const char *start = p->text, *end = p->text + p->length, *at = start;

	while (at < end) {
		at = memchr(at, '\n', end - at);
		at = at ? at + 1 : end;
		if (at < end && (*at == ' ' || *at == '\t'))
			continue;
		paragraph_note_field(p, (struct slice){ start, at - start });
		start = at;
	}
}

/* ---- Packed files, through their unpacker -------------------------------- */

static const struct unpacker {
	const char *suffix;
	char *const command[3];
} unpackers[] = {
	{ ".gz", { "gzip", "-dc" } },
	{ ".xz", { "xz", "-dc" } },
	{ ".lz4", { "lz4", "-dc" } },
	{ ".zst", { "zstd", "-dc" } },
	{ ".bz2", { "bzip2", "-dc" } },
};

/* apt unpacks whatever apt may have stored. */
#define APT_HELPER	"/usr/lib/apt/apt-helper"

static const struct unpacker *find_unpacker(const char *path)
{
	const struct unpacker *unpacker = unpackers;
	size_t length = strlen(path), suffix;

	for (; unpacker < unpackers + ARRAY_SIZE(unpackers); unpacker++) {
		suffix = strlen(unpacker->suffix);
		if (length > suffix && !strcmp(path + length - suffix, unpacker->suffix))
			return unpacker;
	}
	return NULL;
}

/* Start a child that writes the unpacked file to the pipe that is returned. */
static int unpack(const struct unpacker *unpacker, char *path, pid_t *pid)
{
	bool apt = !access(APT_HELPER, X_OK);
	char *const apt_command[] = { APT_HELPER, "cat-file", path, NULL };
	char *const own_command[] = {
		unpacker->command[0], unpacker->command[1], path, NULL
	};
	char *const *command = apt ? apt_command : own_command;
	posix_spawn_file_actions_t actions;
	int pipes[2], error;

	if (pipe(pipes))
		die("cannot make a pipe: %s", strerror(errno));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
	posix_spawn_file_actions_addclose(&actions, pipes[0]);
	posix_spawn_file_actions_addclose(&actions, pipes[1]);
	error = posix_spawnp(pid, command[0], &actions, NULL, command, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error)
		die("cannot run %s for %s: %s", command[0], path, strerror(error));
	close(pipes[1]);
	return pipes[0];
}

static void reader_open(struct reader *reader, char *path, pid_t *pid)
{
	const struct unpacker *unpacker = find_unpacker(path);

	*reader = (struct reader){ .name = path };
	*pid = 0;
	if (unpacker)
		reader->file = fdopen(unpack(unpacker, path, pid), "r");
	else
		reader->file = fopen(path, "r");
	if (!reader->file)
		die("cannot open %s: %s", path, strerror(errno));
}

/* With --limit the unpacker may still be writing, and dies of the closed pipe. */
static void reader_close(struct reader *reader, pid_t pid, bool at_end)
{
	int status = 0;

	fclose(reader->file);
	free(reader->line);
	if (pid)
		waitpid(pid, &status, 0);
	if (at_end && status)
		die("cannot unpack %s", reader->name);
}

#endif /* PKGGRAPH_INPUT_H */
