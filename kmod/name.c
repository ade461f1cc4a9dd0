// SPDX-License-Identifier: GPL-2.0
/*
 * Names that programs give to arenas and types, for people to read.
 *
 * They end up in terminals, in lines of /proc and in other programs' JSON, so they are
 * text: well-formed UTF-8 without control characters, without the separators of lines,
 * and without what turns the direction of writing round for all that follows.
 */
#include <linux/errno.h>
#include <linux/string.h>

#include "name.h"

/* The continuation bytes that a first byte announces; -1: it is none. */
static int nr_following(u8 first)
{
	if (first < 0x80)
		return 0;
	if (first >= 0xc2 && first <= 0xdf)
		return 1;
	if (first >= 0xe0 && first <= 0xef)
		return 2;
	return first >= 0xf0 && first <= 0xf4 ? 3 : -1;
}

static bool is_text(u32 c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
		return false;
	/* Marks and embeddings of a direction, separators of lines. */
	return c != 0x200e && c != 0x200f && c != 0x061c && !(c >= 0x2028 && c <= 0x202e) &&
	       !(c >= 0x2066 && c <= 0x2069);
}

/* The bytes of the character at @s, which ends in a zero; 0: it is none, or not text. */
static unsigned int text_length(const char *s)
{
	static const u32 least[] = { 0, 0x80, 0x800, 0x10000 };
	int i, nr = nr_following(*s);
	u32 c;

	if (nr < 0)
		return 0;
	c = nr ? *s & (0x3f >> nr) : *s;
	for (i = 1; i <= nr; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	return c >= least[nr] && is_text(c) ? nr + 1 : 0;
}

/* Is what stands in @room bytes a name: terminated, and text? It may be empty. */
bool gcarena_name_is_valid(const char *name, size_t room)
{
	unsigned int length;

	if (strnlen(name, room) == room)
		return false;
	for (; *name; name += length) {
		length = text_length(name);
		if (!length)
			return false;
	}
	return true;
}

/* Put a question mark for each byte that is not text. @name ends in a zero. */
void gcarena_name_clean(char *name)
{
	unsigned int length;

	for (; *name; name += length) {
		length = text_length(name);
		if (length)
			continue;
		*name = '?';
		length = 1;
	}
}
