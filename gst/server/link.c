/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The front's end of a run's link: see link.h.
 *
 * libsoup's own WebSocket would do the framing, but reads on whether its user
 * can take more or not, and copies what it reads once more.
 *
 * Threads: see link.h.
 */
#include "link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"
#include "wsframe.h"
#include "wssource.h"

/* Bytes in one go, so that one slot does not keep the others out. */
#define READ_TURN (1024 * 1024)
#define HEAD_MAX 10
/* The sink pings who is silent for 10 s and gives them up after 20 more. */
#define PONG_MS 5000

struct DvsLink {
  guint refs;
  int fd;
  const DvsLinkEvents *events; /* NULL: freed */
  gpointer user;
  gboolean reading;
  GSource *readable, *pong;

  guint8 head[HEAD_MAX];
  guint head_have;
  guint8 *payload; /* NULL: the header is being read */
  gsize size, have;
};

static void
link_unref (DvsLink *link)
{
  if (--link->refs == 0)
    g_free (link);
}

static void
link_shut (DvsLink *link)
{
  ws_source_drop (&link->readable);
  ws_source_drop (&link->pong);
  g_clear_pointer (&link->payload, g_free);
  if (link->fd >= 0)
    close (link->fd);
  link->fd = -1;
}

static void
link_end (DvsLink *link, const gchar *why)
{
  link_shut (link);
  if (link->events)
    link->events->ended (link->user, why);
}

/* ---- frames ---- */

static guint
head_size (const DvsLink *link)
{
  guint length = link->head[1] & 127;

  return link->head_have < 2 ? 2 : length == 127 ? 10 : length == 126 ? 4 : 2;
}

/* FALSE: this is no frame of the sink's. */
static gboolean
read_head (DvsLink *link)
{
  guint opcode = link->head[0] & 15, i;
  guint64 size = link->head[1] & 127;

  if (size > 125) {
    size = 0;
    for (i = 2; i < link->head_have; i++)
      size = size << 8 | link->head[i];
  }
  if ((link->head[0] & 0xf0) != 0x80 || link->head[1] & 0x80)
    return FALSE;
  switch (opcode) {
    case WS_OP_TEXT:
      if (size > DVS_LINK_MAX_TEXT)
        return FALSE;
      break;
    case WS_OP_BINARY:
      if (size > DVS_LINK_MAX_MEDIA)
        return FALSE;
      break;
    case WS_OP_CLOSE:
    case WS_OP_PING:
    case WS_OP_PONG:
      if (size > 125)
        return FALSE;
      break;
    default:
      return FALSE;
  }
  link->size = (gsize)size;
  link->have = 0;
  link->payload = g_try_malloc (MAX (link->size, 1));
  return link->payload != NULL;
}

/* Hands a whole frame over. FALSE: the link has ended. */
static gboolean
take_frame (DvsLink *link)
{
  guint8 *payload = g_steal_pointer (&link->payload);
  JsonObject *event;
  GBytes *bytes;

  link->head_have = 0;
  switch (link->head[0] & 15) {
    case WS_OP_BINARY:
      bytes = g_bytes_new_take (payload, link->size);
      link->events->media (link->user, bytes);
      g_bytes_unref (bytes);
      break;
    case WS_OP_TEXT:
      event = dvs_packet_parse ((const gchar *)payload, link->size);
      g_free (payload);
      if (!event) {
        link_end (link, "The worker's relay sent a text that is no event.");
        return FALSE;
      }
      link->events->event (link->user, event);
      json_object_unref (event);
      break;
    case WS_OP_CLOSE:
      g_free (payload);
      link_end (link, NULL);
      return FALSE;
    default: /* pings: what is sent anyway will do */
      g_free (payload);
      break;
  }
  return link->events && link->fd >= 0;
}

/* ---- reading ---- */

/* Bytes read; 0: none now, or the link has ended. */
static gsize
read_some (DvsLink *link, guint8 *data, gsize size)
{
  gssize got;

  do
    got = recv (link->fd, data, size, MSG_DONTWAIT);
  while (got < 0 && errno == EINTR);
  if (got > 0)
    return (gsize)got;
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
    return 0;
  link_end (link, link->payload || link->head_have
                      ? "The worker's relay ended in the middle of a message."
                      : "The worker's relay ended without closing.");
  return 0;
}

/* Bytes read. */
static gsize
read_part (DvsLink *link)
{
  gsize got;

  if (!link->payload) {
    got = read_some (
        link, link->head + link->head_have, head_size (link) - link->head_have);
    link->head_have += got;
    if (got && link->head_have == head_size (link) && !read_head (link)) {
      link_end (link, "The worker's relay sent what is no frame of its.");
      return 0;
    }
  } else {
    got = read_some (link, link->payload + link->have, link->size - link->have);
    link->have += got;
  }
  if (link->payload && link->have == link->size && !take_frame (link))
    return 0;
  return got;
}

static gboolean
link_readable (gint fd, GIOCondition condition, gpointer data)
{
  DvsLink *link = data;
  gsize turn = 0, got;

  link->refs++;
  do {
    got = read_part (link);
    turn += got;
  } while (got && turn < READ_TURN && link->reading);
  link_unref (link);
  return G_SOURCE_CONTINUE;
}

void
dvs_link_set_reading (DvsLink *link, gboolean reading)
{
  if (link->reading == reading || link->fd < 0)
    return;
  link->reading = reading;
  ws_source_drop (&link->readable);
  if (!reading)
    return;
  link->readable =
      ws_source_watch (NULL, link->fd, G_IO_IN | G_IO_HUP, link_readable, link);
}

gboolean
dvs_link_is_reading (const DvsLink *link)
{
  return link->reading;
}

/* ---- life ---- */

/* Unasked, as RFC 6455 allows: so it does not matter when a ping is read. */
static gboolean
send_pong (gpointer data)
{
  static const guint8 pong[] = {0x80 | WS_OP_PONG, 0x80, 0, 0, 0, 0};
  DvsLink *link = data;

  /* It fits, or so much waits that it is not needed. */
  if (send (link->fd, pong, sizeof pong, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
    g_debug ("no pong: %s", g_strerror (errno));
  return G_SOURCE_CONTINUE;
}

DvsLink *
dvs_link_new (
    const DvsLinkEvents *events, gpointer user, int *peer, GError **error)
{
  DvsLink *link;
  int ends[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
        "There is no link to a worker: %s", g_strerror (errno));
    return NULL;
  }
  link = g_new0 (DvsLink, 1);
  link->refs = 1;
  link->fd = ends[0];
  link->events = events;
  link->user = user;
  link->pong = g_timeout_source_new (PONG_MS);
  g_source_set_callback (link->pong, send_pong, link, NULL);
  g_source_attach (link->pong, NULL);
  dvs_link_set_reading (link, TRUE);
  *peer = ends[1];
  return link;
}

void
dvs_link_free (DvsLink *link)
{
  link_shut (link);
  link->events = NULL;
  link_unref (link);
}
