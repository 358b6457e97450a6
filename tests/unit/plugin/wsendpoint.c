/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of wsendpoint.c: viewers that come and go, and the end of a stream that
 * has failed.
 */
#include <check.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "endpoint-rig.h"

static EndpointRig *rig;

static void
set_up (void)
{
  rig = endpoint_rig_new ();
}

static void
tear_down (void)
{
  endpoint_rig_free (rig);
}

static gboolean
contains (const GByteArray *bytes, const char *text)
{
  return memmem (bytes->data, bytes->len, text, strlen (text)) != NULL;
}

START_TEST (viewers_come_and_go)
{
  guint64 first, second;
  int one = endpoint_rig_watch (rig, &first);
  int two = endpoint_rig_watch (rig, &second);

  ck_assert_uint_ne (first, second);
  ck_assert_uint_eq (rig->added, 2);
  ck_assert_uint_eq (ws_endpoint_alive (rig->endpoint), 2);
  close (one);
  endpoint_rig_run (rig);
  ck_assert_uint_eq (ws_endpoint_alive (rig->endpoint), 1);
  ck_assert_uint_eq (rig->removed, 1);
  ck_assert_ptr_null (ws_endpoint_find (rig->endpoint, first));
  ck_assert_ptr_nonnull (ws_endpoint_find (rig->endpoint, second));
  /* Nobody is there to get it. */
  ws_endpoint_reply (rig->endpoint, first, g_strdup ("{}"));
  close (two);
}
END_TEST

/* Between begin and end of a hold nothing is written; then all of it is, by
 * whoever stands in, without the relay thread. */
START_TEST (what_is_held)
{
  GPtrArray *spent = g_ptr_array_new_with_free_func (
      (GDestroyNotify)(void (*) (void))ws_item_unref);
  GByteArray *got;
  guint64 id;
  guint8 byte;
  int end = endpoint_rig_watch (rig, &id);

  endpoint_rig_push (rig, 1);
  g_byte_array_unref (endpoint_rig_read (rig, end));
  ck_assert (ws_endpoint_begin_hold (rig->endpoint));
  ws_endpoint_push_text (rig->endpoint, g_strdup ("{\"held\":1}"));
  endpoint_rig_run (rig);
  ck_assert_int_eq (recv (end, &byte, 1, MSG_DONTWAIT), -1);
  ws_endpoint_end_hold (rig->endpoint, spent);
  ck_assert_int_eq (recv (end, &byte, 1, MSG_DONTWAIT | MSG_PEEK), 1);
  got = endpoint_rig_read (rig, end);
  ck_assert (contains (got, "{\"held\":1}"));
  g_byte_array_unref (got);
  g_ptr_array_unref (spent);
  close (end);
}
END_TEST

/* The first error is the last that anybody is told, who comes later too. */
START_TEST (a_stream_that_has_failed)
{
  GByteArray *got;
  guint64 id;
  int end = endpoint_rig_watch (rig, &id), late;

  ws_endpoint_fail (rig->endpoint, g_strdup ("{\"why\":1}"));
  ws_endpoint_fail (rig->endpoint, g_strdup ("{\"why\":2}"));
  ws_endpoint_push_text (rig->endpoint, g_strdup ("{\"more\":1}"));
  late = endpoint_rig_watch (rig, &id);
  got = endpoint_rig_read (rig, end);
  ck_assert (contains (got, "{\"why\":1}"));
  ck_assert (!contains (got, "{\"why\":2}"));
  ck_assert (!contains (got, "{\"more\":1}"));
  g_byte_array_unref (got);
  got = endpoint_rig_read (rig, late);
  ck_assert (contains (got, "{\"why\":1}"));
  ck_assert (contains (got, "the stream has failed"));
  g_byte_array_unref (got);
  close (end);
  close (late);
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
  tcase_add_test (tests, viewers_come_and_go);
  tcase_add_test (tests, what_is_held);
  tcase_add_test (tests, a_stream_that_has_failed);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  /* None run is as bad: it happens when two versions of check meet. */
  failed = srunner_ntests_failed (runner) || !srunner_ntests_run (runner);
  srunner_free (runner);
  return failed != 0;
}
