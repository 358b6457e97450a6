/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Packets of JSON over a socketpair: see channel.h.
 *
 * Threads: see channel.h.
 */
#include "channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wssource.h"

/* Messages in one go, so that one who floods does not keep the others out. */
#define READ_TURN 32
/* That the other side has not taken. */
#define MAX_QUEUED 1024

typedef struct {
  gchar *text;
  gsize size;
  int fd;
} Packet;

struct DvsChannel {
  guint refs;
  int fd;
  const DvsChannelEvents *events; /* NULL: freed */
  gpointer user;
  GSource *readable, *writable, *failed;
  const gchar *why;
  GQueue queue; /* of Packet */
  gchar buffer[DVS_CHANNEL_MAX_MESSAGE + 1];
};

gboolean
dvs_channel_pair (int ends[2], GError **error)
{
  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0)
    return TRUE;
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
      "There is no channel to a worker: %s", g_strerror (errno));
  return FALSE;
}

static void
packet_free (gpointer data)
{
  Packet *packet = data;

  if (packet->fd >= 0)
    close (packet->fd);
  g_free (packet->text);
  g_free (packet);
}

static void
channel_unref (DvsChannel *channel)
{
  if (--channel->refs == 0)
    g_free (channel);
}

static void
channel_shut (DvsChannel *channel)
{
  ws_source_drop (&channel->readable);
  ws_source_drop (&channel->writable);
  ws_source_drop (&channel->failed);
  g_queue_clear_full (&channel->queue, packet_free);
  if (channel->fd >= 0)
    close (channel->fd);
  channel->fd = -1;
}

/* From the main loop. */
static void
channel_end (DvsChannel *channel, const gchar *why)
{
  channel_shut (channel);
  if (channel->events)
    channel->events->closed (channel->user, why);
}

static gboolean
tell_failed (gpointer data)
{
  DvsChannel *channel = data;

  channel_end (channel, channel->why);
  return G_SOURCE_REMOVE;
}

/* From anywhere: told from the main loop, once. */
static void
channel_fail (DvsChannel *channel, const gchar *why)
{
  if (channel->failed)
    return;
  channel->why = why;
  ws_source_drop (&channel->writable);
  channel->failed = g_idle_source_new ();
  g_source_set_priority (channel->failed, G_PRIORITY_DEFAULT);
  g_source_set_callback (channel->failed, tell_failed, channel, NULL);
  g_source_attach (channel->failed, NULL);
}

/* ---- reading ---- */

