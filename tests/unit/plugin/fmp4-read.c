/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reading init segments and fragments: recordings, boxes made by hand for what
 * they do not have, and hostile ones.
 */
#include "fmp4-make.h"

static void
assert_fragment_fails (
    void (*traf) (GByteArray *), guint payload, const gchar *says)
{
  GByteArray *data = make_fragment (traf, payload);
  Fmp4Fragment fragment;
  Fmp4Error error = {""};

  fail_if (fmp4_parse_fragment (
      data->data, data->len, FALSE, NULL, &fragment, &error));
  fail_unless (strstr (error.detail, says), "'%s'", error.detail);
  fail_if (fmp4_parse_fragment (
      data->data, data->len, FALSE, NULL, &fragment, NULL));
  g_byte_array_unref (data);
}

/* One track whose sample entry is @entry with @body behind the fixed part. */
static GByteArray *
make_init (const gchar *handler, const gchar *entry, guint version,
    const guint8 *body, guint body_size)
{
  GByteArray *out = g_byte_array_new ();
  guint ftyp = begin (out, "ftyp"), moov, trak, mdia, minf, stbl, stsd, at;

  g_byte_array_append (out, (const guint8 *)"iso6\0\0\0\0", 8);
  end (out, ftyp);
  moov = begin (out, "moov");
  trak = begin (out, "trak");
  at = begin (out, "tkhd");
  u32 (out, version << 24);
  zeros (out, version ? 16 : 8);
  u32 (out, 5);
  zeros (out, 64);
  end (out, at);
  mdia = begin (out, "mdia");
  at = begin (out, "mdhd");
  u32 (out, version << 24);
  zeros (out, version ? 16 : 8);
  u32 (out, 90000);
  zeros (out, version ? 12 : 8);
  end (out, at);
  at = begin (out, "hdlr");
  zeros (out, 8);
  g_byte_array_append (out, (const guint8 *)handler, 4);
  zeros (out, 13);
  end (out, at);
  minf = begin (out, "minf");
  stbl = begin (out, "stbl");
  stsd = begin (out, "stsd");
  u32 (out, 0);
  u32 (out, 1);
  at = begin (out, entry);
  if (strcmp (handler, "vide") == 0) {
    zeros (out, 24);
    u32 (out, 640 << 16 | 360);
    zeros (out, 50);
  } else {
    zeros (out, 16);
    u32 (out, 2 << 16 | 16);
    u32 (out, 0);
    u32 (out, 0); /* a rate that does not fit: the timescale is it */
  }
  g_byte_array_append (out, body, body_size);
  end (out, at);
  end (out, stsd);
  end (out, stbl);
  end (out, minf);
  end (out, mdia);
  end (out, trak);
  at = begin (out, "mvex");
  full_box (out, "mehd", 2, 0, 0);
  full_box (out, "trex", 6, 0, 5, 1, 3000, 100, 0x00010000);
  end (out, at);
  end (out, moov);
  return out;
}

