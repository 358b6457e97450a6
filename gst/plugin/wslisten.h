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
  GSource *incoming, *sweep;
  GQueue pending; /* neither upgraded nor closed */
  int spare;      /* a descriptor to refuse with when there is none left */
} WsListener;

/* Binds and loads the certificate; the error says what failed. */
gboolean ws_listener_open (WsListener *listener, const gchar *address,
    guint port, const gchar *certificate, const gchar *key, GError **error);
void ws_listener_start (
    WsListener *listener, SoupServer *server, GMainContext *context);
void ws_listener_close (WsListener *listener);

/* A request of this connection was answered: it may go on for a while. */
void ws_listener_lives (GSocketAddress *remote);
/* It became a WebSocket. */
void ws_listener_upgraded (GSocketAddress *remote);

#endif
