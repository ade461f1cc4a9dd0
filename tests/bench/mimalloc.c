// SPDX-License-Identifier: GPL-2.0
/* The workloads, allocating with mimalloc. */
/* LIBS: -lmimalloc */
#define CONTENDER_MIMALLOC
#include "lib/main.h"