GST_START_TEST (test_init_of_recordings)
{
  static const gchar *const mime[] = {
      "video/mp4; codecs=\"avc1.42c00a,mp4a.40.2\"",
      "video/mp4; codecs=\"avc1.4d400a,mp4a.40.2\"",
      "video/mp4; codecs=\"avc1.42c00a,mp4a.40.2\""};
  static const guint scale[3][2] = {
      {2400, 48000}, {12288, 44100}, {12288, 44100}};
  GBytes *stream = read_recording (recordings[__i__]);
  GArray *units = cut (stream, 0, NULL);
  GBytes *bytes = g_array_index (units, Kept, 0).bytes;
  gchar text[100];
  Fmp4Error error;
  Fmp4Init init;

  fail_unless (fmp4_parse_init (g_bytes_get_data (bytes, NULL),
                   g_bytes_get_size (bytes), &init, &error),
      "%s", error.detail);
  fail_unless_equals_int (init.n_tracks, 2);
  fail_unless_equals_string (init.track[0].handler, "vide");
  fail_unless_equals_int (init.track[0].width, 64);
  fail_unless_equals_int (init.track[0].height, 48);
  fail_unless_equals_int (init.track[0].timescale, scale[__i__][0]);
  fail_unless_equals_string (init.track[1].handler, "soun");
  fail_unless_equals_int (init.track[1].timescale, scale[__i__][1]);
  fail_unless_equals_int (init.track[1].sample_rate, scale[__i__][1]);
  fail_unless_equals_int (init.track[1].channels, 2);
  fail_unless_equals_int (
      fmp4_init_mime (&init, text, sizeof text), strlen (mime[__i__]));
  fail_unless_equals_string (text, mime[__i__]);
  /* It fits exactly, and not with one byte less. */
  for (gsize n = 0; n <= strlen (mime[__i__]); n++)
    fail_unless_equals_int (fmp4_init_mime (&init, text, n), 0);
  fail_unless (fmp4_init_mime (&init, text, strlen (mime[__i__]) + 1) > 0);
  g_array_unref (units);
  g_bytes_unref (stream);
}
GST_END_TEST;

GST_START_TEST (test_fragments_of_recordings)
{
  static const guint samples[3][2] = {{48, 94}, {48, 88}, {24, 45}};
  GBytes *stream = read_recording (recordings[__i__]);
  GArray *units = cut (stream, 0, NULL);
  guint64 next[2] = {0, 0};
  guint count[2] = {0, 0}, keys = 0;
  Fmp4Error error;
  Fmp4Init init;

  for (guint i = 0; i < units->len; i++) {
    GBytes *bytes = g_array_index (units, Kept, i).bytes;
    gsize size;
    const guint8 *data = g_bytes_get_data (bytes, &size);
    Fmp4Fragment f, head;

    if (i == 0) {
      fail_unless (fmp4_parse_init (data, size, &init, &error));
      continue;
    }
    fail_unless (fmp4_parse_fragment (data, size, FALSE, &init, &f, &error),
        "%s", error.detail);
    fail_unless_equals_int (f.sequence, i);
    fail_unless_equals_int (f.mdat_offset + f.mdat_size, size);
    fail_unless_equals_int (f.moof_offset + f.moof_size, f.mdat_offset);
    for (guint r = 0; r < f.n_runs; r++) {
      guint track = f.run[r].track_id - init.track[0].id;

      fail_unless (track < 2);
      fail_unless_equals_uint64 (f.run[r].decode_time, next[track]);
      next[track] += f.run[r].duration;
      count[track] += f.run[r].samples;
      keys += track == 0 && f.run[r].key;
    }
    /* The moof alone is enough when asked so. */
    fail_unless (fmp4_parse_fragment (
        data, f.mdat_offset + 8, TRUE, &init, &head, &error));
    fail_unless (memcmp (&f, &head, sizeof f) == 0);
    fail_unless (
        fmp4_parse_fragment (data, f.mdat_offset, TRUE, &init, &head, &error));
    fail_unless_equals_int (head.mdat_size, 0);
    fail_if (fmp4_parse_fragment (data, size - 1, FALSE, &init, &f, &error));
    fail_unless (strstr (error.detail, "cut short"));
  }
  fail_unless_equals_int (count[0], samples[__i__][0]);
  fail_unless_equals_int (count[1], samples[__i__][1]);
  fail_unless_equals_int (keys, 2);
  g_array_unref (units);
  g_bytes_unref (stream);
}
GST_END_TEST;

