/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * I420 to RGB: limited-range BT.709, in 16-bit fixed point.
 */
#include "pictures.h"

#define ONE 65536
#define Y_GAIN 76309   /* 255 / 219 */
#define CR_TO_R 117489 /* 255 / 224 * 1.5748 */
#define CB_TO_G (-13975)
#define CR_TO_G (-34925)
#define CB_TO_B 138438

static uint8_t
to_byte (int32_t value)
{
  value = (value + ONE / 2) >> 16;
  return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

void
rgb_from_i420 (
    const uint8_t *frame, uint32_t width, uint32_t height, uint8_t *rgb)
{
  size_t columns = (width + 1) / 2, rows = (height + 1) / 2;
  const uint8_t *luma = frame;
  const uint8_t *blue = frame + (size_t)width * height;
  const uint8_t *red = blue + columns * rows;

  for (uint32_t y = 0; y < height; y++)
    for (uint32_t x = 0; x < width; x++) {
      size_t at = y / 2 * columns + x / 2;
      int32_t l = Y_GAIN * (luma[(size_t)y * width + x] - 16);
      int32_t cb = blue[at] - 128, cr = red[at] - 128;

      *rgb++ = to_byte (l + CR_TO_R * cr);
      *rgb++ = to_byte (l + CB_TO_G * cb + CR_TO_G * cr);
      *rgb++ = to_byte (l + CB_TO_B * cb);
    }
}
