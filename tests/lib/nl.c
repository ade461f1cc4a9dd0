// SPDX-License-Identifier: GPL-2.0
/* See nl.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/genetlink.h>

#include "nl.h"

#define RECEIVE_BYTES	(128 * 1024)

static __thread uint32_t sequence;

int nl_open(void)
{
	struct sockaddr_nl local = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	int one = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&local, sizeof(local))) {
		close(fd);
		return -errno;
	}
	return fd;
}

static void begin(struct nl_request *request, uint16_t type, uint16_t flags, uint8_t cmd)
{
	struct genlmsghdr *generic;

	memset(request, 0, sizeof(*request));
	request->header = (struct nlmsghdr *)request->room;
	request->header->nlmsg_len = NLMSG_LENGTH(sizeof(*generic));
	request->header->nlmsg_type = type;
	request->header->nlmsg_flags = NLM_F_REQUEST | flags;
	request->header->nlmsg_seq = ++sequence;
	generic = NLMSG_DATA(request->header);
	generic->cmd = cmd;
	generic->version = GCARENA_GENL_VERSION;
}

void nl_begin(struct nl_request *request, uint16_t flags, uint8_t cmd)
{
	begin(request, nl_family(), flags, cmd);
}

void nl_put_raw(struct nl_request *request, uint16_t type, uint16_t length, const void *data,
		size_t bytes)
{
	struct nlattr attr = { .nla_len = length, .nla_type = type };
	char *at = request->room + NLMSG_ALIGN(request->header->nlmsg_len);

	memcpy(at, &attr, sizeof(attr));
	if (bytes)
		memcpy(at + NLA_HDRLEN, data, bytes);
	request->header->nlmsg_len = at + NLA_HDRLEN + NLA_ALIGN(bytes) - request->room;
}

void nl_put(struct nl_request *request, uint16_t type, const void *data, size_t bytes)
{
	nl_put_raw(request, type, NLA_HDRLEN + bytes, data, bytes);
}

void nl_put_u32(struct nl_request *request, uint16_t type, uint32_t value)
{
	nl_put(request, type, &value, sizeof(value));
}

void nl_put_u64(struct nl_request *request, uint16_t type, uint64_t value)
{
	nl_put(request, type, &value, sizeof(value));
}

int nl_send(int fd, const struct nl_request *request)
{
	ssize_t sent;

	/*
	 * To nobody in particular, which is the kernel: naming it would say that we know
	 * whose socket we use, and the kernel would not ask who opened it.
	 */
	sent = send(fd, request->room, request->header->nlmsg_len, 0);
	return sent < 0 ? -errno : 0;
}

static void parse(const void *start, int bytes, const struct nlattr **attrs, unsigned int nr)
{
	const struct nlattr *attr = start;
	unsigned int type;

	memset(attrs, 0, nr * sizeof(*attrs));
	while (bytes >= NLA_HDRLEN && attr->nla_len >= NLA_HDRLEN && attr->nla_len <= bytes) {
		type = attr->nla_type & NLA_TYPE_MASK;
		if (type < nr)
			attrs[type] = attr;
		bytes -= NLA_ALIGN(attr->nla_len);
		attr = (const void *)((const char *)attr + NLA_ALIGN(attr->nla_len));
	}
}

static const void *payload(const struct nlattr *attr)
{
	return (const char *)attr + NLA_HDRLEN;
}

