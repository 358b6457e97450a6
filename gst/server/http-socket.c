/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * HTTP: the WebSocket's handshake, and who is refused it.  No extension is
 * accepted: media does not compress.
 *
 * Threads: the main thread alone.
 */
#include "connection.h"
#include "http.h"
#include "queue.h"

#define PROTOCOL "dreamverse.v1"

typedef struct {
  DvsServer *server;
  gchar *address;
} Upgrade;

static void
upgrade_free (gpointer data, GClosure *closure)
{
  Upgrade *upgrade = data;

  g_free (upgrade->address);
  g_free (upgrade);
}

/* Why there is no room for one more; NULL: there is. The limits are looked at
 * when the answer is about to be written, so that none slips by. */
static const gchar *
full (const DvsServer *server, const gchar *address, guint *status,
    const gchar **reason)
{
  const DvsSettings *settings = server->settings;
  guint most = settings->max_connections_per_address, sessions;

  *status = SOUP_STATUS_SERVICE_UNAVAILABLE;
  if (server->draining) {
    *reason = "draining";
    return "The server is shutting down.";
  }
  if (dvs_room_size (server->room) >= settings->max_connections) {
    *reason = "connections";
    return "Too many connections.";
  }
  if (server->connections.length >= settings->slots + settings->max_queue) {
    *reason = "queue";
    return "The queue is full.";
  }
  if (most && dvs_connections_of (server, address, &sessions) >= most) {
    *reason = "address";
    *status = DVS_HTTP_TOO_MANY_REQUESTS;
    return "Too many connections from your address.";
  }
  return NULL;
}

static void
refuse (DvsServer *server, SoupServerMessage *message, guint status,
    const gchar *reason, const gchar *detail)
{
  gchar *metric = g_strconcat (DVS_COUNT_REFUSED ":", reason, NULL);

  dvs_metrics_observe (server->metrics, metric, 1);
  g_free (metric);
  dvs_http_error (message, status, detail);
}

/* The answer is written: the connection is ours. Others may have come in since
 * the answer was decided on. */
static void
upgraded (SoupServerMessage *message, gpointer user)
{
  Upgrade *upgrade = user;
  const gchar *reason;
  GIOStream *stream;
  guint status;

  if (soup_server_message_get_status (message) !=
      SOUP_STATUS_SWITCHING_PROTOCOLS)
    return;
  ws_listener_upgraded (soup_server_message_get_remote_address (message));
  stream = soup_server_message_steal_connection (message);
  if (!full (upgrade->server, upgrade->address, &status, &reason))
    dvs_connection_new (upgrade->server, stream, upgrade->address);
  g_object_unref (stream);
}

static gboolean
offers (SoupMessageHeaders *headers, const gchar *name, const gchar *token)
{
  const gchar *list = soup_message_headers_get_list (headers, name);

  return list && soup_header_contains (list, token);
}

void
dvs_http_socket (
    DvsServer *server, SoupServerMessage *message, GHashTable *query)
{
  static char *protocols[] = {(char *)PROTOCOL, NULL};
  SoupMessageHeaders *headers =
      soup_server_message_get_request_headers (message);
  gchar *address = dvs_http_address (server, message);
  const gchar *detail, *reason;
  Upgrade *upgrade;
  guint status;

  if (!offers (headers, "Upgrade", "websocket")) {
    soup_message_headers_replace (
        soup_server_message_get_response_headers (message), "Upgrade",
        "websocket");
    dvs_http_error (message, DVS_HTTP_UPGRADE_REQUIRED,
        "This address takes WebSocket connections.");
    goto done;
  }
  if (!dvs_http_may (server, message, query)) {
    refuse (server, message, SOUP_STATUS_UNAUTHORIZED, "token",
        "A token is needed.");
    goto done;
  }
  if (!dvs_http_origin_allowed (server, message)) {
    refuse (server, message, SOUP_STATUS_FORBIDDEN, "origin",
        "Pages of this origin may not connect.");
    goto done;
  }
  detail = full (server, address, &status, &reason);
  if (detail) {
    refuse (server, message, status, reason, detail);
    goto done;
  }
  if (!soup_websocket_server_process_handshake (message, NULL,
          offers (headers, "Sec-WebSocket-Protocol", PROTOCOL) ? protocols
                                                               : NULL,
          NULL, NULL))
    goto done; /* it has set the answer */
  upgrade = g_new0 (Upgrade, 1);
  upgrade->server = server;
  upgrade->address = g_steal_pointer (&address);
  g_signal_connect_data (message, "wrote-informational", G_CALLBACK (upgraded),
      upgrade, upgrade_free, 0);
done:
  g_free (address);
}