static void
assert_codec (const gchar *handler, const gchar *entry, guint version,
    const void *body, guint size, const gchar *codec)
{
  GByteArray *data = make_init (handler, entry, version, body, size);
  Fmp4Error error;
  Fmp4Init init;

  fail_unless (fmp4_parse_init (data->data, data->len, &init, &error), "%s",
      error.detail);
  fail_unless_equals_int (init.n_tracks, 1);
  fail_unless_equals_int (init.track[0].id, 5);
  fail_unless_equals_int (init.track[0].timescale, 90000);
  fail_unless_equals_int (init.track[0].default_duration, 3000);
  fail_unless_equals_int (init.track[0].default_size, 100);
  fail_unless_equals_int (init.track[0].default_flags, 0x00010000);
  fail_unless_equals_string (init.track[0].codec, codec);
  if (strcmp (handler, "vide") == 0) {
    fail_unless_equals_int (init.track[0].width, 640);
    fail_unless_equals_int (init.track[0].height, 360);
  } else if (strcmp (handler, "soun") == 0) {
    fail_unless_equals_int (init.track[0].sample_rate, 90000);
    fail_unless_equals_int (init.track[0].channels, 2);
  }
  g_byte_array_unref (data);
}

/* es descriptor { flags, its extras, decoder config { object, asc } } */
#define ESDS(object, first, second)                                            \
  "\0\0\0\x2a"                                                                 \
  "esds\0\0\0\0\x03\x1c\0\1\xe0\0\0\1u\0\0\x04\x11" object                     \
  "\x15\0\0\0\0\0\0\0\0\0\0\0\x05\x02" first second "\x06\x00"

GST_START_TEST (test_codecs)
{
  static const gchar avcc[] = "\0\0\0\x0c"
                              "avcC\1\x64\x00\x28";
  static const gchar aac[] = ESDS ("\x40", "\x11", "\x90");
  static const gchar escape[] = ESDS ("\x40", "\xf9", "\x40");
  static const gchar mp3[] = ESDS ("\x6b", "\x11", "\x90");
  gchar deep[36 + sizeof aac] = {0};
  gchar text[64];
  Fmp4Init audio = {.n_tracks = 1};

  for (guint version = 0; version < 2; version++) {
    assert_codec ("vide", "avc1", version, avcc, 12, "avc1.640028");
    assert_codec ("vide", "avc3", version, avcc, 12, "avc3.640028");
    assert_codec ("vide", "hev1", version, "", 0, "hev1");
    assert_codec ("vide", "hvc1", version, "", 0, "hvc1");
    assert_codec ("vide", "vp09", version, "", 0, "vp09");
    assert_codec ("vide", "av01", version, "", 0, "av01");
    assert_codec ("soun", "Opus", version, "", 0, "Opus");
    assert_codec ("soun", "mp4a", version, aac, 42, "mp4a.40.2");
    assert_codec ("soun", "mp4a", version, escape, 42, "mp4a.40.42");
    assert_codec ("soun", "mp4a", version, mp3, 42, "mp4a.6b");
    assert_codec ("text", "tx3g", version, "", 0, "tx3g");
    /* Nothing that could end the MIME type's string early. */
    assert_codec ("soun", "a\"\n;", version, "", 0, "a___");
  }
  memcpy (deep, aac, 42);
  strcpy (audio.track[0].handler, "soun");
  strcpy (audio.track[0].codec, "mp4a.40.2");
  fmp4_init_mime (&audio, text, sizeof text);
  fail_unless_equals_string (text, "audio/mp4; codecs=\"mp4a.40.2\"");
}
GST_END_TEST;

