// SPDX-License-Identifier: GPL-2.0
/*
 * The module's generic netlink family: one socket for questions, which are answered
 * before the next one is asked.
 *
 * Errors are negative errno values; the sentence that came with the last one is kept.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/gcarena_netlink.h>
#include <linux/netlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include "gcarenactl.h"

#define MESSAGE_BYTES	(256 * 1024)
#define DUMP_TRIES	10

/* An answer, as it comes in. */
struct answer {
	netlink_fn *fn;
	void *data;
	int error;
	bool interrupted;
	bool done;
};

static struct nl_sock *questions;
static int family;
static char sentence[256];

/* ---- What came with an error --------------------------------------------------------- */

/* The attributes behind an error's header and, if it is there, the request. */
static void keep_sentence(struct nlmsghdr *message, size_t skip)
{
	struct nlattr *attrs[NLMSGERR_ATTR_MAX + 1] = { };
	int length = (int)message->nlmsg_len - NLMSG_HDRLEN - (int)NLMSG_ALIGN(skip);

	sentence[0] = '\0';
	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS) || length <= 0)
		return;
	if (nla_parse(attrs, NLMSGERR_ATTR_MAX,
		      (struct nlattr *)((char *)NLMSG_DATA(message) + NLMSG_ALIGN(skip)), length,
		      NULL) || !attrs[NLMSGERR_ATTR_MSG])
		return;
	nla_strlcpy(sentence, attrs[NLMSGERR_ATTR_MSG], sizeof(sentence));
}

const char *netlink_sentence(int error)
{
	if (!sentence[0])
		snprintf(sentence, sizeof(sentence), "%s", strerror(-error));
	return sentence;
}

/* ---- Callbacks ----------------------------------------------------------------------- */

static int on_message(struct nl_msg *message, void *data)
{
	struct nlattr *attrs[NETLINK_ATTRS] = { };
	struct answer *answer = data;

	if (!genlmsg_parse(nlmsg_hdr(message), 0, attrs, NETLINK_ATTRS - 1, NULL) && answer->fn)
		answer->fn(attrs, answer->data);
	return NL_OK;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *error, void *data)
{
	struct nlmsghdr *message = (struct nlmsghdr *)((char *)error - NLMSG_HDRLEN);
	struct answer *answer = data;
	size_t skip = sizeof(*error);

	(void)from;
	if (!(message->nlmsg_flags & NLM_F_CAPPED))
		skip += error->msg.nlmsg_len - NLMSG_HDRLEN;
	keep_sentence(message, skip);
	answer->error = error->error;
	answer->done = true;
	return NL_STOP;
}

static int on_ack(struct nl_msg *message, void *data)
{
	struct answer *answer = data;

	(void)message;
	answer->done = true;
	return NL_STOP;
}

/* The end of a dump tells whether it went wrong. */
static int on_finish(struct nl_msg *message, void *data)
{
	struct nlmsghdr *header = nlmsg_hdr(message);
	struct answer *answer = data;

	if (nlmsg_datalen(header) >= (int)sizeof(int))
		memcpy(&answer->error, nlmsg_data(header), sizeof(int));
	if (answer->error)
		keep_sentence(header, sizeof(int));
	answer->done = true;
	return NL_STOP;
}

static int on_interrupt(struct nl_msg *message, void *data)
{
	struct answer *answer = data;

	(void)message;
	answer->interrupted = true;
	return NL_OK;
}

/* ---- Questions ----------------------------------------------------------------------- */

int netlink_family(void)
{
	return family;
}

static bool prepare(struct nl_sock *sock)
{
	int one = 1;

	nl_socket_set_buffer_size(sock, 1024 * 1024, 0);
	nl_socket_set_msg_buf_size(sock, MESSAGE_BYTES);
	setsockopt(nl_socket_get_fd(sock), SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(nl_socket_get_fd(sock), SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	return true;
}

struct nl_sock *netlink_socket(void)
{
	struct nl_sock *sock = nl_socket_alloc();
	int error;

	if (!sock) {
		failure("no memory");
		return NULL;
	}
	error = genl_connect(sock);
	if (!error && prepare(sock))
		return sock;
	failure("cannot talk to the kernel by netlink: %s", nl_geterror(error));
	nl_socket_free(sock);
	return NULL;
}

enum exit_status netlink_open(void)
{
	if (questions)
		return STATUS_OK;
	questions = netlink_socket();
	if (!questions)
		return STATUS_FAILURE;
	family = genl_ctrl_resolve(questions, GCARENA_GENL_NAME);
	if (family >= 0)
		return STATUS_OK;
	nl_socket_free(questions);
	questions = NULL;
	return failure("the gcarena module is not loaded: load it with `modprobe gcarena`");
}

struct nl_msg *netlink_question(uint8_t command, bool dump)
{
	struct nl_msg *message = nlmsg_alloc();

	if (!message || !genlmsg_put(message, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0,
				     NLM_F_REQUEST | (dump ? NLM_F_DUMP : NLM_F_ACK), command,
				     GCARENA_GENL_VERSION)) {
		failure("no memory");
		nlmsg_free(message);
		return NULL;
	}
	return message;
}

static int receive(struct answer *answer)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_CUSTOM);
	int error = 0;

	if (!cb)
		return -ENOMEM;
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_message, answer);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, answer);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_finish, answer);
	nl_cb_set(cb, NL_CB_DUMP_INTR, NL_CB_CUSTOM, on_interrupt, answer);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, answer);
	while (!answer->done && error >= 0)
		error = nl_recvmsgs(questions, cb);
	nl_cb_put(cb);
	if (!answer->done && error < 0) {
		snprintf(sentence, sizeof(sentence), "%s", nl_geterror(error));
		return -EBADMSG;
	}
	return answer->error;
}

int netlink_ask(struct nl_msg *message, netlink_fn *fn, void *data, bool *interrupted)
{
	struct answer answer = { .fn = fn, .data = data };
	int error;

	if (!message)
		return -ENOMEM;
	sentence[0] = '\0';
	error = nl_send_auto(questions, message);
	nlmsg_free(message);
	if (error < 0) {
		snprintf(sentence, sizeof(sentence), "%s", nl_geterror(error));
		return -EBADMSG;
	}
	error = receive(&answer);
	if (interrupted)
		*interrupted = answer.interrupted;
	return error;
}

int netlink_dump(uint8_t command, int attr, uint32_t value, netlink_fn *fn, void *data,
		 void (*again)(void *data))
{
	bool interrupted;
	struct nl_msg *message;
	int error, tries = 0;

	do {
		if (tries++)
			again(data);
		message = netlink_question(command, true);
		if (message && attr)
			nla_put_u32(message, attr, value);
		error = netlink_ask(message, fn, data, &interrupted);
	} while (!error && interrupted && again && tries < DUMP_TRIES);
	if (!error && interrupted && again)
		fputs("gcarenactl: arenas come and go too fast: some may be missing\n", stderr);
	return error;
}

/* ---- Records ------------------------------------------------------------------------- */

static void fill_one(const struct attribute *row, void *record, struct nlattr *attr)
{
	void *at = (char *)record + row->offset;

	if (row->kind == ATTRIBUTE_STRING)
		nla_strlcpy(at, attr, row->width);
	else if (nla_len(attr) == (int)row->width)
		memcpy(at, nla_data(attr), row->width);
}

void netlink_fill(const struct attributes *attributes, void *record, struct nlattr **attrs)
{
	const struct attribute *row;

	for (row = attributes->rows; row < attributes->rows + attributes->nr; row++)
		if (row->nl && attrs[row->nl])
			fill_one(row, record, attrs[row->nl]);
}
