/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An HTTP server for tests: see http-answers.h.
 */
#include "http-answers.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define PATIENCE_MS 50000

typedef struct {
  HttpAnswers *server; /* NULL: it is gone */
  GIOStream *connection;
  GString *got;
  gchar buffer[4096];
  GString *to_send;
  guint timer;
  gboolean endless, close_after;
  guint pending; /* operations of GIO's that will come back */
} Client;

static void read_more (Client *client);

static void
client_close (Client *client)
{
  if (client->timer)
    g_source_remove (client->timer);
  client->timer = 0;
  if (client->server)
    client->server->open = g_slist_remove (client->server->open, client);
  client->server = NULL;
  g_io_stream_close (client->connection, NULL, NULL);
  if (client->pending > 0)
    return;
  g_object_unref (client->connection);
  g_string_free (client->got, TRUE);
  g_string_free (client->to_send, TRUE);
  g_free (client);
}

static void write_more (Client *client);

static gboolean
on_drip (gpointer user)
{
  Client *client = user;

  client->timer = 0;
  write_more (client);
  return G_SOURCE_REMOVE;
}

static void
on_written (GObject *source, GAsyncResult *result, gpointer user)
{
  Client *client = user;
  gssize n =
      g_output_stream_write_finish (G_OUTPUT_STREAM (source), result, NULL);

  client->pending--;
  if (!client->server || n < 0) {
    client_close (client);
    return;
  }
  g_string_erase (client->to_send, 0, n);
  if (client->to_send->len > 0) {
    write_more (client);
  } else if (client->endless && client->server->manner == HTTP_DRIP) {
    g_string_assign (client->to_send, " ");
    client->timer = g_timeout_add (10, on_drip, client);
  } else if (client->endless) {
    g_string_set_size (client->to_send, 65536);
    memset (client->to_send->str, ' ', 65536);
    write_more (client);
  } else if (client->close_after) {
    client_close (client);
  }
}

static void
write_more (Client *client)
{
  client->pending++;
  g_output_stream_write_async (
      g_io_stream_get_output_stream (client->connection), client->to_send->str,
      client->to_send->len, G_PRIORITY_DEFAULT, NULL, on_written, client);
}

static gboolean
on_answer (gpointer user)
{
  Client *client = user;
  HttpAnswers *server = client->server;
  gsize n = server->body ? strlen (server->body) : 0;

  client->timer = 0;
  if (server->manner == HTTP_GARBAGE) {
    g_string_assign (client->to_send, "what is this\r\n\r\n");
    client->close_after = TRUE;
  } else {
    client->endless =
        server->manner == HTTP_DRIP || server->manner == HTTP_HUGE;
    client->close_after = server->manner == HTTP_HALF;
    g_string_printf (client->to_send, "HTTP/1.1 %u So\r\n%s%s", server->status,
        server->headers ? server->headers : "",
        "Content-Type: application/json\r\n");
    if (client->endless)
      g_string_append (client->to_send, "Connection: close\r\n\r\n");
    else
      g_string_append_printf (
          client->to_send, "Content-Length: %zu\r\n\r\n", n);
    if (n > 0)
      g_string_append_len (client->to_send, server->body,
          server->manner == HTTP_HALF ? n / 2 : n);
  }
  write_more (client);
  return G_SOURCE_REMOVE;
}

/* Takes a whole request out of what came; FALSE: there is none yet. */
static gboolean
take_request (Client *client)
{
  HttpAnswers *server = client->server;
  gchar *end = strstr (client->got->str, "\r\n\r\n"), *length;
  gsize head, body = 0;

  if (!end)
    return FALSE;
  head = end + 4 - client->got->str;
  length = g_strstr_len (client->got->str, head, "Content-Length: ");
  if (length)
    body = g_ascii_strtoull (length + 16, NULL, 10);
  if (client->got->len < head + body)
    return FALSE;
  g_ptr_array_add (server->heads, g_strndup (client->got->str, head));
  g_ptr_array_add (server->bodies, g_strndup (end + 4, body));
  g_string_erase (client->got, 0, head + body);
  return TRUE;
}

