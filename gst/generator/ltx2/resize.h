/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Pictures as the video VAE's encoder takes them (section 7.2 of
 * docs/ltx2-model.md).
 */
#ifndef DV_LTX2_RESIZE_H
#define DV_LTX2_RESIZE_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* Resizes @rgb ([rows, columns, 3] bytes, @stride bytes a row) bilinearly so
 * that it covers @width x @height, cuts out the centre, and writes it as
 * [height, width, 3] in [-1, 1]. */
DvStatus dv_resize_crop (const uint8_t *rgb, size_t stride, int64_t columns,
    int64_t rows, float *out, int64_t width, int64_t height, DvError *error);

#endif
