/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The words of JSON: see wsscan.h.
 */
#include "wsscan.h"

#include <string.h>

#define REPLACEMENT 0xfffd

gboolean
ws_scan_wrong (WsScan *scan, WsScanFault fault)
{
  if (scan->fault == WS_SCAN_GOOD)
    scan->fault = fault;
  return FALSE;
}

static gboolean
no_json (WsScan *scan)
{
  return ws_scan_wrong (scan, WS_SCAN_NO_JSON);
}

void
ws_scan_space (WsScan *scan)
{
  while (scan->pos < scan->end && (*scan->pos == ' ' || *scan->pos == '\t' ||
                                      *scan->pos == '\n' || *scan->pos == '\r'))
    scan->pos++;
}

gchar
ws_scan_peek (const WsScan *scan)
{
  return scan->pos < scan->end ? *scan->pos : '\0';
}

gboolean
ws_scan_take (WsScan *scan, gchar c)
{
  if (scan->pos == scan->end || *scan->pos != c)
    return FALSE;
  scan->pos++;
  return TRUE;
}

gboolean
ws_scan_word (WsScan *scan, const gchar *word)
{
  gsize size = strlen (word);

  if ((gsize)(scan->end - scan->pos) < size ||
      memcmp (scan->pos, word, size) != 0)
    return no_json (scan);
  scan->pos += size;
  return TRUE;
}

/* ---- strings ---- */

/* Four hexadecimal digits. */
static gboolean
read_unit (WsScan *scan, gunichar *unit)
{
  *unit = 0;
  for (int i = 0; i < 4; i++) {
    gint digit = g_ascii_xdigit_value (ws_scan_peek (scan));

    if (digit < 0)
      return no_json (scan);
    *unit = *unit << 4 | (gunichar)digit;
    scan->pos++;
  }
  return TRUE;
}

/* Behind "\u". Browsers cut texts between the halves of a pair. */
static gboolean
read_unicode (WsScan *scan, GString *out)
{
  const gchar *behind;
  gunichar high, low;

  if (!read_unit (scan, &high))
    return FALSE;
  if (high >= 0xd800 && high < 0xdc00) {
    behind = scan->pos;
    if (ws_scan_take (scan, '\\') && ws_scan_take (scan, 'u')) {
      if (!read_unit (scan, &low))
        return FALSE;
      if (low >= 0xdc00 && low <= 0xdfff) {
        g_string_append_unichar (
            out, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
        return TRUE;
      }
    }
    scan->pos = behind;
  }
  if (high == 0 || (high >= 0xd800 && high <= 0xdfff)) {
    if (!scan->replace)
      return ws_scan_wrong (scan, WS_SCAN_NO_CHARACTER);
    high = REPLACEMENT;
  }
  g_string_append_unichar (out, high);
  return TRUE;
}

static gboolean
read_escape (WsScan *scan, GString *out)
{
  static const gchar names[] = "\"\\/bfnrt";
  static const gchar means[] = "\"\\/\b\f\n\r\t";
  const gchar *found;

  if (ws_scan_take (scan, 'u'))
    return read_unicode (scan, out);
  if (scan->pos == scan->end)
    return no_json (scan);
  found = memchr (names, *scan->pos, sizeof names - 1);
  if (!found)
    return no_json (scan);
  scan->pos++;
  g_string_append_c (out, means[found - names]);
  return TRUE;
}

/* Whether one of eight bytes ends a stretch of plain ones. May say so of eight
 * that do not, never the other way round. */
static gboolean
may_end (guint64 bytes)
{
  const guint64 ones = G_GUINT64_CONSTANT (0x0101010101010101);
  guint64 quote = bytes ^ ones * '"', escape = bytes ^ ones * '\\';

  return (((quote - ones) | (escape - ones) | (bytes - ones * 0x20)) &
             ones * 0x80) != 0;
}

/* To the next character that means something in a string. Some strings are
 * pictures, of which each byte counts: eight are looked at together. */
static void
skip_plain (WsScan *scan)
{
  const gchar *at = scan->pos, *end = scan->end;
  guint64 bytes;

  for (;;) {
    while (end - at >= (gssize)sizeof bytes) {
      memcpy (&bytes, at, sizeof bytes);
      if (may_end (bytes))
        break;
      at += sizeof bytes;
    }
    for (guint i = 0; i < sizeof bytes; i++, at++)
      if (at == end || *at == '"' || *at == '\\' || (guchar)*at < 0x20) {
        scan->pos = at;
        return;
      }
  }
}

/* The rest of a string whose beginning, @from, has no escapes. */
static gchar *
read_escaped (WsScan *scan, const gchar *from)
{
  GString *out = g_string_new_len (from, scan->pos - from);

  for (;;) {
    if (ws_scan_take (scan, '"'))
      return g_string_free (out, FALSE);
    if (!ws_scan_take (scan, '\\')) {
      no_json (scan);
      break;
    }
    if (!read_escape (scan, out))
      break;
    from = scan->pos;
    skip_plain (scan);
    g_string_append_len (out, from, scan->pos - from);
  }
  g_string_free (out, TRUE);
  return NULL;
}

gchar *
ws_scan_string (WsScan *scan)
{
  const gchar *from;

  if (!ws_scan_take (scan, '"')) {
    no_json (scan);
    return NULL;
  }
  from = scan->pos;
  skip_plain (scan);
  if (ws_scan_take (scan, '"'))
    return g_strndup (from, (gsize)(scan->pos - 1 - from));
  return read_escaped (scan, from);
}

/* ---- numbers ---- */

static gboolean
skip_digits (WsScan *scan)
{
  const gchar *from = scan->pos;

  while (scan->pos < scan->end && g_ascii_isdigit (*scan->pos))
    scan->pos++;
  return scan->pos > from || no_json (scan);
}

gboolean
ws_scan_number (WsScan *scan, gboolean *whole)
{
  gboolean none;

  if (!whole)
    whole = &none;
  *whole = TRUE;
  ws_scan_take (scan, '-');
  /* No digits behind a leading zero. */
  if (!ws_scan_take (scan, '0') && !skip_digits (scan))
    return FALSE;
  if (ws_scan_take (scan, '.')) {
    *whole = FALSE;
    if (!skip_digits (scan))
      return FALSE;
  }
  if (ws_scan_take (scan, 'e') || ws_scan_take (scan, 'E')) {
    *whole = FALSE;
    if (!ws_scan_take (scan, '-'))
      ws_scan_take (scan, '+');
    return skip_digits (scan);
  }
  return TRUE;
}
