// SPDX-License-Identifier: GPL-2.0
/*
 * Which errors each call may give, as linux/gcarena.h and linux/gcarena_netlink.h document
 * them. EINTR is in no list: the headers give it to callers that are being killed, and
 * these never see it.
 */
#include <string.h>
#include <linux/gcarena_netlink.h>

#include "fuzz/sys.h"
#include "fuzz/world.h"

/* Common to all commands; zero-terminated, like all lists here. */
static const int common[] = { EFAULT, EINVAL, E2BIG, EOPNOTSUPP, ENOMEM, 0 };

#define MAX_OWN 5

static const int own[][MAX_OWN] = {
	[_IOC_NR(GCARENA_IOC_CREATE)] = { EBUSY, EPERM },
	[_IOC_NR(GCARENA_IOC_CLASSES)] = { EMSGSIZE },
	[_IOC_NR(GCARENA_IOC_TYPE_ADD)] = { ENXIO, ENOSPC },
	[_IOC_NR(GCARENA_IOC_REFILL)] = { ENXIO, ENOENT, ENOSPC, ETIMEDOUT },
	[_IOC_NR(GCARENA_IOC_RELEASE)] = { ENXIO, ENOENT },
	[_IOC_NR(GCARENA_IOC_ALLOC)] = { ENXIO, ENOENT, ENOSPC, ETIMEDOUT },
	[_IOC_NR(GCARENA_IOC_FREE)] = { ENOENT, EBUSY, EPERM },
	[_IOC_NR(GCARENA_IOC_COLLECT)] = { ENXIO, ETIMEDOUT },
	[_IOC_NR(GCARENA_IOC_ROOTS_ADD)] = { ENXIO, ENOSPC },
	[_IOC_NR(GCARENA_IOC_ROOTS_DEL)] = { ENXIO, ENOENT },
	[_IOC_NR(GCARENA_IOC_SET)] = { ENXIO, EPERM },
	[_IOC_NR(GCARENA_IOC_STATS)] = { 0 },
	[_IOC_NR(GCARENA_IOC_OBJECT)] = { ENOENT },
	[_IOC_NR(GCARENA_IOC_PIN)] = { ENXIO, ENOENT, ENOSPC },
	[_IOC_NR(GCARENA_IOC_UNPIN)] = { ENXIO, ENOENT },
	[_IOC_NR(GCARENA_IOC_PERMANENT)] = { ENOENT },
	[_IOC_NR(GCARENA_IOC_NAME)] = { 0 },
	[_IOC_NR(GCARENA_IOC_ID)] = { ENOENT },
};

static bool contains(const int *list, int error)
{
	for (; *list; list++)
		if (*list == error)
			return true;
	return false;
}

static const char * const names[] = {
	"INFO", "CREATE", "CLASSES", "TYPE_ADD", "REFILL", "RELEASE", "ALLOC", "FREE", "COLLECT",
	"ROOTS_ADD", "ROOTS_DEL", "SET", "STATS", "OBJECT", "PIN", "UNPIN",
	"PERMANENT", "NAME", "ID",
};

static bool is_command(unsigned int cmd)
{
	return cmd == _IO(GCARENA_IOC_TYPE, _IOC_NR(cmd)) &&
	       _IOC_NR(cmd) < sizeof(names) / sizeof(names[0]);
}

const char *command_name(unsigned int cmd)
{
	return is_command(cmd) ? names[_IOC_NR(cmd)] : "unknown";
}

unsigned int command_index(unsigned int cmd)
{
	return is_command(cmd) ? _IOC_NR(cmd) : NR_COMMANDS - 1;
}

bool command_may_fail(unsigned int cmd, int error)
{
	if (!is_command(cmd))
		return error == ENOTTY;
	return contains(common, error) || contains(own[_IOC_NR(cmd)], error);
}

/* ---- Netlink ----------------------------------------------------------- */

/* The last two when the socket's receive buffer is full. */
static const int any_request[] = { EINVAL, ERANGE, ENOMEM, EAGAIN, ENOBUFS, 0 };

/* In dumps, EBUSY is also for a socket that is in the middle of one. */
static const struct request {
	const char *name;
	int own[2][MAX_OWN];	/* do, dump */
} requests[NR_REQUESTS] = {
	[GCARENA_CMD_UNSPEC] = { "unspec", { { EOPNOTSUPP }, { EOPNOTSUPP } } },
	[GCARENA_CMD_ARENA_GET] = { "ARENA_GET", { { ENOENT, EPERM }, { ENOENT, EBUSY } } },
	[GCARENA_CMD_ARENA_SET] = {
		"ARENA_SET", { { ENOENT, EPERM, EBUSY, ENXIO }, { EOPNOTSUPP } }
	},
	[GCARENA_CMD_COLLECT] = {
		"COLLECT", { { ENOENT, EPERM, ENXIO, EOPNOTSUPP }, { EOPNOTSUPP } }
	},
	[GCARENA_CMD_STATS_GET] = { "STATS_GET", { { ENOENT, EPERM, EBUSY }, { EBUSY } } },
	[GCARENA_CMD_CLASSES_GET] = {
		"CLASSES_GET", { { EOPNOTSUPP }, { ENOENT, EPERM, EBUSY } }
	},
	[GCARENA_CMD_SPANS_GET] = {
		"SPANS_GET", { { EOPNOTSUPP }, { ENOENT, EPERM, EBUSY } }
	},
	[NR_REQUESTS - 1] = { "unknown", { { EOPNOTSUPP }, { EOPNOTSUPP } } },
};

unsigned int request_index(unsigned int cmd)
{
	return cmd < NR_REQUESTS ? cmd : NR_REQUESTS - 1;
}

const char *request_name(unsigned int cmd)
{
	return requests[request_index(cmd)].name;
}

bool request_may_fail(unsigned int cmd, bool dump, int error)
{
	return contains(any_request, error) ||
	       contains(requests[request_index(cmd)].own[dump], error);
}

/* ---- Other calls ------------------------------------------------------- */

/* A call other than a command, but one that gets into the module. */
void check_call(const char *name, long ret, const int *allowed)
{
	if (ret < 0 && !contains(allowed, -ret))
		fail("%s: undocumented error %ld (%s)", name, -ret, strerror(-ret));
}
