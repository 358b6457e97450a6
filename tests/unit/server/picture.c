/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of picture-check.c: good pictures, bad ones, bombs, a decoder that
 * hangs, many at once. Nothing is left of any.
 */
#include <check.h>
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "picture-check.h"
#include "process.h"
#include "session-image.h"
#include "slot-rig.h"

/* A sanitizer slows down what it sees, and not what a library does. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TIMES 0
#else
#define TIMES 1
#endif

static gchar *directory;
static DvsPictures *pictures;
static gboolean told;
static gchar *written;

/* Once, and before GLib looks where such files belong, which it does once. */
static void
make_directory (void)
{
  const gchar *place = g_getenv ("TMPDIR");

  directory =
      g_build_filename (place ? place : "/tmp", "pictures-XXXXXX", NULL);
  ck_assert_ptr_nonnull (g_mkdtemp (directory));
  g_setenv ("TMPDIR", directory, TRUE);
}

static void
remove_directory (void)
{
  g_rmdir (directory);
  g_free (directory);
}

static void
set_up (void)
{
  told = FALSE;
  pictures = dvs_pictures_new ();
}

static guint
files_left (void)
{
  GDir *dir = g_dir_open (directory, 0, NULL);
  guint count = 0;

  while (g_dir_read_name (dir))
    count++;
  g_dir_close (dir);
  return count;
}

static void
tear_down (void)
{
  dvs_pictures_free (pictures);
  ck_assert_uint_eq (files_left (), 0);
}

static void
done (gpointer user, gchar *path, const gchar *problem)
{
  ck_assert (!told);
  ck_assert (!path == (problem != NULL));
  told = TRUE;
  written = path;
}

static gboolean
is_told (gpointer data)
{
  return told;
}

static GBytes *
base64 (GBytes *bytes)
{
  gsize size;
  const guchar *data = g_bytes_get_data (bytes, &size);
  gchar *text = size ? g_base64_encode (data, size) : g_strdup ("");

  return g_bytes_new_take (text, strlen (text));
}

static void
begin (GBytes *bytes, GCancellable *cancellable, DvsPictureFunc func)
{
  GBytes *text = base64 (bytes);

  dvs_picture_check (pictures, text, cancellable, func, NULL);
  g_bytes_unref (text);
}

/* The path of what was made of it, NULL if it is none. */
static gchar *
check (GBytes *bytes)
{
  told = FALSE;
  written = NULL;
  begin (bytes, NULL, done);
  ck_assert (!told);
  ck_assert (wait_until (is_told, NULL, 30));
  return written;
}

