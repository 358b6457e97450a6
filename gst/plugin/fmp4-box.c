/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Walking over the boxes of an MP4 file in memory.
 *
 * Threads: pure functions.
 */
#include "fmp4-box.h"

#include <stdarg.h>
#include <stdio.h>

bool
fmp4_fail (Fmp4Error *error, const char *format, ...)
{
  va_list args;

  if (!error)
    return false;
  va_start (args, format);
  vsnprintf (error->detail, sizeof error->detail, format, args);
  va_end (args);
  return false;
}

void
fmp4_type_text (uint32_t type, char text[5])
{
  for (int i = 0; i < 4; i++) {
    uint8_t c = (uint8_t)(type >> (24 - 8 * i));

    text[i] = c >= 0x20 && c < 0x7f ? (char)c : '?';
  }
  text[4] = '\0';
}

Fmp4BoxResult
fmp4_box_header (const uint8_t *data, size_t size, uint32_t *type,
    size_t *header, uint64_t *total, Fmp4Error *error)
{
  char name[5];

  if (size < 8)
    return FMP4_BOX_END;
  *total = fmp4_u32 (data);
  *type = fmp4_u32 (data + 4);
  *header = 8;
  if (*total == 1) {
    if (size < 16)
      return FMP4_BOX_END;
    *total = fmp4_u64 (data + 8);
    *header = 16;
  } else if (*total == 0) {
    fmp4_type_text (*type, name);
    fmp4_fail (error,
        "box '%s' has size 0, to the end of the file: a live stream has no end",
        name);
    return FMP4_BOX_BAD;
  }
  if (*total < *header) {
    fmp4_type_text (*type, name);
    fmp4_fail (error, "box '%s' says it has %llu bytes, less than its header",
        name, (unsigned long long)*total);
    return FMP4_BOX_BAD;
  }
  return FMP4_BOX_OK;
}

Fmp4BoxResult
fmp4_box_next (
    Fmp4Cursor *cursor, Fmp4Box *box, const char *inside, Fmp4Error *error)
{
  char name[5];
  uint64_t total;

  if (cursor->size == 0)
    return FMP4_BOX_END;
  switch (fmp4_box_header (
      cursor->data, cursor->size, &box->type, &box->header, &total, error)) {
    case FMP4_BOX_OK:
      break;
    case FMP4_BOX_END:
      fmp4_fail (
          error, "%zu bytes at the end of %s are no box", cursor->size, inside);
      return FMP4_BOX_BAD;
    default:
      return FMP4_BOX_BAD;
  }
  if (total > cursor->size) {
    fmp4_type_text (box->type, name);
    fmp4_fail (error, "box '%s' of %llu bytes does not fit in %s, %zu are left",
        name, (unsigned long long)total, inside, cursor->size);
    return FMP4_BOX_BAD;
  }
  box->start = cursor->data;
  box->total = (size_t)total;
  box->data = cursor->data + box->header;
  box->size = box->total - box->header;
  cursor->data += box->total;
  cursor->size -= box->total;
  return FMP4_BOX_OK;
}

Fmp4BoxResult
fmp4_box_find (Fmp4Cursor cursor, uint32_t type, Fmp4Box *box,
    const char *inside, Fmp4Error *error)
{
  Fmp4BoxResult result;

  do
    result = fmp4_box_next (&cursor, box, inside, error);
  while (result == FMP4_BOX_OK && box->type != type);
  return result;
}
