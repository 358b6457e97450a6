/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * HTTP on a hub's port: see wshttp.h.
 */
#include "wshttp.h"

#include <string.h>

#include "wsjson.h"
#include "wslisten.h"

#define TOKEN_MAX 1024

typedef struct {
  WsHub *hub;
  WsRoute *route; /* may be gone: looked for before it is followed */
  gboolean control;
  gchar *remote;
} Upgrade;

gboolean
ws_http_same_token (const gchar *given, const gchar *token)
{
  gsize given_size = given ? strlen (given) : 0, size = strlen (token), i;
  volatile guchar differ = given_size != size;

  if (given_size > TOKEN_MAX)
    return FALSE;
  for (i = 0; i < given_size; i++)
    differ |= (guchar)given[i] ^ (guchar)token[size ? i % size : 0];
  return !differ;
}

static gboolean
host_is_loopback (const gchar *host)
{
  GInetAddress *address;
  gboolean loopback;

  if (host == NULL)
    return FALSE;
  if (g_ascii_strcasecmp (host, "localhost") == 0)
    return TRUE;
  address = g_inet_address_new_from_string (host);
  loopback = address && g_inet_address_get_is_loopback (address);
  g_clear_object (&address);
  return loopback;
}

gboolean
ws_http_origin_is_local (const gchar *origin, const gchar *host)
{
  GUri *uri;
  gboolean local;

  if (origin == NULL)
    return TRUE; /* not a browser */
  uri = g_uri_parse (origin, G_URI_FLAGS_NONE, NULL);
  if (uri == NULL)
    return FALSE;
  local = host_is_loopback (g_uri_get_host (uri));
  if (!local && host && g_uri_get_host (uri)) {
    gsize size = strlen (g_uri_get_host (uri));
    local = g_ascii_strncasecmp (host, g_uri_get_host (uri), size) == 0 &&
            (host[size] == '\0' || host[size] == ':');
  }
  g_uri_unref (uri);
  return local;
}

/* ---- who may ---- */

/* The token in the query, or among the subprotocols. */
static gchar *
find_token (SoupServerMessage *message, GHashTable *query)
{
  const gchar *list, *token = NULL;
  gchar **offered, *found = NULL;
  guint i;

  if (query)
    token = g_hash_table_lookup (query, "token");
  if (token)
    return g_strdup (token);
  list = soup_message_headers_get_list (
      soup_server_message_get_request_headers (message),
      "Sec-WebSocket-Protocol");
  if (list == NULL)
    return NULL;
  offered = g_strsplit (list, ",", -1);
  for (i = 0; offered[i] && !found; i++) {
    g_strstrip (offered[i]);
    if (g_str_has_prefix (offered[i], WS_HTTP_TOKEN_PREFIX))
      found = g_strdup (offered[i] + strlen (WS_HTTP_TOKEN_PREFIX));
  }
  g_strfreev (offered);
  return found;
}

static gboolean
may_watch (const WsRoute *route, const gchar *token, gboolean *steers)
{
  *steers =
      route->control_token && ws_http_same_token (token, route->control_token);
  return !route->token || *steers || ws_http_same_token (token, route->token);
}

static gboolean
origin_allowed (const WsRoute *route, const gchar *origin)
{
  guint i;

  /* None: not a browser, which the list is there for. */
  if (!route->origins || !origin)
    return TRUE;
  for (i = 0; route->origins[i]; i++)
    if (g_ascii_strcasecmp (route->origins[i], origin) == 0)
      return TRUE;
  return FALSE;
}

/* ---- answers ---- */

static void
answer (SoupServerMessage *message, guint status, const gchar *type,
    const gchar *text)
{
  SoupMessageHeaders *headers =
      soup_server_message_get_response_headers (message);

  soup_message_headers_replace (headers, "Cache-Control", "no-cache");
  soup_message_headers_replace (headers, "X-Content-Type-Options", "nosniff");
  soup_server_message_set_status (message, status, NULL);
  soup_server_message_set_response (
      message, type, SOUP_MEMORY_COPY, text, strlen (text));
}

