/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_NAME_H
#define GCARENA_NAME_H

#include <linux/types.h>

bool gcarena_name_is_valid(const char *name, size_t room);
void gcarena_name_clean(char *name);

#endif
