// SPDX-License-Identifier: GPL-2.0
/*
 * The generic netlink family: requests right and wrong, one or several in a message;
 * dumps that are read, left, or disturbed; listeners that listen, or do not. All threads,
 * children and the ioctls work on the same arenas and sockets at the same time.
 *
 * A request lies in plain memory: netlink copies it before the module sees it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/gcarena_netlink.h>
#include <linux/genetlink.h>

#include "fuzz/netlink.h"
#include "fuzz/ops.h"
#include "fuzz/sys.h"
#include "lib/nl.h"

#define NO_ARENA	0x7ffffff0
#define NO_FAMILY	0x7fff
#define MAX_BATCH	3
#define ALL		64	/* more than an answer has parts */
#define NR_ELEMENTS(a)	(sizeof(a) / sizeof((a)[0]))

/* ---- Sockets ----------------------------------------------------------- */

static void set_option(int fd, struct rng *rng)
{
	static const int options[] = {
		NETLINK_EXT_ACK, NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK,
		NETLINK_NO_ENOBUFS, NETLINK_BROADCAST_ERROR, NETLINK_PKTINFO,
		NETLINK_LISTEN_ALL_NSID,
	};
	int one = 1, little = 1024 << rng_below(rng, 6);

	if (rng_below(rng, 6))
		sys(SYS_setsockopt, fd, SOL_NETLINK, options[rng_below(rng, NR_ELEMENTS(options))],
		    &one, sizeof(one));
	else
		sys(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
}

long open_socket(_Atomic int *place, struct rng *rng)
{
	struct sockaddr_nl local = { .nl_family = AF_NETLINK };
	long fd = sys(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_GENERIC);
	unsigned int n;
	int old;

	if (fd < 0)
		return fd;
	for (n = rng_below(rng, 4); n; n--)
		set_option(fd, rng);
	/* Else the first message does it. */
	if (rng_below(rng, 4))
		sys(SYS_bind, fd, &local, sizeof(local));
	old = atomic_exchange(place, fd);
	if (old > 2)
		sys(SYS_close, old);
	return fd;
}

/* One that is open, if there is any; seldom some other file. */
static int choose_socket(struct worker *w)
{
	unsigned int first = below(w, DICE_TARGET, NR_SOCKETS), i;

	if (one_in(w, DICE_TARGET, 24))
		return choose_any_fd(w);
	for (i = 0; i < NR_SOCKETS; i++)
		if (world.sockets[(first + i) % NR_SOCKETS] >= 0)
			return world.sockets[(first + i) % NR_SOCKETS];
	return -1;
}

/* A new one, mostly in the place of one that is closed in the middle of anything. */
long op_nl_socket(struct worker *w)
{
	_Atomic int *place = &world.sockets[below(w, DICE_TARGET, NR_SOCKETS)];
	int old;

	switch (below(w, DICE_VALUE, 6)) {
	case 0:
		old = atomic_exchange(place, -1);
		return old > 2 ? sys(SYS_close, old) : -EBADF;
	case 1:
		/* It stays open in there, and may be closed, sent and read as any file. */
		remember_file(w, sys(SYS_dup, *place));
		break;
	}
	return open_socket(place, &w->dice[DICE_VALUE]);
}

/* Listeners that never read stay behind as well. */
long op_nl_group(struct worker *w)
{
	int group = one_in(w, DICE_HOSTILE, 8) ? (int)interesting(&w->dice[DICE_HOSTILE]) :
						 nl_group();
	int option = one_in(w, DICE_VALUE, 4) ? NETLINK_DROP_MEMBERSHIP : NETLINK_ADD_MEMBERSHIP;

	return sys(SYS_setsockopt, choose_socket(w), SOL_NETLINK, option, &group, sizeof(group));
}

long op_nl_read(struct worker *w)
{
	return read_answers(w, choose_socket(w), 1 + below(w, DICE_VALUE, 8));
}

/* ---- Which arena ------------------------------------------------------- */

static uint32_t number_of(int fd)
{
	static const char key[] = "gcarena-id:";
	char path[32], text[1024];
	const char *at;
	long file, n;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = sys(SYS_openat, AT_FDCWD, path, O_RDONLY, 0);
	if (file < 0)
		return 0;
	n = sys(SYS_read, file, text, sizeof(text) - 1);
	sys(SYS_close, file);
	text[n > 0 ? n : 0] = 0;
	at = strstr(text, key);
	return at ? strtoul(at + sizeof(key) - 1, NULL, 10) : 0;
}

/* Our own; one that was ours, and has perhaps been closed; another user's; none. */
static uint32_t choose_number(struct worker *w)
{
	_Atomic uint32_t *known = &world.numbers[below(w, DICE_TARGET, NR_NUMBERS)];
	uint64_t dice = below(w, DICE_TARGET, 16);
	uint32_t id;

	if (dice >= 15)
		return interesting(&w->dice[DICE_TARGET]);
	if (dice >= 13)
		return world.shared->canary;
	if (dice >= 9 && *known)
		return *known;
	id = number_of(choose_arena(w)->fd);
	if (id)
		*known = id;
	return id ? id : NO_ARENA;
}

static uint32_t choose_process(struct worker *w)
{
	switch (below(w, DICE_TARGET, 6)) {
	case 0:
		return w->pids[below(w, DICE_TARGET, NR_PIDS)];
	case 1:
		return world.shared->canary_pid;
	case 2:
		return interesting(&w->dice[DICE_TARGET]);
	default:
		return sys(SYS_getpid);
	}
}

/* ---- Requests as they should be ---------------------------------------- */

static void put_limit(struct worker *w, struct nl_request *request)
{
	nl_put_u64(request, GCARENA_A_ARENA_LIMIT,
		   one_in(w, DICE_VALUE, 8) ? interesting(&w->dice[DICE_VALUE]) :
					      (1 + below(w, DICE_VALUE, 32)) * GCARENA_CHUNK_SIZE);
}

static void put_bytes(struct worker *w, struct nl_request *request, unsigned int type)
{
	nl_put_u64(request, type, one_in(w, DICE_VALUE, 8) ?
				  interesting(&w->dice[DICE_VALUE]) :
				  below(w, DICE_VALUE, 64) << 14);
}

/* One at least, mostly. */
static void put_knobs(struct worker *w, struct nl_request *request)
{
	unsigned int which = below(w, DICE_VALUE, 16);

	if (which & 1)
		nl_put_u32(request, GCARENA_A_ARENA_GC_PERCENT, below(w, DICE_VALUE, 300) - 1);
	if (which & 2)
		put_limit(w, request);
	if (which & 4)
		put_bytes(w, request, GCARENA_A_ARENA_MIN_HEAP);
	if (which & 8)
		put_bytes(w, request, GCARENA_A_ARENA_MEMORY_LIMIT);
}

static void put_collection(struct worker *w, struct nl_request *request)
{
	if (!one_in(w, DICE_VALUE, 3))
		nl_put_u32(request, GCARENA_A_ARENA_KIND,
			   one_in(w, DICE_VALUE, 16) ? interesting(&w->dice[DICE_VALUE]) :
						       below(w, DICE_VALUE, 6));
	if (one_in(w, DICE_VALUE, 3))
		nl_put(request, GCARENA_A_ARENA_RELEASE, NULL, 0);
}

/* By number or by process; seldom both, or nothing. */
static void put_arena(struct worker *w, struct nl_request *request, unsigned int cmd, bool dump)
{
	bool all = dump && (cmd == GCARENA_CMD_ARENA_GET || cmd == GCARENA_CMD_STATS_GET);
	bool by_process = cmd == GCARENA_CMD_ARENA_GET && one_in(w, DICE_VALUE, 3);

	if (by_process)
		nl_put_u32(request, GCARENA_A_ARENA_PID, choose_process(w));
	if ((all || by_process) != one_in(w, DICE_VALUE, 16))
		return;
	nl_put_u32(request, GCARENA_A_ARENA_ID, choose_number(w));
}

static void fill_request(struct worker *w, struct nl_request *request, unsigned int cmd,
			 bool dump)
{
	bool last = one_in(w, DICE_VALUE, 4);

	nl_begin(request, (dump ? NLM_F_DUMP : 0) | (one_in(w, DICE_VALUE, 4) ? 0 : NLM_F_ACK),
		 cmd);
	if (!last)
		put_arena(w, request, cmd, dump);
	if (cmd == GCARENA_CMD_ARENA_SET)
		put_knobs(w, request);
	if (cmd == GCARENA_CMD_COLLECT)
		put_collection(w, request);
	if (last)
		put_arena(w, request, cmd, dump);
}

/* ---- Requests that must be refused ------------------------------------- */

/* What each command takes, and its length. */
static const struct taken {
	uint8_t cmd, type, bytes;
} taken[] = {
	{ GCARENA_CMD_ARENA_GET, GCARENA_A_ARENA_ID, 4 },
	{ GCARENA_CMD_ARENA_GET, GCARENA_A_ARENA_PID, 4 },
	{ GCARENA_CMD_ARENA_SET, GCARENA_A_ARENA_ID, 4 },
	{ GCARENA_CMD_ARENA_SET, GCARENA_A_ARENA_LIMIT, 8 },
	{ GCARENA_CMD_ARENA_SET, GCARENA_A_ARENA_MIN_HEAP, 8 },
	{ GCARENA_CMD_ARENA_SET, GCARENA_A_ARENA_GC_PERCENT, 4 },
	{ GCARENA_CMD_ARENA_SET, GCARENA_A_ARENA_MEMORY_LIMIT, 8 },
	{ GCARENA_CMD_COLLECT, GCARENA_A_ARENA_ID, 4 },
	{ GCARENA_CMD_COLLECT, GCARENA_A_ARENA_KIND, 4 },
	{ GCARENA_CMD_COLLECT, GCARENA_A_ARENA_RELEASE, 0 },
	{ GCARENA_CMD_STATS_GET, GCARENA_A_STATS_ID, 4 },
	{ GCARENA_CMD_CLASSES_GET, GCARENA_A_CLASS_ID, 4 },
	{ GCARENA_CMD_SPANS_GET, GCARENA_A_SPAN_ID, 4 },
};

static bool takes(unsigned int cmd, unsigned int type)
{
	const struct taken *t;

	for (t = taken; t < taken + NR_ELEMENTS(taken); t++)
		if (t->cmd == cmd && t->type == type)
			return true;
	return false;
}

static const struct taken *choose_taken(struct worker *w, unsigned int cmd)
{
	unsigned int i;

	do {
		i = below(w, DICE_HOSTILE, NR_ELEMENTS(taken));
	} while (taken[i].cmd != cmd);
	return &taken[i];
}

static const char filler[256] = { 1, 0, 0, 0, 1, 0, 0, 0, 1 };

static void put_wrong_length(struct worker *w, struct nl_request *request,
			     const struct taken *attr)
{
	static const uint8_t lengths[] = { 0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 255 };
	unsigned int bytes = lengths[below(w, DICE_HOSTILE, NR_ELEMENTS(lengths))];

	nl_put(request, attr->type, filler, bytes == attr->bytes ? bytes + 1 : bytes);
}

static void put_unknown_type(struct worker *w, struct nl_request *request, unsigned int cmd)
{
	unsigned int type = below(w, DICE_HOSTILE, one_in(w, DICE_HOSTILE, 2) ?
						   GCARENA_A_ARENA_MAX + 2 : NLA_TYPE_MASK);

	if (takes(cmd, type))
		type = GCARENA_A_ARENA_COMM;
	nl_put(request, type, filler, below(w, DICE_HOSTILE, 12));
}

/* Known ones inside of one that is said to be a nest. */
static void put_nest(struct worker *w, struct nl_request *request, const struct taken *attr)
{
	struct nlattr inner = { .nla_len = NLA_HDRLEN + 4, .nla_type = attr->type };
	char nest[64] = { 0 };
	unsigned int n = below(w, DICE_HOSTILE, 8), i;

	for (i = 0; i < n; i++)
		memcpy(nest + i * inner.nla_len, &inner, sizeof(inner));
	nl_put(request, attr->type | NLA_F_NESTED, nest, n * inner.nla_len);
}

/* Of @request, which is well-formed, make one that no command takes. */
static void malform(struct worker *w, struct nl_request *request, unsigned int cmd)
{
	const struct taken *attr = choose_taken(w, cmd);

	switch (below(w, DICE_HOSTILE, 6)) {
	case 0:
	case 1:
		put_wrong_length(w, request, attr);
		break;
	case 2:
		put_unknown_type(w, request, cmd);
		break;
	case 3:
		put_nest(w, request, attr);
		break;
	case 4:
		/* Says that it is longer than the message, or shorter than itself. */
		nl_put_raw(request, attr->type, one_in(w, DICE_HOSTILE, 2) ?
						9 + below(w, DICE_HOSTILE, 65000) :
						below(w, DICE_HOSTILE, NLA_HDRLEN), filler, 4);
		break;
	default:
		/* It ends in the middle of its last attribute, or of its header. */
		request->header->nlmsg_len -= 1 + below(w, DICE_HOSTILE, 3);
	}
}

/* ---- Requests that may be refused --------------------------------------- */

/* Many attributes: the last of each kind counts. */
static void repeat(struct worker *w, struct nl_request *request)
{
	unsigned int n = below(w, DICE_HOSTILE, 400);
	uint32_t id = choose_number(w);

	while (n--)
		nl_put_u32(request, GCARENA_A_ARENA_ID, n ? n : id);
}

static void damage(struct worker *w, struct nl_request *request)
{
	struct nlmsghdr *header = request->header;
	struct genlmsghdr *generic = NLMSG_DATA(header);
	uint32_t *words = (uint32_t *)header;

	switch (below(w, DICE_HOSTILE, 7)) {
	case 0:
		generic->cmd = below(w, DICE_HOSTILE, 256);
		break;
	case 1:
		header->nlmsg_flags = below(w, DICE_HOSTILE, 1U << 16);
		break;
	case 2:
		/* Those of netlink itself, and nobody's. */
		header->nlmsg_type = below(w, DICE_HOSTILE, GENL_ID_CTRL);
		if (one_in(w, DICE_HOSTILE, 4))
			header->nlmsg_type = NO_FAMILY;
		break;
	case 3:
		header->nlmsg_len = interesting(&w->dice[DICE_HOSTILE]);
		break;
	case 4:
		generic->version = below(w, DICE_HOSTILE, 256);
		generic->reserved = below(w, DICE_HOSTILE, 2);
		break;
	default:
		words[NLMSG_LENGTH(GENL_HDRLEN) / 4 + below(w, DICE_HOSTILE, 8)] =
			interesting(&w->dice[DICE_HOSTILE]);
	}
}

/* ---- Sending ----------------------------------------------------------- */

static unsigned int command_of(const struct nl_request *request)
{
	return ((const struct genlmsghdr *)NLMSG_DATA(request->header))->cmd;
}

/* The canary may be looked at and collected, but expects the limits that it has set. */
static void spare_canary(struct nl_request *request)
{
	uint32_t *word = (uint32_t *)(request->room + NLMSG_LENGTH(GENL_HDRLEN));

	if (world.shared->stranger || command_of(request) != GCARENA_CMD_ARENA_SET)
		return;
	for (; word < (uint32_t *)(request->room + NL_ROOM); word++)
		if (*word == world.shared->canary)
			*word = NO_ARENA;
}

static void number(struct nl_request *request, bool malformed)
{
	struct nlmsghdr *header = request->header;
	bool dump = (header->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;

	header->nlmsg_seq = 1;
	if (header->nlmsg_type == nl_family())
		header->nlmsg_seq = SEQ_MAGIC | command_of(request) | (dump ? SEQ_DUMP : 0) |
				    (malformed ? SEQ_MALFORMED : 0);
}

static size_t make_request(struct worker *w, struct nl_request *request, unsigned int cmd,
			   bool dump)
{
	bool malformed = one_in(w, DICE_HOSTILE, 4);
	size_t bytes;

	fill_request(w, request, cmd, dump);
	if (malformed)
		malform(w, request, cmd);
	else if (one_in(w, DICE_HOSTILE, 24))
		repeat(w, request);
	bytes = NLMSG_ALIGN(request->header->nlmsg_len);
	if (!malformed && one_in(w, DICE_HOSTILE, 6))
		damage(w, request);
	spare_canary(request);
	number(request, malformed);
	/* A worker of the kernel may collect, and move objects, from now on. */
	if (command_of(request) == GCARENA_CMD_COLLECT)
		world.alone = false;
	return bytes;
}

/* One, or some in one call: an answer that finds no room does not stop the next one. */
static long send_requests(struct worker *w, int fd, unsigned int nr, bool dump)
{
	struct nl_request requests[MAX_BATCH];
	struct iovec io[MAX_BATCH];
	struct msghdr message = { .msg_iov = io, .msg_iovlen = nr };
	unsigned int i, cmd;

	for (i = 0; i < nr; i++) {
		cmd = 1 + below(w, DICE_VALUE, GCARENA_CMD_SPANS_GET);
		if (!dump && cmd > GCARENA_CMD_STATS_GET && !one_in(w, DICE_VALUE, 16))
			cmd -= GCARENA_CMD_STATS_GET;
		if (dump && (cmd == GCARENA_CMD_ARENA_SET || cmd == GCARENA_CMD_COLLECT) &&
		    !one_in(w, DICE_VALUE, 16))
			cmd += GCARENA_CMD_SPANS_GET - GCARENA_CMD_COLLECT;
		io[i].iov_base = requests[i].room;
		io[i].iov_len = make_request(w, &requests[i], cmd, dump);
	}
	return sys(SYS_sendmsg, fd, &message, MSG_DONTWAIT);
}

long op_nl_ask(struct worker *w)
{
	unsigned int nr = one_in(w, DICE_VALUE, 2) ? 1 + below(w, DICE_VALUE, MAX_BATCH) : 1;
	int fd = choose_socket(w);
	long ret = send_requests(w, fd, nr, false);

	/* Or another one reads it, or nobody. */
	if (ret < 0 || one_in(w, DICE_VALUE, 6))
		return ret;
	return read_answers(w, fd, ALL);
}

/* Read to its end, left at once, or half read: what is asked for next comes in between. */
long op_nl_dump(struct worker *w)
{
	int fd = choose_socket(w);
	long ret = send_requests(w, fd, 1, true);

	if (ret < 0 || one_in(w, DICE_VALUE, 4))
		return ret;
	return read_answers(w, fd, one_in(w, DICE_VALUE, 2) ? ALL : 1 + below(w, DICE_VALUE, 3));
}
