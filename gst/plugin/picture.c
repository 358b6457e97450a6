/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The headers of PNG, JPEG and WebP.
 */
#include "picture.h"

#include <string.h>

static uint32_t
big (const uint8_t *at, int bytes)
{
  uint32_t value = 0;

  for (int i = 0; i < bytes; i++)
    value = value << 8 | at[i];
  return value;
}

static uint32_t
little (const uint8_t *at, int bytes)
{
  uint32_t value = 0;

  for (int i = bytes; i > 0; i--)
    value = value << 8 | at[i - 1];
  return value;
}

static bool
png_size (const uint8_t *data, size_t size, uint32_t *width, uint32_t *height)
{
  if (size < 24 || memcmp (data, "\x89PNG\r\n\x1a\n", 8) != 0 ||
      memcmp (data + 12, "IHDR", 4) != 0)
    return false;
  *width = big (data + 16, 4);
  *height = big (data + 20, 4);
  return true;
}

/* A start of frame: all of C0 to CF but the tables among them. */
static bool
is_frame (uint8_t marker)
{
  return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 &&
         marker != 0xcc;
}

static bool
jpeg_size (const uint8_t *data, size_t size, uint32_t *width, uint32_t *height)
{
  size_t at = 2;

  if (size < 4 || data[0] != 0xff || data[1] != 0xd8)
    return false;
  while (size - at >= 4) {
    uint8_t marker = data[at + 1];
    uint32_t length = big (data + at + 2, 2);

    if (data[at] != 0xff)
      return false;
    if (marker == 0xff) { /* a fill byte */
      at++;
      continue;
    }
    if (is_frame (marker)) {
      if (size - at < 9)
        return false;
      *height = big (data + at + 5, 2);
      *width = big (data + at + 7, 2);
      return true;
    }
    /* Data begins without a frame before it, or a segment without a length. */
    if (marker == 0xda || length < 2 || size - at - 2 < length)
      return false;
    at += 2 + length;
  }
  return false;
}

static bool
webp_size (const uint8_t *data, size_t size, uint32_t *width, uint32_t *height)
{
  if (size < 25 || memcmp (data, "RIFF", 4) != 0 ||
      memcmp (data + 8, "WEBP", 4) != 0)
    return false;
  if (memcmp (data + 12, "VP8L", 4) == 0 && data[20] == 0x2f) {
    uint32_t bits = little (data + 21, 4);

    *width = 1 + (bits & 0x3fff);
    *height = 1 + (bits >> 14 & 0x3fff);
  } else if (size < 30) { /* the others say it later */
    return false;
  } else if (memcmp (data + 12, "VP8X", 4) == 0) {
    *width = 1 + little (data + 24, 3);
    *height = 1 + little (data + 27, 3);
  } else if (memcmp (data + 12, "VP8 ", 4) == 0) {
    *width = little (data + 26, 2) & 0x3fff;
    *height = little (data + 28, 2) & 0x3fff;
  } else
    return false;
  return true;
}

bool
picture_size (
    const uint8_t *data, size_t size, uint32_t *width, uint32_t *height)
{
  return png_size (data, size, width, height) ||
         jpeg_size (data, size, width, height) ||
         webp_size (data, size, width, height);
}