GST_START_TEST (test_init_refuses)
{
  static const struct {
    const gchar *handler, *entry, *body, *says;
    guint size;
  } cases[] = {
      {"vide", "avc1", "", "has no avcC", 0},
      {"vide", "avc1",
          "\0\0\0\x0b"
          "avcC\1\x64\x00",
          "too short", 11},
      {"vide", "avc1",
          "\0\0\0\x0d"
          "avcC\1\x64\x00\x28",
          "does not fit", 12},
      {"soun", "mp4a", "", "has no esds", 0},
      {"soun", "mp4a",
          "\0\0\0\x08"
          "esds",
          "cannot be read", 8},
      {"soun", "mp4a",
          "\0\0\0\x0e"
          "esds\0\0\0\0\x03\x05",
          "cannot be read", 14},
      {"soun", "mp4a",
          "\0\0\0\x12"
          "esds\0\0\0\0\x03\xff\xff\xff\xff\xff",
          "cannot be read", 18},
      {"soun", "mp4a",
          "\0\0\0\x11"
          "esds\0\0\0\0\x03\x03\0\1\x80",
          "cannot be read", 17},
      {"soun", "mp4a",
          "\0\0\0\x12"
          "esds\0\0\0\0\x03\x04\0\1\x40\x09",
          "cannot be read", 18},
      {"soun", "mp4a",
          "\0\0\0\x12"
          "esds\0\0\0\0\x03\x04\0\1\x20\x09",
          "cannot be read", 18},
      {"soun", "mp4a",
          "\0\0\0\x13"
          "esds\0\0\0\0\x03\x05\0\1\0\x04\0",
          "cannot be read", 19},
  };
  Fmp4Error error;
  Fmp4Init init;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GByteArray *data = make_init (cases[i].handler, cases[i].entry, 0,
        (const guint8 *)cases[i].body, cases[i].size);

    fail_if (fmp4_parse_init (data->data, data->len, &init, &error), "%u", i);
    fail_unless (
        strstr (error.detail, cases[i].says), "%u: '%s'", i, error.detail);
    g_byte_array_unref (data);
  }
  fail_if (fmp4_parse_init ((const guint8 *)"", 0, &init, &error));
  fail_unless (strstr (error.detail, "no moov"));
}
GST_END_TEST;

static void
put_defaults (GByteArray *out)
{
  guint traf = begin (out, "traf");

  /* duration and flags here, the size from trex; two truns */
  full_box (out, "tfhd", 4, 0x28, 5, 40, 0x00010000);
  full_box (out, "tfdt", 3, 0x01000000, 0x12, 0x34);
  full_box (out, "trun", 4, 0x005, 3, 8, 0); /* its first is a sync sample */
  full_box (out, "trun", 2, 0, 2);
  end (out, traf);
  /* the same track again, and another one */
  traf = begin (out, "traf");
  full_box (out, "tfhd", 2, 0, 5);
  full_box (out, "tfdt", 2, 0, 9999);
  full_box (out, "trun", 3, 0x100, 1, 77);
  end (out, traf);
  traf = begin (out, "traf");
  full_box (out, "tfhd", 7, 0x3b, 6, 0, 0, 1, 10, 20);
  patch32 (out, out->len - 4, 20);
  u32 (out, 0x00010000);
  end (out, traf + 8);
  full_box (out, "tfdt", 2, 0, 3);
  full_box (out, "trun", 2, 0, 4);
  end (out, traf);
}

GST_START_TEST (test_defaults_and_several_runs)
{
  Fmp4Init init = {.n_tracks = 1};
  GByteArray *data = make_fragment (put_defaults, 10 * 6 + 20 * 4);
  Fmp4Fragment f;
  Fmp4Error error;

  init.track[0].id = 5;
  init.track[0].default_size = 10;
  fail_unless (
      fmp4_parse_fragment (data->data, data->len, FALSE, &init, &f, &error),
      "%s", error.detail);
  fail_unless_equals_int (f.sequence, 9);
  fail_unless_equals_int (f.n_runs, 2);
  fail_unless_equals_int (f.run[0].track_id, 5);
  fail_unless_equals_uint64 (f.run[0].decode_time, 0x1200000034);
  fail_unless_equals_int (f.run[0].samples, 6);
  fail_unless_equals_uint64 (f.run[0].duration, 5 * 40 + 77);
  fail_unless (f.run[0].key);
  fail_unless_equals_int (f.run[1].track_id, 6);
  fail_unless_equals_int (f.run[1].samples, 4);
  fail_unless_equals_uint64 (f.run[1].duration, 40);
  fail_if (f.run[1].key);
  g_byte_array_unref (data);

  /* One byte less of mdat than the samples need. */
  data = make_fragment (put_defaults, 10 * 6 + 20 * 4 - 1);
  fail_if (
      fmp4_parse_fragment (data->data, data->len, FALSE, &init, &f, &error));
  fail_unless (strstr (error.detail, "its mdat holds"), "%s", error.detail);
  g_byte_array_unref (data);
}
GST_END_TEST;