static int
take_descriptor (struct msghdr *header)
{
  struct cmsghdr *part;
  int found = -1, fd;
  gsize i, n;

  for (part = CMSG_FIRSTHDR (header); part; part = CMSG_NXTHDR (header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
      continue;
    n = (part->cmsg_len - CMSG_LEN (0)) / sizeof fd;
    for (i = 0; i < n; i++) {
      memcpy (&fd, CMSG_DATA (part) + i * sizeof fd, sizeof fd);
      if (found < 0)
        found = fd;
      else
        close (fd);
    }
  }
  return found;
}

/* FALSE: nothing more for now, or the channel has ended. */
static gboolean
read_one (DvsChannel *channel)
{
  union {
    struct cmsghdr align;
    char room[CMSG_SPACE (4 * sizeof (int))];
  } control;
  struct iovec vector = {channel->buffer, sizeof channel->buffer};
  struct msghdr header = {.msg_iov = &vector,
      .msg_iovlen = 1,
      .msg_control = &control,
      .msg_controllen = sizeof control};
  JsonObject *message = NULL;
  gssize size;
  int fd;

  do
    size = recvmsg (channel->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (size < 0 && errno == EINTR);
  if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
    return FALSE;
  if (size <= 0) {
    channel_end (channel, NULL);
    return FALSE;
  }
  fd = take_descriptor (&header);
  if (size <= DVS_CHANNEL_MAX_MESSAGE && !(header.msg_flags & MSG_TRUNC))
    message = dvs_packet_parse (channel->buffer, (gsize)size);
  if (!message) {
    if (fd >= 0)
      close (fd);
    channel_end (channel, "The other side of a worker's channel sends what is "
                          "no message.");
    return FALSE;
  }
  channel->events->message (channel->user, message, fd);
  json_object_unref (message);
  return channel->events && channel->fd >= 0;
}

static gboolean
channel_readable (gint fd, GIOCondition condition, gpointer data)
{
  DvsChannel *channel = data;
  guint turn;

  channel->refs++;
  for (turn = 0; turn < READ_TURN && read_one (channel); turn++)
    ;
  channel_unref (channel);
  return G_SOURCE_CONTINUE;
}

/* ---- writing ---- */

/* 0: sent. EAGAIN: not now. Else it will never be. */
static int
write_one (DvsChannel *channel, const Packet *packet)
{
  union {
    struct cmsghdr align;
    char room[CMSG_SPACE (sizeof (int))];
  } control;
  struct iovec vector = {packet->text, packet->size};
  struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
  gssize size;

  if (packet->fd >= 0) {
    memset (&control, 0, sizeof control);
    header.msg_control = &control;
    header.msg_controllen = sizeof control;
    control.align.cmsg_level = SOL_SOCKET;
    control.align.cmsg_type = SCM_RIGHTS;
    control.align.cmsg_len = CMSG_LEN (sizeof (int));
    memcpy (CMSG_DATA (&control.align), &packet->fd, sizeof (int));
  }
  do
    size = sendmsg (channel->fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (size < 0 && errno == EINTR);
  return size < 0 ? errno : 0;
}

static gboolean channel_writable (
    gint fd, GIOCondition condition, gpointer data);

static void
channel_pump (DvsChannel *channel)
{
  Packet *packet;

  while ((packet = g_queue_peek_head (&channel->queue))) {
    int failed = write_one (channel, packet);

    if (failed == EAGAIN || failed == EWOULDBLOCK || failed == ENOBUFS)
      break;
    /* What the other side said before it went is still to be read. */
    packet_free (g_queue_pop_head (&channel->queue));
    if (failed && failed != EPIPE && failed != ECONNRESET)
      channel_fail (channel, "A message to a worker cannot be sent.");
  }
  if (!packet) {
    ws_source_drop (&channel->writable);
  } else if (!channel->writable) {
    channel->writable = ws_source_watch (
        NULL, channel->fd, G_IO_OUT, channel_writable, channel);
  }
}

static gboolean
channel_writable (gint fd, GIOCondition condition, gpointer data)
{
  DvsChannel *channel = data;

  channel_pump (channel);
  return channel->writable ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

void
dvs_channel_send (DvsChannel *channel, JsonObject *message, int fd)
{
  JsonNode *node = json_node_init_object (json_node_alloc (), message);
  Packet *packet = g_new0 (Packet, 1);

  packet->text = json_to_string (node, FALSE);
  packet->size = strlen (packet->text);
  packet->fd = fd;
  json_node_unref (node);
  json_object_unref (message);
  if (channel->fd < 0 || channel->failed) {
    packet_free (packet);
  } else if (packet->size > DVS_CHANNEL_MAX_MESSAGE) {
    packet_free (packet);
    channel_fail (channel, "A message to a worker is too long.");
  } else if (channel->queue.length >= MAX_QUEUED) {
    packet_free (packet);
    channel_fail (channel, "The other side of a worker's channel does not "
                           "read.");
  } else {
    g_queue_push_tail (&channel->queue, packet);
    channel_pump (channel);
  }
}

/* ---- life ---- */

DvsChannel *
dvs_channel_new (int fd, const DvsChannelEvents *events, gpointer user)
{
  DvsChannel *channel = g_new0 (DvsChannel, 1);

  channel->refs = 1;
  channel->fd = fd;
  channel->events = events;
  channel->user = user;
  g_queue_init (&channel->queue);
  channel->readable = ws_source_watch (
      NULL, fd, G_IO_IN | G_IO_HUP | G_IO_ERR, channel_readable, channel);
  return channel;
}

void
dvs_channel_free (DvsChannel *channel)
{
  channel_shut (channel);
  channel->events = NULL;
  channel_unref (channel);
}

/* ---- messages ---- */

JsonObject *
dvs_packet_new (const gchar *type)
{
  JsonObject *message = json_object_new ();

  json_object_set_string_member (message, "type", type);
  return message;
}

static JsonNode *
value (JsonObject *message, const gchar *name)
{
  JsonNode *node = json_object_get_member (message, name);

  return node && JSON_NODE_HOLDS_VALUE (node) ? node : NULL;
}

gint64
dvs_packet_int (JsonObject *message, const gchar *name)
{
  JsonNode *node = value (message, name);

  return node && json_node_get_value_type (node) == G_TYPE_INT64
             ? json_node_get_int (node)
             : 0;
}

guint
dvs_packet_uint (JsonObject *message, const gchar *name)
{
  gint64 number = dvs_packet_int (message, name);

  return number > 0 && number <= G_MAXUINT ? (guint)number : 0;
}

gdouble
dvs_packet_double (JsonObject *message, const gchar *name)
{
  JsonNode *node = value (message, name);
  GType type = node ? json_node_get_value_type (node) : G_TYPE_NONE;

  return type == G_TYPE_DOUBLE || type == G_TYPE_INT64
             ? json_node_get_double (node)
             : 0;
}

gboolean
dvs_packet_boolean (JsonObject *message, const gchar *name)
{
  JsonNode *node = value (message, name);

  return node && json_node_get_value_type (node) == G_TYPE_BOOLEAN &&
         json_node_get_boolean (node);
}

const gchar *
dvs_packet_string (JsonObject *message, const gchar *name)
{
  JsonNode *node = value (message, name);

  return node && json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

JsonObject *
dvs_packet_parse (const gchar *text, gsize size)
{
  JsonParser *parser;
  JsonObject *message = NULL;
  JsonNode *root;

  if (size > G_MAXSSIZE || !g_utf8_validate_len (text, size, NULL))
    return NULL;
  parser = json_parser_new ();
  if (json_parser_load_from_data (parser, text, (gssize)size, NULL)) {
    root = json_parser_get_root (parser);
    if (root && JSON_NODE_HOLDS_OBJECT (root) &&
        dvs_packet_string (json_node_get_object (root), "type"))
      message = json_object_ref (json_node_get_object (root));
  }
  g_object_unref (parser);
  return message;
}
