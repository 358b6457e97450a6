/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of link.c: frames in whatever pieces, in order, held back, and what is
 * no frame of a sink's.
 */
#include "link.h"

#include <check.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "slot-rig.h"
#include "wsframe.h"

static int far_end;
static DvsLink *lk;
static GString *heard; /* "event:type;" "media:size;" "ended:why;" */
static gboolean free_at_media, stop_at_media;

static void
on_event (gpointer user, JsonObject *event)
{
  g_string_append_printf (
      heard, "event:%s;", json_object_get_string_member (event, "type"));
}

static void
on_media (gpointer user, GBytes *bytes)
{
  g_string_append_printf (
      heard, "media:%" G_GSIZE_FORMAT ";", g_bytes_get_size (bytes));
  if (free_at_media)
    g_clear_pointer (&lk, dvs_link_free);
  if (stop_at_media)
    dvs_link_set_reading (lk, FALSE);
}

static void
on_ended (gpointer user, const gchar *why)
{
  g_string_append (heard, why ? "ended:why;" : "ended;");
}

static const DvsLinkEvents events = {on_event, on_media, on_ended};

static void
set_up (void)
{
  lk = dvs_link_new (&events, NULL, &far_end, NULL);
  ck_assert_ptr_nonnull (lk);
  heard = g_string_new (NULL);
  free_at_media = stop_at_media = FALSE;
}

static void
tear_down (void)
{
  if (lk)
    dvs_link_free (lk);
  if (far_end >= 0)
    close (far_end);
  g_string_free (heard, TRUE);
}

static const gchar *expected;

static gboolean
is_expected (gpointer data)
{
  return strlen (heard->str) >= strlen (expected);
}

static void
expect (const gchar *text)
{
  expected = text;
  ck_assert_msg (wait_until (is_expected, NULL, 10), "%s", heard->str);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  ck_assert_str_eq (heard->str, text);
}

/* Sends it while the other side reads. */
static void
send_all (const guint8 *data, gsize size, gsize piece)
{
  while (size) {
    gssize sent =
        send (far_end, data, MIN (size, piece), MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent > 0) {
      data += sent;
      size -= (gsize)sent;
    }
    while (g_main_context_iteration (NULL, FALSE))
      ;
  }
}

static void
send_frame (guint opcode, const gchar *payload, gsize size, gsize piece)
{
  guint8 *frame = g_malloc (WS_HEADER_MAX + size);
  gsize head = ws_frame_header (frame, opcode, size);

  if (size)
    memcpy (frame + head, payload, size);
  send_all (frame, head + size, piece);
  g_free (frame);
}

static void
send_media (gsize size, gsize piece)
{
  gchar *payload = g_malloc0 (size + 1);

  send_frame (WS_OP_BINARY, payload, size, piece);
  g_free (payload);
}

#define TEXT "{\"type\":\"media_init\"}"

START_TEST (everything_in_order)
{
  send_frame (WS_OP_TEXT, TEXT, strlen (TEXT), 1);
  send_media (0, 1);
  send_media (125, 3);
  send_media (126, 100);
  send_frame (WS_OP_PING, "dv", 2, 100);
  send_media (65535, 1000);
  send_media (65536, 1000);
  send_frame (WS_OP_TEXT, TEXT, strlen (TEXT), 1000);
  send_media (5 * 1024 * 1024, 1 << 20);
  send_frame (WS_OP_CLOSE, "\x03\xe8", 2, 100);
  expect ("event:media_init;media:0;media:125;media:126;media:65535;"
          "media:65536;event:media_init;media:5242880;ended;");
}
END_TEST

START_TEST (held_back)
{
  dvs_link_set_reading (lk, FALSE);
  ck_assert (!dvs_link_is_reading (lk));
  send_media (10, 100);
  send_media (20, 100);
  ck_assert_str_eq (heard->str, "");
  stop_at_media = TRUE;
  dvs_link_set_reading (lk, TRUE);
  expect ("media:10;");
  ck_assert (!dvs_link_is_reading (lk));
  dvs_link_set_reading (lk, TRUE);
  expect ("media:10;media:20;");
}
END_TEST

START_TEST (freed_by_its_own_media)
{
  free_at_media = TRUE;
  dvs_link_set_reading (lk, FALSE);
  send_media (10, 100);
  send_media (20, 100);
  dvs_link_set_reading (lk, TRUE);
  expect ("media:10;");
}
END_TEST

/* The sink closes what it ends: what only breaks off was cut. */
START_TEST (end_between_messages)
{
  send_media (10, 100);
  close (far_end);
  far_end = -1;
  expect ("media:10;ended:why;");
}
END_TEST

START_TEST (end_in_a_header)
{
  send_media (10, 100);
  send_all ((const guint8 *)"\x82", 1, 1);
  close (far_end);
  far_end = -1;
  expect ("media:10;ended:why;");
}
END_TEST

START_TEST (end_in_a_payload)
{
  send_all ((const guint8 *)"\x82\x05xx", 4, 4);
  close (far_end);
  far_end = -1;
  expect ("ended:why;");
}
END_TEST

static const struct {
  const gchar *bytes;
  gsize size;
} nonsense[] = {
    {"\x82\x80\0\0\0\0", 6},                          /* masked */
    {"\x02\x01x", 3},                                 /* cut into frames */
    {"\x80\x01x", 3},                                 /* goes on with nothing */
    {"\xc2\x01x", 3},                                 /* an extension's */
    {"\x83\x01x", 3},                                 /* no such opcode */
    {"\x89\x7e\x00\x7e", 4},                          /* a ping of 126 */
    {"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10}, /* too long */
    {"\x81\x7f\x00\x00\x00\x00\x7f\xff\xff\xff", 10},
    {"\x81\x02[]", 4}, /* no event */
    {"\x81\x02\xff\xff", 4},
    {"\x81\x00", 2},
    {"HTTP/1.1 400 Bad Request\r\n", 26},
};

START_TEST (nonsense_ends_it)
{
  send_all ((const guint8 *)nonsense[_i].bytes, nonsense[_i].size, 100);
  expect ("ended:why;");
}
END_TEST

/* Pongs come unasked, masked as a client's are, so that a sink whose ping is
 * not read does not give the link up. */
START_TEST (says_that_it_lives)
{
  guint8 data[16];
  gint64 deadline = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;
  gssize got = -1;

  dvs_link_set_reading (lk, FALSE);
  while (got < 0 && g_get_monotonic_time () < deadline) {
    g_main_context_iteration (NULL, TRUE);
    got = recv (far_end, data, sizeof data, MSG_DONTWAIT);
  }
  ck_assert_int_eq (got, 6);
  ck_assert_uint_eq (data[0], 0x80 | WS_OP_PONG);
  ck_assert_uint_eq (data[1], 0x80);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("link");
  TCase *tcase = tcase_create ("link");
  SRunner *runner = srunner_create (suite);
  int failed;

  tcase_add_checked_fixture (tcase, set_up, tear_down);
  tcase_set_timeout (tcase, 60);
  tcase_add_test (tcase, everything_in_order);
  tcase_add_test (tcase, held_back);
  tcase_add_test (tcase, freed_by_its_own_media);
  tcase_add_test (tcase, end_between_messages);
  tcase_add_test (tcase, end_in_a_header);
  tcase_add_test (tcase, end_in_a_payload);
  tcase_add_loop_test (tcase, nonsense_ends_it, 0, G_N_ELEMENTS (nonsense));
  tcase_add_test (tcase, says_that_it_lives);
  suite_add_tcase (suite, tcase);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed != 0;
}
