// SPDX-License-Identifier: GPL-2.0
/*
 * What netlink brings: errors must be those of the request's command, messages whole and
 * of its kind, malformed requests refused, and nobody may be told of an arena whose owner
 * he could not trace.
 */
#include <string.h>
#include <sys/socket.h>
#include <linux/gcarena_netlink.h>
#include <linux/genetlink.h>

#include "fuzz/netlink.h"
#include "fuzz/sys.h"
#include "lib/nl.h"

#define MAX_TYPES	128
#define NR_STATS	((sizeof(struct gcarena_stats) -				\
			  offsetof(struct gcarena_stats, heap_objects)) / sizeof(__u64))

static bool is_known(uint32_t seq)
{
	return (seq & SEQ_MAGIC_MASK) == SEQ_MAGIC;
}

static void expect(bool holds, const char *what, unsigned int cmd)
{
	if (!holds)
		fail("netlink, command %u: %s", cmd, what);
}

/* ---- How a request ended ----------------------------------------------- */

/*
 * A request that is malformed must not get as far as to have its arena looked for. Netlink
 * itself has its own reasons before that, and knows no such command before it reads on.
 */
static void check_refused(unsigned int cmd, int error)
{
	if (!error)
		fail("netlink %s: a malformed request was accepted", request_name(cmd));
	if (error == ENOENT || error == EPERM || error == ENXIO)
		fail("netlink %s: a malformed request was read, and got error %d (%s)",
		     request_name(cmd), error, strerror(error));
	world.shared->malformed++;
}

static void check_end(uint32_t seq, int error)
{
	unsigned int cmd = seq & SEQ_COMMAND;
	bool dump = seq & SEQ_DUMP;

	if (!is_known(seq))
		return;
	if (error >= 0 && error < NR_ERRORS)
		world.shared->answers[dump][request_index(cmd)][error]++;
	if (error && !request_may_fail(cmd, dump, error))
		fail("netlink %s %s: undocumented error %d (%s)", dump ? "dump" : "do",
		     request_name(cmd), error, strerror(error));
	if (seq & SEQ_MALFORMED)
		check_refused(cmd, error);
}

/* ---- Messages about arenas ---------------------------------------------- */

static bool is_event(unsigned int cmd)
{
	return cmd >= GCARENA_CMD_ARENA_CREATED && cmd <= GCARENA_CMD_MAX;
}

static unsigned int highest_type(unsigned int cmd)
{
	switch (cmd) {
	case GCARENA_CMD_STATS_GET:
		return GCARENA_A_STATS_FIRST - 1 + NR_STATS;
	case GCARENA_CMD_CLASSES_GET:
		return GCARENA_A_CLASS_MAX;
	case GCARENA_CMD_SPANS_GET:
		return GCARENA_A_SPAN_MAX;
	default:
		return is_event(cmd) ? GCARENA_A_EVENT_MAX : GCARENA_A_ARENA_MAX;
	}
}

/* The number of the arena has the same attribute in all sets. */
static void check_attr(unsigned int cmd, const struct nlattr *attr, uint32_t *id)
{
	if (attr->nla_type != GCARENA_A_ARENA_ID)
		return;
	expect(attr->nla_len == NLA_HDRLEN + sizeof(*id), "a number of an arena is no u32", cmd);
	memcpy(id, (const char *)attr + NLA_HDRLEN, sizeof(*id));
}

static void check_attrs(unsigned int cmd, const char *at, size_t bytes)
{
	bool seen[MAX_TYPES] = { false };
	uint32_t id = 0;

	while (bytes >= NLA_HDRLEN) {
		const struct nlattr *attr = (const void *)at;
		size_t length = NLA_ALIGN(attr->nla_len);

		expect(attr->nla_len >= NLA_HDRLEN && length <= bytes, "an attribute's length",
		       cmd);
		expect(attr->nla_type && attr->nla_type <= highest_type(cmd),
		       "an attribute nobody knows", cmd);
		/* The one that aligns others comes as often as they do. */
		expect(!seen[attr->nla_type] || attr->nla_type == GCARENA_A_ARENA_PAD,
		       "an attribute comes twice", cmd);
		seen[attr->nla_type] = true;
		check_attr(cmd, attr, &id);
		at += length;
		bytes -= length;
	}
	expect(!bytes, "something behind the attributes", cmd);
	expect(id, "no number of an arena", cmd);
	if (world.shared->stranger && id == world.shared->canary)
		fail("netlink, command %u: tells another user of the canary's arena", cmd);
}

static void check_message(const struct nlmsghdr *header)
{
	const struct genlmsghdr *generic = NLMSG_DATA(header);
	uint32_t seq = header->nlmsg_seq;

	if (header->nlmsg_len < NLMSG_LENGTH(GENL_HDRLEN))
		fail("netlink: a message of %u bytes", header->nlmsg_len);
	if (seq && !is_known(seq))
		return;
	if (seq) {
		expect(generic->cmd == (seq & SEQ_COMMAND), "another command's answer",
		       generic->cmd);
		if (seq & SEQ_MALFORMED)
			check_refused(generic->cmd, 0);
		world.shared->messages++;
	} else {
		expect(is_event(generic->cmd), "not asked for, and no event", generic->cmd);
		world.shared->events++;
	}
	check_attrs(generic->cmd, (const char *)generic + GENL_HDRLEN,
		    header->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN));
}

/* ---- Receiving ---------------------------------------------------------- */

static void check_one(const struct nlmsghdr *header)
{
	const struct nlmsgerr *error = NLMSG_DATA(header);
	int number;

	if (header->nlmsg_type == nl_family()) {
		check_message(header);
	} else if (header->nlmsg_type == NLMSG_DONE &&
		   header->nlmsg_len >= NLMSG_LENGTH(sizeof(number))) {
		memcpy(&number, NLMSG_DATA(header), sizeof(number));
		check_end(header->nlmsg_seq, -number);
	} else if (header->nlmsg_type == NLMSG_ERROR &&
		   header->nlmsg_len >= NLMSG_LENGTH(sizeof(*error)) &&
		   error->msg.nlmsg_type == nl_family()) {
		check_end(error->msg.nlmsg_seq, -error->error);
	}
}

/* What user space sends to each other is none of our business. */
static long receive(struct worker *w, int fd)
{
	static const uint32_t sizes[] = { 1, 20, 60, 300, 4096, SCRATCH_RW * PAGE };
	struct sockaddr_nl from = { 0 };
	struct iovec io = {
		.iov_base = w->array,
		.iov_len = sizes[one_in(w, DICE_PLACE, 4) ? below(w, DICE_PLACE, 6) : 5],
	};
	struct msghdr message = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &io, .msg_iovlen = 1,
	};
	int peek = one_in(w, DICE_PLACE, 16) ? MSG_PEEK : 0;
	long ret = sys(SYS_recvmsg, fd, &message, MSG_DONTWAIT | peek), left = ret;
	const struct nlmsghdr *header;

	if (ret < 0 || peek || from.nl_family != AF_NETLINK || from.nl_pid)
		return ret;
	/* Of one that was cut off nothing can be told. */
	for (header = (const void *)w->array; NLMSG_OK(header, (size_t)left);
	     header = NLMSG_NEXT(header, left))
		check_one(header);
	return ret;
}

/* Until there is no more: a listener that was too slow is told so, and goes on. */
long read_answers(struct worker *w, int fd, unsigned int times)
{
	long ret = 0;

	while (times-- && (ret >= 0 || ret == -ENOBUFS))
		ret = receive(w, fd);
	return ret;
}
