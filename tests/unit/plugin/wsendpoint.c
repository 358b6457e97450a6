/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of wsendpoint.c on pairs of sockets: who is late in a stream that runs
 * ahead of the clock, and who is not.
 */
#include <check.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wsendpoint.h"

#define ITEM_MS 100
#define ITEM_SIZE 65536
#define BURST 30 /* items that come at once: three seconds of media */

static GMainContext *context;
static WsEndpoint *endpoint;
static WsMedia *media;
static gint owner;

static void
added (gpointer o, guint64 id, const gchar *remote)
{
}

static void
gone (gpointer o, guint64 id, const gchar *reason, const WsClientStats *stats)
{
}

static void
message (gpointer o, guint64 id, gboolean control, const gchar *text, gsize n)
{
}

static WsItem *
item_new (WsItemKind kind, gsize size)
{
  GBytes *bytes = g_bytes_new_take (g_malloc0 (size), size);
  WsItem *item = ws_item_new (kind, bytes);

  g_bytes_unref (bytes);
  return item;
}

static void
set_up (void)
{
  static const WsEndpointEvents events = {added, gone, message};
  static const WsLimits limits = {
      .soft_bytes = G_MAXUINT64,
      .hard_bytes = G_MAXUINT64,
      .soft_time = 500 * G_GUINT64_CONSTANT (1000000),
      .hard_time = 60 * G_GUINT64_CONSTANT (1000000000),
      .recover = WS_RECOVER_KEYFRAME,
  };
  WsItem *media_init = ws_item_new_text (g_strdup ("{}"));
  WsItem *init = item_new (WS_ITEM_INIT, 16);

  context = g_main_context_new ();
  g_main_context_push_thread_default (context);
  endpoint = ws_endpoint_new (context, &limits, &events, &owner);
  media = ws_media_new (1, media_init, init);
  ws_endpoint_push (endpoint, media_init);
  ws_endpoint_push (endpoint, init);
}

static void
tear_down (void)
{
  ws_endpoint_dispose (endpoint);
  ws_endpoint_unref (endpoint);
  ws_media_unref (media);
  g_main_context_pop_thread_default (context);
  g_main_context_unref (context);
}

/* A keyframe every half a second. */
static void
push_media (guint count)
{
  guint i;

  for (i = 0; i < count; i++) {
    WsItem *item = item_new (WS_ITEM_FRAGMENT, ITEM_SIZE);

    item->key = i % 5 == 0;
    item->duration = ITEM_MS * G_GUINT64_CONSTANT (1000000);
    item->start = i * item->duration;
    item->end = item->start + item->duration;
    item->media = ws_media_ref (media);
    ws_endpoint_push (endpoint, item);
  }
}

/* A viewer's end of the connection. */
static int
watch (guint64 *id)
{
  GSocketConnection *stream;
  GSocket *socket;
  int ends[2];

  ck_assert_int_eq (socketpair (AF_UNIX, SOCK_STREAM, 0, ends), 0);
  socket = g_socket_new_from_fd (ends[0], NULL);
  stream = g_socket_connection_factory_create_connection (socket);
  *id = ws_endpoint_add (endpoint, G_IO_STREAM (stream), "", FALSE);
  ck_assert_uint_ne (*id, 0);
  g_object_unref (stream);
  g_object_unref (socket);
  return ends[1];
}

static guint64
skips (guint64 id)
{
  WsClient *client = ws_endpoint_find (endpoint, id);

  ck_assert_ptr_nonnull (client);
  return client->stats.skips;
}

/* A stream begins with a burst. A viewer whose link is hardly faster than the
 * stream plays is seconds behind it, and plays without a fault; one that takes
 * nothing is late as soon as it has nothing to play. */
START_TEST (a_stream_that_runs_ahead)
{
  guint8 data[ITEM_SIZE];
  guint64 steady, stalled;
  int reads = watch (&steady), rests = watch (&stalled);
  gint64 start = g_get_monotonic_time (), ms;
  gsize got = 0;

  push_media (BURST);
  do {
    while (g_main_context_iteration (context, FALSE))
      ;
    ms = (g_get_monotonic_time () - start) / 1000;
    while (got < (gsize)ms * ITEM_SIZE * 5 / 4 / ITEM_MS) {
      gssize size = recv (reads, data, sizeof data, MSG_DONTWAIT);
      if (size <= 0)
        break;
      got += (gsize)size;
      while (g_main_context_iteration (context, FALSE))
        ;
    }
    g_usleep (5000);
  } while (ms < BURST * ITEM_MS);
  ck_assert_uint_eq (skips (steady), 0);
  ck_assert_uint_eq (skips (stalled), 1);
  close (reads);
  close (rests);
}
END_TEST

/* Who is dropped is told why, as soon as it reads on. */
START_TEST (a_viewer_that_is_dropped)
{
  static const char why[] = "this viewer reads too slowly for the stream";
  GByteArray *got = g_byte_array_new ();
  guint8 data[ITEM_SIZE];
  const guint8 *close_frame;
  guint64 id;
  gssize size;
  int end = watch (&id);

  endpoint->limits.recover = WS_RECOVER_NONE;
  endpoint->limits.soft_bytes = endpoint->limits.hard_bytes = 5 * ITEM_SIZE;
  push_media (BURST);
  while (g_main_context_iteration (context, FALSE))
    ;
  ck_assert_uint_eq (endpoint->dropped_clients, 1);
  while ((size = recv (end, data, sizeof data, MSG_DONTWAIT)) > 0) {
    g_byte_array_append (got, data, (guint)size);
    while (g_main_context_iteration (context, FALSE))
      ;
  }
  ck_assert_uint_lt (got->len, BURST * ITEM_SIZE);
  ck_assert_uint_gt (got->len, 4 + sizeof why - 1);
  close_frame = got->data + got->len - (4 + sizeof why - 1);
  ck_assert_uint_eq (close_frame[0], 0x88);
  ck_assert_uint_eq (close_frame[2] << 8 | close_frame[3], WS_CLOSE_POLICY);
  ck_assert_int_eq (memcmp (close_frame + 4, why, sizeof why - 1), 0);
  g_byte_array_unref (got);
  close (end);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("wsendpoint");
  TCase *tests = tcase_create ("wsendpoint");
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (tests, set_up, tear_down);
  suite_add_tcase (suite, tests);
  tcase_add_test (tests, a_stream_that_runs_ahead);
  tcase_add_test (tests, a_viewer_that_is_dropped);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  /* None run is as bad: it happens when two versions of check meet. */
  failed = srunner_ntests_failed (runner) || !srunner_ntests_run (runner);
  srunner_free (runner);
  return failed != 0;
}
