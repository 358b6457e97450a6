/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sources of a main loop that somebody owns and drops: see wssource.h.
 */
#include "wssource.h"

GSource *
ws_source_watch (GMainContext *context, int fd, GIOCondition wanted,
    GUnixFDSourceFunc ready, gpointer user)
{
  GSource *source = g_unix_fd_source_new (fd, wanted);

  g_source_set_callback (
      source, (GSourceFunc)(void (*) (void))ready, user, NULL);
  g_source_attach (source, context);
  return source;
}

void
ws_source_drop (GSource **source)
{
  if (*source)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}