static void
on_read (GObject *source, GAsyncResult *result, gpointer user)
{
  Client *client = user;
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (source), result, NULL);

  client->pending--;
  if (!client->server) {
    client_close (client);
    return;
  }
  if (n <= 0) {
    client->server->gone++;
    client_close (client);
    return;
  }
  g_string_append_len (client->got, client->buffer, n);
  if (take_request (client)) {
    if (client->server->manner == HTTP_DROP) {
      client_close (client);
      return;
    }
    if (client->server->manner != HTTP_NEVER)
      client->timer =
          g_timeout_add (client->server->delay_ms, on_answer, client);
  }
  read_more (client);
}

static void
read_more (Client *client)
{
  client->pending++;
  g_input_stream_read_async (g_io_stream_get_input_stream (client->connection),
      client->buffer, sizeof client->buffer, G_PRIORITY_DEFAULT, NULL, on_read,
      client);
}

static gboolean
on_incoming (GSocketService *service, GSocketConnection *connection,
    GObject *source, gpointer user)
{
  HttpAnswers *server = user;
  Client *client = g_new0 (Client, 1);

  client->server = server;
  client->connection =
      server->certificate
          ? g_tls_server_connection_new (
                G_IO_STREAM (connection), server->certificate, NULL)
          : g_object_ref (G_IO_STREAM (connection));
  client->got = g_string_new (NULL);
  client->to_send = g_string_new (NULL);
  server->open = g_slist_prepend (server->open, client);
  server->connections++;
  read_more (client);
  return TRUE;
}

HttpAnswers *
http_answers_new (void)
{
  HttpAnswers *server = g_new0 (HttpAnswers, 1);
  GInetAddress *loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  GSocketAddress *any = g_inet_socket_address_new (loopback, 0), *bound;

  server->service = g_socket_service_new ();
  if (!g_socket_listener_add_address (G_SOCKET_LISTENER (server->service), any,
          G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, &bound, NULL))
    g_error ("no port is free");
  server->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound));
  g_object_unref (bound);
  g_object_unref (any);
  g_object_unref (loopback);
  server->heads = g_ptr_array_new_with_free_func (g_free);
  server->bodies = g_ptr_array_new_with_free_func (g_free);
  server->status = 200;
  g_signal_connect (
      server->service, "incoming", G_CALLBACK (on_incoming), server);
  g_socket_service_start (server->service);
  return server;
}

void
http_answers_hang_up (HttpAnswers *server)
{
  while (server->open)
    client_close (server->open->data);
}

void
http_answers_free (HttpAnswers *server)
{
  g_socket_service_stop (server->service);
  g_socket_listener_close (G_SOCKET_LISTENER (server->service));
  g_object_unref (server->service);
  http_answers_hang_up (server);
  /* What GIO still does for them comes back. */
  http_run (20);
  g_ptr_array_unref (server->heads);
  g_ptr_array_unref (server->bodies);
  g_free (server->body);
  g_free (server);
}

void
http_answers_say (HttpAnswers *server, guint status, const gchar *body)
{
  server->manner = HTTP_ANSWER;
  server->status = status;
  g_free (server->body);
  server->body = g_strdup (body);
}

gchar *
http_completion (const gchar *content)
{
  JsonNode *node = json_node_init_string (json_node_alloc (), content);
  gchar *quoted = json_to_string (node, FALSE);
  gchar *text = g_strdup_printf (
      "{\"id\":\"x\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
      "\"assistant\",\"content\":%s},\"finish_reason\":\"stop\"}]}",
      quoted);

  g_free (quoted);
  json_node_unref (node);
  return text;
}

static gboolean
on_time (gpointer user)
{
  *(guint *)user = 1;
  return G_SOURCE_CONTINUE;
}

gboolean
http_wait (const guint *flag)
{
  guint over = 0, timer = g_timeout_add (PATIENCE_MS, on_time, &over);

  while (*flag == 0 && !over)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (timer);
  return *flag != 0;
}

void
http_run (guint ms)
{
  guint over = 0, timer = g_timeout_add (ms, on_time, &over);

  while (!over)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (timer);
}
