/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dreamversesrc: start images of every format that is taken, and files that
 * are none, are damaged, or would fill the memory.
 */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "dreamversesrc-common.h"

/* What makes a picture, and the smallest file it comes to. */
static const gchar *const formats[] = {
    "video/x-raw,format=RGB ! pngenc",
    "video/x-raw,format=I420 ! jpegenc",
    "video/x-raw,format=RGB ! webpenc",
    "video/x-raw,format=RGB ! webpenc lossless=true",
    "video/x-raw,format=RGBA ! alpha alpha=0.9 ! webpenc",
};

static gchar *
temporary_path (void)
{
  gchar *path = g_build_filename (g_get_tmp_dir (), "picture-XXXXXX", NULL);
  gint fd = g_mkstemp (path);

  fail_unless (fd >= 0 && g_close (fd, NULL));
  return path;
}

static void
remove_path (gchar *path)
{
  g_remove (path);
  g_free (path);
}

/* The path of a picture that this @encoder made. */
static gchar *
make_picture (const gchar *encoder, const gchar *pattern, gint width)
{
  gchar *path = temporary_path ();
  gchar *launch = g_strdup_printf (
      "videotestsrc num-buffers=1 pattern=%s ! video/x-raw,width=%d,height=48 "
      "! videoconvert ! %s ! filesink location=%s",
      pattern, width, encoder, path);
  GstElement *pipeline = gst_parse_launch (launch, NULL);
  GstMessage *message;
  GstBus *bus;

  fail_unless (pipeline != NULL, "%s", launch);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (
      bus, PATIENCE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  fail_unless (
      message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS, "%s", launch);
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
  g_free (launch);
  return path;
}

/* The mean of the first frame's V plane. */
static guint
mean_red (const gchar *image)
{
  Fixture f;
  GstBuffer *buffer;
  GstMapInfo map;
  guint sum = 0, i;

  fixture_init (&f, source_new ("segments", 1, "start-image", image, NULL));
  fixture_play (&f);
  buffer = gst_harness_pull (f.video);
  fail_unless (buffer != NULL);
  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_READ));
  for (i = 0; i < 32 * 32; i++)
    sum += map.data[64 * 64 + 32 * 32 + i];
  gst_buffer_unmap (buffer, &map);
  gst_buffer_unref (buffer);
  fail_if (gst_bus_pop_filtered (f.bus, GST_MESSAGE_ERROR));
  fixture_clear (&f);
  return sum / (32 * 32);
}

GST_START_TEST (test_start_image_colours_the_scene)
{
  gchar *path = make_picture (formats[__i__], "red", 64);

  fail_unless (mean_red (path) > mean_red (NULL), "%s", formats[__i__]);
  remove_path (path);
}
GST_END_TEST

/* ---- files that cannot be used ---- */

static void
expect_path_refused (const gchar *path, const gchar *part)
{
  expect_refused (source_new ("start-image", path, NULL), GST_RESOURCE_ERROR,
      GST_RESOURCE_ERROR_OPEN_READ, part);
}

static void
expect_image_refused (gconstpointer data, gsize size, const gchar *part)
{
  gchar *path = temporary_path ();

  fail_unless (g_file_set_contents (path, data, size, NULL));
  expect_path_refused (path, part);
  remove_path (path);
}

GST_START_TEST (test_start_image_missing)
{
  expect_path_refused ("/no/such/picture.png", "/no/such/picture");
}
GST_END_TEST

GST_START_TEST (test_start_image_is_no_file)
{
  expect_path_refused (g_get_tmp_dir (), "is not a file");
}
GST_END_TEST

GST_START_TEST (test_start_image_is_no_picture)
{
  gchar *path = temporary_path ();

  fail_unless (g_file_set_contents (path, "nothing to see here", -1, NULL));
  expect_path_refused (path, path);
  fail_unless (g_file_set_contents (path, "", 0, NULL));
  expect_path_refused (path, path);
  remove_path (path);
}
GST_END_TEST

