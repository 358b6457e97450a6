/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Cutting a stream into units: recordings in any slices, and what is refused.
 */
#include "fmp4-make.h"

static void
assert_same_units (GArray *a, GArray *b)
{
  fail_unless_equals_int (a->len, b->len);
  for (guint i = 0; i < a->len; i++) {
    Kept *x = &g_array_index (a, Kept, i), *y = &g_array_index (b, Kept, i);

    fail_unless_equals_int (x->kind, y->kind);
    fail_unless (g_bytes_equal (x->bytes, y->bytes));
  }
}

GST_START_TEST (test_any_slicing_gives_the_same_units)
{
  GBytes *stream = read_recording (recordings[__i__]);
  GRand *rand = g_rand_new_with_seed (7);
  GArray *whole = cut (stream, 0, NULL), *sliced;
  gsize total = 0;

  fail_unless (whole->len >= 3);
  fail_unless_equals_int (g_array_index (whole, Kept, 0).kind, FMP4_UNIT_INIT);
  for (guint i = 0; i < whole->len; i++) {
    total += g_bytes_get_size (g_array_index (whole, Kept, i).bytes);
    if (i > 0)
      fail_unless_equals_int (
          g_array_index (whole, Kept, i).kind, FMP4_UNIT_FRAGMENT);
  }
  /* Only the mfra at the end belongs to no unit. */
  fail_unless (total + 300 > g_bytes_get_size (stream));

  for (gsize most = 1; most < 20; most++) {
    sliced = cut (stream, most, NULL);
    assert_same_units (whole, sliced);
    g_array_unref (sliced);
  }
  for (guint i = 0; i < 20; i++) {
    sliced = cut (stream, 1u << g_rand_int_range (rand, 1, 14), rand);
    assert_same_units (whole, sliced);
    g_array_unref (sliced);
  }
  g_array_unref (whole);
  g_bytes_unref (stream);
  g_rand_free (rand);
}
GST_END_TEST;

GST_START_TEST (test_streams_one_after_the_other)
{
  GBytes *stream = read_recording ("mp4mux.mp4");
  GArray *once = cut (stream, 0, NULL), *twice;
  GByteArray *both = g_byte_array_new ();
  GBytes *bytes;

  /* The mfra between the two is in neither. */
  for (int i = 0; i < 2; i++)
    g_byte_array_append (
        both, g_bytes_get_data (stream, NULL), g_bytes_get_size (stream));
  bytes = g_byte_array_free_to_bytes (both);
  twice = cut (bytes, 1000, NULL);
  fail_unless_equals_int (twice->len, 2 * once->len);
  for (guint i = 0; i < twice->len; i++)
    fail_unless (g_bytes_equal (g_array_index (twice, Kept, i).bytes,
        g_array_index (once, Kept, i % once->len).bytes));
  g_array_unref (once);
  g_array_unref (twice);
  g_bytes_unref (bytes);
  g_bytes_unref (stream);
}
GST_END_TEST;

GST_START_TEST (test_boxes_around_a_fragment)
{
  static const gchar *const with[] = {"styp", "sidx", "emsg", "abcd"};
  static const gchar *const without[] = {"mfra", "free", "skip", "wide"};
  GByteArray *fragment = make_fragment (put_traf, 50);
  Fmp4Error error;

  for (guint i = 0; i < 8; i++) {
    GByteArray *stream = g_byte_array_new ();
    Fmp4Scanner *scanner = fmp4_scanner_new (0);
    Fmp4Fragment read;
    Fmp4Unit unit;
    guint before = i < 4 ? 12 : 0;

    full_box (stream, "styp", 1, 0);
    full_box (stream, i < 4 ? with[i] : without[i - 4], 1, 7);
    g_byte_array_append (stream, fragment->data, fragment->len);
    /* Taken from behind the styp, it may open the stream or not. */
    if (i >= 4 || strcmp (with[i], "abcd") != 0) {
      fail_unless (fmp4_scanner_push (
          scanner, stream->data + 12, stream->len - 12, &error));
      fail_unless (fmp4_scanner_next (scanner, &unit));
      fail_unless_equals_int (unit.size, fragment->len + before);
      fail_unless (
          fmp4_parse_fragment (unit.data, unit.size, FALSE, NULL, &read, NULL));
      fail_unless_equals_int (read.moof_offset, before);
      fail_if (fmp4_scanner_next (scanner, &unit));
    }
    /* With a styp before it everything goes along. */
    fmp4_scanner_reset (scanner);
    fail_unless (
        fmp4_scanner_push (scanner, stream->data, stream->len, &error));
    fail_unless (fmp4_scanner_next (scanner, &unit));
    fail_unless_equals_int (unit.size, stream->len);
    fmp4_scanner_free (scanner);
    g_byte_array_unref (stream);
  }
  g_byte_array_unref (fragment);
}
GST_END_TEST;

static void
assert_scan_fails (GByteArray *data, gsize max_unit, const gchar *says)
{
  Fmp4Scanner *scanner = fmp4_scanner_new (max_unit);
  Fmp4Error error = {""};
  GByteArray *good = make_fragment (put_traf, 50);
  Fmp4Unit unit;
  gsize at = 0;

  /* Byte by byte: the last one that is needed is refused, not one behind. */
  while (
      at < data->len && fmp4_scanner_push (scanner, data->data + at, 1, &error))
    at++;
  fail_unless (at < data->len, "accepted: %s", says);
  fail_unless (strstr (error.detail, says), "'%s'", error.detail);
  error.detail[0] = '\0';
  fail_if (fmp4_scanner_push (scanner, good->data, good->len, &error));
  fail_unless (strstr (error.detail, says), "'%s'", error.detail);
  fail_if (fmp4_scanner_push (scanner, good->data, good->len, NULL));
  fmp4_scanner_reset (scanner);
  fail_unless (fmp4_scanner_push (scanner, good->data, good->len, &error));
  fail_unless (fmp4_scanner_next (scanner, &unit));
  fmp4_scanner_free (scanner);
  g_byte_array_unref (good);
}

