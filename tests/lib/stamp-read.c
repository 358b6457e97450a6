/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reads the stamps of the procedural generator back.
 */
#include "stamp-read.h"

#include <math.h>
#include <stdlib.h>

#include "procedural/stamp.h"

#define CONTRAST_MIN 24   /* between light and dark, of 255 */
#define CLICK_MIN 0.3     /* of full scale */
#define CLICK_SPACING 0.4 /* seconds: nothing nearer is another click */

/* The mean of the middle half of a block. */
static double
block_level (const uint8_t *luma, size_t stride, uint32_t block)
{
  uint32_t low = block / 4, high = block - low;
  double sum = 0;

  for (uint32_t y = low; y < high; y++)
    for (uint32_t x = low; x < high; x++)
      sum += luma[y * stride + x];
  return sum / ((double)(high - low) * (high - low));
}

bool
stamp_read_strip (const uint8_t *luma, size_t stride, uint32_t width,
    uint32_t height, uint32_t *segment, uint32_t *frame)
{
  double level[DV_STAMP_BITS], light, dark;
  uint64_t bits = 0;
  DvStampLayout layout;

  dv_stamp_layout (width, height, &layout);
  for (uint32_t i = 0; i < DV_STAMP_BITS; i++)
    level[i] = block_level (luma + i / layout.columns * layout.block * stride +
                                i % layout.columns * layout.block,
        stride, layout.block);
  light = (level[0] + level[DV_STAMP_BITS - 1]) / 2;
  dark = (level[1] + level[DV_STAMP_BITS - 2]) / 2;
  if (light - dark < CONTRAST_MIN)
    return false;
  for (int i = 0; i < DV_STAMP_BITS; i++)
    bits = bits << 1 | (level[i] > (light + dark) / 2);
  *segment = (uint32_t)(bits >> 30) & 0xffff;
  *frame = (uint32_t)(bits >> 14) & 0xffff;
  return bits == dv_stamp_bits (*segment, *frame);
}

size_t
stamp_find_clicks (const float *samples, size_t count, unsigned channels,
    unsigned rate, uint64_t *clicks, size_t room)
{
  int half = (int)((double)DV_STAMP_CLICK_HALF * rate / 24000);
  size_t spacing = (size_t)(CLICK_SPACING * rate), found = 0, last = 0;
  double *shape = calloc ((size_t)half + 1, sizeof *shape), energy = 0;
  double best = 0;
  float *mono = malloc ((count + 1) * sizeof *mono);

  for (int i = 0; i <= half; i++) {
    shape[i] = (0.5 + 0.5 * cos (M_PI * i / (half + 1))) *
               cos (2 * M_PI * i * DV_STAMP_CLICK_HZ / rate);
    energy += (i ? 2 : 1) * shape[i] * shape[i];
  }
  for (size_t i = 0; i < count; i++) {
    mono[i] = 0;
    for (unsigned c = 0; c < channels; c++)
      mono[i] += samples[i * channels + c] / (float)channels;
  }
  /* How much of the click's shape there is around each sample; of peaks that
   * stand together the highest is the click. */
  for (size_t i = 0; i < count; i++) {
    double sum = shape[0] * mono[i];

    if (fabsf (mono[i]) < CLICK_MIN / 2)
      continue;
    for (int k = 1; k <= half; k++)
      sum += shape[k] *
             ((i >= (size_t)k ? (double)mono[i - (size_t)k] : 0) +
                 (i + (size_t)k < count ? (double)mono[i + (size_t)k] : 0));
    sum /= energy;
    /* At the very start half of the shape is missing. */
    if (sum < (i < (size_t)half ? CLICK_MIN / 2 : CLICK_MIN))
      continue;
    if (found && i - last < spacing) {
      if (sum <= best)
        continue;
      found--;
    }
    if (found < room)
      clicks[found] = i;
    found++;
    last = i;
    best = sum;
  }
  free (shape);
  free (mono);
  return found;
}
