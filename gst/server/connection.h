/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A client with its session: what the session asks of sockets, slots, time and
 * logs goes through here.
 *
 * Threads: the main thread alone.
 */
#ifndef DVS_CONNECTION_H
#define DVS_CONNECTION_H

#include "server.h"
#include "session.h"

struct DvsConnection {
  DvsServer *server;
  GList link, waiting_link;
  gchar *id, *address;
  DvsClient *client;   /* NULL: it is gone */
  DvsSession *session; /* NULL: being freed */
  DvsSeat *seat;       /* NULL: has no slot */
  gboolean wants;      /* a slot; has it, waits for it or had it */
  gboolean waiting;
  gboolean delivered; /* the session was told of its slot */
  gint64 since, assigned_at;
  guint timers[DVS_SESSION_TIMERS];
  guint ticket;   /* a source: what must not be done from within the session */
  gchar *refusal; /* why it may not have a slot */
  const gchar *end; /* a word */
};

/* Takes over @stream, on which the handshake was done. */
void dvs_connection_new (
    DvsServer *server, GIOStream *stream, const gchar *address);
/* Ends the session without a word. */
void dvs_connection_free (DvsConnection *connection);
/* A slot for the first that waits, or that became free, came. */
void dvs_connection_assign (DvsConnection *connection, DvsSeat *seat);
/* How many of this address there are: connected, and with an accepted init. */
guint dvs_connections_of (
    const DvsServer *server, const gchar *address, guint *sessions);
/* Of all: the server goes down. */
void dvs_connections_shutdown (DvsServer *server, gboolean waiting_only);

#endif
