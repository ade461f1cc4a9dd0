/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_ACCESS_H
#define GCARENA_ACCESS_H

#include <linux/types.h>

struct gcarena;
struct pid;
struct sk_buff;
struct task_struct;

struct task_struct *gcarena_owner_get(struct gcarena *arena);
bool gcarena_is_used_by(struct gcarena *arena, struct pid *pid);
bool gcarena_may_control(const struct sk_buff *skb, struct task_struct *owner);

#endif