GST_START_TEST (test_scanner_refuses)
{
  GByteArray *d;
  guint at, moov;

#define CASE(max, says, ...)                                                   \
  d = g_byte_array_new ();                                                     \
  __VA_ARGS__;                                                                 \
  assert_scan_fails (d, max, says);                                            \
  g_byte_array_unref (d)

  CASE (0, "size 0", u32 (d, 0);
        g_byte_array_append (d, (const guint8 *)"mdat", 4));
  CASE (0, "less than its header", u32 (d, 7);
        g_byte_array_append (d, (const guint8 *)"ftyp", 4));
  CASE (0, "less than its header", u32 (d, 1);
        g_byte_array_append (d, (const guint8 *)"ftyp", 4); u64 (d, 15));
  CASE (0, "no MP4",
      g_byte_array_append (d, (const guint8 *)"GET / HTTP/1.1\r\n", 16));
  CASE (0, "no MP4", full_box (d, "\1\2\3\4", 1, 0));
  CASE (0, "no MP4", full_box (d, "styp", 1, 0);
        full_box (d, "\1\2\3\4", 1, 0));
  CASE (0, "above", u32 (d, 0x7fffffff);
        g_byte_array_append (d, (const guint8 *)"free", 4));
  CASE (0, "above", u32 (d, 1);
        g_byte_array_append (d, (const guint8 *)"free", 4);
        u64 (d, G_MAXUINT64));
  /* Each is small, together they are not. */
  CASE (200, "above", for (int i = 0; i < 20; i++) full_box (d, "styp", 1, 0));
  CASE (0, "not fragmented", full_box (d, "ftyp", 1, 0);
        full_box (d, "mdat", 1, 0));
  CASE (0, "no mvex", moov = begin (d, "moov"); full_box (d, "mvhd", 1, 0);
        end (d, moov));
  CASE (0, "does not fit", moov = begin (d, "moov"); at = begin (d, "mvhd");
        patch32 (d, at, 99); end (d, moov));
  CASE (0, "no box", moov = begin (d, "moov"); zeros (d, 3); end (d, moov));
  CASE (0, "no mdat", full_box (d, "moof", 1, 0); full_box (d, "moof", 1, 0));
  CASE (0, "no mdat", full_box (d, "moof", 1, 0); full_box (d, "ftyp", 1, 0));
  CASE (0, "no moov", full_box (d, "ftyp", 1, 0); full_box (d, "moof", 1, 0));
#undef CASE
}
GST_END_TEST;

/* What stood whole before the bad box is not lost. */
GST_START_TEST (test_units_before_a_bad_box)
{
  GByteArray *stream = make_fragment (put_traf, 50);
  Fmp4Scanner *scanner = fmp4_scanner_new (0);
  gsize size = stream->len;
  Fmp4Error error;
  Fmp4Unit unit;

  u32 (stream, 0);
  u32 (stream, 0);
  fail_if (fmp4_scanner_push (scanner, stream->data, stream->len, &error));
  fail_unless (fmp4_scanner_next (scanner, &unit));
  fail_unless_equals_int (unit.size, size);
  fail_if (fmp4_scanner_next (scanner, &unit));
  fmp4_scanner_free (scanner);
  g_byte_array_unref (stream);
}
GST_END_TEST;

/* A fragment of several MB in pieces, and a thousand small ones, hold no more
 * than the largest. */
GST_START_TEST (test_large_units_and_bounded_memory)
{
  GByteArray *large = make_fragment (put_traf, 8 << 20);
  Fmp4Scanner *scanner = fmp4_scanner_new (0);
  Fmp4Error error;
  Fmp4Unit unit;
  guint found = 0;

  for (int round = 0; round < 4; round++)
    for (gsize at = 0; at < large->len; at += 65536) {
      fail_unless (fmp4_scanner_push (
          scanner, large->data + at, MIN (65536, large->len - at), &error));
      while (fmp4_scanner_next (scanner, &unit)) {
        fail_unless_equals_int (unit.size, large->len);
        fail_unless (memcmp (unit.data, large->data, large->len) == 0);
        found++;
      }
      fail_unless (fmp4_scanner_pending (scanner) < large->len);
    }
  fail_unless_equals_int (found, 4);
  fmp4_scanner_free (scanner);
  g_byte_array_unref (large);
}
GST_END_TEST;

static Suite *
fmp4_scan_suite (void)
{
  Suite *suite = suite_create ("fmp4-scan");
  TCase *tc = tcase_create ("fmp4-scan");

  tcase_set_timeout (tc, 120);
  suite_add_tcase (suite, tc);
  tcase_add_loop_test (
      tc, test_any_slicing_gives_the_same_units, 0, G_N_ELEMENTS (recordings));
  tcase_add_test (tc, test_streams_one_after_the_other);
  tcase_add_test (tc, test_boxes_around_a_fragment);
  tcase_add_test (tc, test_scanner_refuses);
  tcase_add_test (tc, test_units_before_a_bad_box);
  tcase_add_test (tc, test_large_units_and_bounded_memory);
  return suite;
}

GST_CHECK_MAIN (fmp4_scan);
