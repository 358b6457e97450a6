/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of client.c on one end of a pair of sockets: messages, what is unsent,
 * limits, closing from either side, pings.
 */
#include <check.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"

static DvsSettings *settings;
static DvsMetrics *metrics;
static DvsRoom *room;
static DvsClient *client;
static int far_end;
static GString *heard; /* "text:…;" "binary;" "gone:…;" */
static guint64 unsent;

static void
on_text (gpointer user, const gchar *text, gsize size)
{
  g_string_append (heard, "text:");
  g_string_append_len (heard, text, (gssize)MIN (size, 32));
  g_string_append_c (heard, ';');
}

static void
on_binary (gpointer user)
{
  g_string_append (heard, "binary;");
}

static void
on_unsent (gpointer user, guint64 bytes)
{
  unsent = bytes;
}

static void
on_gone (gpointer user, const gchar *reason)
{
  g_string_append_printf (heard, "gone:%s;", reason);
  client = NULL;
}

static const DvsClientEvents events = {on_text, on_binary, on_unsent, on_gone};

static void
set_up (void)
{
  GSocketConnection *stream;
  GSocket *socket;
  int ends[2];

  settings = dvs_settings_new ();
  metrics = dvs_metrics_new ();
  room = dvs_room_new (settings, metrics);
  heard = g_string_new (NULL);
  unsent = 0;
  ck_assert_int_eq (socketpair (AF_UNIX, SOCK_STREAM, 0, ends), 0);
  far_end = ends[1];
  socket = g_socket_new_from_fd (ends[0], NULL);
  g_socket_set_blocking (socket, FALSE);
  stream = g_socket_connection_factory_create_connection (socket);
  client = dvs_client_new (room, G_IO_STREAM (stream), &events, NULL);
  ck_assert_ptr_nonnull (client);
  g_object_unref (stream);
  g_object_unref (socket);
}

static void
tear_down (void)
{
  if (client)
    dvs_client_release (client);
  dvs_room_free (room);
  dvs_metrics_free (metrics);
  dvs_settings_free (settings);
  g_string_free (heard, TRUE);
  close (far_end);
}

