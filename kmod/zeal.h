/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_ZEAL_H
#define GCARENA_ZEAL_H

#include <linux/types.h>

struct gcarena;

bool gcarena_zeal_verify(void);
void gcarena_zeal_verified(void);
bool gcarena_zeal_poison(void);
u32 gcarena_zeal_mark_stack(void);
u32 gcarena_zeal_slice(void);
bool gcarena_zeal_minor(const struct gcarena *arena);
bool gcarena_zeal_concurrent(const struct gcarena *arena);
bool gcarena_zeal_due(const struct gcarena *arena);
bool gcarena_zeal_compact(const struct gcarena *arena);
bool gcarena_zeal_quiet(void);
int gcarena_zeal_delay(void);

#endif
