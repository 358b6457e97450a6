/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Four floats at a time, at addresses of a multiple of 16.
 */
#ifndef DV_FOUR_CUH
#define DV_FOUR_CUH

#include "simt.cuh"

DV_DEVICE void
dv_load_four (const float *from, float v[4])
{
  DvWords words = dv_load16 (from);

  DV_UNROLL
  for (int i = 0; i < 4; i++)
    v[i] = dv_bits<float> (words.w[i]);
}

DV_DEVICE void
dv_store_four (float *to, const float v[4])
{
  DvWords words;

  DV_UNROLL
  for (int i = 0; i < 4; i++)
    words.w[i] = dv_bits<uint32_t> (v[i]);
  dv_store16 (to, words);
}

#endif
