/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_NETLINK_H
#define GCARENA_NETLINK_H

struct genl_family;

extern struct genl_family gcarena_genl_family;

int gcarena_netlink_init(void);
void gcarena_netlink_exit(void);

#endif
