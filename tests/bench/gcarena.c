// SPDX-License-Identifier: GPL-2.0
/* The workloads, allocating in the kernel's collected arena. */
#define CONTENDER_GCARENA
#include "lib/main.h"
