// SPDX-License-Identifier: GPL-2.0
/*
 * gcarenactl map --svg: the map as a picture, with a legend.
 *
 * How full a cell is shows in the height of a bar, how old in its colour; the colours are
 * ones that people tell apart who see few (M. Okabe, K. Ito). The same is said in words,
 * for who sees none. Bars that are alike and side by side are one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gcarenactl.h"
#include "human.h"

#define COLUMNS		128
#define ROWS		256
#define CELL		8	/* picture units, and steps of a bar's height */
#define LEFT		72
#define TOP		64
#define LEGEND		56

static const char *const colours[MAP_NR_AGES] = {
	"#fff", "#ddd", "#e69f00", "#cc79a7", "#0072b2"
};

static const char *const age_texts[MAP_NR_AGES] = {
	"no span", "span, nothing in use", "young", "young and old", "old: survived a collection"
};

/* Text of programs' in XML. Control characters have been taken out. */
static void print_xml(FILE *file, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", file);
			break;
		case '>':
			fputs("&gt;", file);
			break;
		case '&':
			fputs("&amp;", file);
			break;
		case '"':
			fputs("&quot;", file);
			break;
		case '\'':
			fputs("&#39;", file);
			break;
		default:
			fputc(*text, file);
		}
	}
}

static void print_title(FILE *file, const struct arena_record *arena)
{
	char name[CELL_LEN], command[CELL_LEN], title[2 * CELL_LEN + 64];

	snprintf(title, sizeof(title), "arena @%u %sof process %u (%s)", arena->id,
		 quoted_name(name, arena->name), arena->pid,
		 output_printable(command, arena->command));
	print_xml(file, title);
}

static void print_head(FILE *file, const struct map *map, size_t height)
{
	char text[CELL_LEN], bytes[HUMAN_LEN];
	size_t width = LEFT + COLUMNS * CELL + 16;
	enum map_age age;

	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", file);
	fprintf(file, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %zu %zu\" width=\"%zu\" height=\"%zu\" role=\"img\" aria-labelledby=\"title text\" font-family=\"sans-serif\" font-size=\"12\">\n",
		width, height, width, height);
	fputs("<title id=\"title\">", file);
	print_title(file, map->arena);
	fputs("</title>\n<desc id=\"text\">", file);
	print_xml(file, map_summary(text, map));
	fprintf(file, ". Each column of the map is %s of addresses; the height of its bar is how much of it is in use, the colour how old that is.</desc>\n<style>",
		human_bytes(bytes, map->cell_bytes));
	for (age = MAP_EMPTY; age < MAP_NR_AGES; age++)
		fprintf(file, ".a%d{fill:%s}", age, colours[age]);
	fprintf(file, "</style>\n<rect width=\"%zu\" height=\"%zu\" fill=\"#fff\"/>\n", width,
		height);
	fputs("<text x=\"8\" y=\"22\" font-size=\"16\">", file);
	print_title(file, map->arena);
	fputs("</text>\n<text x=\"8\" y=\"42\">", file);
	print_xml(file, text);
	fputs("</text>\n", file);
}

static void print_bar(FILE *file, size_t column, size_t nr, size_t y, unsigned int height,
		      enum map_age age)
{
	fprintf(file, "<rect class=\"a%d\" x=\"%zu\" y=\"%zu\" width=\"%zu\" height=\"%u\"/>\n",
		age, LEFT + column * CELL, y + CELL - height, nr * CELL, height);
}

/* Where there are spans, grey; and on it the bars. */
static void print_row(FILE *file, const struct map *map, size_t first, size_t y)
{
	size_t nr = map->nr_cells - first < COLUMNS ? map->nr_cells - first : COLUMNS, i, same;
	const struct map_cell *cells = map->cells + first;
	unsigned int level;
	enum map_age age;

	for (i = 0; i < nr; i += same) {
		for (same = 1; i + same < nr &&
		     !cells[i + same].span_bytes == !cells[i].span_bytes; same++)
			;
		if (cells[i].span_bytes)
			print_bar(file, i, same, y, CELL, MAP_EMPTY);
	}
	for (i = 0; i < nr; i += same) {
		age = map_cell_age(&cells[i]);
		level = map_cell_level(map, &cells[i], CELL);
		for (same = 1; i + same < nr && map_cell_age(&cells[i + same]) == age &&
		     map_cell_level(map, &cells[i + same], CELL) == level; same++)
			;
		if (level)
			print_bar(file, i, same, y, level, age);
	}
}

static void print_map(FILE *file, const struct map *map)
{
	char label[HUMAN_LEN];
	size_t i, row;

	for (i = 0, row = 0; i < map->nr_cells; i += COLUMNS, row++) {
		if (row % 4 == 0)
			fprintf(file, "<text x=\"%d\" y=\"%zu\" text-anchor=\"end\" font-size=\"9\">%s</text>\n",
				LEFT - 4, TOP + row * (CELL + 2) + CELL,
				human_bytes(label, i * map->cell_bytes));
		print_row(file, map, i, TOP + row * (CELL + 2));
	}
}

static void print_legend(FILE *file, const struct map *map, size_t y)
{
	char bytes[HUMAN_LEN];
	size_t x = LEFT;
	enum map_age age;

	fputs("<g id=\"legend\">\n", file);
	for (age = MAP_EMPTY; age < MAP_NR_AGES; age++, x += 190)
		fprintf(file, "<rect class=\"a%d\" x=\"%zu\" y=\"%zu\" width=\"12\" height=\"12\"/><text x=\"%zu\" y=\"%zu\">%s</text>\n",
			age, x, y, x + 18, y + 10, age_texts[age]);
	fprintf(file, "<text x=\"%d\" y=\"%zu\">A column is %s; the height of its bar is how much of it is in use.</text>\n</g>\n",
		LEFT, y + 30, human_bytes(bytes, map->cell_bytes));
}

static bool print_all(FILE *file, const struct map *map)
{
	size_t rows = (map->nr_cells + COLUMNS - 1) / COLUMNS;
	size_t bottom = TOP + rows * (CELL + 2) + 10;

	print_head(file, map, bottom + LEGEND);
	print_map(file, map);
	print_legend(file, map, bottom);
	fputs("</svg>\n", file);
	return !fflush(file) && !ferror(file);
}

enum exit_status svg_write(struct map *map, const char *path)
{
	bool to_stdout = !strcmp(path, "-"), done;
	FILE *file;

	if (!map_make_cells(map, COLUMNS, ROWS))
		return failure("no memory");
	file = to_stdout ? stdout : fopen(path, "we");
	if (!file)
		return failure("cannot write %s: %s", path, strerror(errno));
	done = print_all(file, map);
	if (!to_stdout)
		done = !fclose(file) && done;
	return done ? STATUS_OK : failure("cannot write %s: %s", path, strerror(errno));
}
