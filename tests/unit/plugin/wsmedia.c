/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of wsmedia.c: units out of bytes in any slices, without a copy where
 * a buffer is a unit, and what they tell of time and keyframes.
 */
#include <check.h>
#include <string.h>

#include "wsmedia.h"

typedef struct {
  GPtrArray *events;
  guint stop_after; /* 0: never */
} Got;

static gboolean
take (WsEvent *event, gpointer user_data)
{
  Got *got = user_data;

  g_ptr_array_add (got->events, event);
  return !got->stop_after || got->events->len < got->stop_after;
}

static Got
got_new (void)
{
  Got got = {g_ptr_array_new_with_free_func ((GDestroyNotify)ws_event_free), 0};

  return got;
}

/* A file of the tests' data, whole. */
static GBytes *
load (const char *name)
{
  gchar *path = g_build_filename (g_getenv ("TEST_DATA"), name, NULL);
  gchar *data;
  gsize size;

  ck_assert (g_file_get_contents (path, &data, &size, NULL));
  g_free (path);
  return g_bytes_new_take (data, size);
}

static const WsEvent *
nth (const Got *got, guint n)
{
  return g_ptr_array_index (got->events, n);
}

static WsMediaResult
push_slices (WsMediaReader *reader, GBytes *file, gsize slice, Got *got)
{
  gsize at, size = g_bytes_get_size (file);
  Fmp4Error error = {""};
  WsMediaResult result = WS_MEDIA_OK;

  for (at = 0; at < size && result == WS_MEDIA_OK; at += slice) {
    GBytes *part = g_bytes_new_from_bytes (
        file, at, slice < size - at ? slice : size - at);

    result = ws_media_reader_push (reader, part, take, got, &error);
    g_bytes_unref (part);
  }
  return result;
}

static void
check_times (const Got *got)
{
  guint64 picture = 0;
  guint i, keys = 0;

  ck_assert_uint_gt (got->events->len, 2);
  ck_assert_int_eq (nth (got, 0)->type, WS_EVENT_INIT);
  ck_assert_uint_gt (nth (got, 0)->width, 0);
  ck_assert_ptr_nonnull (
      strstr (nth (got, 0)->mime, "video/mp4; codecs=\"avc1"));
  for (i = 1; i < got->events->len; i++) {
    const WsEvent *event = nth (got, i);

    ck_assert_int_eq (event->type, WS_EVENT_FRAGMENT);
    ck_assert_uint_gt (event->media_end, event->media_start);
    keys += event->key;
    if (event->companion) {
      ck_assert (!event->key);
      ck_assert_uint_eq (event->duration, 0);
      continue;
    }
    /* the picture goes on without a gap; times are rounded down */
    if (picture)
      ck_assert_uint_le (event->media_start > picture
                             ? event->media_start - picture
                             : picture - event->media_start,
          1000);
    picture = event->media_start + event->duration;
  }
  ck_assert_uint_gt (keys, 0);
  ck_assert (nth (got, 1)->key || nth (got, 2)->key);
}

static const char *files[] = {"mp4mux.mp4", "ffmpeg.mp4"};

START_TEST (units_in_any_slices)
{
  static const gsize slices[] = {1, 7, 1000, 1 << 20};
  GBytes *file = load (files[_i]);
  guint i, units = 0;

  for (i = 0; i < G_N_ELEMENTS (slices); i++) {
    WsMediaReader reader;
    Got got = got_new ();

    ws_media_reader_init (&reader);
    ck_assert_int_eq (
        push_slices (&reader, file, slices[i], &got), WS_MEDIA_OK);
    check_times (&got);
    if (units)
      ck_assert_uint_eq (got.events->len, units);
    units = got.events->len;
    ws_media_reader_clear (&reader);
    g_ptr_array_unref (got.events);
  }
  g_bytes_unref (file);
}
END_TEST

