/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Many sockets behind one descriptor: see wspoll.h.
 *
 * Threads: see wspoll.h.
 */
#include "wspoll.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "wssource.h"

#define TURN 64 /* sockets served before the main context gets its turn */

struct WsPoll {
  GMainContext *context;
  GSource *source;
  gint fd;
  struct epoll_event events[TURN];
  gint n_events; /* of the turn that is running */
};

/* Writing is asked for once at a time. */
static void
serve_writable (WsWatch *watch)
{
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = watch};

  if (!watch->writing)
    return;
  watch->writing = FALSE;
  if (watch->fd >= 0)
    epoll_ctl (watch->poll->fd, EPOLL_CTL_MOD, watch->fd, &event);
  watch->writable (watch->owner);
}

static gboolean
poll_dispatch (gint fd, GIOCondition condition, gpointer user_data)
{
  WsPoll *poll = user_data;
  gint i;

  poll->n_events = epoll_wait (poll->fd, poll->events, TURN, 0);
  for (i = 0; i < poll->n_events; i++) {
    struct epoll_event *event = &poll->events[i];
    WsWatch *watch = event->data.ptr;

    /* Any callback may clear this watch or that of a later event. */
    if (watch && (event->events & ~(guint32)EPOLLIN))
      serve_writable (watch);
    watch = event->data.ptr;
    if (watch && (event->events & ~(guint32)EPOLLOUT))
      watch->readable (watch->owner);
  }
  poll->n_events = 0;
  return G_SOURCE_CONTINUE;
}

WsPoll *
ws_poll_new (GMainContext *context)
{
  WsPoll *poll = g_new0 (WsPoll, 1);

  poll->context = g_main_context_ref (context);
  poll->fd = epoll_create1 (EPOLL_CLOEXEC);
  if (poll->fd < 0)
    return poll;
  poll->source =
      ws_source_watch (context, poll->fd, G_IO_IN, poll_dispatch, poll);
  return poll;
}

void
ws_poll_free (WsPoll *poll)
{
  if (poll == NULL)
    return;
  ws_source_drop (&poll->source);
  g_main_context_unref (poll->context);
  if (poll->fd >= 0)
    close (poll->fd);
  g_free (poll);
}

/* The descriptor whose bytes are the stream's own, or -1. */
static gint
plain_socket (GIOStream *stream)
{
  GIOStream *base = NULL;
  gint fd = -1;

  if (G_IS_TCP_WRAPPER_CONNECTION (stream))
    return -1;
  if (G_IS_SOCKET_CONNECTION (stream))
    return g_socket_get_fd (
        g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream)));
  /* libsoup hands out a stream around the connection's. TLS has such a
   * property too, but its bytes are not the socket's. */
  if (G_IS_TLS_CONNECTION (stream) ||
      !g_object_class_find_property (
          G_OBJECT_GET_CLASS (stream), "base-iostream"))
    return -1;
  g_object_get (stream, "base-iostream", &base, NULL);
  if (base)
    fd = plain_socket (base);
  g_clear_object (&base);
  return fd;
}

void
ws_watch_init (WsWatch *watch, WsPoll *poll, GIOStream *stream,
    void (*readable) (gpointer owner), void (*writable) (gpointer owner),
    gpointer owner)
{
  struct epoll_event event = {.events = 0, .data.ptr = watch};

  watch->poll = poll;
  watch->in = G_POLLABLE_INPUT_STREAM (g_io_stream_get_input_stream (stream));
  watch->out =
      G_POLLABLE_OUTPUT_STREAM (g_io_stream_get_output_stream (stream));
  watch->readable = readable;
  watch->writable = writable;
  watch->owner = owner;
  watch->fd = poll->fd >= 0 ? plain_socket (stream) : -1;
  if (watch->fd >= 0 &&
      epoll_ctl (poll->fd, EPOLL_CTL_ADD, watch->fd, &event) < 0)
    watch->fd = -1;
}

static gboolean
source_readable (GObject *stream, gpointer user_data)
{
  WsWatch *watch = user_data;

  watch->readable (watch->owner);
  return G_SOURCE_CONTINUE;
}

static gboolean
source_writable (GObject *stream, gpointer user_data)
{
  WsWatch *watch = user_data;

  g_clear_pointer (&watch->out_source, g_source_unref);
  serve_writable (watch);
  return G_SOURCE_REMOVE;
}

void
ws_watch_read (WsWatch *watch)
{
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = watch};

  watch->reading = TRUE;
  if (watch->fd >= 0) {
    epoll_ctl (watch->poll->fd, EPOLL_CTL_MOD, watch->fd, &event);
    /* The stream may hold bytes that came with the handshake. */
    watch->readable (watch->owner);
    return;
  }
  watch->in_source = g_pollable_input_stream_create_source (watch->in, NULL);
  g_source_set_callback (watch->in_source,
      (GSourceFunc)(void (*) (void))source_readable, watch, NULL);
  g_source_attach (watch->in_source, watch->poll->context);
}

void
ws_watch_write (WsWatch *watch)
{
  struct epoll_event event = {.events = EPOLLOUT, .data.ptr = watch};

  if (watch->writing)
    return;
  watch->writing = TRUE;
  if (watch->fd >= 0) {
    event.events |= watch->reading ? EPOLLIN : 0;
    epoll_ctl (watch->poll->fd, EPOLL_CTL_MOD, watch->fd, &event);
    return;
  }
  watch->out_source = g_pollable_output_stream_create_source (watch->out, NULL);
  g_source_set_callback (watch->out_source,
      (GSourceFunc)(void (*) (void))source_writable, watch, NULL);
  g_source_attach (watch->out_source, watch->poll->context);
}

/* To the socket itself: nothing in between needs to see the bytes. */
static GPollableReturn
socket_send (
    gint fd, const GOutputVector *vectors, gsize n_vectors, gsize *written)
{
  struct iovec parts[WS_WATCH_MAX_VECTORS];
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = n_vectors};
  gssize sent;
  gsize i;

  for (i = 0; i < n_vectors; i++) {
    parts[i].iov_base = (gpointer)vectors[i].buffer;
    parts[i].iov_len = vectors[i].size;
  }
  do
    sent = sendmsg (fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent < 0)
    return errno == EAGAIN || errno == EWOULDBLOCK
               ? G_POLLABLE_RETURN_WOULD_BLOCK
               : G_POLLABLE_RETURN_FAILED;
  *written = (gsize)sent;
  return G_POLLABLE_RETURN_OK;
}

GPollableReturn
ws_watch_send (WsWatch *watch, const GOutputVector *vectors, gsize n_vectors,
    gsize *written)
{
  *written = 0;
  n_vectors = MIN (n_vectors, WS_WATCH_MAX_VECTORS);
  if (watch->fd >= 0)
    return socket_send (watch->fd, vectors, n_vectors, written);
  return g_pollable_output_stream_writev_nonblocking (
      watch->out, vectors, n_vectors, written, NULL, NULL);
}

void
ws_watch_clear (WsWatch *watch)
{
  gint i;

  ws_source_drop (&watch->in_source);
  ws_source_drop (&watch->out_source);
  watch->reading = watch->writing = FALSE;
  if (watch->poll == NULL || watch->fd < 0)
    return;
  epoll_ctl (watch->poll->fd, EPOLL_CTL_DEL, watch->fd, NULL);
  for (i = 0; i < watch->poll->n_events; i++)
    if (watch->poll->events[i].data.ptr == watch)
      watch->poll->events[i].data.ptr = NULL;
  watch->fd = -1;
}