static void
iterate (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static gboolean
timed_out (gpointer user)
{
  *(gboolean *)user = TRUE;
  return G_SOURCE_REMOVE;
}

/* Runs until that was heard, 10 s at most. */
static void
await (const gchar *what)
{
  gboolean over = FALSE;
  guint timer = g_timeout_add_seconds (10, timed_out, &over);

  while (!over && !strstr (heard->str, what))
    g_main_context_iteration (NULL, TRUE);
  ck_assert_msg (!over, "heard '%s', not '%s'", heard->str, what);
  g_source_remove (timer);
}

/* A masked frame from the far end. */
static void
say (guint8 first, gconstpointer data, gsize size)
{
  guint8 head[8] = {first, 0x80 | (guint8)size, 0, 0, 0, 0};
  gsize length = 6;

  if (size > 125) {
    head[1] = 0x80 | 126;
    head[2] = (guint8)(size >> 8);
    head[3] = (guint8)size;
    length = 8;
  }
  ck_assert_int_eq (send (far_end, head, length, 0), (gssize)length);
  ck_assert_int_eq (send (far_end, data, size, 0), (gssize)size);
  iterate ();
}

static gsize
receive (guint8 *data, gsize size)
{
  gssize got = recv (far_end, data, size, MSG_DONTWAIT);

  return got < 0 ? 0 : (gsize)got;
}

START_TEST (messages_both_ways)
{
  guint8 data[64];
  GBytes *bytes = g_bytes_new_static ("media", 5);

  say (0x81, "hello", 5);
  say (0x01, "a", 1);
  say (0x80, "b", 1);
  say (0x82, "x", 1);
  ck_assert_str_eq (heard->str, "text:hello;text:ab;binary;");
  dvs_client_send_text (client, g_strdup ("{}"));
  dvs_client_send_media (client, bytes);
  ck_assert_uint_eq (dvs_room_unsent (room), 11);
  iterate ();
  ck_assert_uint_eq (receive (data, sizeof data), 11);
  ck_assert_mem_eq (data, "\x81\x02{}\x82\x05media", 11);
  ck_assert_uint_eq (dvs_room_unsent (room), 0);
  ck_assert (dvs_metrics_value (metrics, DVS_COUNT_MEDIA_BYTES) == 5);
  ck_assert (dvs_metrics_value (metrics, DVS_COUNT_SENT_BYTES) == 11);
  g_bytes_unref (bytes);
}
END_TEST

/* To the byte, while the peer reads nothing and then all. */
START_TEST (what_is_not_taken_is_counted)
{
  gsize size = 3000000, taken = 0, got;
  guint8 *data = g_malloc0 (size);
  GBytes *bytes = g_bytes_new_take (data, size);
  guint8 *far = g_malloc (size);
  guint i;

  for (i = 0; i < 3; i++)
    dvs_client_send_media (client, bytes);
  iterate ();
  ck_assert_uint_gt (unsent, 0);
  while ((got = receive (far, size)) > 0) {
    ck_assert_uint_eq (unsent, dvs_room_unsent (room));
    taken += got;
    iterate ();
  }
  ck_assert_uint_eq (taken, 3 * (size + 10));
  ck_assert_uint_eq (unsent, 0);
  g_bytes_unref (bytes);
  g_free (far);
}
END_TEST

/* Nor does it stay unknown what is added while the socket is full. */
START_TEST (what_is_added_while_none_is_taken_is_told)
{
  gsize size = 3000000, before;
  GBytes *bytes = g_bytes_new_take (g_malloc0 (size), size);

  dvs_client_send_media (client, bytes);
  iterate ();
  before = unsent;
  ck_assert_uint_gt (before, 0);
  dvs_client_send_text (client, g_strdup ("{}"));
  iterate ();
  ck_assert_uint_eq (unsent, before + 4);
  ck_assert_uint_eq (unsent, dvs_room_unsent (room));
  g_bytes_unref (bytes);
}
END_TEST

START_TEST (a_text_that_is_none)
{
  guint8 data[64];

  say (0x81, "\xff\xfe", 2);
  ck_assert_str_eq (heard->str, "gone:rejected;");
  ck_assert_uint_ge (receive (data, sizeof data), 4);
  ck_assert_mem_eq (data + 2, "\x03\xef", 2); /* 1007 */
}
END_TEST

/* Fragments add up; the close code is 1009. */
START_TEST (a_message_that_is_too_large)
{
  gchar *part = g_strnfill (60000, 'a');
  guint8 data[64];
  guint i;

  for (i = 0; client && i < 1000; i++)
    say (i ? 0x00 : 0x01, part, 60000);
  ck_assert_uint_eq (i, (21 << 20) / 60000 + 1);
  ck_assert_str_eq (heard->str, "gone:rejected;");
  ck_assert_uint_ge (receive (data, sizeof data), 4);
  ck_assert_mem_eq (data + 2, "\x03\xf1", 2);
  g_free (part);
}
END_TEST

START_TEST (we_close)
{
  guint8 data[64];

  dvs_client_send_text (client, g_strdup ("last"));
  dvs_client_close (client, 1000, "Session timeout");
  dvs_client_send_text (client, g_strdup ("after"));
  dvs_client_release (client);
  client = NULL;
  iterate ();
  ck_assert_uint_eq (receive (data, sizeof data), 6 + 2 + 2 + 15);
  ck_assert_mem_eq (data, "\x81\x04last\x88\x11\x03\xe8Session timeout", 25);
  ck_assert_uint_eq (dvs_room_size (room), 1);
  say (0x81, "unheard", 7);
  say (0x88, "\x03\xe8", 2);
  ck_assert_uint_eq (dvs_room_size (room), 0);
  ck_assert_str_eq (heard->str, "");
}
END_TEST

START_TEST (the_peer_closes)
{
  guint8 data[64];

  say (0x88, "\x03\xe9", 2);
  ck_assert_str_eq (heard->str, "gone:left;");
  ck_assert_uint_eq (receive (data, sizeof data), 4);
  ck_assert_mem_eq (data, "\x88\x02\x03\xe8", 4);
  ck_assert_uint_eq (dvs_room_size (room), 0);
}
END_TEST

START_TEST (the_peer_vanishes)
{
  close (far_end);
  far_end = -1;
  iterate ();
  ck_assert_str_eq (heard->str, "gone:vanished;");
  ck_assert_uint_eq (dvs_room_size (room), 0);
}
END_TEST

START_TEST (a_peer_that_does_not_pong)
{
  guint8 data[64];

  settings->ping_interval_s = 1;
  settings->pong_timeout_s = 1;
  await ("gone:no-pong;");
  ck_assert_uint_eq (receive (data, sizeof data), 4);
  ck_assert_mem_eq (data,
      "\x89\x02"
      "dv",
      4);
  ck_assert (dvs_metrics_value (metrics, DVS_COUNT_DROPS ":no-pong") == 1);
}
END_TEST

START_TEST (a_ping_is_answered_between_frames)
{
  guint8 data[64];

  say (0x89, "now", 3);
  ck_assert_uint_eq (receive (data, sizeof data), 5);
  ck_assert_mem_eq (data, "\x8a\x03now", 5);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("client");
  TCase *tests = tcase_create ("client");
  SRunner *runner;
  int failed;

  tcase_set_timeout (tests, 60);
  tcase_add_checked_fixture (tests, set_up, tear_down);
  tcase_add_test (tests, messages_both_ways);
  tcase_add_test (tests, what_is_not_taken_is_counted);
  tcase_add_test (tests, what_is_added_while_none_is_taken_is_told);
  tcase_add_test (tests, a_text_that_is_none);
  tcase_add_test (tests, a_message_that_is_too_large);
  tcase_add_test (tests, we_close);
  tcase_add_test (tests, the_peer_closes);
  tcase_add_test (tests, the_peer_vanishes);
  tcase_add_test (tests, a_peer_that_does_not_pong);
  tcase_add_test (tests, a_ping_is_answered_between_frames);
  suite_add_tcase (suite, tests);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
