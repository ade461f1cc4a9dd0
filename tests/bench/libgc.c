// SPDX-License-Identifier: GPL-2.0
/* The workloads, allocating with the Boehm-Demers-Weiser collector. */
/* LIBS: -lgc */
#define CONTENDER_LIBGC
#include "lib/main.h"
