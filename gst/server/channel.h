/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What ties a worker to its front: one socketpair, over which each message is
 * one packet of JSON, an object, with at most one file descriptor.  Nothing
 * here waits: what the other side does not take is kept, up to a bound.
 *
 * Threads: the one whose main loop runs the default main context.
 */
#ifndef DVS_CHANNEL_H
#define DVS_CHANNEL_H

#include <json-glib/json-glib.h>

/* A prompt of 8 KiB, each byte of it escaped, and what goes with it. */
#define DVS_CHANNEL_MAX_MESSAGE (64 * 1024)

typedef struct DvsChannel DvsChannel;

typedef struct {
  /* @fd comes with the message and is the callee's to close; -1: none. */
  void (*message) (gpointer user, JsonObject *message, int fd);
  /* Nothing more comes or goes. @why NULL: the other side is gone. Else it
   * sends what is no message, or takes nothing: a sentence. */
  void (*closed) (gpointer user, const gchar *why);
} DvsChannelEvents;

/* Both ends, close-on-exec. */
gboolean dvs_channel_pair (int ends[2], GError **error);
/* Takes @fd. */
DvsChannel *dvs_channel_new (
    int fd, const DvsChannelEvents *events, gpointer user);
/* May be called from within its events. Nothing is told afterwards. */
void dvs_channel_free (DvsChannel *channel);
/* Takes @message and @fd (-1: none). What cannot be sent ends the channel,
 * which is told from the main loop. */
void dvs_channel_send (DvsChannel *channel, JsonObject *message, int fd);

/* ---- messages ---- */

/* An object with this "type". */
JsonObject *dvs_packet_new (const gchar *type);
/* What a message has by this name, if it is of the type; else what stands for
 * nothing: 0, 0.0, FALSE, NULL. */
gint64 dvs_packet_int (JsonObject *message, const gchar *name);
/* The same, of those that can be a guint, else 0. */
guint dvs_packet_uint (JsonObject *message, const gchar *name);
gdouble dvs_packet_double (JsonObject *message, const gchar *name);
gboolean dvs_packet_boolean (JsonObject *message, const gchar *name);
const gchar *dvs_packet_string (JsonObject *message, const gchar *name);
/* An object with "type", read from @size bytes of text; NULL: it is none. */
JsonObject *dvs_packet_parse (const gchar *text, gsize size);

#endif
