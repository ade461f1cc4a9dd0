/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkggraph: what each phase did, as a table, a picture, a summary or JSON.
 */
#ifndef PKGGRAPH_REPORT_H
#define PKGGRAPH_REPORT_H

#include "../../human.h"
#include "common.h"
#include "input.h"
#include "phases.h"
#include "record.h"

/*
 * A column of the table, and one or two members of the JSON object. Columns
 * that are there before and after the collection have two offsets.
 */
static const struct column {
	const char *title;
	const char *key, *key_before;
	int width;		/* 0: not in the table */
	const char *(*format)(char *text, unsigned long long value);
	size_t after, before;
} columns[] = {
	{ "objects", "objects_after", "objects_before", 11, human_count,
	  offsetof(struct result, objects_after), offsetof(struct result, objects_before) },
	{ "bytes", "bytes_after", "bytes_before", 10, human_bytes,
	  offsetof(struct result, bytes_after), offsetof(struct result, bytes_before) },
	{ "heap_sys", "heap_sys_after", "heap_sys_before", 10, human_bytes,
	  offsetof(struct result, held_after), offsetof(struct result, held_before) },
	{ "reclaimed", "reclaimed_objects", NULL, 11, human_count,
	  offsetof(struct result, freed_objects), 0 },
	{ "bytes", "reclaimed_bytes", NULL, 10, human_bytes,
	  offsetof(struct result, freed_bytes), 0 },
	{ "given back", "given_back_bytes", NULL, 12, human_bytes,
	  offsetof(struct result, given_back), 0 },
	{ "pause", "pause_ns", NULL, 9, human_ns, offsetof(struct result, pause_ns), 0 },
	{ "auto GCs", "automatic_collections", NULL, 10, human_count,
	  offsetof(struct result, automatic), 0 },
	{ "verified", "verified_objects", NULL, 0, human_count,
	  offsetof(struct result, verified), 0 },
};

#define for_each_column(column) \
	for (column = columns; column < columns + ARRAY_SIZE(columns); column++)

static unsigned long long member(const struct result *result, size_t offset)
{
	return *(const uint64_t *)((const char *)result + offset);
}

static void print_heading(void)
{
	const struct column *column;

	printf("%8s", "");
	for_each_column(column)
		if (column->width)
			printf("%*s", column->width, column->title);
	putchar('\n');
}

static void print_row(const char *when, const struct result *result, bool after)
{
	const struct column *column;
	char text[HUMAN_LEN];

	printf("  %-6s", when);
	for_each_column(column)
		if (column->width && (after || column->key_before))
			printf("%*s", column->width,
			       column->format(text, member(result, after ? column->after :
							   column->before)));
	putchar('\n');
}

static void print_title(const struct phase *phase)
{
	printf("%td. ", phase - phases + 1);
	printf(phase->title, options.sections);
	putchar('\n');
	fflush(stdout);
}

static void print_result(const struct result *result)
{
	char count[HUMAN_LEN];

	print_row("before", result, false);
	print_row("after", result, true);
	printf("  verified %s objects\n", human_count(count, result->verified));
	fflush(stdout);
}

/* ---- The picture -------------------------------------------------------- */

#define PICTURE_WIDTH	64

struct shade {
	const char *block, *ascii;
};

static const struct shade live = { "\u2588", "#" };
static const struct shade dead = { "\u2592", "x" };
static const struct shade unused = { "\u2591", "." };

static void print_blocks(const struct shade *shade, uint64_t nr)
{
	while (nr--)
		fputs(options.ascii ? shade->ascii : shade->block, stdout);
}

/* Bounds are rounded, not lengths: a bar is as long as the sum of its parts. */
static void print_bar(uint64_t unit, uint64_t nr_live, uint64_t nr_used, uint64_t nr_held)
{
	uint64_t a = (nr_live + unit / 2) / unit;
	uint64_t b = (nr_used + unit / 2) / unit;
	uint64_t c = (nr_held + unit / 2) / unit;
	char text[HUMAN_LEN];

	print_blocks(&live, a);
	print_blocks(&dead, b - a);
	print_blocks(&unused, c > b ? c - b : 0);
	printf(" %s\n", human_bytes(text, nr_held));
}

static uint64_t picture_unit(const struct result *results)
{
	uint64_t most = 0, unit = 1;
	size_t i;

	for (i = 0; i < NR_PHASES; i++)
		if (results[i].held_before > most)
			most = results[i].held_before;
	while (unit * PICTURE_WIDTH < most)
		unit *= 2;
	return unit;
}

static void print_picture(const struct result *results)
{
	uint64_t unit = picture_unit(results);
	const struct result *r = results;
	char text[HUMAN_LEN];

	printf("\nMemory held for objects, one block is %s: ", human_bytes(text, unit));
	print_blocks(&live, 1);
	printf(" live  ");
	print_blocks(&dead, 1);
	printf(" dead  ");
	print_blocks(&unused, 1);
	printf(" free\n");
	for (; r < results + NR_PHASES; r++) {
		printf("%td before ", r - results + 1);
		print_bar(unit, r->bytes_after, r->bytes_before, r->held_before);
		printf("  after  ");
		print_bar(unit, r->bytes_after, r->bytes_after, r->held_after);
	}
}

