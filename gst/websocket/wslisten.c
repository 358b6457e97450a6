/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The listening socket: see wslisten.h.
 */
#include "wslisten.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024
#define ACCEPT_TURN 64
#define MAX_PENDING 512
#define HANDSHAKE_PATIENCE (10 * G_USEC_PER_SEC)
#define REFUSAL_PATIENCE (1 * G_USEC_PER_SEC)
#define SWEEP_MS 500
#define SETTLE_TICK_MS 20
/* The kernel would hide megabytes behind a viewer that does not read. */
#define SEND_BUFFER (256 * 1024)

#define PENDING_DATA "dreamverse-pending"

typedef struct {
  WsListener *listener;
  GMainContext *context;
  GSocket *socket;
  gint64 deadline;
  gboolean queued;
  gboolean refused; /* libsoup never saw it */
  GList link;
} Pending;

static void
pending_unlink (Pending *pending)
{
  if (pending->queued)
    g_queue_unlink (&pending->listener->pending, &pending->link);
  pending->queued = FALSE;
}

static void
pending_free (Pending *pending)
{
  pending_unlink (pending);
  g_object_unref (pending->socket);
  g_main_context_unref (pending->context);
  g_free (pending);
}

static gboolean
pending_over (gpointer data)
{
  Pending *pending = data;

  pending->listener->streams--;
  pending_free (pending);
  return G_SOURCE_REMOVE;
}

/* In any thread: TLS has some of its own. */
static void
connection_gone (gpointer data, GObject *stream)
{
  Pending *pending = data;

  g_main_context_invoke_full (
      pending->context, G_PRIORITY_DEFAULT, pending_over, pending, NULL);
}

static Pending *
pending_new (WsListener *listener, GSocket *socket, gint64 patience)
{
  Pending *pending = g_new0 (Pending, 1);

  pending->listener = listener;
  pending->context = g_main_context_ref (listener->context);
  pending->socket = g_object_ref (socket);
  pending->deadline = g_get_monotonic_time () + patience;
  pending->link.data = pending;
  g_queue_push_tail_link (&listener->pending, &pending->link);
  pending->queued = TRUE;
  return pending;
}

/* Too many at once: says so, and keeps the socket for a moment, since closing
 * it with a request unread would take the answer back. */
static void
refuse (WsListener *listener, GSocket *socket)
{
  static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\n"
                               "Connection: close\r\nRetry-After: 2\r\n"
                               "Content-Length: 0\r\n\r\n";

  if (!listener->tls)
    g_socket_send (socket, answer, sizeof answer - 1, NULL, NULL);
  g_socket_shutdown (socket, FALSE, TRUE, NULL);
  if (listener->pending.length < 2 * MAX_PENDING)
    pending_new (listener, socket, REFUSAL_PATIENCE)->refused = TRUE;
}

static void
take_connection (WsListener *listener, GSocket *socket)
{
  GSocketAddress *local = g_socket_get_local_address (socket, NULL);
  GSocketAddress *remote = g_socket_get_remote_address (socket, NULL);
  GSocketConnection *connection;
  GIOStream *stream = NULL;
  Pending *pending;

  if (!local || !remote)
    goto done;
  g_socket_set_blocking (socket, FALSE);
  g_socket_set_option (socket, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER, NULL);
  g_socket_set_option (socket, IPPROTO_TCP, TCP_NODELAY, 1, NULL);
  if (listener->pending.length >= MAX_PENDING) {
    refuse (listener, socket);
    goto done;
  }
  connection = g_socket_connection_factory_create_connection (socket);
  if (listener->tls)
    stream = g_tls_server_connection_new (
        G_IO_STREAM (connection), listener->tls, NULL);
  else
    stream = g_object_ref (G_IO_STREAM (connection));
  g_object_unref (connection);
  if (stream == NULL)
    goto done;
  pending = pending_new (listener, socket, HANDSHAKE_PATIENCE);
  listener->streams++;
  g_object_weak_ref (G_OBJECT (stream), connection_gone, pending);
  /* libsoup hands this very object to the handlers: it names the connection. */
  g_object_set_data (G_OBJECT (remote), PENDING_DATA, pending);
  soup_server_accept_iostream (listener->server, stream, local, remote, NULL);
done:
  g_clear_object (&stream);
  g_clear_object (&local);
  g_clear_object (&remote);
}