/* A picture of 64x48 as @encoder writes it. */
static GBytes *
make (const gchar *format, const gchar *encoder)
{
  gchar *path = g_build_filename (directory, "made", NULL);
  gchar *launch = g_strdup_printf (
      "videotestsrc num-buffers=1 ! video/x-raw,width=64,height=48,format=%s ! "
      "%s ! filesink location=%s",
      format, encoder, path);
  GstElement *pipeline;
  GstMessage *message;
  GstBus *bus;
  gchar *data;
  gsize size;

  gst_init (NULL, NULL);
  pipeline = gst_parse_launch (launch, NULL);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (
      bus, 20 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  ck_assert (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS);
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  gst_object_unref (bus);
  ck_assert (g_file_get_contents (path, &data, &size, NULL));
  ck_assert (size > 100);
  g_unlink (path);
  g_free (path);
  g_free (launch);
  return g_bytes_new_take (data, size);
}

static guint32
big (const gchar *at)
{
  guint32 value;

  memcpy (&value, at, sizeof value);
  return GUINT32_FROM_BE (value);
}

/* What was written is a PNG of 64x48, nobody else's to read. */
static void
expect_good (GBytes *bytes, gint colour_type)
{
  gchar *path = check (bytes), *data;
  struct stat info;
  gsize size;

  ck_assert_ptr_nonnull (path);
  ck_assert (g_str_has_prefix (path, directory));
  ck_assert_int_eq (stat (path, &info), 0);
  ck_assert_uint_eq (info.st_mode & 0777, 0600);
  ck_assert (g_file_get_contents (path, &data, &size, NULL));
  ck_assert_uint_gt (size, 33);
  ck_assert_int_eq (memcmp (data, "\x89PNG\r\n\x1a\n", 8), 0);
  ck_assert_uint_eq (big (data + 16), 64);
  ck_assert_uint_eq (big (data + 20), 48);
  ck_assert_int_eq (data[25], colour_type);
  g_unlink (path);
  g_free (path);
  g_free (data);
  g_bytes_unref (bytes);
}

static void
expect_bad (GBytes *bytes)
{
  gchar *path = check (bytes);

  ck_assert_msg (path == NULL, "%s", path);
  g_bytes_unref (bytes);
}

START_TEST (good_ones)
{
  expect_good (make ("RGB", "pngenc"), 2);
  expect_good (make ("RGBA", "pngenc"), 6);
  expect_good (make ("I420", "jpegenc"), 2);
  expect_good (make ("RGB", "webpenc lossless=true"), 2);
  expect_good (make ("I420", "webpenc"), 2);
}
END_TEST

START_TEST (cut_off)
{
  static const gchar *const encoders[] = {"pngenc", "webpenc"};
  guint i;

  for (i = 0; i < G_N_ELEMENTS (encoders); i++) {
    GBytes *whole = make (i == 0 ? "RGB" : "I420", encoders[i]);

    expect_bad (
        g_bytes_new_from_bytes (whole, 0, g_bytes_get_size (whole) / 2));
    expect_bad (g_bytes_new_from_bytes (whole, 0, 12));
    g_bytes_unref (whole);
  }
}
END_TEST

START_TEST (nothing_and_garbage)
{
  guint8 *garbage = g_malloc (8 * 1024 * 1024);
  guint32 state = 1;
  gsize i;

  expect_bad (g_bytes_new_static ("", 0));
  expect_bad (g_bytes_new_static ("GIF89a", 6));
  expect_bad (g_bytes_new_static ("#EXTM3U\nhttp://127.0.0.1/", 24));
  for (i = 0; i < 8 * 1024 * 1024; i++) {
    state = state * 1664525 + 1013904223;
    garbage[i] = (guint8)(state >> 24);
  }
  expect_bad (g_bytes_new (garbage, 8 * 1024 * 1024));
  memcpy (garbage, "\x89PNG\r\n\x1a\n", 8);
  expect_bad (g_bytes_new (garbage, 8 * 1024 * 1024));
  memcpy (garbage, "\xff\xd8\xff\xe0", 4);
  expect_bad (g_bytes_new (garbage, 8 * 1024 * 1024));
  memcpy (garbage, "RIFF\xf8\xff\x7f\x00WEBPVP8 ", 16);
  expect_bad (g_bytes_new_take (garbage, 8 * 1024 * 1024));
}
END_TEST

/* ---- a bomb: 50 kB that say 400 million pixels ---- */

static guint32
crc (const guint8 *data, gsize size)
{
  guint32 value = 0xffffffff;
  gsize i;
  guint bit;

  for (i = 0; i < size; i++) {
    value ^= data[i];
    for (bit = 0; bit < 8; bit++)
      value = value & 1 ? value >> 1 ^ 0xedb88320 : value >> 1;
  }
  return ~value;
}

static void
add_big (GByteArray *to, guint32 value)
{
  value = GUINT32_TO_BE (value);
  g_byte_array_append (to, (const guint8 *)&value, 4);
}

static void
add_chunk (GByteArray *png, const gchar *name, const guint8 *data, guint size)
{
  guint at;

  add_big (png, size);
  at = png->len;
  g_byte_array_append (png, (const guint8 *)name, 4);
  if (size)
    g_byte_array_append (png, data, size);
  add_big (png, crc (png->data + at, png->len - at));
}

static GBytes *
make_bomb (guint side)
{
  GByteArray *png = g_byte_array_new (), *head = g_byte_array_new ();
  GZlibCompressor *zlib =
      g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_ZLIB, 9);
  gsize raw = (gsize)side * (1 + (side + 7) / 8), in, out, at = 0,
        room = 1 << 20;
  guint8 *zeros = g_malloc0 (raw), *packed = g_malloc (room);

  ck_assert_int_eq (g_converter_convert (G_CONVERTER (zlib), zeros, raw, packed,
                        room, G_CONVERTER_INPUT_AT_END, &in, &out, NULL),
      G_CONVERTER_FINISHED);
  at = out;
  g_byte_array_append (png, (const guint8 *)"\x89PNG\r\n\x1a\n", 8);
  add_big (head, side);
  add_big (head, side);
  g_byte_array_append (head, (const guint8 *)"\x01\x00\x00\x00\x00", 5);
  add_chunk (png, "IHDR", head->data, head->len);
  add_chunk (png, "IDAT", packed, (guint)at);
  add_chunk (png, "IEND", NULL, 0);
  g_byte_array_unref (head);
  g_object_unref (zlib);
  g_free (zeros);
  g_free (packed);
  return g_byte_array_free_to_bytes (png);
}

START_TEST (bombs)
{
  GBytes *bomb = make_bomb (20000);

  ck_assert_uint_lt (g_bytes_get_size (bomb), 100 * 1000);
  expect_bad (bomb);
}
END_TEST

/* ---- a decoder that hangs ---- */

/* The child that decodes; 0: there is none. */
static GPid
find_child (void)
{
  gchar *path = g_strdup_printf ("/proc/self/task/%d/children", (int)getpid ());
  gchar *text = NULL;
  GPid pid = 0;

  if (g_file_get_contents (path, &text, NULL, NULL))
    pid = atoi (text);
  g_free (text);
  g_free (path);
  return pid;
}

static gboolean
stop_child (gpointer data)
{
  GPid pid = find_child ();

  if (pid)
    kill (pid, SIGSTOP);
  return pid != 0;
}