/* ---- The summary -------------------------------------------------------- */

struct summary {
	uint64_t packages, paragraphs, files, copies, skipped, text_bytes;
	uint64_t collections, automatic_collections;
	uint64_t mallocs, frees, total_alloc_bytes;
	uint64_t pause_total_ns, pause_max_ns;
	uint64_t heap_peak_bytes, verified_objects, kept_objects, milliseconds;
};

#define SUMMARY(member_)	{ #member_, offsetof(struct summary, member_) }

static const struct {
	const char *key;
	size_t offset;
} summary_rows[] = {
	SUMMARY(packages), SUMMARY(paragraphs), SUMMARY(files), SUMMARY(copies),
	SUMMARY(skipped), SUMMARY(text_bytes), SUMMARY(collections),
	SUMMARY(automatic_collections), SUMMARY(mallocs), SUMMARY(frees),
	SUMMARY(total_alloc_bytes), SUMMARY(pause_total_ns), SUMMARY(pause_max_ns),
	SUMMARY(heap_peak_bytes), SUMMARY(verified_objects), SUMMARY(kept_objects),
	SUMMARY(milliseconds),
};

static struct summary summarize(const struct result *results, uint64_t milliseconds)
{
	struct gca_stats stats = read_stats();
	struct summary summary = {
		.packages = record.nr_packages,
		.paragraphs = input.nr_paragraphs,
		.files = options.nr_files,
		.copies = input.nr_copies,
		.skipped = input.nr_skipped,
		.text_bytes = input.bytes,
		.collections = stats.num_gc,
		.automatic_collections = stats.num_gc - stats.num_forced_gc,
		.mallocs = stats.mallocs,
		.frees = stats.frees,
		.total_alloc_bytes = stats.total_alloc,
		.pause_total_ns = stats.pause_total_ns,
		.pause_max_ns = stats.pause_max_ns,
		.heap_peak_bytes = stats.heap_peak,
		.milliseconds = milliseconds,
	};
	size_t i;

	for (i = 0; i < NR_PHASES; i++) {
		summary.verified_objects += results[i].verified;
		if (results[i].objects_after - results[i].verified > summary.kept_objects)
			summary.kept_objects = results[i].objects_after - results[i].verified;
	}
	return summary;
}

static void print_summary(const struct summary *s)
{
	char a[HUMAN_LEN], b[HUMAN_LEN], c[HUMAN_LEN];

	printf("\n%s package versions were read from %s of text", human_count(a, s->paragraphs),
	       human_bytes(b, s->text_bytes));
	printf(s->copies > 1 ? ", %llu times the same.\n" : ".\n", (unsigned long long)s->copies);
	printf("%s objects (%s) were allocated", human_count(a, s->mallocs),
	       human_bytes(b, s->total_alloc_bytes));
	printf(" and %s freed, none of them by the program.\n", human_count(c, s->frees));
	printf("%s collections, %s of them automatic, stopped it for %s in all",
	       human_count(a, s->collections), human_count(b, s->automatic_collections),
	       human_ns(c, s->pause_total_ns));
	printf(" and %s at most.\n", human_ns(a, s->pause_max_ns));
	if (s->kept_objects)
		printf("At most %s objects were kept by words that only look like pointers.\n",
		       human_count(a, s->kept_objects));
	else
		puts("Each kept exactly the objects that the program can reach.");
	printf("verified %s objects in %zu walks of the graph: all intact, in %s.\n",
	       human_count(a, s->verified_objects), NR_PHASES,
	       human_ns(b, s->milliseconds * 1000000));
}

/* ---- JSON --------------------------------------------------------------- */

static void json_string(const char *string)
{
	putchar('"');
	for (; *string; string++) {
		if (*string == '"' || *string == '\\')
			putchar('\\');
		if ((unsigned char)*string < ' ')
			printf("\\u%04x", *string);
		else
			putchar(*string);
	}
	putchar('"');
}

static void json_result(const struct phase *phase, const struct result *result)
{
	const struct column *column;

	printf("    {\"phase\": \"%s\"", phase->name);
	for_each_column(column) {
		if (column->key_before)
			printf(", \"%s\": %llu", column->key_before,
			       member(result, column->before));
		printf(", \"%s\": %llu", column->key, member(result, column->after));
	}
	printf("}%s\n", phase + 1 < phases + NR_PHASES ? "," : "");
}

static void print_json(const struct result *results, const struct summary *summary)
{
	const char *base = (const char *)summary;
	size_t i;

	printf("{\n  \"files\": [");
	for (i = 0; i < (size_t)options.nr_files; i++) {
		printf("%s", i ? ", " : "");
		json_string(options.files[i]);
	}
	printf("],\n  \"phases\": [\n");
	for (i = 0; i < NR_PHASES; i++)
		json_result(&phases[i], &results[i]);
	printf("  ]");
	for (i = 0; i < ARRAY_SIZE(summary_rows); i++)
		printf(",\n  \"%s\": %llu", summary_rows[i].key,
		       (unsigned long long)*(const uint64_t *)(base + summary_rows[i].offset));
	printf("\n}\n");
}

#endif /* PKGGRAPH_REPORT_H */
