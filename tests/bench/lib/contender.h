/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One interface over the allocators that are compared. A workload is compiled
 * once for each contender, with -DCONTENDER_GCARENA, _LIBGC, _GLIBC or
 * _MIMALLOC, so that every measurement is made by a process that holds one
 * allocator. Each header below defines:
 *
 *	CONTENDER_COLLECTS	1 when garbage is found, 0 when it is freed by hand
 *	CONTENDER_TYPE(t, ...)	the layout of struct t, whose pointers are named
 *	contender_type		what CONTENDER_TYPE() gives
 *
 *	contender_init()	first call of a program, in main()
 *	contender_print_version()
 *	contender_alloc(n)	zeroed memory that may hold pointers
 *	contender_alloc_noscan(n)	zeroed memory that holds none
 *	contender_new(type, n)	zeroed memory of that layout; n is its size
 *	contender_free(p)	does nothing in a collector
 *	contender_collect()	full collection, does nothing where there is none
 *	contender_pauses_poll()	to be called now and then, for lib/pauses.h
 *	contender_auto_collect(on)	whether collections start by themselves
 *	contender_watch()	start counting what contender_report() prints
 *	contender_cost(ns)	results: what collecting took since then, @ns ago, of the
 *				processors, where the collector tells
 *	contender_report(mib)	results that only this contender has; @mib is what
 *				the program allocated in between
 *
 * And where CONTENDER_COLLECTS is 1:
 *
 *	contender_roots_add(start, n)	memory that may hold pointers
 *	contender_stop_ns()	how long the last stopping of threads took
 *	contender_collect_minor()	the cheapest collection a program can ask for
 *	contender_track(on)	whether the collector is to learn which old objects were
 *				written, where that can be switched
 *	contender_collect_tracked()	minor if that was on, else full
 *
 * All memory is zeroed since that is what gcarena promises: malloc peers use
 * calloc. Every header is to be included before <pthread.h> is used: libgc's
 * redirects pthread_create().
 */
#ifndef CONTENDER_H
#define CONTENDER_H

#include "bench.h"

#if defined(CONTENDER_GCARENA)
#include "contender-gcarena.h"
#elif defined(CONTENDER_LIBGC)
#include "contender-libgc.h"
#elif defined(CONTENDER_GLIBC)
#include "contender-glibc.h"
#elif defined(CONTENDER_MIMALLOC)
#include "contender-mimalloc.h"
#else
#error "no contender: compile with -DCONTENDER_GCARENA or one of its peers"
#endif

#endif /* CONTENDER_H */