void
ws_listener_lives (GSocketAddress *remote)
{
  Pending *pending = g_object_get_data (G_OBJECT (remote), PENDING_DATA);

  if (pending)
    pending->deadline = g_get_monotonic_time () + HANDSHAKE_PATIENCE;
}

void
ws_listener_upgraded (GSocketAddress *remote)
{
  Pending *pending = g_object_get_data (G_OBJECT (remote), PENDING_DATA);

  if (pending)
    pending_unlink (pending);
}

/* Without a descriptor left a connection can only be shut, with the one that
 * is kept for this; left in the backlog it would wake us for ever. */
static gboolean
shut_without_descriptor (WsListener *listener)
{
  int fd;

  if (listener->spare < 0)
    return FALSE;
  close (listener->spare);
  fd = accept4 (g_socket_get_fd (listener->socket), NULL, NULL, SOCK_CLOEXEC);
  if (fd >= 0)
    close (fd);
  listener->spare = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  return fd >= 0;
}

static gboolean
listener_incoming (GSocket *from, GIOCondition condition, gpointer user_data)
{
  WsListener *listener = user_data;
  guint turn;

  for (turn = 0; turn < ACCEPT_TURN; turn++) {
    GError *error = NULL;
    GSocket *socket = g_socket_accept (from, NULL, &error);
    gboolean more = TRUE;

    if (socket) {
      take_connection (listener, socket);
      g_object_unref (socket);
    } else {
      more =
          g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TOO_MANY_OPEN_FILES) &&
          shut_without_descriptor (listener);
      g_clear_error (&error);
    }
    if (!more)
      break;
  }
  return G_SOURCE_CONTINUE;
}

/* Cuts half-open handshakes and connections that idle. */
static gboolean
listener_sweep (gpointer user_data)
{
  WsListener *listener = user_data;
  gint64 now = g_get_monotonic_time ();
  GList *link, *next;

  for (link = listener->pending.head; link; link = next) {
    Pending *pending = link->data;
    next = link->next;
    if (now < pending->deadline)
      continue;
    if (pending->refused) {
      pending_free (pending);
    } else {
      g_socket_shutdown (pending->socket, TRUE, TRUE, NULL);
      pending->deadline = G_MAXINT64;
    }
  }
  return G_SOURCE_CONTINUE;
}

/* ---- opening ---- */

static GInetAddress *
find_address (const gchar *name, GError **error)
{
  GInetAddress *address = g_inet_address_new_from_string (name);
  GResolver *resolver;
  GList *found;

  if (address)
    return address;
  resolver = g_resolver_get_default ();
  found = g_resolver_lookup_by_name (resolver, name, NULL, error);
  if (found)
    address = g_object_ref (found->data);
  g_resolver_free_addresses (found);
  g_object_unref (resolver);
  return address;
}

static gboolean
load_certificate (WsListener *listener, const gchar *certificate,
    const gchar *key, GError **error)
{
  GError *reason = NULL;

  if (!g_tls_backend_supports_tls (g_tls_backend_get_default ())) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
        "There is no TLS on this machine: install glib-networking.");
    return FALSE;
  }
  listener->tls =
      key ? g_tls_certificate_new_from_files (certificate, key, &reason)
          : g_tls_certificate_new_from_file (certificate, &reason);
  if (listener->tls)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
      "The certificate '%s' with the key '%s' cannot be used: %s", certificate,
      key ? key : certificate, reason->message);
  g_error_free (reason);
  return FALSE;
}