START_TEST (one_that_hangs)
{
  GBytes *bytes = make ("RGB", "pngenc");
  gint64 started = g_get_monotonic_time ();
  gint64 took;

  begin (bytes, NULL, done);
  ck_assert (wait_until (stop_child, NULL, 5));
  ck_assert (wait_until (is_told, NULL, 20));
  took = g_get_monotonic_time () - started;
  ck_assert_ptr_null (written);
  ck_assert_int_le (took, 12 * G_USEC_PER_SEC);
  g_bytes_unref (bytes);
}
END_TEST

static gboolean
no_child (gpointer data)
{
  return find_child () == 0 && files_left () == 0;
}

START_TEST (cancelled)
{
  GCancellable *cancellable = g_cancellable_new ();
  GBytes *bytes = make ("RGB", "pngenc");

  begin (bytes, cancellable, done);
  g_cancellable_cancel (cancellable);
  ck_assert (wait_until (no_child, NULL, 10));
  ck_assert (!told);
  g_object_unref (cancellable);
  g_bytes_unref (bytes);
}
END_TEST

/* ---- many, and large ones ---- */

#define MANY 7
#define AT_ONCE 4

static guint answers;

static void
count_answer (gpointer user, gchar *path, const gchar *problem)
{
  /* On a machine that is slow enough none is good in time. */
  if (path)
    g_unlink (path);
  g_free (path);
  answers++;
}

static guint
count_children (void)
{
  gchar *path = g_strdup_printf ("/proc/self/task/%d/children", (int)getpid ());
  gchar *text = NULL, **pids;
  guint count = 0;

  if (g_file_get_contents (path, &text, NULL, NULL)) {
    pids = g_strsplit (g_strstrip (text), " ", -1);
    count = *text ? g_strv_length (pids) : 0;
    g_strfreev (pids);
  }
  g_free (text);
  g_free (path);
  return count;
}

static gboolean
all_answered (gpointer data)
{
  ck_assert_uint_le (count_children (), AT_ONCE);
  return answers == MANY - 2 && no_child (NULL);
}

/* A few at a time; of one that waits and one that does not, both given up,
 * nothing is told. */
START_TEST (many_at_once)
{
  GCancellable *cancellables[MANY];
  GBytes *bytes = make ("RGB", "pngenc");
  guint i;

  answers = 0;
  for (i = 0; i < MANY; i++) {
    cancellables[i] = g_cancellable_new ();
    begin (bytes, cancellables[i], count_answer);
  }
  g_cancellable_cancel (cancellables[1]);
  g_cancellable_cancel (cancellables[MANY - 1]);
  ck_assert (wait_until (all_answered, NULL, 60));
  ck_assert_uint_eq (answers, MANY - 2);
  for (i = 0; i < MANY; i++)
    g_object_unref (cancellables[i]);
  g_bytes_unref (bytes);
}
END_TEST

/* Processor time of this thread, in ns. */
static gint64
own_time (void)
{
  struct timespec time;

  ck_assert_int_eq (clock_gettime (CLOCK_THREAD_CPUTIME_ID, &time), 0);
  return time.tv_sec * G_GINT64_CONSTANT (1000000000) + time.tv_nsec;
}

/* The largest picture keeps the main thread, which has all clients, for less
 * than half the time that its base64 alone takes. */
START_TEST (a_large_one_does_not_hold_others_up)
{
  GBytes *bytes =
      g_bytes_new_take (g_malloc0 (DVS_MAX_IMAGE_BYTES), DVS_MAX_IMAGE_BYTES);
  GBytes *text = base64 (bytes), *decoded;
  gint64 started, alone, took;

  started = own_time ();
  ck_assert_ptr_null (dvs_image_decode (text, &decoded));
  alone = own_time () - started;
  ck_assert (g_bytes_equal (bytes, decoded));
  started = own_time ();
  dvs_picture_check (pictures, text, NULL, done, NULL);
  ck_assert (wait_until (is_told, NULL, 30));
  took = own_time () - started;
  ck_assert_ptr_null (written);
  if (TIMES)
    ck_assert_msg (
        took < alone / 2, "%.1f ms of %.1f", took / 1e6, alone / 1e6);
  g_bytes_unref (bytes);
  g_bytes_unref (text);
  g_bytes_unref (decoded);
}
END_TEST

int
main (int argc, char **argv)
{
  Suite *suite;
  TCase *tcase;
  SRunner *runner;
  int failed;

  if (dvs_child_run (argc, argv, &failed))
    return failed;
  suite = suite_create ("picture");
  tcase = tcase_create ("picture");
  runner = srunner_create (suite);
  tcase_add_unchecked_fixture (tcase, make_directory, remove_directory);
  tcase_add_checked_fixture (tcase, set_up, tear_down);
  tcase_set_timeout (tcase, 300);
  tcase_add_test (tcase, good_ones);
  tcase_add_test (tcase, cut_off);
  tcase_add_test (tcase, nothing_and_garbage);
  tcase_add_test (tcase, bombs);
  tcase_add_test (tcase, one_that_hangs);
  tcase_add_test (tcase, cancelled);
  tcase_add_test (tcase, many_at_once);
  tcase_add_test (tcase, a_large_one_does_not_hold_others_up);
  suite_add_tcase (suite, tcase);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed != 0;
}