/* What stands behind an error: a sentence, and where it was. */
static void parse_error(const struct nlmsghdr *header, size_t skip, struct nl_result *result)
{
	const struct nlattr *attrs[NLMSGERR_ATTR_MAX + 1];

	if (!(header->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	parse((const char *)NLMSG_DATA(header) + skip,
	      (int)(header->nlmsg_len - NLMSG_HDRLEN - skip), attrs, NLMSGERR_ATTR_MAX + 1);
	if (attrs[NLMSGERR_ATTR_MSG])
		snprintf(result->sentence, sizeof(result->sentence), "%s",
			 (const char *)payload(attrs[NLMSGERR_ATTR_MSG]));
	if (attrs[NLMSGERR_ATTR_OFFS])
		memcpy(&result->offset, payload(attrs[NLMSGERR_ATTR_OFFS]),
		       sizeof(result->offset));
}

static void give(const struct nlmsghdr *header, nl_fn *fn, void *data)
{
	const struct genlmsghdr *generic = NLMSG_DATA(header);
	struct nl_message message = {
		.type = header->nlmsg_type,
		.flags = header->nlmsg_flags,
		.cmd = generic->cmd,
	};

	parse(generic + 1, (int)header->nlmsg_len - NLMSG_LENGTH(sizeof(*generic)),
	      message.attrs, NL_ATTRS);
	if (fn)
		fn(&message, data);
}

/* Return: true: it was the last of the answer. */
static bool take(const struct nlmsghdr *header, nl_fn *fn, void *data, struct nl_result *result)
{
	if (header->nlmsg_flags & NLM_F_DUMP_INTR)
		result->interrupted = true;
	if (header->nlmsg_type == NLMSG_ERROR || header->nlmsg_type == NLMSG_DONE) {
		memcpy(&result->error, NLMSG_DATA(header), sizeof(int));
		parse_error(header, header->nlmsg_type == NLMSG_DONE ?
			    sizeof(int) : sizeof(struct nlmsgerr), result);
		return true;
	}
	result->messages++;
	give(header, fn, data);
	return false;
}

/*
 * As nl_receive_some(), and tell whether the answer has ended. The room is on the stack:
 * thread-local storage would lie there in every thread of every program.
 */
static int receive(int fd, int flags, nl_fn *fn, void *data, struct nl_result *result,
		   bool *ended)
{
	_Alignas(8) char received[RECEIVE_BYTES];
	const struct nlmsghdr *header = (const void *)received;
	ssize_t bytes = recv(fd, received, sizeof(received), flags);
	int nr = 0;

	if (bytes < 0)
		return -errno;
	for (; NLMSG_OK(header, (size_t)bytes); header = NLMSG_NEXT(header, bytes), nr++)
		*ended |= take(header, fn, data, result);
	return nr;
}

int nl_receive_some(int fd, int flags, nl_fn *fn, void *data, struct nl_result *result)
{
	bool ended = false;

	return receive(fd, flags, fn, data, result, &ended);
}

struct nl_result nl_receive(int fd, nl_fn *fn, void *data)
{
	struct nl_result result = { };
	bool ended = false;
	int got = 0;

	while (!ended && got >= 0)
		got = receive(fd, 0, fn, data, &result, &ended);
	if (got < 0)
		result.error = got;
	return result;
}

struct nl_result nl_ask(int fd, const struct nl_request *request, nl_fn *fn, void *data)
{
	int error = nl_send(fd, request);

	if (error)
		return (struct nl_result){ .error = error };
	return nl_receive(fd, fn, data);
}

struct nl_result nl_ask_about(int fd, uint16_t flags, uint8_t cmd, uint16_t attr, uint32_t id,
			      nl_fn *fn, void *data)
{
	struct nl_request request;

	nl_begin(&request, flags, cmd);
	nl_put_u32(&request, attr, id);
	return nl_ask(fd, &request, fn, data);
}

uint32_t nl_u32(const struct nl_message *message, unsigned int type)
{
	uint32_t value = 0;

	if (message->attrs[type] && message->attrs[type]->nla_len == NLA_HDRLEN + sizeof(value))
		memcpy(&value, payload(message->attrs[type]), sizeof(value));
	return value;
}

uint64_t nl_u64(const struct nl_message *message, unsigned int type)
{
	uint64_t value = 0;

	if (message->attrs[type] && message->attrs[type]->nla_len == NLA_HDRLEN + sizeof(value))
		memcpy(&value, payload(message->attrs[type]), sizeof(value));
	return value;
}

const char *nl_string(const struct nl_message *message, unsigned int type)
{
	return message->attrs[type] ? payload(message->attrs[type]) : "";
}

/* ---- The family ------------------------------------------------------------------------ */

struct numbers {
	int family;
	int group;
};

/* There is one group: the first in the list of groups. */
static void take_numbers(const struct nl_message *message, void *data)
{
	const struct nlattr *groups = message->attrs[CTRL_ATTR_MCAST_GROUPS];
	const struct nlattr *attrs[CTRL_ATTR_MCAST_GRP_MAX + 1];
	struct numbers *numbers = data;
	uint16_t family;

	if (!message->attrs[CTRL_ATTR_FAMILY_ID] || !groups)
		return;
	memcpy(&family, payload(message->attrs[CTRL_ATTR_FAMILY_ID]), sizeof(family));
	numbers->family = family;
	groups = payload(groups);
	parse(payload(groups), groups->nla_len - NLA_HDRLEN, attrs, CTRL_ATTR_MCAST_GRP_MAX + 1);
	if (attrs[CTRL_ATTR_MCAST_GRP_ID])
		memcpy(&numbers->group, payload(attrs[CTRL_ATTR_MCAST_GRP_ID]), sizeof(int));
}

static const struct numbers *ask_numbers(void)
{
	static struct numbers numbers = { .family = -ENOENT, .group = -ENOENT };
	struct nl_request request;
	int fd;

	if (numbers.family > 0)
		return &numbers;
	fd = nl_open();
	begin(&request, GENL_ID_CTRL, NLM_F_ACK, CTRL_CMD_GETFAMILY);
	nl_put(&request, CTRL_ATTR_FAMILY_NAME, GCARENA_GENL_NAME, sizeof(GCARENA_GENL_NAME));
	nl_ask(fd, &request, take_numbers, &numbers);
	close(fd);
	return &numbers;
}

int nl_family(void)
{
	return ask_numbers()->family;
}

int nl_group(void)
{
	return ask_numbers()->group;
}

int nl_join(int fd)
{
	int group = nl_group();

	return setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) ?
	       -errno : 0;
}

uint32_t nl_arena_id(int fd)
{
	char path[64], line[128];
	uint32_t id = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	while (file && !id && fgets(line, sizeof(line), file))
		sscanf(line, "gcarena-id: %u", &id);
	if (file)
		fclose(file);
	return id;
}
