/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Netlink: who asks (netlink.c) and who reads the answer (answers.c) may be two threads
 * or processes. So a request's sequence number tells what is to be expected of it.
 */
#ifndef TESTS_FUZZ_NETLINK_H
#define TESTS_FUZZ_NETLINK_H

#include "fuzz/world.h"

#define SEQ_COMMAND	0xffU
#define SEQ_DUMP	(1U << 8)
#define SEQ_MALFORMED	(1U << 9)	/* it must be refused before anything is looked at */
#define SEQ_MAGIC	0x67630000U	/* without it nothing is known */
#define SEQ_MAGIC_MASK	0xffff0000U

/* A new socket in the place of what was there. */
long open_socket(_Atomic int *socket, struct rng *rng);

/* answers.c: receive up to @times, and look at what comes. What the last call returned. */
long read_answers(struct worker *w, int fd, unsigned int times);

#endif
