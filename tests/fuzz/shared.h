/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a round's processes tell the engine: a page or two of memory that all of them
 * share, also after exec(), as it hangs on a descriptor of a fixed number.
 */
#ifndef TESTS_FUZZ_SHARED_H
#define TESTS_FUZZ_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fuzz/program.h"

#define SHARED_FD	200
#define FEATURE_BITS	(1U << 16)
#define NR_COMMANDS	19	/* the last one: all that do not exist */
#define NR_ERRORS	134
#define NR_REQUESTS	8	/* of netlink; the last one: all that do not exist */

/* A thread of the round: which operation, and since when (ms). */
struct progress {
	_Atomic int tid;
	_Atomic int kind;	/* -1: at none */
	_Atomic uint64_t since;
};

/**
 * struct shared - from the round to the engine
 * @failed: @failure is valid
 * @stranger: the round's user may not trace the canary
 * @calls: commands issued
 * @succeeded: of these, without error
 * @operations: done
 * @timeouts: commands that said ETIMEDOUT
 * @results: how often each command gave each error
 * @answers: the same of netlink requests: do and dump
 * @messages: netlink messages about arenas that were received
 * @events: those that nobody asked for
 * @malformed: requests that had to be refused, and were
 * @canary: number of its arena
 * @canary_pid: its process
 * @hit: features that programs of this run have reached, see kcov.h
 */
struct shared {
	_Atomic bool failed;
	char failure[256];
	_Atomic bool stranger;
	_Atomic uint64_t calls, succeeded, operations, timeouts, collections;
	_Atomic uint32_t results[NR_COMMANDS][NR_ERRORS];
	_Atomic uint32_t answers[2][NR_REQUESTS][NR_ERRORS];
	_Atomic uint64_t messages, events, malformed;
	uint32_t canary;
	int canary_pid;
	struct progress progress[PROGRAM_THREADS];
	_Atomic uint8_t hit[FEATURE_BITS / 8];
};

struct shared *shared_create(void);
struct shared *shared_attach(void);	/* after exec() */
uint64_t now_ms(void);

/* Of an ioctl number; "unknown" for what is none. */
const char *command_name(unsigned int cmd);
unsigned int command_index(unsigned int cmd);	/* below NR_COMMANDS */
/* Of a netlink request. */
const char *request_name(unsigned int cmd);
unsigned int request_index(unsigned int cmd);	/* below NR_REQUESTS */

#endif
