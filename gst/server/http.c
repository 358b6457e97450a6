/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * HTTP: see http.h.
 *
 * Threads: the main thread alone.
 */
#include "http.h"

#include <string.h>

#include "strict-json.h"

#define TOKEN_MAX 1024
#define TOKEN_PREFIX "tok."

typedef struct {
  const gchar *path;
  DvsHttpAnswer get, post; /* NULL: not allowed */
  gboolean open;           /* without a token, too */
} Route;

static const Route routes[] = {
    {"/healthz", dvs_http_healthz, NULL, TRUE},
    {"/health", dvs_http_healthz, NULL, TRUE},
    {"/readyz", dvs_http_readyz, NULL, TRUE},
    {"/status", dvs_http_status, NULL, FALSE},
    {"/metrics", dvs_http_metrics, NULL, FALSE},
    {"/internal/monitor/sessions", dvs_http_sessions, NULL, FALSE},
    {"/prompt-system-config", dvs_http_prompts, dvs_http_prompts_post, FALSE},
    {"/curated-presets", dvs_http_presets, NULL, FALSE},
    {"/curated-presets/append", NULL, dvs_http_presets_post, FALSE},
    {"/lora/options", dvs_http_adapters, NULL, FALSE},
    {"/lora", NULL, dvs_http_adapters_post, FALSE},
    {"/ws", dvs_http_socket, NULL, TRUE}, /* it asks itself */
};

static const Route *
find_route (const gchar *path)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (routes); i++)
    if (g_str_equal (routes[i].path, path))
      return &routes[i];
  return NULL;
}

/* ---- answers ---- */

void
dvs_http_json (SoupServerMessage *message, guint status, JsonObject *object)
{
  SoupMessageHeaders *headers =
      soup_server_message_get_response_headers (message);
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  gchar *text;

  json_node_take_object (node, object);
  text = json_to_string (node, FALSE);
  json_node_unref (node);
  soup_message_headers_replace (headers, "Cache-Control", "no-store");
  soup_message_headers_replace (headers, "X-Content-Type-Options", "nosniff");
  soup_server_message_set_status (message, status, NULL);
  soup_server_message_set_response (
      message, "application/json", SOUP_MEMORY_TAKE, text, strlen (text));
}

void
dvs_http_error (SoupServerMessage *message, guint status, const gchar *detail)
{
  JsonObject *object = json_object_new ();
  SoupMessageHeaders *headers =
      soup_server_message_get_response_headers (message);

  json_object_set_string_member (object, "detail", detail);
  if (status == SOUP_STATUS_SERVICE_UNAVAILABLE ||
      status == DVS_HTTP_TOO_MANY_REQUESTS)
    soup_message_headers_replace (headers, "Retry-After", "2");
  if (status == SOUP_STATUS_UNAUTHORIZED)
    soup_message_headers_replace (headers, "WWW-Authenticate", "Bearer");
  dvs_http_json (message, status, object);
}

void
dvs_http_invalid (
    SoupServerMessage *message, const gchar *field, const gchar *problem)
{
  JsonObject *object = json_object_new (), *entry = json_object_new ();
  JsonArray *detail = json_array_new (), *place = json_array_new ();

  json_array_add_string_element (place, "body");
  if (field)
    json_array_add_string_element (place, field);
  json_object_set_array_member (entry, "loc", place);
  json_object_set_string_member (entry, "msg", problem);
  json_object_set_string_member (entry, "type", "value_error");
  json_array_add_object_element (detail, entry);
  json_object_set_array_member (object, "detail", detail);
  dvs_http_json (message, SOUP_STATUS_UNPROCESSABLE_ENTITY, object);
}

JsonObject *
dvs_http_posted (SoupServerMessage *message)
{
  SoupMessageBody *body = soup_server_message_get_request_body (message);
  GBytes *bytes = soup_message_body_flatten (body);
  const gchar *problem = "Input should be a valid dictionary";
  JsonObject *object = NULL;
  JsonNode *node;
  gsize size;
  const gchar *text = g_bytes_get_data (bytes, &size);

  node = dvs_strict_json_parse (text ? text : "", size, &problem);
  if (node && JSON_NODE_HOLDS_OBJECT (node))
    object = json_object_ref (json_node_get_object (node));
  else
    dvs_http_invalid (message, NULL, problem);
  g_clear_pointer (&node, json_node_unref);
  g_bytes_unref (bytes);
  return object;
}

