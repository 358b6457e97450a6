/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The words of JSON that strangers send, strictly by RFC 8259: strings,
 * numbers, names. What they make up is for control.c and strict-json.c to say,
 * each of which keeps something else of it.
 *
 * Threads: no shared state.
 */
#ifndef WSSCAN_H
#define WSSCAN_H

#include <glib.h>

typedef enum {
  WS_SCAN_GOOD,
  WS_SCAN_NO_JSON,
  WS_SCAN_NO_CHARACTER /* "\u0000", half a surrogate pair */
} WsScanFault;

typedef struct {
  const gchar *pos, *end; /* UTF-8 without NUL */
  gboolean replace;       /* what is no character becomes U+FFFD */
  WsScanFault fault;      /* the first thing that was wrong */
} WsScan;

/* Always FALSE. */
gboolean ws_scan_wrong (WsScan *scan, WsScanFault fault);
void ws_scan_space (WsScan *scan);
/* The next character, '\0' at the end. */
gchar ws_scan_peek (const WsScan *scan);
/* FALSE: it is another, which is not yet wrong. */
gboolean ws_scan_take (WsScan *scan, gchar c);
/* The rest are wrong if they are not there. */
gboolean ws_scan_word (WsScan *scan, const gchar *word);
/* Without its quotes and escapes, to be freed; NULL: it is none. */
gchar *ws_scan_string (WsScan *scan);
/* @whole: neither fraction nor exponent; may be NULL. */
gboolean ws_scan_number (WsScan *scan, gboolean *whole);

#endif
