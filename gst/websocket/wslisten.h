/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A listening socket and the connections on it that are not a WebSocket yet.
 * Bounds their number and how long a handshake may take, which SoupServer does
 * not, and hands them to it.
 *
 * Threads: opened anywhere, then the relay thread only.
 */
#ifndef WSLISTEN_H
#define WSLISTEN_H

#include <libsoup/soup.h>

typedef struct {
  GSocket *socket;
  GTlsCertificate *tls; /* NULL: plain */
  guint port;
  gboolean loopback;

  SoupServer *server;
  GMainContext *context;
  GSource *incoming, *sweep;
  GQueue pending; /* neither upgraded nor closed */
  guint streams;  /* that live, upgraded ones too */
  int spare;      /* a descriptor to refuse with when there is none left */
} WsListener;

/* One that never listens: all else may be called. */
void ws_listener_init (WsListener *listener);
/* Binds and loads the certificate; the error says what failed. */
gboolean ws_listener_open (WsListener *listener, const gchar *address,
    guint port, const gchar *certificate, const gchar *key, GError **error);
void ws_listener_start (
    WsListener *listener, SoupServer *server, GMainContext *context);
void ws_listener_close (WsListener *listener);
/* Runs the main context until all that came in has ended, for at most
 * @patience us: TLS shakes hands in a thread and comes back to that context,
 * which would else keep it, and be kept, for ever. */
void ws_listener_settle (WsListener *listener, gint64 patience);

/* A request of this connection was answered: it may go on for a while. */
void ws_listener_lives (GSocketAddress *remote);
/* It became a WebSocket. */
void ws_listener_upgraded (GSocketAddress *remote);

#endif
