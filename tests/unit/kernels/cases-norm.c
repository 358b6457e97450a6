/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Norms, rotation and group norm on two devices.
 */
#include <math.h>

#include "rig.h"

static const DvDtype floats[] = {DV_F32, DV_BF16};

static void
norm (Rig *rig, int64_t M, int64_t C, DvNormKind kind, DvDtype in, DvDtype type,
    int extras, DvAct act)
{
  int x = rig_normal (rig, in, 2, SHAPE (M, C));
  int weight = extras & 1 ? rig_normal (rig, DV_F32, 1, SHAPE (C)) : -1;
  int scale = extras & 2 ? rig_normal (rig, DV_F32, 1, SHAPE (4, C)) : -1;
  int shift = extras & 4 ? rig_normal (rig, DV_F32, 1, SHAPE (4, C)) : -1;
  int index = extras & 8 ? rig_index (rig, 4, SHAPE (M)) : -1;
  int other = extras & 16 ? rig_normal (rig, type, 1, SHAPE (M, C)) : -1;
  int out = extras & 32 && in == type ? x : rig_out (rig, type, SHAPE (M, C));

  RIG_BOTH (rig)
  dv_norm (STREAM, &(DvNorm){.out = T (out),
                       .x = T (x),
                       .kind = kind,
                       .eps = 1e-6f,
                       .weight = T (weight),
                       .one_plus = (extras & 1) && M % 2,
                       .scale = {T (scale), scale < 0 ? NULL : T (index)},
                       .shift = {T (shift), shift < 0 ? NULL : T (index)},
                       .act = act,
                       .residual = T (other)});
  rig_compare (rig, out, rig_rounding (type) * 2, 1,
      "norm %lldx%lld kind %d, %s to %s, extras %d, act %d", (long long)M,
      (long long)C, (int)kind, dv_dtype_name (in), dv_dtype_name (type), extras,
      (int)act);
}

static void
norm_rows (Rig *rig)
{
  static const int64_t sizes[][2] = {
      {1, 1}, {1, 5}, {3, 16}, {33, 40}, {70, 129}, {5, 1000}, {300, 32}};

  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
    for (int combo = 0; combo < 64; combo++) {
      rig->gap = combo % 3;
      rig->offset = combo % 7 == 1;
      norm (rig, sizes[s][0], sizes[s][1],
          combo & 1 ? DV_NORM_LAYER : DV_NORM_RMS, floats[combo >> 1 & 1],
          floats[combo >> 2 & 1], combo, (DvAct)(combo % 3));
    }
  rig->gap = rig->offset = 0;
}

/* Rows with a NaN or an infinity; the rows beside them are as ever. */
static void
odd_rows (Rig *rig)
{
  static const float odd[] = {NAN, INFINITY, -INFINITY};

  for (int i = 0; i < 16; i++) {
    DvDtype in = floats[i >> 2 & 1];
    int x = rig_normal (rig, in, 2, SHAPE (5, 70));
    int out = rig_out (rig, DV_F32, SHAPE (5, 70));

    rig_poke (rig, x, 70 * (i % 4) + 9 * i % 70, odd[i % 3]);
    RIG_BOTH (rig)
    dv_norm (STREAM, &(DvNorm){.out = T (out),
                         .x = T (x),
                         .kind = i & 8 ? DV_NORM_LAYER : DV_NORM_RMS,
                         .eps = 1e-6f});
    rig_compare (rig, out, 4e-6, 1, "norm of rows with a NaN or infinity");
  }
}

