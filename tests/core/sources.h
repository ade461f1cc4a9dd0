/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The collector core, all of it: the module's own sources. What they stand on
 * (core/platform.h) comes first, so that a program may choose its allocator.
 */
#ifndef TESTS_CORE_SOURCES_H
#define TESTS_CORE_SOURCES_H

#include "core/platform.h"

#include "../../kmod/sizeclass.c"
#include "../../kmod/layout.c"
#include "../../kmod/ids.c"
#include "../../kmod/chunk.c"
#include "../../kmod/permanent.c"
#include "../../kmod/span.c"
#include "../../kmod/sweep.c"
#include "../../kmod/mark.c"
#include "../../kmod/crew.c"
#include "../../kmod/compact.c"
#include "../../kmod/shift.c"
#include "../../kmod/remember.c"
#include "../../kmod/pacer.c"
#include "../../kmod/budget.c"
#include "../../kmod/share.c"

#include "core/helpers.h"

#endif /* TESTS_CORE_SOURCES_H */
