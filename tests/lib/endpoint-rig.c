/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An endpoint and its viewers: see endpoint-rig.h.
 */
#include "endpoint-rig.h"

#include <check.h>
#include <sys/socket.h>
#include <unistd.h>

static void
added (gpointer owner, guint64 id, const gchar *remote)
{
  ((EndpointRig *)owner)->added++;
}

static void
removed (
    gpointer owner, guint64 id, const gchar *reason, const WsClientStats *stats)
{
  EndpointRig *rig = owner;

  rig->removed++;
  g_free (rig->reason);
  rig->reason = g_strdup (reason);
}

static void
message (
    gpointer owner, guint64 id, gboolean control, const gchar *text, gsize n)
{
  ((EndpointRig *)owner)->messages++;
}

static WsItem *
item_new (WsItemKind kind, gsize size)
{
  GBytes *bytes = g_bytes_new_take (g_malloc0 (size), size);
  WsItem *item = ws_item_new (kind, bytes);

  g_bytes_unref (bytes);
  return item;
}

EndpointRig *
endpoint_rig_new (void)
{
  static const WsEndpointEvents events = {added, removed, message};
  static const WsLimits limits = {
      .soft_bytes = G_MAXUINT64,
      .hard_bytes = G_MAXUINT64,
      .soft_time = 500 * G_GUINT64_CONSTANT (1000000),
      .hard_time = 60 * G_GUINT64_CONSTANT (1000000000),
      .recover = WS_RECOVER_KEYFRAME,
  };
  EndpointRig *rig = g_new0 (EndpointRig, 1);
  WsItem *media_init = ws_item_new_text (g_strdup ("{}"));
  WsItem *init = item_new (WS_ITEM_INIT, 16);

  rig->context = g_main_context_new ();
  g_main_context_push_thread_default (rig->context);
  rig->endpoint = ws_endpoint_new (rig->context, &limits, &events, rig);
  rig->media = ws_media_new (1, media_init, init);
  ws_endpoint_push (rig->endpoint, media_init);
  ws_endpoint_push (rig->endpoint, init);
  return rig;
}

void
endpoint_rig_free (EndpointRig *rig)
{
  ws_endpoint_dispose (rig->endpoint);
  ws_endpoint_unref (rig->endpoint);
  ws_media_unref (rig->media);
  g_main_context_pop_thread_default (rig->context);
  g_main_context_unref (rig->context);
  g_free (rig->reason);
  g_free (rig);
}

void
endpoint_rig_push (EndpointRig *rig, guint count)
{
  guint i;

  for (i = 0; i < count; i++) {
    WsItem *item = item_new (WS_ITEM_FRAGMENT, ITEM_SIZE);

    item->key = i % 5 == 0;
    item->duration = ITEM_MS * G_GUINT64_CONSTANT (1000000);
    item->start = i * item->duration;
    item->end = item->start + item->duration;
    item->media = ws_media_ref (rig->media);
    ws_endpoint_push (rig->endpoint, item);
  }
}

int
endpoint_rig_watch (EndpointRig *rig, guint64 *id)
{
  GSocketConnection *stream;
  GSocket *socket;
  int ends[2];

  ck_assert_int_eq (socketpair (AF_UNIX, SOCK_STREAM, 0, ends), 0);
  socket = g_socket_new_from_fd (ends[0], NULL);
  stream = g_socket_connection_factory_create_connection (socket);
  *id = ws_endpoint_add (rig->endpoint, G_IO_STREAM (stream), "", FALSE);
  ck_assert_uint_ne (*id, 0);
  g_object_unref (stream);
  g_object_unref (socket);
  return ends[1];
}

void
endpoint_rig_run (EndpointRig *rig)
{
  while (g_main_context_iteration (rig->context, FALSE))
    ;
}

GByteArray *
endpoint_rig_read (EndpointRig *rig, int viewer)
{
  GByteArray *got = g_byte_array_new ();
  guint8 data[ITEM_SIZE];
  gssize size;

  endpoint_rig_run (rig);
  while ((size = recv (viewer, data, sizeof data, MSG_DONTWAIT)) > 0) {
    g_byte_array_append (got, data, (guint)size);
    endpoint_rig_run (rig);
  }
  return got;
}
