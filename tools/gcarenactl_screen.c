// SPDX-License-Identifier: GPL-2.0
/*
 * gcarenactl top on the whole screen: by ncurses, which puts the terminal back in order
 * when the program is interrupted as well.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gcarenactl.h"

#ifdef HAVE_NCURSES

#include <curses.h>

#define COLUMNS_MAX	16
#define LINES_AROUND	3	/* summary, headings, keys */
#define SHORTEST	0.1
#define LONGEST		60.0

static const char help_line[] =
	"q quit  l live  a allocation  p pauses  g pages  i number  r reverse  +- interval  h help";

struct screen {
	struct top *top;
	double interval;
	size_t first;		/* row at the top */
	bool help;
	bool end;
};

/* ---- Drawing ------------------------------------------------------------ */

/* A line of its own, cut at the screen's edge, and blank behind. */
static void draw_line(int y, int attributes, const char *text)
{
	attrset(attributes);
	move(y, 0);
	clrtoeol();
	addnstr(text, COLS < CELL_LEN ? COLS : CELL_LEN);
	attrset(A_NORMAL);
}

/* How wide each column has to be for the rows that are seen. */
static void measure(const struct screen *screen, size_t nr, size_t *width)
{
	const struct attribute *a = top_attributes.rows;
	char cell[CELL_LEN];
	size_t column, i;

	for (column = 0; column < top_attributes.nr; column++) {
		width[column] = strlen(a[column].label);
		for (i = 0; i < nr; i++) {
			output_format(cell, &a[column],
				      top_record(screen->top, screen->first + i));
			if (output_width(cell) > width[column])
				width[column] = output_width(cell);
		}
	}
}

/* One cell at column @x. Return: the column behind it. */
static int draw_cell(int y, int x, const struct attribute *a, const char *cell, size_t width)
{
	int blanks = width - output_width(cell);

	if (x >= COLS)
		return x;
	mvaddstr(y, output_is_text(a) ? x : x + blanks, cell);
	return x + width + 2;
}

static void draw_rows(const struct screen *screen, size_t nr)
{
	const struct attribute *a = top_attributes.rows;
	size_t width[COLUMNS_MAX], column, i;
	char cell[CELL_LEN];
	int x = 0;

	measure(screen, nr, width);
	draw_line(1, A_REVERSE, "");
	mvhline(1, 0, ' ' | A_REVERSE, COLS);
	attrset(A_REVERSE);
	for (column = 0; column < top_attributes.nr; column++)
		x = draw_cell(1, x, &a[column], a[column].label, width[column]);
	attrset(A_NORMAL);
	for (i = 0; i < nr; i++) {
		for (x = 0, column = 0; column < top_attributes.nr; column++) {
			output_format(cell, &a[column],
				      top_record(screen->top, screen->first + i));
			x = draw_cell(2 + i, x, &a[column], cell, width[column]);
		}
	}
}

static void draw_help(void)
{
	const struct top_order *order;
	char line[CELL_LEN];
	int y = 2;

	for (order = top_orders; order->name && y < LINES - 1; order++) {
		snprintf(line, sizeof(line), "  %c  sort by %s: %s", order->key, order->name,
			 order->help);
		draw_line(y++, A_NORMAL, line);
	}
	draw_line(y++, A_NORMAL, "  r  the other way round");
	draw_line(y++, A_NORMAL, "  + -  look less or more often; blank: look now");
	draw_line(y++, A_NORMAL, "  up, down, page up, page down, home, end  other rows");
	draw_line(y++, A_NORMAL, "  q  end; any other key: back");
}

/* Rows that fit. Keeps the first one where there are rows. */
static size_t rows_seen(struct screen *screen)
{
	size_t lines = LINES, nr = screen->top->nr;
	size_t room = lines > LINES_AROUND ? lines - LINES_AROUND : 0;

	if (screen->first + room > nr)
		screen->first = nr > room ? nr - room : 0;
	return nr - screen->first < room ? nr - screen->first : room;
}

