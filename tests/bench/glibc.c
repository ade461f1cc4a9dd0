// SPDX-License-Identifier: GPL-2.0
/* The workloads, allocating with the C library. */
#define CONTENDER_GLIBC
#include "lib/main.h"
