/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The module's generic netlink family without a library, so that messages can be as
 * wrong as a test wants. Functions return 0 (or what their comment says) or -errno.
 */
#ifndef GCARENA_TESTS_NL_H
#define GCARENA_TESTS_NL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/gcarena_netlink.h>
#include <linux/netlink.h>

#define NL_ROOM		4096
#define NL_ATTRS	128

/* A request that is being put together. */
struct nl_request {
	struct nlmsghdr *header;	/* in @room */
	char room[NL_ROOM] __attribute__((aligned(8)));
};

/*
 * A message that came in. Attributes are found by number; they are valid until the
 * function returns that the message is given to.
 */
struct nl_message {
	uint16_t type;
	uint16_t flags;
	uint8_t cmd;
	const struct nlattr *attrs[NL_ATTRS];
};

/* What a whole answer was. */
struct nl_result {
	int error;		/* 0 or -errno */
	unsigned int messages;
	bool interrupted;	/* NLM_F_DUMP_INTR */
	char sentence[128];	/* NLMSGERR_ATTR_MSG, or "" */
	unsigned int offset;	/* NLMSGERR_ATTR_OFFS, or 0 */
};

typedef void nl_fn(const struct nl_message *message, void *data);

int nl_open(void);		/* the descriptor */
int nl_family(void);		/* its number, asked for once; -ENOENT */
int nl_group(void);		/* number of the multicast group */
int nl_join(int fd);

void nl_begin(struct nl_request *request, uint16_t flags, uint8_t cmd);
/* @length: as it stands in the attribute; @bytes of @data are there. */
void nl_put_raw(struct nl_request *request, uint16_t type, uint16_t length, const void *data,
		size_t bytes);
void nl_put(struct nl_request *request, uint16_t type, const void *data, size_t bytes);
void nl_put_u32(struct nl_request *request, uint16_t type, uint32_t value);
void nl_put_u64(struct nl_request *request, uint16_t type, uint64_t value);

int nl_send(int fd, const struct nl_request *request);
/* Receive until the answer ends. @fn may be NULL. */
struct nl_result nl_receive(int fd, nl_fn *fn, void *data);
struct nl_result nl_ask(int fd, const struct nl_request *request, nl_fn *fn, void *data);
/* What one recv() brings: how many messages were given to @fn, or -errno. */
int nl_receive_some(int fd, int flags, nl_fn *fn, void *data, struct nl_result *result);

/* Value of an attribute, 0 when it is not there. */
uint32_t nl_u32(const struct nl_message *message, unsigned int type);
uint64_t nl_u64(const struct nl_message *message, unsigned int type);
const char *nl_string(const struct nl_message *message, unsigned int type);

/* One command on one arena, with the attribute that is its number. */
struct nl_result nl_ask_about(int fd, uint16_t flags, uint8_t cmd, uint16_t attr, uint32_t id,
			      nl_fn *fn, void *data);
/* The number of the arena behind our descriptor @fd, from its fdinfo; 0: none. */
uint32_t nl_arena_id(int fd);

#endif /* GCARENA_TESTS_NL_H */
