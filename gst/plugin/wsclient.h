/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One viewer: what is being written to its socket, what comes in, pings and
 * the closing handshake. It keeps no media of its own: it asks its endpoint
 * for the next item and holds references to the few that are on their way.
 *
 * Threads: the relay thread, or, for ws_client_pump_standing_in() and what only
 * asks, who stands in for it (wshub.h).
 */
#ifndef WSCLIENT_H
#define WSCLIENT_H

#include <gio/gio.h>

#include "wspoll.h"
#include "wsring.h"

/* A client may send this much as one message, fragments added up. */
#define WS_CLIENT_MAX_MESSAGE (16 * 1024)
#define WS_CLIENT_FLIGHT 16

typedef struct WsClient WsClient;
typedef struct WsEndpoint WsEndpoint;

typedef struct {
  guint64 bytes_sent, messages_sent;
  guint64 bytes_received, messages_received;
  guint64 skips, dropped_bytes, dropped_fragments;
} WsClientStats;

struct WsClient {
  WsEndpoint *endpoint;
  guint64 id;
  gchar *remote;
  gboolean control;
  gint64 joined; /* monotonic us */
  WsClientStats stats;

  /* its place in the stream; the endpoint's */
  GQueue front; /* items that go before those of the ring */
  gsize front_bytes;
  guint64 seq; /* of the next item of the ring */
  gboolean awaiting_key;
  guint64 lead;       /* ns of media that it does not need yet to play on */
  guint64 lead_clock; /* the ring's when that was reckoned, */
  gint64 lead_at;     /* and the time */
  WsItem *init;       /* the latest init segment it was sent */
  gboolean skipping;
  guint64 skip_from, skip_bytes, skip_fragments;

  /* the socket */
  GIOStream *stream;
  GPollableInputStream *in;
  WsWatch watch;
  gboolean started;
  gboolean blocked; /* waits for the socket to take more */
  WsReader reader;
  WsItem *flight[WS_CLIENT_FLIGHT];
  guint n_flight;
  gsize flight_offset; /* into the first */
  gint64 progress;     /* when the socket last took a byte */
  gint64 flight_since; /* when the first became the first */

  /* life and death */
  gint64 heard, ping_queued, ping_sent;
  WsItem *ping;
  guint nonsense; /* messages that made no sense */
  gboolean closing, close_now, close_sent, close_received, dead;
  guint16 close_code;
  gchar *reason; /* why it goes: a word */
  gchar *close_text;
  gint64 deadline;
};

/* Takes over @stream, on which the handshake was done; NULL if it cannot be
 * polled. */
WsClient *ws_client_new (WsEndpoint *endpoint, guint64 id, GIOStream *stream,
    const gchar *remote, gboolean control);
void ws_client_free (WsClient *client);
/* Starts to listen and to write. */
void ws_client_start (WsClient *client, WsPoll *poll);
/* Puts an item before those of the ring; takes @item. */
void ws_client_push (WsClient *client, WsItem *item);
/* Writes as much as the socket takes. */
void ws_client_pump (WsClient *client);
/* The same for whoever stands in for the relay thread: what needs more than a
 * write to a plain socket is left. TRUE if this viewer has all there is. */
gboolean ws_client_pump_standing_in (WsClient *client);
/* Nothing is on its way to this viewer, or ever will be. */
gboolean ws_client_idle (const WsClient *client);
gboolean ws_client_blocked (const WsClient *client);
gboolean ws_client_drained (const WsClient *client);
/* Ends the connection: with @now after the message that is on its way,
 * otherwise after all that is queued. @reason is a word for the owner, @text a
 * sentence for the peer. After @patience us it is cut. */
void ws_client_close (WsClient *client, guint16 code, const gchar *reason,
    const gchar *text, gboolean now, gint64 patience);
/* Cuts the connection; the endpoint is told. */
void ws_client_fail (WsClient *client, const gchar *reason);
/* To be called some times a second: pings, deadlines. */
void ws_client_tick (WsClient *client, gint64 now);

/* ---- what a client asks of its endpoint (wsendpoint.c) ---- */

/* The next item to send, a reference; NULL if there is none now. */
WsItem *ws_endpoint_next (WsEndpoint *endpoint, WsClient *client);
gboolean ws_endpoint_has_next (WsEndpoint *endpoint, const WsClient *client);
void ws_endpoint_message (
    WsEndpoint *endpoint, WsClient *client, const gchar *text, gsize size);
/* It is dead; to be freed soon, but not during this call. */
/* Lets go of the connection of one that has gone. @plain: closing it only
 * closes a descriptor. */
void ws_endpoint_close_stream (
    WsEndpoint *endpoint, GIOStream *stream, gboolean plain);
void ws_endpoint_gone (WsEndpoint *endpoint, WsClient *client);

#endif
