/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Repairing a moof; our own parser and ffprobe read what comes out.
 */
#include "fmp4-make.h"
#include <unistd.h>

/* Writes every moof of the recording again, @shift later. */
static GByteArray *
repair (guint64 shift, guint *fragments)
{
  GBytes *stream = read_recording ("mp4mux.mp4");
  GArray *units = cut (stream, 0, NULL);
  GByteArray *out = g_byte_array_new ();
  Fmp4Init init = {0};
  Fmp4Error error;

  *fragments = 0;
  for (guint i = 0; i < units->len; i++) {
    gsize size;
    const guint8 *data =
        g_bytes_get_data (g_array_index (units, Kept, i).bytes, &size);
    Fmp4Fragment f, again;
    guint8 *moof, *both;
    guint64 scale = 0;
    gsize n;

    if (i == 0) {
      fail_unless (fmp4_parse_init (data, size, &init, &error));
      g_byte_array_append (out, data, size);
      continue;
    }
    fail_unless (fmp4_parse_fragment (data, size, FALSE, &init, &f, &error));
    for (guint t = 0; t < init.n_tracks; t++)
      if (init.track[t].id == f.run[0].track_id)
        scale = init.track[t].timescale;
    n = fmp4_rewritten_size (data + f.moof_offset, f.moof_size);
    fail_unless_equals_int (n, f.moof_size + 4);
    moof = g_malloc (n);
    fail_if (fmp4_rewrite_moof (data + f.moof_offset, f.moof_size, 100 + i,
        f.run[0].decode_time + shift * scale, moof, n - 1, &error));
    fail_unless (strstr (error.detail, "room"));
    fail_unless (fmp4_rewrite_moof (data + f.moof_offset, f.moof_size, 100 + i,
                     f.run[0].decode_time + shift * scale, moof, n, &error),
        "%s", error.detail);
    both = g_malloc (n + f.mdat_size);
    memcpy (both, moof, n);
    memcpy (both + n, data + f.mdat_offset, f.mdat_size);
    fail_unless (fmp4_parse_fragment (
        both, n + f.mdat_size, FALSE, &init, &again, &error));
    fail_unless_equals_int (again.sequence, 100 + i);
    fail_unless_equals_int (again.n_runs, 1);
    fail_unless_equals_uint64 (
        again.run[0].decode_time, f.run[0].decode_time + shift * scale);
    fail_unless_equals_uint64 (again.run[0].duration, f.run[0].duration);
    fail_unless_equals_int (again.run[0].samples, f.run[0].samples);
    fail_unless_equals_int (again.run[0].key, f.run[0].key);
    fail_unless_equals_int (again.moof_size, n);
    /* A second time only the numbers change. */
    fail_unless_equals_int (fmp4_rewritten_size (moof, n), n);
    g_byte_array_append (out, both, n + f.mdat_size);
    (*fragments)++;
    g_free (both);
    g_free (moof);
  }
  g_array_unref (units);
  g_bytes_unref (stream);
  return out;
}

static gchar *
probe (const gchar *path, const gchar *what)
{
  const gchar *argv[] = {"ffprobe", "-v", "error", "-show_entries", what, "-of",
      "csv=p=0", path, NULL};
  gchar *out = NULL, *err = NULL;
  gint status;

  fail_unless (g_spawn_sync (NULL, (gchar **)argv, NULL, G_SPAWN_SEARCH_PATH,
      NULL, NULL, &out, &err, &status, NULL));
  fail_unless (g_spawn_check_wait_status (status, NULL), "%s", err);
  fail_unless_equals_string (err, "");
  g_free (err);
  return out;
}

GST_START_TEST (test_rewritten_stream_is_read_by_others)
{
  guint fragments, video = 0, audio = 0;
  GByteArray *stream = repair (G_GUINT64_CONSTANT (5000000), &fragments);
  gchar *tool = g_find_program_in_path ("ffprobe");
  gchar *path, *out, **lines;
  gint fd;

  fail_unless_equals_int (fragments, 17);
  if (!tool) {
    GST_INFO ("no ffprobe: only our own parser looked");
    g_byte_array_unref (stream);
    return;
  }
  fd = g_file_open_tmp ("fmp4-XXXXXX.mp4", &path, NULL);
  fail_unless (fd >= 0);
  close (fd);
  fail_unless (g_file_set_contents (
      path, (const gchar *)stream->data, stream->len, NULL));
  out = probe (path, "packet=codec_type,dts_time");
  lines = g_strsplit (out, "\n", -1);
  for (gchar **line = lines; *line; line++) {
    const gchar *comma = strchr (*line, ',');

    if (!comma)
      continue;
    fail_unless (g_ascii_strtod (comma + 1, NULL) >= 5000000.0, "%s", *line);
    fail_unless (g_ascii_strtod (comma + 1, NULL) < 5000002.1, "%s", *line);
    video += g_str_has_prefix (*line, "video");
    audio += g_str_has_prefix (*line, "audio");
  }
  fail_unless_equals_int (video, 48);
  fail_unless_equals_int (audio, 94);
  g_strfreev (lines);
  g_free (out);
  /* And decoded, without a word of complaint. */
  out = probe (path, "frame=pict_type");
  fail_unless (strlen (out) > 0);
  g_free (out);
  unlink (path);
  g_free (path);
  g_free (tool);
  g_byte_array_unref (stream);
}
GST_END_TEST;

