/* SPDX-License-Identifier: GPL-2.0 */
/* gcarenactl, and other programs, run as a person would. */
#ifndef GCARENA_TESTS_TOOL_H
#define GCARENA_TESTS_TOOL_H

#include <stdbool.h>

#define TOOL		"build/bin/gcarenactl"
#define TOOL_OUTPUT	65536

/* Run a shell command; what it writes to both outputs is kept. Return: its status. */
int tool_run(char *output, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Have the tool print JSON, and a parser evaluate a Python expression of it: v is the
 * whole, or with @lines the list of what stands in each line. Return: 0; the tool's status;
 * 100: it is not JSON, or not as expected.
 */
int tool_json(char *output, bool lines, const char *arguments, const char *expression);

/* In a test whose fixture has an output: what the expression is of what the tool prints. */
#define EXPECT_JSON(expected, lines, expression, ...)	do {		\
	char arguments_[256];						\
	snprintf(arguments_, sizeof(arguments_), __VA_ARGS__);		\
	EXPECT_EQ(0, tool_json(self->output, lines, arguments_, expression))	\
		TH_LOG("%s: %s", arguments_, self->output);		\
	EXPECT_STREQ(expected, self->output);				\
} while (0)

#endif /* GCARENA_TESTS_TOOL_H */
