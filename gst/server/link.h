/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The front's end of a run's link: a socket at whose other end a worker's
 * soupwebsocketsink speaks WebSocket, its server's side, without a handshake.
 * Hands over texts and media in order, as soon as they are whole.  The sink
 * never masks and never cuts a message into frames: whatever does has failed.
 *
 * Threads: the main thread alone.
 */
#ifndef DVS_LINK_H
#define DVS_LINK_H

#include <json-glib/json-glib.h>

#define DVS_LINK_MAX_TEXT (1024 * 1024)
#define DVS_LINK_MAX_MEDIA (64 * 1024 * 1024)

typedef struct DvsLink DvsLink;

typedef struct {
  void (*event) (gpointer user, JsonObject *event);
  void (*media) (gpointer user, GBytes *bytes);
  /* Nothing more comes. @why NULL: the sink closed it, which says why. */
  void (*ended) (gpointer user, const gchar *why);
} DvsLinkEvents;

/* A pair of sockets; *@peer is the worker's end. NULL: there are none. */
DvsLink *dvs_link_new (
    const DvsLinkEvents *events, gpointer user, int *peer, GError **error);
/* May be called from within its events. Nothing is told afterwards. */
void dvs_link_free (DvsLink *link);
/* What is not read waits in the worker. */
void dvs_link_set_reading (DvsLink *link, gboolean reading);
gboolean dvs_link_is_reading (const DvsLink *link);

#endif
