/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The stamp: a strip of large light and dark blocks at the top of a frame that
 * says which frame it is, and a click on each whole second of sound.
 *
 * The strip survives H.264 at low quality. Its bits, most significant first:
 * light, dark, 16 of the segment, 16 of the frame, 12 of checksum, dark,
 * light. They fill rows from left to right, rows from the top.
 */
#ifndef DV_STAMP_H
#define DV_STAMP_H

#include "../generator.h"

#define DV_STAMP_BITS 48
#define DV_STAMP_LIGHT 216
#define DV_STAMP_DARK 40

/* The click is a burst of this frequency, loudest exactly on the second. */
#define DV_STAMP_CLICK_HZ 3000
#define DV_STAMP_CLICK_PEAK 0.9f
#define DV_STAMP_CLICK_HALF 12 /* samples to each side at 24 kHz */

/* Where the blocks are in a picture of @width by @height pixels. */
typedef struct {
  uint32_t block;   /* pixels, even */
  uint32_t columns; /* blocks in a row */
  uint32_t rows;
} DvStampLayout;

void dv_stamp_layout (uint32_t width, uint32_t height, DvStampLayout *layout);

/* The bits of segment @segment, frame @frame, the first one on top. */
uint64_t dv_stamp_bits (uint32_t segment, uint32_t frame);

void dv_stamp_draw (const DvFrame *frame, uint32_t width, uint32_t height,
    uint32_t segment, uint32_t n);

/* Puts clicks into @count stereo samples from sample @first on, and makes the
 * rest quieter, most of all around them. */
void dv_stamp_click (uint64_t first, size_t count, float *samples);

#endif
