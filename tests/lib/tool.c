// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tool.h"

int tool_run(char *output, const char *format, ...)
{
	char command[2048], whole[2100];
	va_list arguments;
	FILE *pipe;
	int status;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	/* The shell may be another than bash: no pipefail. */
	snprintf(whole, sizeof(whole), "{ %s; } 2>&1", command);
	pipe = popen(whole, "r");
	if (!pipe)
		return -1;
	output[fread(output, 1, TOOL_OUTPUT - 1, pipe)] = '\0';
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define PARSER(read)	"python3 -c 'import json,sys; v=" read "; print(eval(sys.argv[1]))' '%s' <%s"

int tool_json(char *output, bool lines, const char *arguments, const char *expression)
{
	char file[] = "/tmp/gcarena-tool.XXXXXX";
	int status, fd = mkstemp(file);

	if (fd < 0)
		return -1;
	close(fd);
	status = tool_run(output, "timeout 60 " TOOL " --json %s >%s", arguments, file);
	if (!status && lines)
		status = tool_run(output, PARSER("[json.loads(l) for l in sys.stdin]"), expression,
				  file) ? 100 : 0;
	else if (!status)
		status = tool_run(output, PARSER("json.load(sys.stdin)"), expression,
				  file) ? 100 : 0;
	unlink(file);
	return status;
}
