/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Being told to stop: SIGINT, SIGTERM and SIGHUP, the first time. The second
 * one does what it always does.
 */
#ifndef STOP_H
#define STOP_H

#include <stdbool.h>

void stop_listen (void);
/* Whether the signal came. */
bool stop_asked (void);
/* What a shell calls a program that the signal ended: 128 + its number. */
int stop_status (void);

#endif