gchar *
dvs_http_time (void)
{
  GDateTime *now = g_date_time_new_now_utc ();
  gchar *text = g_date_time_format_iso8601 (now);

  g_date_time_unref (now);
  return text;
}

/* ---- who may ---- */

/* Takes as long for every wrong token of the same length. */
static gboolean
same_token (const gchar *given, const gchar *token)
{
  gsize given_size = strlen (given), size = strlen (token), i;
  volatile guchar differ = given_size != size;

  for (i = 0; i < given_size; i++)
    differ |= (guchar)given[i] ^ (guchar)token[size ? i % size : 0];
  return !differ;
}

static gboolean
is_token (const DvsServer *server, const gchar *given)
{
  gboolean good = FALSE;
  guint i;

  if (given == NULL || strlen (given) > TOKEN_MAX)
    return FALSE;
  for (i = 0; server->tokens[i]; i++)
    good |= same_token (given, server->tokens[i]);
  return good;
}

/* One of the subprotocols offered is a token. */
static gboolean
offers_token (const DvsServer *server, const gchar *list)
{
  gchar **offered = g_strsplit (list, ",", -1);
  gboolean good = FALSE;
  guint i;

  for (i = 0; offered[i]; i++) {
    g_strstrip (offered[i]);
    if (g_str_has_prefix (offered[i], TOKEN_PREFIX))
      good |= is_token (server, offered[i] + strlen (TOKEN_PREFIX));
  }
  g_strfreev (offered);
  return good;
}

gboolean
dvs_http_may (
    const DvsServer *server, SoupServerMessage *message, GHashTable *query)
{
  SoupMessageHeaders *headers =
      soup_server_message_get_request_headers (message);
  const gchar *bearer = soup_message_headers_get_one (headers, "Authorization");
  const gchar *list =
      soup_message_headers_get_list (headers, "Sec-WebSocket-Protocol");

  if (server->tokens == NULL)
    return TRUE;
  if (bearer && g_ascii_strncasecmp (bearer, "Bearer ", 7) == 0 &&
      is_token (server, bearer + 7))
    return TRUE;
  if (query && is_token (server, g_hash_table_lookup (query, "token")))
    return TRUE;
  return list && offers_token (server, list);
}

gboolean
dvs_http_origin_allowed (const DvsServer *server, SoupServerMessage *message)
{
  const gchar *origin = soup_message_headers_get_one (
      soup_server_message_get_request_headers (message), "Origin");
  gchar **allowed = server->settings->allowed_origins;
  guint i;

  /* None: not a browser, which the list is there for. */
  if (!allowed || !origin)
    return TRUE;
  for (i = 0; allowed[i]; i++)
    if (g_ascii_strcasecmp (allowed[i], origin) == 0)
      return TRUE;
  return FALSE;
}

gchar *
dvs_http_address (const DvsServer *server, SoupServerMessage *message)
{
  const gchar *peer = soup_server_message_get_remote_host (message);
  const gchar *list = soup_message_headers_get_list (
      soup_server_message_get_request_headers (message), "X-Forwarded-For");
  gchar **proxies = server->settings->trusted_proxies;
  const gchar *last;
  gchar *address;

  peer = peer ? peer : "unknown";
  if (!list || !proxies ||
      !g_strv_contains ((const gchar *const *)proxies, peer))
    return g_strdup (peer);
  /* What the proxy has added stands last; the rest is hearsay. */
  last = strrchr (list, ',');
  address = g_strstrip (g_strdup (last ? last + 1 : list));
  if (g_hostname_is_ip_address (address))
    return address;
  g_free (address);
  return g_strdup (peer);
}

/* ---- requests ---- */

static void
allow_origin (const DvsServer *server, SoupServerMessage *message)
{
  SoupMessageHeaders *asked = soup_server_message_get_request_headers (message);
  SoupMessageHeaders *headers =
      soup_server_message_get_response_headers (message);
  const gchar *origin = soup_message_headers_get_one (asked, "Origin");
  const gchar *wanted =
      soup_message_headers_get_one (asked, "Access-Control-Request-Headers");

  soup_message_headers_replace (headers, "Vary", "Origin");
  if (!origin || !dvs_http_origin_allowed (server, message))
    return;
  soup_message_headers_replace (headers, "Access-Control-Allow-Origin", origin);
  soup_message_headers_replace (
      headers, "Access-Control-Allow-Credentials", "true");
  if (soup_server_message_get_method (message) != SOUP_METHOD_OPTIONS)
    return;
  soup_message_headers_replace (
      headers, "Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS");
  soup_message_headers_replace (headers, "Access-Control-Max-Age", "600");
  if (wanted)
    soup_message_headers_replace (
        headers, "Access-Control-Allow-Headers", wanted);
}

