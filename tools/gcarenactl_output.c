// SPDX-License-Identifier: GPL-2.0
/*
 * Attribute tables, printed as text for people or as JSON for programs.
 *
 * A record is a C structure; a table of attributes says what its members mean.
 * Both forms come from the same row, so neither can lack what the other has.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "gcarenactl.h"
#include "human.h"

/* ---- JSON structure ----------------------------------------------------- */

static void json_line(struct output *out)
{
	if (out->depth && out->line) {
		printf(out->empty ? "" : ", ");
	} else if (out->depth) {
		printf(out->empty ? "\n" : ",\n");
		printf("%*s", 2 * (int)out->depth, "");
	}
	out->empty = false;
}

/* The bytes of a well-formed UTF-8 sequence at @s, 0 when there is none. */
static unsigned int utf8_length(const unsigned char *s)
{
	unsigned int n, i;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	for (i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what lies past the last character. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static uint32_t utf8_decode(const unsigned char *s, unsigned int length)
{
	uint32_t c = length == 1 ? *s : *s & (0x7f >> length);
	unsigned int i;

	for (i = 1; i < length; i++)
		c = c << 6 | (s[i] & 0x3f);
	return c;
}

/*
 * What does something to a terminal, or to the order in which a line is read: control
 * characters, separators of lines, directions of writing. And what XML does not take.
 */
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e ||
	       c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
	       (c & 0xfffe) == 0xfffe;
}

static void json_string(const char *string)
{
	const unsigned char *s = (const unsigned char *)string;
	unsigned int n;

	putchar('"');
	for (; *s; s += n) {
		n = utf8_length(s);
		if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if (!n)
			printf("\\ufffd");
		else if (is_control(utf8_decode(s, n)) && utf8_decode(s, n) <= 0xffff)
			printf("\\u%04x", utf8_decode(s, n));
		else
			fwrite(s, 1, n, stdout);
		if (!n)
			n = 1;
	}
	putchar('"');
}

static void json_key(struct output *out, const char *key)
{
	json_line(out);
	if (key) {
		json_string(key);
		printf(": ");
	}
}

void output_open(struct output *out, const char *key, char bracket)
{
	if (!out->json)
		return;
	json_key(out, key);
	putchar(bracket);
	out->depth++;
	out->empty = true;
}

void output_close(struct output *out, char bracket)
{
	if (!out->json)
		return;
	out->depth--;
	if (!out->empty && !out->line)
		printf("\n%*s", 2 * (int)out->depth, "");
	putchar(bracket);
	out->empty = false;
}

void output_begin(struct output *out, bool json, char bracket)
{
	*out = (struct output){ .json = json };
	output_open(out, NULL, bracket);
}

void output_begin_line(struct output *out)
{
	*out = (struct output){ .json = true, .line = true };
	output_open(out, NULL, '{');
}

void output_end(struct output *out, char bracket)
{
	output_close(out, bracket);
	if (out->json)
		putchar('\n');
}

void output_title(struct output *out, const char *format, ...)
{
	va_list arguments;

	if (out->json)
		return;
	if (out->titles++)
		putchar('\n');
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
}

/* ---- Names of values and bits ------------------------------------------- */

static size_t names_count(const char *const *names)
{
	size_t n = 0;

	while (names[n])
		n++;
	return n;
}

/* A value that this tool is too old to name is shown as its number. */
static void format_name(char *cell, const char *const *names, unsigned long long value)
{
	if (value < names_count(names))
		snprintf(cell, CELL_LEN, "%s", names[value]);
	else
		snprintf(cell, CELL_LEN, "%llu", value);
}

static void bit_name(char *cell, const char *const *names, unsigned int bit)
{
	if (bit < names_count(names))
		snprintf(cell, CELL_LEN, "%s", names[bit]);
	else
		snprintf(cell, CELL_LEN, "bit %u", bit);
}

static void format_names(char *cell, const char *const *names, unsigned long long value)
{
	char name[CELL_LEN];
	unsigned int bit;
	size_t n = 0;

	cell[0] = '\0';
	for (bit = 0; bit < 64; bit++) {
		if (!(value >> bit & 1))
			continue;
		bit_name(name, names, bit);
		n += snprintf(cell + n, CELL_LEN - n, "%s%s", n ? ", " : "", name);
		if (n >= CELL_LEN)
			return;
	}
	if (!n)
		strcpy(cell, "none");
}

static void json_names(struct output *out, const char *const *names, unsigned long long value)
{
	char name[CELL_LEN];
	unsigned int bit;
	bool first = true;

	putchar('[');
	for (bit = 0; bit < 64; bit++) {
		if (!(value >> bit & 1))
			continue;
		if (!first)
			printf(", ");
		first = false;
		bit_name(name, names, bit);
		json_string(name);
	}
	putchar(']');
	out->empty = false;
}

/* ---- Attributes --------------------------------------------------------- */

static const char *attribute_string(const struct attribute *a, const void *record)
{
	return (const char *)record + a->offset;
}

static unsigned long long attribute_value(const struct attribute *a, const void *record)
{
	const char *at = (const char *)record + a->offset;
	uint64_t wide;
	uint32_t narrow;

	if (a->width == sizeof(narrow)) {
		memcpy(&narrow, at, sizeof(narrow));
		return narrow;
	}
	memcpy(&wide, at, sizeof(wide));
	return wide;
}

/* A process names itself: what is not printable must not reach a terminal. */
const char *output_printable(char *cell, const char *string)
{
	const unsigned char *s = (const unsigned char *)string;
	size_t n = 0;
	unsigned int length;

	for (; *s && n + 4 < CELL_LEN; s += length) {
		length = utf8_length(s);
		if (!length || is_control(utf8_decode(s, length))) {
			cell[n++] = '?';
			length = length ? length : 1;
			continue;
		}
		memcpy(cell + n, s, length);
		n += length;
	}
	cell[n] = '\0';
	return cell;
}

void output_format(char *cell, const struct attribute *a, const void *record)
{
	unsigned long long value = a->kind == ATTRIBUTE_STRING ? 0 : attribute_value(a, record);

	switch (a->kind) {
	case ATTRIBUTE_COUNT:
		human_count(cell, value);
		break;
	case ATTRIBUTE_LIMIT:
		if (value == UINT64_MAX)
			strcpy(cell, "never");
		else
			human_bytes(cell, value);
		break;
	case ATTRIBUTE_BYTES:
		human_bytes(cell, value);
		break;
	case ATTRIBUTE_NS:
		human_ns(cell, value);
		break;
	case ATTRIBUTE_PERCENT:
		if ((int32_t)value < 0)
			strcpy(cell, "off");
		else
			snprintf(cell, CELL_LEN, "%llu %%", value);
		break;
	case ATTRIBUTE_ADDRESS:
		if (value)
			snprintf(cell, CELL_LEN, "0x%llx", value);
		else
			strcpy(cell, "none");
		break;
	case ATTRIBUTE_NAME:
		format_name(cell, a->names, value);
		break;
	case ATTRIBUTE_NAMES:
		format_names(cell, a->names, value);
		break;
	case ATTRIBUTE_NUMBER:
		snprintf(cell, CELL_LEN, "%llu", value);
		break;
	case ATTRIBUTE_STRING:
		output_printable(cell, attribute_string(a, record));
		break;
	}
}

static void json_attribute(struct output *out, const struct attribute *a,
			   const void *record)
{
	unsigned long long value = a->kind == ATTRIBUTE_STRING ? 0 : attribute_value(a, record);
	char cell[CELL_LEN];

	json_key(out, a->name);
	switch (a->kind) {
	case ATTRIBUTE_STRING:
		json_string(attribute_string(a, record));
		break;
	case ATTRIBUTE_ADDRESS:
		if (!value) {
			printf("null");
			break;
		}
		__attribute__((fallthrough));
	case ATTRIBUTE_NAME:
		output_format(cell, a, record);
		json_string(cell);
		break;
	case ATTRIBUTE_NAMES:
		json_names(out, a->names, value);
		break;
	case ATTRIBUTE_PERCENT:
		printf("%d", (int32_t)value);
		break;
	case ATTRIBUTE_LIMIT:
		if (value == UINT64_MAX)
			printf("null");
		else
			printf("%llu", value);
		break;
	default:
		printf("%llu", value);
	}
}

/* ---- Records and tables ------------------------------------------------- */

static void text_pair(const char *label, const char *value)
{
	printf("  %-26s %s\n", label, value);
}

void output_string(struct output *out, const char *key, const char *label,
		   const char *value)
{
	char cell[CELL_LEN];

	if (out->json) {
		json_key(out, key);
		json_string(value);
		return;
	}
	text_pair(label, output_printable(cell, value));
}

void output_record(struct output *out, const struct attributes *attributes,
		   const void *record)
{
	const struct attribute *a;
	char cell[CELL_LEN];

	for (a = attributes->rows; a < attributes->rows + attributes->nr; a++) {
		if (out->json) {
			json_attribute(out, a, record);
			continue;
		}
		if (a->heading)
			printf(" %s\n", a->heading);
		output_format(cell, a, record);
		text_pair(a->label, cell);
	}
}

bool output_is_text(const struct attribute *attribute)
{
	return attribute->kind == ATTRIBUTE_STRING || attribute->kind == ATTRIBUTE_NAME;
}

bool output_is_utf8(void)
{
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

size_t output_width(const char *string)
{
	size_t left = strlen(string), length, width = 0;
	mbstate_t state = { };
	wchar_t c;

	for (; left; string += length, left -= length) {
		length = mbrtowc(&c, string, left, &state);
		if (length == (size_t)-1 || length == (size_t)-2) {
			state = (mbstate_t){ };
			length = 1;
			width++;
		} else if (wcwidth(c) > 0) {
			width += wcwidth(c);
		}
	}
	return width;
}

static size_t column_width(const struct attribute *a, const char *records, size_t nr,
			   size_t stride)
{
	size_t width = strlen(a->label), length, i;
	char cell[CELL_LEN];

	for (i = 0; i < nr; i++) {
		output_format(cell, a, records + i * stride);
		length = output_width(cell);
		if (length > width)
			width = length;
	}
	return width;
}

/* Text to the left, numbers to the right, and no blanks at a line's end. */
static void text_cell(const struct attribute *a, const char *cell, size_t width, bool last)
{
	int blanks = width - output_width(cell);

	if (!output_is_text(a))
		printf("%*s%s", blanks, "", cell);
	else
		printf("%s%*s", cell, last ? 0 : blanks, "");
	printf("%s", last ? "\n" : "  ");
}

static void text_table(const struct attributes *attributes, const char *records,
		       size_t nr, size_t stride)
{
	size_t width[16], column, i, last = attributes->nr - 1;
	const struct attribute *a = attributes->rows;
	char cell[CELL_LEN];

	for (column = 0; column <= last; column++)
		width[column] = column_width(a + column, records, nr, stride);
	for (column = 0; column <= last; column++)
		text_cell(a + column, a[column].label, width[column], column == last);
	for (i = 0; i < nr; i++) {
		for (column = 0; column <= last; column++) {
			output_format(cell, a + column, records + i * stride);
			text_cell(a + column, cell, width[column], column == last);
		}
	}
}

void output_table(struct output *out, const struct attributes *attributes,
		  const void *records, size_t nr, size_t stride)
{
	const char *record = records;
	size_t i;

	if (!out->json) {
		text_table(attributes, records, nr, stride);
		return;
	}
	for (i = 0; i < nr; i++, record += stride) {
		output_open(out, NULL, '{');
		output_record(out, attributes, record);
		output_close(out, '}');
	}
}

int output_finish(void)
{
	return fflush(stdout) || ferror(stdout) ? -EIO : 0;
}