void
ws_listener_init (WsListener *listener)
{
  memset (listener, 0, sizeof *listener);
  listener->spare = -1;
  g_queue_init (&listener->pending);
}

gboolean
ws_listener_open (WsListener *listener, const gchar *address, guint port,
    const gchar *certificate, const gchar *key, GError **error)
{
  GInetAddress *inet = NULL;
  GSocketAddress *at = NULL;
  GError *reason = NULL;

  ws_listener_init (listener);
  if (certificate && !load_certificate (listener, certificate, key, error))
    goto failed;
  inet = find_address (address, &reason);
  if (inet == NULL)
    goto no_socket;
  listener->loopback = g_inet_address_get_is_loopback (inet);
  at = g_inet_socket_address_new (inet, (guint16)port);
  listener->socket = g_socket_new (g_inet_address_get_family (inet),
      G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, &reason);
  if (listener->socket == NULL ||
      !g_socket_bind (listener->socket, at, TRUE, &reason))
    goto no_socket;
  g_socket_set_listen_backlog (listener->socket, BACKLOG);
  g_socket_set_blocking (listener->socket, FALSE);
  if (!g_socket_listen (listener->socket, &reason))
    goto no_socket;
  g_object_unref (at);
  at = g_socket_get_local_address (listener->socket, &reason);
  if (at == NULL)
    goto no_socket;
  listener->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (at));
  listener->spare = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  g_object_unref (at);
  g_object_unref (inet);
  return TRUE;

no_socket:
  g_set_error (error, G_IO_ERROR, reason ? reason->code : G_IO_ERROR_FAILED,
      "Cannot listen on %s port %u: %s. Use another port, or port=0 for any.",
      address, port, reason ? reason->message : "unknown");
  g_clear_error (&reason);
failed:
  g_clear_object (&at);
  g_clear_object (&inet);
  ws_listener_close (listener);
  return FALSE;
}

void
ws_listener_start (
    WsListener *listener, SoupServer *server, GMainContext *context)
{
  listener->server = server;
  listener->context = context;
  listener->incoming = g_socket_create_source (listener->socket, G_IO_IN, NULL);
  g_source_set_callback (listener->incoming,
      (GSourceFunc)(void (*) (void))listener_incoming, listener, NULL);
  g_source_attach (listener->incoming, context);
  listener->sweep = g_timeout_source_new (SWEEP_MS);
  g_source_set_callback (listener->sweep, listener_sweep, listener, NULL);
  g_source_attach (listener->sweep, context);
}

void
ws_listener_close (WsListener *listener)
{
  GList *link, *next;

  if (listener->incoming) {
    g_source_destroy (listener->incoming);
    g_clear_pointer (&listener->incoming, g_source_unref);
    g_source_destroy (listener->sweep);
    g_clear_pointer (&listener->sweep, g_source_unref);
  }
  for (link = listener->pending.head; link; link = next) {
    Pending *pending = link->data;
    next = link->next;
    g_socket_shutdown (pending->socket, TRUE, TRUE, NULL);
    if (pending->refused)
      pending_free (pending);
    else
      pending_unlink (pending);
  }
  if (listener->socket)
    g_socket_close (listener->socket, NULL);
  g_clear_object (&listener->socket);
  g_clear_object (&listener->tls);
  if (listener->spare >= 0)
    close (listener->spare);
  listener->spare = -1;
}

static gboolean
look_again (gpointer user_data)
{
  return G_SOURCE_CONTINUE;
}

void
ws_listener_settle (WsListener *listener, gint64 patience)
{
  gint64 deadline = g_get_monotonic_time () + patience;
  GSource *tick;

  if (!listener->streams)
    return;
  tick = g_timeout_source_new (SETTLE_TICK_MS);
  g_source_set_callback (tick, look_again, NULL, NULL);
  g_source_attach (tick, listener->context);
  while (listener->streams && g_get_monotonic_time () < deadline)
    g_main_context_iteration (listener->context, TRUE);
  g_source_destroy (tick);
  g_source_unref (tick);
}
