/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Snake and resampling on two devices.
 */
#include "rig.h"

static void
snake (Rig *rig, int64_t T, int64_t C)
{
  int x = rig_normal (rig, DV_F32, 1, SHAPE (T, C));
  int alpha = rig_normal (rig, DV_F32, 0.5f, SHAPE (C));
  int beta = rig_normal (rig, DV_F32, 0.5f, SHAPE (C));
  int up = rig_normal (rig, DV_F32, 0.3f, SHAPE (12));
  int down = rig_normal (rig, DV_F32, 0.3f, SHAPE (12));
  int out = rig_out (rig, DV_F32, SHAPE (T, C));

  RIG_BOTH (rig)
  dv_snake (STREAM, &(DvSnake){.out = T (out),
                        .x = T (x),
                        .alpha = T (alpha),
                        .beta = T (beta),
                        .up = T (up),
                        .down = T (down)});
  rig_compare (
      rig, out, 1e-5, 1, "snake %lldx%lld", (long long)T, (long long)C);
}

static void
fir_up (Rig *rig, int64_t T, int64_t C, int64_t k, int factor, int pad,
    int cut_lo, int cut_hi, DvDtype in, DvDtype type)
{
  int x = rig_normal (rig, in, 1, SHAPE (T, C));
  int filter = rig_normal (rig, DV_F32, 0.3f, SHAPE (k));
  int out = rig_out (
      rig, type, SHAPE ((T + 2 * pad - 1) * factor + k - cut_lo - cut_hi, C));

  RIG_BOTH (rig)
  dv_fir_up (STREAM, &(DvFirUp){.out = T (out),
                         .x = T (x),
                         .filter = T (filter),
                         .factor = factor,
                         .pad = pad,
                         .cut_lo = cut_lo,
                         .cut_hi = cut_hi});
  rig_compare (rig, out, rig_rounding (type) * 4, 1,
      "resampling %lldx%lld by %d, %lld taps, %s to %s", (long long)T,
      (long long)C, factor, (long long)k, dv_dtype_name (in),
      dv_dtype_name (type));
}

void
rig_audio (Rig *rig)
{
  static const int64_t sizes[][2] = {
      {1, 1}, {2, 3}, {5, 16}, {130, 24}, {300, 7}, {65, 33}, {1000, 64}};
  static const DvDtype floats[] = {DV_F32, DV_BF16};

  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
    for (int gap = 0; gap < 2; gap++) {
      rig->gap = gap;
      rig->offset = gap;
      snake (rig, sizes[s][0], sizes[s][1]);
      for (int types = 0; types < 4; types++) {
        DvDtype in = floats[types & 1], type = floats[types >> 1];

        fir_up (rig, sizes[s][0], sizes[s][1], 43, 3, 7, 42, 40, in, type);
        fir_up (rig, sizes[s][0], sizes[s][1], 12, 2, 5, 15, 15, in, type);
        fir_up (rig, sizes[s][0], sizes[s][1], 1, 1, 0, 0, 0, in, type);
        fir_up (rig, sizes[s][0], sizes[s][1], 3, 5, 1, 2, 1, in, type);
      }
    }
  rig->gap = rig->offset = 0;
}
