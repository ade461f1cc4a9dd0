/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkggraph: the options, failing, pieces of text and their checksums.
 */
#ifndef PKGGRAPH_COMMON_H
#define PKGGRAPH_COMMON_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gcarena.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#ifndef __printf
#define __printf(m, n)	__attribute__((__format__(printf, m, n)))
#endif

#define __noinline	__attribute__((__noinline__))

struct options {
	char **files;
	int nr_files;
	const char *sections;	/* to remove, separated by commas */
	unsigned long limit;	/* packages to read from each file */
	unsigned long copies;	/* 0: until there are enough objects */
	int gc_percent;
	bool json;
	bool ascii;
	bool spoil;
};

static struct options options = {
	.sections = "doc,libdevel,debug",
	.limit = -1UL,
};

/* ---- Failing ------------------------------------------------------------ */

static _Noreturn __printf(1, 2) void die(const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	fputs("pkggraph: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

static _Noreturn void die_of_arena(const char *what)
{
	die("cannot %s: %s", what, gca_strerror(errno));
}

/* ---- Slices and checksums ----------------------------------------------- */

/* Part of a text; nothing is ever written into the text. */
struct slice {
	const char *at;
	size_t length;
};

#define HASH_START	0xcbf29ce484222325ULL

static uint64_t hash_word(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 32;
}

/* Any change shows in it, also in where one piece ends and the next begins. */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
	const char *at = bytes;
	uint64_t word;

	hash = hash_word(hash, length);
	for (; length >= sizeof(word); at += sizeof(word), length -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		hash = hash_word(hash, word);
	}
	word = 0;
	memcpy(&word, at, length);
	return hash_word(hash, word);
}

static uint64_t hash_slice(uint64_t hash, struct slice slice)
{
	return hash_bytes(hash, slice.at, slice.length);
}

static uint64_t hash_string(uint64_t hash, const char *string)
{
	return hash_bytes(hash, string, strlen(string));
}

static struct slice trim(struct slice slice)
{
	while (slice.length && strchr(" \t\n", slice.at[0])) {
		slice.at++;
		slice.length--;
	}
	while (slice.length && strchr(" \t\n", slice.at[slice.length - 1]))
		slice.length--;
	return slice;
}

/* Cut @rest at the next @separator and return what is before it, trimmed. */
static struct slice cut(struct slice *rest, char separator)
{
	const char *end = memchr(rest->at, separator, rest->length);
	struct slice piece = { rest->at, end ? (size_t)(end - rest->at) : rest->length };

	rest->at += piece.length + !!end;
	rest->length -= piece.length + !!end;
	return trim(piece);
}

static bool section_is_named(const char *name, const char *list)
{
	struct slice rest = { list, strlen(list) };
	struct slice piece;

	while (rest.length) {
		piece = cut(&rest, ',');
		if (piece.length == strlen(name) && !memcmp(piece.at, name, piece.length))
			return true;
	}
	return false;
}

#endif /* PKGGRAPH_COMMON_H */