static void
answer_refusal (SoupServerMessage *message, guint status, const gchar *why)
{
  if (status == SOUP_STATUS_SERVICE_UNAVAILABLE)
    soup_message_headers_replace (
        soup_server_message_get_response_headers (message), "Retry-After", "2");
  answer (message, status, "text/plain; charset=utf-8", why);
}

static void
answer_health (SoupServerMessage *message)
{
  GDateTime *now = g_date_time_new_now_utc ();
  gchar *ts = g_date_time_format_iso8601 (now), *text;
  JsonBuilder *builder = ws_json_begin (NULL);

  ws_json_string (builder, "status", "ok");
  ws_json_string (builder, "service", "soupwebsocketsink");
  ws_json_string (builder, "ts", ts);
  text = ws_json_end (builder);
  answer (message, SOUP_STATUS_OK, "application/json", text);
  g_free (text);
  g_free (ts);
  g_date_time_unref (now);
}

static void
client_stats (JsonBuilder *builder, const WsClient *client, gint64 now)
{
  gchar id[24];

  json_builder_begin_object (builder);
  g_snprintf (id, sizeof id, "%" G_GUINT64_FORMAT, client->id);
  ws_json_string (builder, "client_id", id);
  ws_json_string (builder, "remote", client->remote);
  ws_json_bool (builder, "control", client->control);
  ws_json_double (builder, "connected_s", (now - client->joined) / 1e6);
  ws_json_int (builder, "bytes_sent", (gint64)client->stats.bytes_sent);
  ws_json_int (builder, "messages_sent", (gint64)client->stats.messages_sent);
  ws_json_int (builder, "bytes_received", (gint64)client->stats.bytes_received);
  ws_json_int (
      builder, "messages_received", (gint64)client->stats.messages_received);
  ws_json_int (builder, "skips", (gint64)client->stats.skips);
  ws_json_int (builder, "dropped_bytes", (gint64)client->stats.dropped_bytes);
  ws_json_int (
      builder, "dropped_fragments", (gint64)client->stats.dropped_fragments);
  ws_json_bool (builder, "blocked", ws_client_blocked (client));
  json_builder_end_object (builder);
}

static void
route_stats (JsonBuilder *builder, const WsRoute *route)
{
  const WsEndpoint *endpoint = route->endpoint;
  gint64 now = g_get_monotonic_time ();
  guint i;

  json_builder_begin_object (builder);
  ws_json_string (builder, "path", route->path);
  ws_json_int (builder, "bytes_in", (gint64)endpoint->bytes_in);
  ws_json_int (builder, "ring_bytes", (gint64)endpoint->ring.bytes);
  ws_json_int (builder, "ring_items",
      (gint64)(endpoint->ring.next - endpoint->ring.first));
  ws_json_int (builder, "clients_total", (gint64)endpoint->total_clients);
  ws_json_int (builder, "clients_dropped", (gint64)endpoint->dropped_clients);
  ws_json_bool (builder, "failed", endpoint->error != NULL);
  json_builder_set_member_name (builder, "clients");
  json_builder_begin_array (builder);
  for (i = 0; i < endpoint->clients->len; i++) {
    const WsClient *client = g_ptr_array_index (endpoint->clients, i);
    if (!client->dead)
      client_stats (builder, client, now);
  }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
}

/* Of the paths that the token opens. */
static void
answer_stats (WsHub *hub, SoupServerMessage *message, GHashTable *query)
{
  GPtrArray *routes = ws_hub_routes (hub);
  gchar *token = find_token (message, query), *text;
  JsonBuilder *builder = ws_json_begin (NULL);
  gboolean steers, any = FALSE;
  guint i;

  json_builder_set_member_name (builder, "streams");
  json_builder_begin_array (builder);
  for (i = 0; i < routes->len; i++) {
    const WsRoute *route = g_ptr_array_index (routes, i);
    if (may_watch (route, token, &steers)) {
      route_stats (builder, route);
      any = TRUE;
    }
  }
  json_builder_end_array (builder);
  text = ws_json_end (builder);
  if (any)
    answer (message, SOUP_STATUS_OK, "application/json", text);
  else
    answer_refusal (message, SOUP_STATUS_UNAUTHORIZED, "a token is needed\n");
  g_free (text);
  g_free (token);
}

