/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A walk through a session: bytes say what the client, the slot and the prompt
 * services do next. The slot of a walk behaves well: it makes, encodes and
 * relays as dreamversesrc, dreamversemux and soupwebsocketsink do, but in any
 * order of the one to the other that they may take. After each step the rules
 * of the protocol are held against what the client was told.
 */
#ifndef SESSION_WALK_H
#define SESSION_WALK_H

#include <glib.h>

typedef struct {
  guint segments, streams, completes, idles, errors; /* told to the client */
} WalkSum;

/* Aborts where a rule is broken. */
void session_walk (const guint8 *data, gsize size, WalkSum *sum);

#endif
