/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the processor counts while a piece of the program runs, in user mode, over all
 * of its threads. Where it does not count, as in most virtual machines, a note says so.
 */
#ifndef COUNTERS_H
#define COUNTERS_H

/* Before the first thread is started: later ones inherit the counters. */
void counters_open(void);
void counters_start(void);
/* Prints the counts by object as results named "@what, instructions" and so on. */
void counters_stop(const char *what, double objects);

#endif /* COUNTERS_H */
