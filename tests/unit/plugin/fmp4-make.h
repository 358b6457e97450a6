/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Recordings, and boxes made by hand, for the tests of fragmented MP4.
 */
#ifndef FMP4_MAKE_H
#define FMP4_MAKE_H

#include <gst/check/gstcheck.h>
#include <string.h>

#include "fmp4.h"

static const gchar *const recordings[] = {
    "mp4mux.mp4", "ffmpeg.mp4", "ffmpeg-plain.mp4"};

static inline GBytes *
read_recording (const gchar *name)
{
  gchar *path = g_build_filename (g_getenv ("TEST_DATA"), name, NULL);
  gchar *data;
  gsize size;

  fail_unless (g_file_get_contents (path, &data, &size, NULL), "%s", path);
  g_free (path);
  return g_bytes_new_take (data, size);
}

typedef struct {
  Fmp4UnitKind kind;
  GBytes *bytes;
} Kept;

static inline void
kept_clear (gpointer data)
{
  g_bytes_unref (((Kept *)data)->bytes);
}

/* All units, pushed in slices of at most @most bytes; 0: all at once. */
static inline GArray *
cut (GBytes *stream, gsize most, GRand *rand)
{
  GArray *units = g_array_new (FALSE, FALSE, sizeof (Kept));
  Fmp4Scanner *scanner = fmp4_scanner_new (0);
  const guint8 *data;
  gsize size, at = 0;
  Fmp4Error error;
  Fmp4Unit unit;

  g_array_set_clear_func (units, kept_clear);
  data = g_bytes_get_data (stream, &size);
  while (at < size) {
    gsize n = most == 0 ? size : most;

    if (rand)
      n = (gsize)g_rand_int_range (rand, 1, (gint32)most + 1);
    n = MIN (n, size - at);
    fail_unless (
        fmp4_scanner_push (scanner, data + at, n, &error), "%s", error.detail);
    at += n;
    while (fmp4_scanner_next (scanner, &unit)) {
      Kept kept = {unit.kind, g_bytes_new (unit.data, unit.size)};

      g_array_append_val (units, kept);
    }
  }
  fail_unless_equals_int (fmp4_scanner_pending (scanner), 0);
  fmp4_scanner_free (scanner);
  return units;
}

static inline guint
begin (GByteArray *out, const gchar *type)
{
  guint at = out->len;

  g_byte_array_append (out, (const guint8 *)"\0\0\0\0", 4);
  g_byte_array_append (out, (const guint8 *)type, 4);
  return at;
}

static inline void
patch32 (GByteArray *out, guint at, guint32 value)
{
  value = GUINT32_TO_BE (value);
  memcpy (out->data + at, &value, 4);
}

static inline void
end (GByteArray *out, guint at)
{
  patch32 (out, at, out->len - at);
}

static inline void
u32 (GByteArray *out, guint32 value)
{
  value = GUINT32_TO_BE (value);
  g_byte_array_append (out, (const guint8 *)&value, 4);
}

static inline void
u64 (GByteArray *out, guint64 value)
{
  u32 (out, (guint32)(value >> 32));
  u32 (out, (guint32)value);
}

static inline void
zeros (GByteArray *out, guint count)
{
  while (count--)
    g_byte_array_append (out, (const guint8 *)"", 1);
}

static inline void
full_box (GByteArray *out, const gchar *type, guint n, ...)
{
  guint at = begin (out, type);
  va_list args;

  va_start (args, n);
  while (n--)
    u32 (out, va_arg (args, guint32));
  va_end (args);
  end (out, at);
}

/* A fragment: mfhd 9, then whatever @traf writes, then an mdat of @payload. */
static inline GByteArray *
make_fragment (void (*traf) (GByteArray *), guint payload)
{
  GByteArray *out = g_byte_array_new ();
  guint moof = begin (out, "moof"), at;

  full_box (out, "mfhd", 2, 0, 9);
  traf (out);
  end (out, moof);
  at = begin (out, "mdat");
  zeros (out, payload);
  end (out, at);
  return out;
}

static inline void
put_traf (GByteArray *out)
{
  guint traf = begin (out, "traf");

  full_box (out, "tfhd", 2, 0, 5);
  full_box (out, "tfdt", 2, 0, 1000);
  /* two samples: duration, size, flags each; data offset */
  full_box (out, "trun", 9, 0x701, 2, 0x50, 10, 20, 0, 11, 30, 0x00010000);
  end (out, traf);
}

static inline void
put_nothing (GByteArray *out)
{
}

static inline void
put_no_tfhd (GByteArray *out)
{
  full_box (out, "traf", 0);
}

#endif
