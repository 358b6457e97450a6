/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * soupwebsocketsink: what an application asks of the relay thread and waits
 * for: statistics, and to serve a connection of its own.
 *
 * Threads: any; what is collected is collected in the relay thread.
 */
#include "gstsoupwebsocketsink.h"

#include "wsbridge.h"

GST_DEBUG_CATEGORY_EXTERN (gst_soup_websocket_sink_debug);
#define GST_CAT_DEFAULT gst_soup_websocket_sink_debug

/* Keeps port and endpoint while they are used; FALSE when not READY. */
static gboolean
begin_use (GstSoupWebsocketSink *self, WsHub **hub, WsEndpoint **endpoint)
{
  GST_OBJECT_LOCK (self);
  *hub = self->hub ? ws_hub_ref (self->hub) : NULL;
  *endpoint = self->hub ? ws_endpoint_ref (self->route->endpoint) : NULL;
  GST_OBJECT_UNLOCK (self);
  return *hub != NULL;
}

static void
end_use (WsHub *hub, WsEndpoint *endpoint)
{
  ws_endpoint_unref (endpoint);
  ws_hub_leave (hub);
}

typedef struct {
  WsEndpoint *endpoint;
  GIOStream *stream;
  guint64 id;
  GstStructure *stats;
} Call;

static void
add_stream (gpointer data)
{
  Call *call = data;

  call->id = ws_endpoint_add (call->endpoint, call->stream, "", TRUE);
}

guint64
gst_soup_websocket_sink_add_connection (
    GstSoupWebsocketSink *self, GObject *connection)
{
  Call call = {
      NULL,
  };
  GError *error = NULL;
  WsHub *hub;

  if (!begin_use (self, &hub, &call.endpoint)) {
    GST_WARNING_OBJECT (self, "a connection can only be added from READY on");
    return 0;
  }
  if (SOUP_IS_WEBSOCKET_CONNECTION (connection))
    call.stream =
        ws_bridge_new (SOUP_WEBSOCKET_CONNECTION (connection), &error);
  else if (G_IS_IO_STREAM (connection))
    call.stream = g_object_ref (G_IO_STREAM (connection));
  if (call.stream)
    ws_hub_call (hub, add_stream, &call);
  else
    GST_WARNING_OBJECT (self, "a %s cannot be served: %s",
        connection ? G_OBJECT_TYPE_NAME (connection) : "NULL",
        error ? error->message
              : "it is neither a GIOStream nor a SoupWebsocketConnection");
  g_clear_error (&error);
  g_clear_object (&call.stream);
  end_use (hub, call.endpoint);
  return call.id;
}

/* ---- statistics ---- */

static GstStructure *
client_structure (const WsClient *client, gint64 now)
{
  return gst_structure_new ("client", "id", G_TYPE_UINT64, client->id, "remote",
      G_TYPE_STRING, client->remote, "control", G_TYPE_BOOLEAN, client->control,
      "connected", G_TYPE_UINT64, (guint64)(now - client->joined) * 1000,
      "bytes-sent", G_TYPE_UINT64, client->stats.bytes_sent, "messages-sent",
      G_TYPE_UINT64, client->stats.messages_sent, "bytes-received",
      G_TYPE_UINT64, client->stats.bytes_received, "messages-received",
      G_TYPE_UINT64, client->stats.messages_received, "skips", G_TYPE_UINT64,
      client->stats.skips, "dropped-bytes", G_TYPE_UINT64,
      client->stats.dropped_bytes, "dropped-fragments", G_TYPE_UINT64,
      client->stats.dropped_fragments, "blocked", G_TYPE_BOOLEAN,
      ws_client_blocked (client), NULL);
}

static void
collect_stats (gpointer data)
{
  Call *call = data;
  const WsEndpoint *endpoint = call->endpoint;
  gint64 now = g_get_monotonic_time ();
  GValue list = G_VALUE_INIT;
  guint i;

  g_value_init (&list, GST_TYPE_ARRAY);
  for (i = 0; i < endpoint->clients->len; i++) {
    const WsClient *client = g_ptr_array_index (endpoint->clients, i);
    GValue value = G_VALUE_INIT;

    if (client->dead)
      continue;
    g_value_init (&value, GST_TYPE_STRUCTURE);
    g_value_take_boxed (&value, client_structure (client, now));
    gst_value_array_append_and_take_value (&list, &value);
  }
  gst_structure_set (call->stats, "bytes-in", G_TYPE_UINT64, endpoint->bytes_in,
      "ring-bytes", G_TYPE_UINT64, (guint64)endpoint->ring.bytes,
      "clients-total", G_TYPE_UINT64, endpoint->total_clients,
      "clients-dropped", G_TYPE_UINT64, endpoint->dropped_clients, NULL);
  gst_structure_take_value (call->stats, "clients", &list);
}

GstStructure *
gst_soup_websocket_sink_stats (GstSoupWebsocketSink *self)
{
  Call call = {
      NULL,
  };
  WsHub *hub;

  call.stats =
      gst_structure_new_empty ("application/x-soupwebsocketsink-stats");
  if (begin_use (self, &hub, &call.endpoint)) {
    ws_hub_call (hub, collect_stats, &call);
    end_use (hub, call.endpoint);
  }
  return call.stats;
}
