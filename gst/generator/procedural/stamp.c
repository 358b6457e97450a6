/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Draws the strip and makes the clicks.
 */
#include "stamp.h"

#include <string.h>

#include "maths.h"
#include "procedural.h"

#define BLOCK_MIN 2
#define BLOCK_USUAL 8 /* what a coder's noise cannot hide */
#define BLOCK_MAX 32

_Static_assert(DV_STAMP_BITS *BLOCK_MIN *BLOCK_MIN <=
                   DV_PROCEDURAL_MIN_SIZE * DV_PROCEDURAL_MIN_SIZE,
    "the strip fits into the smallest picture");

/* Around a click the sound is off, then comes back. Samples. */
#define HUSH 960
#define HUSH_EDGE 480
#define QUIET 0.25f

void
dv_stamp_layout (uint32_t width, uint32_t height, DvStampLayout *layout)
{
  uint32_t block = width / DV_STAMP_BITS / 2 * 2;

  if (block < BLOCK_USUAL)
    block = BLOCK_USUAL;
  else if (block > BLOCK_MAX)
    block = BLOCK_MAX;
  /* Not more than half of the picture, unless it is tiny. */
  for (;; block -= 2) {
    layout->block = block;
    layout->columns = width / block;
    if (layout->columns > DV_STAMP_BITS)
      layout->columns = DV_STAMP_BITS;
    if (layout->columns == 0)
      continue;
    layout->rows = (DV_STAMP_BITS + layout->columns - 1) / layout->columns;
    if (layout->rows * block <= height / 2 || block == BLOCK_MIN)
      return;
  }
}

/* x^12 + x^11 + x^3 + x^2 + x + 1 over 32 bits. */
static uint32_t
checksum (uint32_t bits)
{
  uint32_t sum = 0xfff;

  for (int i = 31; i >= 0; i--) {
    uint32_t top = (sum >> 11 ^ bits >> i) & 1;

    sum = (sum << 1 & 0xfff) ^ (top ? 0x80f : 0);
  }
  return sum;
}

uint64_t
dv_stamp_bits (uint32_t segment, uint32_t frame)
{
  uint32_t bits = (segment & 0xffff) << 16 | (frame & 0xffff);

  return 2ull << 46 | (uint64_t)bits << 14 | checksum (bits) << 2 | 1;
}

static void
fill (uint8_t *plane, size_t stride, uint32_t width, uint32_t height, int value)
{
  for (uint32_t y = 0; y < height; y++)
    memset (plane + y * stride, value, width);
}

void
dv_stamp_draw (const DvFrame *frame, uint32_t width, uint32_t height,
    uint32_t segment, uint32_t n)
{
  uint64_t bits = dv_stamp_bits (segment, n);
  DvStampLayout layout;

  dv_stamp_layout (width, height, &layout);
  for (uint32_t i = 0; i < DV_STAMP_BITS; i++) {
    size_t x = (size_t)(i % layout.columns) * layout.block;
    size_t y = (size_t)(i / layout.columns) * layout.block;
    bool light = bits >> (DV_STAMP_BITS - 1 - i) & 1;

    fill (frame->plane[0] + y * frame->stride[0] + x, frame->stride[0],
        layout.block, layout.block, light ? DV_STAMP_LIGHT : DV_STAMP_DARK);
  }
  for (int c = 1; c < 3; c++)
    fill (frame->plane[c], frame->stride[c], layout.columns * layout.block / 2,
        layout.rows * layout.block / 2, 128);
}

/* The click, @distance samples from the second. */
static float
click_at (uint32_t distance)
{
  float turns = (float)distance * DV_STAMP_CLICK_HZ / DV_PROCEDURAL_RATE;
  float at = (float)distance / (2 * DV_STAMP_CLICK_HALF);

  if (distance >= DV_STAMP_CLICK_HALF)
    return 0;
  return DV_STAMP_CLICK_PEAK * (0.5f + 0.5f * dv_cos (at)) * dv_cos (turns);
}

void
dv_stamp_click (uint64_t first, size_t count, float *samples)
{
  for (size_t i = 0; i < count; i++) {
    uint32_t after = (uint32_t)((first + i) % DV_PROCEDURAL_RATE);
    uint32_t before = DV_PROCEDURAL_RATE - after;
    uint32_t distance = after < before ? after : before;
    float gain = QUIET;

    if (distance < HUSH + HUSH_EDGE)
      gain = distance < HUSH
                 ? 0
                 : QUIET * (float)(distance - HUSH) / (float)HUSH_EDGE;
    for (int c = 0; c < 2; c++)
      samples[2 * i + c] = samples[2 * i + c] * gain + click_at (distance);
  }
}