GST_START_TEST (test_start_image_is_a_huge_file)
{
  gchar *path = temporary_path ();

  /* a hole: it takes no room */
  fail_unless (truncate (path, 65 * 1024 * 1024) == 0);
  expect_path_refused (path, "at most 67108864 are read");
  remove_path (path);
}
GST_END_TEST

/* Few bytes that would become gigabytes. */
GST_START_TEST (test_start_image_is_a_bomb)
{
  static const guint8 png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0,
      0, 0, 13, 'I', 'H', 'D', 'R', 0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60, 8, 2, 0,
      0, 0};
  static const guint8 jpeg[] = {0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xff,
      0xc2, 0, 17, 8, 0xff, 0xff, 0xff, 0xfe, 3};
  static const guint8 webp[] = {'R', 'I', 'F', 'F', 30, 0, 0, 0, 'W', 'E', 'B',
      'P', 'V', 'P', '8', 'X', 10, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
      0xff, 0xff};

  expect_image_refused (png, sizeof png, "60000x60000");
  expect_image_refused (jpeg, sizeof jpeg, "65534x65535");
  expect_image_refused (webp, sizeof webp, "16777216x16777216");
}
GST_END_TEST

/* Of each format, so large that it is refused though it is sound. */
GST_START_TEST (test_start_image_is_too_wide)
{
  gchar *path = make_picture (formats[__i__], "black", 8200);

  expect_path_refused (path, "8200x48");
  remove_path (path);
}
GST_END_TEST

/* A list that would have something fetched. */
GST_START_TEST (test_start_image_is_a_list)
{
  static const gchar list[] = "#EXTM3U\n#EXT-X-TARGETDURATION:5\n"
                              "#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n";

  expect_image_refused (list, strlen (list), "no PNG, JPEG or WebP");
}
GST_END_TEST

/* Cut off anywhere it is refused in a sentence, or what is there is used: some
 * decoders show what they have. */
GST_START_TEST (test_start_image_is_cut_off)
{
  gchar *path = make_picture (formats[__i__], "snow", 64);
  gchar *data;
  gsize size, cut;

  fail_unless (g_file_get_contents (path, &data, &size, NULL));
  for (cut = 1; cut <= 4; cut++) {
    GstMessage *message;
    Fixture f;

    fail_unless (truncate (path, size * cut / 5) == 0);
    fixture_init (&f, source_new ("segments", 1, "start-image", path, NULL));
    fixture_play (&f);
    g_ptr_array_unref (pull_all (f.video));
    g_ptr_array_unref (pull_all (f.audio));
    message = gst_bus_timed_pop_filtered (
        f.bus, PATIENCE, GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT);
    fail_unless (message != NULL);
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
      GError *error;

      gst_message_parse_error (message, &error, NULL);
      fail_unless (strstr (error->message, path) != NULL, "%s", error->message);
      g_error_free (error);
    }
    gst_message_unref (message);
    fixture_clear (&f);
    fail_unless (g_file_set_contents (path, data, size, NULL));
  }
  /* after the header there is nothing at all to be shown */
  fail_unless (truncate (path, 40) == 0);
  expect_path_refused (path, path);
  g_free (data);
  remove_path (path);
}
GST_END_TEST

static Suite *
dreamversesrc_image_suite (void)
{
  Suite *s = suite_create ("dreamversesrc-image");
  TCase *tc = tcase_create ("images");

  suite_add_tcase (s, tc);
  tcase_add_loop_test (
      tc, test_start_image_colours_the_scene, 0, G_N_ELEMENTS (formats));
  tcase_add_test (tc, test_start_image_missing);
  tcase_add_test (tc, test_start_image_is_no_file);
  tcase_add_test (tc, test_start_image_is_no_picture);
  tcase_add_test (tc, test_start_image_is_a_huge_file);
  tcase_add_test (tc, test_start_image_is_a_bomb);
  tcase_add_loop_test (
      tc, test_start_image_is_too_wide, 0, G_N_ELEMENTS (formats));
  tcase_add_test (tc, test_start_image_is_a_list);
  tcase_add_loop_test (
      tc, test_start_image_is_cut_off, 0, G_N_ELEMENTS (formats));
  return s;
}

GST_CHECK_MAIN (dreamversesrc_image);