static void draw(struct screen *screen)
{
	char line[CELL_LEN], summary[CELL_LEN];
	size_t seen;

	erase();
	seen = rows_seen(screen);
	snprintf(line, sizeof(line), "gcarena: %.200s; by %s%s, every %g s",
		 top_summary(summary, screen->top), screen->top->order->name,
		 screen->top->reverse ? " reversed" : "", screen->interval);
	draw_line(0, A_BOLD, line);
	if (screen->help)
		draw_help();
	else
		draw_rows(screen, seen);
	if (LINES > 2)
		draw_line(LINES - 1, A_DIM, help_line);
	/* Out of the way. */
	move(LINES - 1, COLS - 1);
	refresh();
}

/* ---- Keys --------------------------------------------------------------- */

static bool press_order(struct top *top, int key)
{
	const struct top_order *order;

	for (order = top_orders; order->name; order++) {
		if (order->key != key)
			continue;
		top->order = order;
		top_sort(top);
		return true;
	}
	return false;
}

static void scroll_by(struct screen *screen, long rows)
{
	if (rows < 0 && screen->first < (size_t)-rows)
		screen->first = 0;
	else
		screen->first += rows;
}

/* Return: look at once. */
static bool press(struct screen *screen, int key)
{
	long page = LINES - LINES_AROUND;

	if (screen->help && key != 'q' && key != KEY_RESIZE) {
		screen->help = false;
		return false;
	}
	if (press_order(screen->top, key))
		return false;
	switch (key) {
	case 'q':
	case 'Q':
		screen->end = true;
		break;
	case 'h':
	case '?':
		screen->help = true;
		break;
	case 'r':
		screen->top->reverse = !screen->top->reverse;
		top_sort(screen->top);
		break;
	case '+':
		screen->interval = screen->interval * 2 > LONGEST ? LONGEST : screen->interval * 2;
		break;
	case '-':
		screen->interval = screen->interval / 2 < SHORTEST ? SHORTEST
								   : screen->interval / 2;
		break;
	case KEY_UP:
		scroll_by(screen, -1);
		break;
	case KEY_DOWN:
		scroll_by(screen, 1);
		break;
	case KEY_PPAGE:
		scroll_by(screen, -page);
		break;
	case KEY_NPAGE:
		scroll_by(screen, page);
		break;
	case KEY_HOME:
		screen->first = 0;
		break;
	case KEY_END:
		screen->first = screen->top->nr;
		break;
	case ' ':
		return true;
	}
	return false;
}

/* Keys, until it is time for the next look. */
static void wait_for_keys(struct screen *screen)
{
	struct timespec t;
	uint64_t now;
	double left;
	int key;

	do {
		clock_gettime(CLOCK_MONOTONIC, &t);
		now = t.tv_sec * 1000000000ULL + t.tv_nsec;
		left = screen->interval - (now - screen->top->time_ns) / 1e9;
		timeout(left > 0 ? (int)(left * 1000) + 1 : 0);
		key = getch();
		if (key == ERR && !isatty(STDIN_FILENO))
			screen->end = true;
		if (key == ERR || press(screen, key))
			return;
		draw(screen);
	} while (!screen->end);
}

enum exit_status screen_run(struct top *top, double interval)
{
	struct screen screen = { .top = top, .interval = interval };
	enum exit_status status = STATUS_OK;
	SCREEN *terminal;

	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		return failure("this is no terminal: top writes tables with --batch");
	/* Before the screen is taken, so that what is wrong can be read. */
	status = top_look(top);
	if (status)
		return status;
	terminal = newterm(NULL, stdout, stdin);
	if (!terminal)
		return failure("nothing is known of this terminal (TERM): top writes tables with --batch");
	cbreak();
	noecho();
	keypad(stdscr, true);
	curs_set(0);
	while (!screen.end && !status) {
		draw(&screen);
		wait_for_keys(&screen);
		if (!screen.end)
			status = top_look(top);
	}
	endwin();
	delscreen(terminal);
	return status;
}

#else

enum exit_status screen_run(struct top *top, double interval)
{
	(void)top;
	(void)interval;
	return failure("this gcarenactl was built without ncurses: top writes tables with --batch");
}

#endif