static GByteArray *
make_moof (void (*traf) (GByteArray *))
{
  GByteArray *out = make_fragment (traf, 0);

  return g_byte_array_set_size (out, out->len - 8);
}

static void
assert_rewrite_fails (void (*traf) (GByteArray *), const gchar *says)
{
  GByteArray *moof = make_moof (traf);
  Fmp4Error error = {""};
  guint8 out[4096];

  fail_unless_equals_int (fmp4_rewritten_size (moof->data, moof->len), 0);
  fail_if (
      fmp4_rewrite_moof (moof->data, moof->len, 1, 2, out, sizeof out, &error));
  fail_unless (strstr (error.detail, says), "'%s'", error.detail);
  g_byte_array_unref (moof);
}

static void
put_base_offset (GByteArray *out)
{
  guint traf = begin (out, "traf");

  full_box (out, "tfhd", 4, 1, 5, 0, 0);
  end (out, traf);
}

static void
put_far_offset (GByteArray *out)
{
  guint traf = begin (out, "traf");

  full_box (out, "tfhd", 2, 0, 5);
  full_box (out, "trun", 3, 1, 0, 0x7fffffff);
  end (out, traf);
}

static void
put_saio (GByteArray *out)
{
  guint traf = begin (out, "traf");

  full_box (out, "tfhd", 2, 0, 5);
  full_box (out, "saio", 3, 0, 1, 8);
  end (out, traf);
}

static void
put_two (GByteArray *out)
{
  put_traf (out);
  put_traf (out);
}

static void
put_bare (GByteArray *out)
{
  guint traf = begin (out, "traf");

  full_box (out, "tfhd", 2, 0, 5);
  full_box (out, "trun", 3, 0x1, 0, 0x50);
  full_box (out, "trun", 2, 0, 0);
  full_box (out, "uuid", 5, 1, 2, 3, 4, 5);
  end (out, traf);
}

GST_START_TEST (test_rewrite_of_made_boxes)
{
  GByteArray *moof;
  guint8 out[512];
  Fmp4Error error;
  gsize n;

  assert_rewrite_fails (put_nothing, "0 traf");
  assert_rewrite_fails (put_two, "2 traf");
  assert_rewrite_fails (put_no_tfhd, "no tfhd");
  assert_rewrite_fails (put_base_offset, "start of the file");
  assert_rewrite_fails (put_far_offset, "32 bits");
  assert_rewrite_fails (put_saio, "auxiliary");
  fail_unless_equals_int (fmp4_rewritten_size (out, 0), 0);

  /* No tfdt at all: there is one afterwards, and offsets know it. */
  moof = make_moof (put_bare);
  n = fmp4_rewritten_size (moof->data, moof->len);
  fail_unless_equals_int (n, moof->len + 20);
  memset (out, 0xee, sizeof out);
  fail_unless (fmp4_rewrite_moof (
      moof->data, moof->len, 3, G_MAXUINT64 - 5, out, n, &error));
  fail_unless_equals_int (out[n], 0xee);
  /* mfhd 16, traf 8, tfhd: flags at 8+16+8+8 */
  fail_unless_equals_int (out[8 + 16 + 8 + 9], 0x02);
  fail_unless (memcmp (out + 8 + 16 + 8 + 16 + 4, "tfdt", 4) == 0);
  fail_unless_equals_int (out[8 + 16 + 8 + 16 + 20 + 19], 0x50 + 20);
  g_byte_array_unref (moof);
}
GST_END_TEST;

static Suite *
fmp4_rewrite_suite (void)
{
  Suite *suite = suite_create ("fmp4-rewrite");
  TCase *tc = tcase_create ("fmp4-rewrite");

  tcase_set_timeout (tc, 120);
  suite_add_tcase (suite, tc);
  tcase_add_test (tc, test_rewritten_stream_is_read_by_others);
  tcase_add_test (tc, test_rewrite_of_made_boxes);
  return suite;
}

GST_CHECK_MAIN (fmp4_rewrite);
