/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sources of a main loop that somebody owns and drops.
 *
 * Threads: the one that runs the source's context.
 */
#ifndef WSSOURCE_H
#define WSSOURCE_H

#include <glib-unix.h>

/* Calls @ready as long as @fd is as @wanted says, or has failed. @context NULL:
 * the default one. */
GSource *ws_source_watch (GMainContext *context, int fd, GIOCondition wanted,
    GUnixFDSourceFunc ready, gpointer user);
/* Destroys what @source holds, if anything; may be called from within it. */
void ws_source_drop (GSource **source);

#endif