/* dreamversemux's way: nothing is copied. */
START_TEST (a_buffer_that_is_a_unit)
{
  GBytes *file = load ("mp4mux.mp4");
  WsMediaReader cut, reader;
  Got units = got_new (), got = got_new ();
  Fmp4Error error = {""};
  guint i;

  ws_media_reader_init (&cut);
  ws_media_reader_init (&reader);
  push_slices (&cut, file, 1 << 20, &units);
  for (i = 0; i < units.events->len; i++) {
    ck_assert_int_eq (ws_media_reader_push (
                          &reader, nth (&units, i)->bytes, take, &got, &error),
        WS_MEDIA_OK);
    ck_assert_uint_eq (got.events->len, i + 1);
    ck_assert_ptr_eq (nth (&got, i)->bytes, nth (&units, i)->bytes);
    ck_assert_uint_eq (nth (&got, i)->key, nth (&units, i)->key);
  }
  ws_media_reader_clear (&cut);
  ws_media_reader_clear (&reader);
  g_ptr_array_unref (units.events);
  g_ptr_array_unref (got.events);
  g_bytes_unref (file);
}
END_TEST

/* After a flush what was half there is gone, and the next unit is whole. */
START_TEST (half_a_unit_is_forgotten)
{
  GBytes *file = load ("mp4mux.mp4");
  WsMediaReader reader;
  Got got = got_new ();
  GBytes *half = g_bytes_new_from_bytes (file, 0, 100);
  Fmp4Error error = {""};

  ws_media_reader_init (&reader);
  ws_media_reader_push (&reader, half, take, &got, &error);
  ck_assert_uint_eq (got.events->len, 0);
  ws_media_reader_flush (&reader);
  ck_assert_int_eq (push_slices (&reader, file, 1000, &got), WS_MEDIA_OK);
  check_times (&got);
  g_bytes_unref (half);
  ws_media_reader_clear (&reader);
  g_ptr_array_unref (got.events);
  g_bytes_unref (file);
}
END_TEST

START_TEST (it_stops_when_told)
{
  GBytes *file = load ("mp4mux.mp4");
  WsMediaReader reader;
  Got got = got_new ();

  got.stop_after = 2;
  ws_media_reader_init (&reader);
  ck_assert_int_eq (
      push_slices (&reader, file, 1 << 20, &got), WS_MEDIA_STOPPED);
  ck_assert_uint_eq (got.events->len, 2);
  ws_media_reader_clear (&reader);
  g_ptr_array_unref (got.events);
  g_bytes_unref (file);
}
END_TEST

/* One sentence for what is none, whole or in slices. */
START_TEST (what_is_no_mp4)
{
  static const char text[] = "\0\0\0\30ftypisom....isomiso2\0\0\0\20moov"
                             "\0\0\0\10trak\0\0\0\20moofnonsense"
                             "\0\0\0\11mdat!";
  GBytes *file = g_bytes_new_static (text, sizeof text - 1);
  static const gsize slices[] = {1 << 20, 3};
  guint i;

  for (i = 0; i < 2; i++) {
    WsMediaReader reader;
    Got got = got_new ();

    ws_media_reader_init (&reader);
    ck_assert_int_eq (
        push_slices (&reader, file, slices[i], &got), WS_MEDIA_BAD);
    ws_media_reader_clear (&reader);
    g_ptr_array_unref (got.events);
  }
  g_bytes_unref (file);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("wsmedia");
  TCase *tests = tcase_create ("wsmedia");
  SRunner *runner;
  int failed;

  suite_add_tcase (suite, tests);
  tcase_add_loop_test (tests, units_in_any_slices, 0, G_N_ELEMENTS (files));
  tcase_add_test (tests, a_buffer_that_is_a_unit);
  tcase_add_test (tests, half_a_unit_is_forgotten);
  tcase_add_test (tests, it_stops_when_told);
  tcase_add_test (tests, what_is_no_mp4);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  /* None run is as bad: it happens when two versions of check meet. */
  failed = srunner_ntests_failed (runner) || !srunner_ntests_run (runner);
  srunner_free (runner);
  return failed != 0;
}