/* What a path answers to; files: GET and HEAD. */
static const gchar *
allowed_methods (const Route *route)
{
  if (route == NULL || (route->get && !route->post))
    return "GET, HEAD, OPTIONS";
  return route->get ? "GET, HEAD, POST, OPTIONS" : "POST, OPTIONS";
}

/* Before a body is read: what is wrong with the request; 0: nothing. */
static guint
refusal (const Route *route, SoupServerMessage *message)
{
  SoupMessageHeaders *headers =
      soup_server_message_get_request_headers (message);
  const gchar *method = soup_server_message_get_method (message);
  gboolean post = method == SOUP_METHOD_POST;
  gboolean chunked =
      soup_message_headers_get_encoding (headers) == SOUP_ENCODING_CHUNKED;
  goffset size = soup_message_headers_get_content_length (headers);

  if (post ? !route || !route->post
           : method != SOUP_METHOD_OPTIONS &&
                 ((method != SOUP_METHOD_GET && method != SOUP_METHOD_HEAD) ||
                     (route && !route->get)))
    return SOUP_STATUS_METHOD_NOT_ALLOWED;
  if (post && chunked)
    return SOUP_STATUS_LENGTH_REQUIRED;
  if (chunked || size > (post ? DVS_HTTP_MAX_BODY : 0))
    return SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE;
  return 0;
}

static void
request_begins (SoupServer *http, SoupServerMessage *message, const char *path,
    GHashTable *query, gpointer user)
{
  DvsServer *server = user;
  SoupMessageHeaders *headers =
      soup_server_message_get_response_headers (message);
  const Route *route = find_route (path);
  guint status = refusal (route, message);

  allow_origin (server, message);
  if (!status)
    return;
  soup_message_body_set_accumulate (
      soup_server_message_get_request_body (message), FALSE);
  soup_message_headers_replace (headers, "Connection", "close");
  if (status == SOUP_STATUS_METHOD_NOT_ALLOWED)
    soup_message_headers_replace (headers, "Allow", allowed_methods (route));
  dvs_http_error (message, status,
      status == SOUP_STATUS_METHOD_NOT_ALLOWED ? "Method Not Allowed"
      : status == SOUP_STATUS_LENGTH_REQUIRED  ? "Length Required"
                                               : "Request Entity Too Large");
}

static void
request (SoupServer *http, SoupServerMessage *message, const char *path,
    GHashTable *query, gpointer user)
{
  DvsServer *server = user;
  const Route *route = find_route (path);
  const gchar *method = soup_server_message_get_method (message);

  ws_listener_lives (soup_server_message_get_remote_address (message));
  if (method == SOUP_METHOD_OPTIONS) {
    soup_message_headers_replace (
        soup_server_message_get_response_headers (message), "Allow",
        allowed_methods (route));
    soup_server_message_set_status (message, SOUP_STATUS_NO_CONTENT, NULL);
  } else if (route == NULL) {
    if (!dvs_http_file (server, message, path))
      dvs_http_error (message, SOUP_STATUS_NOT_FOUND, "Not Found");
  } else if (!route->open && !dvs_http_may (server, message, query)) {
    dvs_http_error (message, SOUP_STATUS_UNAUTHORIZED, "A token is needed.");
  } else if (method == SOUP_METHOD_POST &&
             !dvs_http_origin_allowed (server, message)) {
    dvs_http_error (message, SOUP_STATUS_FORBIDDEN,
        "Pages of this origin may not change anything.");
  } else {
    (method == SOUP_METHOD_POST ? route->post : route->get) (
        server, message, query);
  }
}

static void
request_done (SoupServer *http, SoupServerMessage *message, gpointer user)
{
  DvsServer *server = user;
  gchar *metric = g_strdup_printf (
      DVS_COUNT_REQUESTS ":%u", soup_server_message_get_status (message));

  dvs_metrics_observe (server->metrics, metric, 1);
  g_free (metric);
}

void
dvs_http_attach (DvsServer *server)
{
  soup_server_add_early_handler (
      server->http, NULL, request_begins, server, NULL);
  soup_server_add_handler (server->http, NULL, request, server, NULL);
  g_signal_connect (
      server->http, "request-finished", G_CALLBACK (request_done), server);
}
