/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A client's WebSocket after its handshake: whole messages in, whole messages
 * out, one frame each; pings, the closing handshake, limits.  What is not yet
 * taken by the socket is counted to the byte.
 *
 * Threads: the main thread alone. Events come from its main loop, never from
 * within a function of this file.
 */
#ifndef DVS_CLIENT_H
#define DVS_CLIENT_H

#include <gio/gio.h>

#include "metrics.h"
#include "settings.h"

/* What the clients of a server share. */
typedef struct DvsRoom DvsRoom;
typedef struct DvsClient DvsClient;

typedef struct {
  /* A whole message: valid UTF-8, no NUL at its end. */
  void (*text) (gpointer user, const gchar *text, gsize size);
  void (*binary) (gpointer user);
  /* Bytes that were sent here and that the socket has not taken; told when the
   * number has changed. */
  void (*unsent) (gpointer user, guint64 bytes);
  /* Once, and the last: the peer left, vanished or was cut, and the client is
   * released. @reason: a word for metrics. */
  void (*gone) (gpointer user, const gchar *reason);
} DvsClientEvents;

/* Both must outlive the room. */
DvsRoom *dvs_room_new (const DvsSettings *settings, DvsMetrics *metrics);
/* Cuts who is left. */
void dvs_room_free (DvsRoom *room);
guint dvs_room_size (const DvsRoom *room);
guint64 dvs_room_unsent (const DvsRoom *room);

/* Takes over @stream; NULL: it cannot be polled. */
DvsClient *dvs_client_new (DvsRoom *room, GIOStream *stream,
    const DvsClientEvents *events, gpointer user);
/* No more events. What was sent and the closing handshake go on without the
 * owner, within a bound; one that was not closed is cut. */
void dvs_client_release (DvsClient *client);

void dvs_client_send_text (DvsClient *client, gchar *text); /* takes @text */
void dvs_client_send_media (DvsClient *client, GBytes *bytes);
/* After all that was sent; nothing is sent or heard afterwards. */
void dvs_client_close (DvsClient *client, guint16 code, const gchar *reason);

#endif
