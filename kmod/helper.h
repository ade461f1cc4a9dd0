/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_HELPER_H
#define GCARENA_HELPER_H

unsigned int gcarena_helpers_stopped(void);
unsigned int gcarena_helpers_beside(void);
unsigned int gcarena_helpers_assisting(void);

#endif