static void
put_no_tfdt (GByteArray *out)
{
  guint traf = begin (out, "traf");

  full_box (out, "tfhd", 2, 0, 5);
  end (out, traf);
}

static void
put_short_tfhd (GByteArray *out)
{
  guint traf = begin (out, "traf");

  full_box (out, "tfhd", 2, 0x38, 5);
  end (out, traf);
}

static void
put_short_tfdt (GByteArray *out)
{
  guint traf = begin (out, "traf");

  full_box (out, "tfhd", 2, 0, 5);
  full_box (out, "tfdt", 2, 0x01000000, 0);
  end (out, traf);
}

static void
put_greedy_trun (GByteArray *out)
{
  guint traf = begin (out, "traf");

  full_box (out, "tfhd", 2, 0, 5);
  full_box (out, "tfdt", 2, 0, 0);
  full_box (out, "trun", 4, 0x300, 0xffffffff, 0, 0);
  end (out, traf);
}

static void
put_many_samples (GByteArray *out)
{
  guint traf = begin (out, "traf");

  full_box (out, "tfhd", 2, 0, 5);
  full_box (out, "tfdt", 2, 0, 0);
  full_box (out, "trun", 2, 0, 0xffffffff);
  full_box (out, "trun", 2, 0, 1);
  end (out, traf);
}

static void
put_late (GByteArray *out)
{
  guint traf = begin (out, "traf");

  full_box (out, "tfhd", 3, 0x8, 5, 2);
  full_box (out, "tfdt", 3, 0x01000000, 0xffffffff, 0xffffffff);
  full_box (out, "trun", 2, 0, 1);
  end (out, traf);
}

static void
put_nine_tracks (GByteArray *out)
{
  for (guint i = 0; i < 9; i++) {
    guint traf = begin (out, "traf");

    full_box (out, "tfhd", 2, 0, i + 1);
    full_box (out, "tfdt", 2, 0, 0);
    end (out, traf);
  }
}

GST_START_TEST (test_fragment_refuses)
{
  assert_fragment_fails (put_nothing, 8, "no traf");
  assert_fragment_fails (put_no_tfhd, 8, "no tfhd");
  assert_fragment_fails (put_no_tfdt, 8, "no tfdt");
  assert_fragment_fails (put_short_tfhd, 8, "tfhd is too short");
  assert_fragment_fails (put_short_tfdt, 8, "tfdt is too short");
  assert_fragment_fails (put_greedy_trun, 8, "holds less");
  assert_fragment_fails (put_many_samples, 8, "64 bits");
  assert_fragment_fails (put_late, 8, "64 bits");
  assert_fragment_fails (put_nine_tracks, 8, "more than 8");
}
GST_END_TEST;

/* Every cut and many flipped bytes of what is real: nothing is read past the
 * end (the sanitizers look), nothing runs for ever, and a cut is an error. */