static void
qk_norm (Rig *rig, int64_t M, int64_t H, int64_t d, int axes, int64_t pad,
    bool shared, int extras, DvDtype in, DvDtype type)
{
  int64_t entries = shared ? d / 2 : H * d / 2;
  int64_t c = axes ? (entries - pad) / axes : 0;
  int64_t positions = axes > 1 || extras & 4 ? 9 : M;
  int x = rig_normal (rig, in, 1, SHAPE (M, H, d));
  int weight = extras & 1   ? rig_normal (rig, DV_F32, 1, SHAPE (H * d))
               : extras & 2 ? rig_normal (rig, DV_F32, 1, SHAPE (d))
                            : -1;
  int cosine[3] = {-1, -1, -1}, sine[3] = {-1, -1, -1}, index = -1;
  int out = extras & 8 && in == type ? x : rig_out (rig, type, SHAPE (M, H, d));

  for (int a = 0; a < axes; a++) {
    cosine[a] = rig_normal (rig, DV_F32, 1, SHAPE (positions, c));
    sine[a] = rig_normal (rig, DV_F32, 1, SHAPE (positions, c));
  }
  if (axes > 1 || (axes && extras & 4))
    index = rig_index (rig, positions, SHAPE (M, axes));
  RIG_BOTH (rig)
  dv_qk_norm (
      STREAM, &(DvQkNorm){.out = T (out),
                  .x = T (x),
                  .weight = T (weight),
                  .one_plus = (extras & 16) != 0,
                  .eps = 1e-6f,
                  .rope = {.n_axes = axes,
                      .pad = pad,
                      .cos = {T (cosine[0]), T (cosine[1]), T (cosine[2])},
                      .sin = {T (sine[0]), T (sine[1]), T (sine[2])},
                      .index = T (index),
                      .shared = shared}});
  rig_compare (rig, out, rig_rounding (type) * 2, 1,
      "qk-norm %lldx%lldx%lld, %d axes, pad %lld, shared %d, extras %d, %s to "
      "%s",
      (long long)M, (long long)H, (long long)d, axes, (long long)pad, shared,
      extras, dv_dtype_name (in), dv_dtype_name (type));
}

static void
group_norm (Rig *rig, const int64_t *s, int groups, int extras, DvDtype in,
    DvDtype type)
{
  int x = rig_normal (rig, in, 3, 4, s);
  int weight = extras & 1 ? rig_normal (rig, DV_F32, 1, SHAPE (s[3])) : -1;
  int bias = extras & 2 ? rig_normal (rig, DV_F32, 1, SHAPE (s[3])) : -1;
  int other = extras & 4 ? rig_normal (rig, type, 1, 4, s) : -1;
  int out = extras & 8 && in == type ? x : rig_out (rig, type, 4, s);

  RIG_BOTH (rig)
  dv_group_norm (STREAM, &(DvGroupNorm){.out = T (out),
                             .x = T (x),
                             .weight = T (weight),
                             .bias = T (bias),
                             .groups = groups,
                             .eps = 1e-5f,
                             .act = (DvAct)(extras % 3),
                             .residual = T (other)});
  rig_compare (rig, out, rig_rounding (type) * 2, 1,
      "group norm %lldx%lldx%lldx%lld, %d groups, extras %d, %s to %s",
      (long long)s[0], (long long)s[1], (long long)s[2], (long long)s[3],
      groups, extras, dv_dtype_name (in), dv_dtype_name (type));
}

void
rig_norm (Rig *rig)
{
  static const int64_t shapes[][4] = {
      {1, 1, 1, 4}, {2, 3, 5, 12}, {1, 7, 9, 64}, {3, 20, 11, 96}};

  norm_rows (rig);
  /* Rows longer than what a block of a GPU holds. */
  for (int i = 0; i < 4; i++)
    norm (rig, 3, 8200 + i, i & 1 ? DV_NORM_LAYER : DV_NORM_RMS, floats[i >> 1],
        DV_F32, 31, DV_ACT_NONE);
  odd_rows (rig);
  for (int i = 0; i < 128; i++) {
    DvDtype in = floats[i & 1], type = floats[i >> 1 & 1];

    rig->gap = i % 3;
    rig->offset = i % 5 == 2;
    qk_norm (rig, 1 + i * 7 % 50, 4, 32, 3, 1, false, i >> 2, in, type);
    qk_norm (rig, 5, 3, 10, 1, 2, false, i >> 2, in, type);
    qk_norm (rig, 17, 2, 64, 1, 0, true, i >> 2, in, type);
    qk_norm (rig, 3, 1, 256, 2, 0, true, i >> 2, in, type);
    qk_norm (rig, 6, 5, 2, 0, 0, false, i >> 2, in, type);
    if (i % 16 == 0) /* more heads than a block of a GPU holds at once */
      qk_norm (rig, 2, 70, 256, 3, 2, false, i >> 2, in, type);
    if (i < 64)
      for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        group_norm (rig, shapes[s], s == 3 ? 32 : 4, i >> 2, in, type);
  }
  rig->gap = rig->offset = 0;
}