static const gchar *
content_type (const gchar *path)
{
  static const struct {
    const gchar *ending, *type;
  } types[] = {
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".webmanifest", "application/manifest+json"},
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (types); i++)
    if (g_str_has_suffix (path, types[i].ending))
      return types[i].type;
  return "application/octet-stream";
}

/* A file of the viewer, if a sink wants it served and it was compiled in. */
static gboolean
answer_viewer (WsHub *hub, SoupServerMessage *message, const gchar *path)
{
  GPtrArray *routes = ws_hub_routes (hub);
  gboolean wanted = FALSE;
  gchar *name;
  GBytes *bytes;
  guint i;

  for (i = 0; i < routes->len; i++)
    wanted |= ((WsRoute *)g_ptr_array_index (routes, i))->serve_viewer;
  if (!wanted)
    return FALSE;
  if (g_str_equal (path, "/"))
    path = "/index.html";
  name = g_strconcat (WS_HTTP_VIEWER, path, NULL);
  bytes = g_resources_lookup_data (name, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  g_free (name);
  if (bytes == NULL)
    return FALSE;
  answer (message, SOUP_STATUS_OK, content_type (path), "");
  soup_message_body_truncate (soup_server_message_get_response_body (message));
  soup_message_body_append_bytes (
      soup_server_message_get_response_body (message), bytes);
  g_bytes_unref (bytes);
  return TRUE;
}

/* ---- the handshake ---- */

static gboolean
route_lives (const Upgrade *upgrade)
{
  return g_ptr_array_find (ws_hub_routes (upgrade->hub), upgrade->route, NULL);
}

static void
upgrade_over (Upgrade *upgrade)
{
  if (upgrade->route && route_lives (upgrade))
    upgrade->route->upgrading--;
  upgrade->route = NULL;
}

static void
upgrade_free (gpointer data, GClosure *closure)
{
  Upgrade *upgrade = data;

  upgrade_over (upgrade);
  g_free (upgrade->remote);
  g_free (upgrade);
}

/* The answer is written: the connection is ours. */
static void
upgraded (SoupServerMessage *message, gpointer user_data)
{
  Upgrade *upgrade = user_data;
  GIOStream *stream;

  if (soup_server_message_get_status (message) !=
      SOUP_STATUS_SWITCHING_PROTOCOLS)
    return;
  ws_listener_upgraded (soup_server_message_get_remote_address (message));
  stream = soup_server_message_steal_connection (message);
  if (route_lives (upgrade))
    ws_endpoint_add (
        upgrade->route->endpoint, stream, upgrade->remote, upgrade->control);
  upgrade_over (upgrade);
  g_object_unref (stream);
}

static gboolean
offers_protocol (SoupServerMessage *message)
{
  const gchar *list = soup_message_headers_get_list (
      soup_server_message_get_request_headers (message),
      "Sec-WebSocket-Protocol");

  return list && soup_header_contains (list, WS_HTTP_PROTOCOL);
}

static void
answer_websocket (
    WsHub *hub, WsRoute *route, SoupServerMessage *message, GHashTable *query)
{
  static char *protocols[] = {(char *)WS_HTTP_PROTOCOL, NULL};
  SoupMessageHeaders *headers =
      soup_server_message_get_request_headers (message);
  const gchar *origin = soup_message_headers_get_one (headers, "Origin");
  const gchar *upgrade_to = soup_message_headers_get_list (headers, "Upgrade");
  gboolean steers, watches;
  gchar *token;
  Upgrade *upgrade;

  if (!upgrade_to || !soup_header_contains (upgrade_to, "websocket")) {
    answer_refusal (message, SOUP_STATUS_BAD_REQUEST,
        "this address takes WebSocket connections\n");
    return;
  }
  token = find_token (message, query);
  watches = may_watch (route, token, &steers);
  g_free (token);
  if (!watches) {
    answer_refusal (message, SOUP_STATUS_UNAUTHORIZED, "a token is needed\n");
    return;
  }
  if (!origin_allowed (route, origin)) {
    answer_refusal (
        message, SOUP_STATUS_FORBIDDEN, "pages of this origin may not watch\n");
    return;
  }
  if (route->endpoint->limits.max_clients &&
      route->upgrading + ws_endpoint_alive (route->endpoint) >=
          route->endpoint->limits.max_clients) {
    answer_refusal (
        message, SOUP_STATUS_SERVICE_UNAVAILABLE, "too many viewers\n");
    return;
  }
  if (!route->control_token)
    steers = ws_hub_is_loopback (hub) &&
             ws_http_origin_is_local (
                 origin, soup_message_headers_get_one (headers, "Host"));
  if (!soup_websocket_server_process_handshake (message, NULL,
          offers_protocol (message) ? protocols : NULL, NULL, NULL))
    return; /* it has set the answer */
  upgrade = g_new0 (Upgrade, 1);
  upgrade->hub = hub;
  upgrade->route = route;
  upgrade->control = steers;
  upgrade->remote = g_strdup (soup_server_message_get_remote_host (message));
  route->upgrading++;
  g_signal_connect_data (message, "wrote-informational", G_CALLBACK (upgraded),
      upgrade, upgrade_free, 0);
}

/* ---- requests ---- */

static WsRoute *
find_route (WsHub *hub, const gchar *path)
{
  GPtrArray *routes = ws_hub_routes (hub);
  guint i;

  for (i = 0; i < routes->len; i++) {
    WsRoute *route = g_ptr_array_index (routes, i);
    if (g_str_equal (route->path, path))
      return route;
  }
  return NULL;
}

/* Before a body is read: there is none that we want, nor would keep. */
static void
request_begins (SoupServer *server, SoupServerMessage *message,
    const char *path, GHashTable *query, gpointer user_data)
{
  SoupMessageHeaders *headers =
      soup_server_message_get_request_headers (message);
  const gchar *method = soup_server_message_get_method (message);
  guint status = 0;

  if (method != SOUP_METHOD_GET && method != SOUP_METHOD_HEAD)
    status = SOUP_STATUS_METHOD_NOT_ALLOWED;
  else if (soup_message_headers_get_encoding (headers) ==
               SOUP_ENCODING_CHUNKED ||
           soup_message_headers_get_content_length (headers) > 0)
    status = SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE;
  if (!status)
    return;
  soup_message_body_set_accumulate (
      soup_server_message_get_request_body (message), FALSE);
  if (status == SOUP_STATUS_METHOD_NOT_ALLOWED)
    soup_message_headers_replace (
        soup_server_message_get_response_headers (message), "Allow",
        "GET, HEAD");
  soup_message_headers_replace (
      soup_server_message_get_response_headers (message), "Connection",
      "close");
  answer_refusal (message, status,
      status == SOUP_STATUS_METHOD_NOT_ALLOWED ? "GET and HEAD only\n"
                                               : "no bodies\n");
}

static void
request (SoupServer *server, SoupServerMessage *message, const char *path,
    GHashTable *query, gpointer user_data)
{
  WsHub *hub = user_data;
  WsRoute *route = find_route (hub, path);

  ws_listener_lives (soup_server_message_get_remote_address (message));
  if (route)
    answer_websocket (hub, route, message, query);
  else if (g_str_equal (path, "/healthz") || g_str_equal (path, "/health"))
    answer_health (message);
  else if (g_str_equal (path, "/stats"))
    answer_stats (hub, message, query);
  else if (!answer_viewer (hub, message, path))
    answer_refusal (message, SOUP_STATUS_NOT_FOUND, "not found\n");
}

void
ws_http_attach (WsHub *hub, SoupServer *server)
{
  soup_server_add_early_handler (server, NULL, request_begins, hub, NULL);
  soup_server_add_handler (server, NULL, request, hub, NULL);
}