GST_START_TEST (test_cut_and_flipped_bytes)
{
  GBytes *stream = read_recording (recordings[__i__]);
  GArray *units = cut (stream, 0, NULL);
  GRand *rand = g_rand_new_with_seed (11);
  Fmp4Init init, scratch;
  Fmp4Fragment fragment;

  for (guint i = 0; i < 3; i++) {
    gsize size;
    const guint8 *data =
        g_bytes_get_data (g_array_index (units, Kept, i).bytes, &size);
    gsize head = MIN (size, 2000);

    if (i == 0)
      fail_unless (fmp4_parse_init (data, size, &init, NULL));
    for (gsize n = 0; n < head; n++) {
      guint8 *part = g_memdup2 (data, n);

      if (i == 0)
        fail_if (fmp4_parse_init (part, n, &scratch, NULL));
      else
        fail_if (fmp4_parse_fragment (part, n, FALSE, &init, &fragment, NULL));
      g_free (part);
    }
    for (guint n = 0; n < 4000; n++) {
      guint8 *copy = g_memdup2 (data, size);
      guint8 out[2000];
      gsize at = (gsize)g_rand_int_range (rand, 0, (gint32)head);

      copy[at] = (guint8)g_rand_int (rand);
      fmp4_parse_init (copy, size, &scratch, NULL);
      fmp4_parse_fragment (copy, size, FALSE, &init, &fragment, NULL);
      fmp4_parse_fragment (copy, size, TRUE, NULL, &fragment, NULL);
      fmp4_same_init (copy, size, data, size);
      fmp4_rewrite_moof (copy, head, 1, 1, out, sizeof out, NULL);
      g_free (copy);
    }
  }
  g_rand_free (rand);
  g_array_unref (units);
  g_bytes_unref (stream);
}
GST_END_TEST;

GST_START_TEST (test_same_init_but_for_the_time)
{
  GBytes *stream = read_recording ("mp4mux.mp4");
  GArray *units = cut (stream, 0, NULL);
  gsize size;
  const guint8 *data =
      g_bytes_get_data (g_array_index (units, Kept, 0).bytes, &size);
  static const gchar *const masked[] = {"mvhd", "tkhd", "mdhd"};
  guint changed = 0;
  guint8 *copy;

  fail_unless (fmp4_same_init (data, size, data, size));
  fail_if (fmp4_same_init (data, size, data, size - 1));
  fail_unless (fmp4_same_init (data, 0, data, 0));
  copy = g_memdup2 (data, size);
  for (gsize i = 0; i + 16 < size; i++)
    for (guint k = 0; k < 3; k++)
      if (memcmp (copy + i, masked[k], 4) == 0) {
        memset (copy + i + 8, 0x77, 8);
        changed++;
      }
  fail_unless_equals_int (changed, 5);
  fail_unless (fmp4_same_init (data, size, copy, size));
  /* Any other byte counts. */
  for (gsize i = 0; i < size; i++) {
    guint8 *other = g_memdup2 (copy, size);

    other[i] ^= 1;
    if (copy[i] == data[i])
      fail_if (fmp4_same_init (data, size, other, size), "byte %zu", i);
    g_free (other);
  }
  g_free (copy);
  g_array_unref (units);
  g_bytes_unref (stream);
}
GST_END_TEST;

static Suite *
fmp4_read_suite (void)
{
  Suite *suite = suite_create ("fmp4-read");
  TCase *tc = tcase_create ("fmp4-read");

  tcase_set_timeout (tc, 120);
  suite_add_tcase (suite, tc);
  tcase_add_loop_test (
      tc, test_init_of_recordings, 0, G_N_ELEMENTS (recordings));
  tcase_add_loop_test (
      tc, test_fragments_of_recordings, 0, G_N_ELEMENTS (recordings));
  tcase_add_test (tc, test_codecs);
  tcase_add_test (tc, test_init_refuses);
  tcase_add_test (tc, test_defaults_and_several_runs);
  tcase_add_test (tc, test_fragment_refuses);
  tcase_add_loop_test (
      tc, test_cut_and_flipped_bytes, 0, G_N_ELEMENTS (recordings));
  tcase_add_test (tc, test_same_init_but_for_the_time);
  return suite;
}

GST_CHECK_MAIN (fmp4_read);
