/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Convolutions on two devices.
 */
#include <math.h>

#include "rig.h"

typedef struct {
  int64_t x[4]; /* T, H, W, Ci */
  int64_t co, k[3];
  int stride[3], dilation[3], lo[3], hi[3];
  DvPad mode[3];
} Shape;

static void
conv (Rig *rig, const Shape *s, DvDtype in, DvDtype host, DvDtype compute,
    DvDtype type, int extras)
{
  int64_t shape[4];
  int x, w, bias, other, out;

  for (int a = 0; a < 3; a++) {
    int64_t dilation = s->dilation[a] ? s->dilation[a] : 1;
    int64_t stride = s->stride[a] ? s->stride[a] : 1;

    shape[a] = (s->x[a] + s->lo[a] + s->hi[a] - dilation * (s->k[a] - 1) - 1) /
                   stride +
               1;
  }
  shape[3] = s->co;
  x = rig_normal (rig, in, 1, 4, s->x);
  w = rig_weight (rig, DV_USE_CONV, host, compute,
      SHAPE (s->co, s->x[3], s->k[0], s->k[1], s->k[2]));
  bias = extras & 1 ? rig_normal (rig, DV_F32, 1, SHAPE (s->co)) : -1;
  other = extras & 2 ? rig_normal (rig, type, 1, 4, shape) : -1;
  out = extras & 4 ? rig_normal (rig, type, 1, 4, shape)
                   : rig_out (rig, type, 4, shape);
  if (extras & 8) {
    rig_poke (rig, x, dv_tensor_count (rig_view (rig, 0, x)) / 3, NAN);
    rig_poke (rig, x, dv_tensor_count (rig_view (rig, 0, x)) / 2, INFINITY);
  }
  RIG_BOTH (rig)
  {
    DvConv args = {.out = T (out),
        .x = T (x),
        .w = W (w),
        .bias = T (bias),
        .act = (DvAct)(extras % 3),
        .residual = extras & 4 ? T (out) : T (other)};

    for (int a = 0; a < 3; a++) {
      args.stride[a] = s->stride[a];
      args.dilation[a] = s->dilation[a];
      args.pad_lo[a] = s->lo[a];
      args.pad_hi[a] = s->hi[a];
      args.pad_mode[a] = s->mode[a];
    }
    dv_conv (STREAM, &args);
  }
  rig_compare (rig, out, rig_rounding (type), 8,
      "convolution %lldx%lldx%lldx%lld by %lldx%lldx%lld to %lld, %s by %s in "
      "%s to %s, extras %d",
      (long long)s->x[0], (long long)s->x[1], (long long)s->x[2],
      (long long)s->x[3], (long long)s->k[0], (long long)s->k[1],
      (long long)s->k[2], (long long)s->co, dv_dtype_name (in),
      dv_dtype_name (host), dv_dtype_name (compute), dv_dtype_name (type),
      extras);
}

static void
up1 (Rig *rig, int64_t T, int64_t ci, int64_t co, int64_t k, int stride,
    int pad, DvDtype in, DvDtype compute, DvDtype type, bool has_bias)
{
  int x = rig_normal (rig, in, 1, SHAPE (T, ci));
  int w = rig_weight (rig, DV_USE_CONV_UP1, DV_F32, compute, SHAPE (ci, co, k));
  int bias = has_bias ? rig_normal (rig, DV_F32, 1, SHAPE (co)) : -1;
  int out = rig_out (rig, type, SHAPE ((T - 1) * stride - 2 * pad + k, co));

  RIG_BOTH (rig)
  dv_conv_up1 (STREAM, &(DvConvUp1){.out = T (out),
                           .x = T (x),
                           .w = W (w),
                           .bias = T (bias),
                           .stride = stride,
                           .pad = pad});
  rig_compare (rig, out, rig_rounding (type), 8,
      "transposed convolution %lldx%lld to %lld, k %lld, stride %d, pad %d, %s "
      "in %s to %s",
      (long long)T, (long long)ci, (long long)co, (long long)k, stride, pad,
      dv_dtype_name (in), dv_dtype_name (compute), dv_dtype_name (type));
}

void
rig_conv (Rig *rig)
{
  static const Shape shapes[] = {
      {.x = {1, 1, 1, 1}, .co = 1, .k = {1, 1, 1}},
      /* the video decoder's */
      {.x = {4, 5, 7, 16},
          .co = 24,
          .k = {3, 3, 3},
          .lo = {1, 1, 1},
          .hi = {1, 1, 1},
          .mode = {DV_PAD_EDGE, DV_PAD_REFLECT, DV_PAD_REFLECT}},
      {.x = {3, 4, 9, 72},
          .co = 70,
          .k = {3, 3, 3},
          .lo = {2, 1, 1},
          .hi = {0, 1, 1},
          .mode = {DV_PAD_EDGE, DV_PAD_ZERO, DV_PAD_ZERO}},
      {.x = {5, 3, 4, 48},
          .co = 16,
          .k = {3, 3, 3},
          .lo = {0, 1, 1},
          .hi = {0, 1, 1}},
      /* frames alone, an odd count of channels */
      {.x = {2, 9, 11, 13},
          .co = 7,
          .k = {1, 3, 3},
          .lo = {0, 1, 1},
          .hi = {0, 1, 1},
          .mode = {0, DV_PAD_REFLECT, DV_PAD_EDGE}},
      {.x = {1, 8, 6, 3},
          .co = 5,
          .k = {1, 5, 5},
          .lo = {0, 2, 2},
          .hi = {0, 2, 2}},
      {.x = {2, 9, 5, 33}, .co = 40, .k = {1, 1, 1}},
      /* strides */
      {.x = {1, 10, 13, 8},
          .co = 12,
          .k = {1, 3, 3},
          .stride = {1, 2, 2},
          .lo = {0, 2, 0},
          .hi = {0, 0, 1}},
      {.x = {5, 6, 7, 4},
          .co = 3,
          .k = {2, 1, 3},
          .stride = {2, 3, 2},
          .dilation = {2, 1, 3},
          .lo = {1, 0, 3},
          .hi = {0, 0, 2}},
      /* sound */
      {.x = {1, 1, 50, 32},
          .co = 32,
          .k = {1, 1, 11},
          .dilation = {1, 1, 5},
          .lo = {0, 0, 25},
          .hi = {0, 0, 25}},
      {.x = {1, 1, 300, 20},
          .co = 36,
          .k = {1, 1, 7},
          .dilation = {1, 1, 3},
          .lo = {0, 0, 9},
          .hi = {0, 0, 9}},
      {.x = {1, 1, 33, 128},
          .co = 2,
          .k = {1, 1, 7},
          .lo = {0, 0, 3},
          .hi = {0, 0, 3}},
      {.x = {1, 1, 500, 1},
          .co = 34,
          .k = {1, 1, 64},
          .stride = {1, 1, 10},
          .lo = {0, 0, 54}},
      {.x = {1, 2, 3, 4},
          .co = 3,
          .k = {1, 1, 9},
          .lo = {0, 0, 8},
          .hi = {0, 0, 0},
          .mode = {0, 0, DV_PAD_EDGE}},
  };
  static const Shape aligned[] = {
      {.x = {3, 5, 30, 40},
          .co = 72,
          .k = {3, 3, 3},
          .lo = {1, 1, 1},
          .hi = {1, 1, 1},
          .mode = {DV_PAD_EDGE, DV_PAD_REFLECT, DV_PAD_ZERO}},
      {.x = {1, 1, 300, 48},
          .co = 30,
          .k = {1, 1, 7},
          .dilation = {1, 1, 3},
          .lo = {0, 0, 9},
          .hi = {0, 0, 9}},
      {.x = {1, 2, 130, 24},
          .co = 8443,
          .k = {1, 3, 1},
          .lo = {0, 1, 0},
          .hi = {0, 1, 0}},
      {.x = {1, 1, 33700, 8}, .co = 35, .k = {1, 1, 5}, .lo = {0, 0, 4}},
  };
  static const DvDtype floats[] = {DV_F32, DV_BF16};

  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
    for (int combo = 0; combo < 16; combo++) {
      rig->gap = combo % 3;
      rig->offset = combo % 5 == 1;
      conv (rig, &shapes[s], floats[combo & 1], floats[combo >> 1 & 1],
          floats[combo >> 2 & 1], floats[combo >> 3 & 1], combo % 6);
    }
  /* whole addresses, as models have them; two of many blocks */
  for (size_t s = 0; s < sizeof aligned / sizeof *aligned; s++)
    conv (
        rig, &aligned[s], DV_BF16, DV_BF16, DV_BF16, floats[s % 2], (int)s + 1);
  /* what is no number */
  for (int combo = 0; combo < 4; combo++)
    conv (rig, &shapes[1], floats[combo & 1], DV_BF16, floats[combo >> 1],
        DV_F32, 8 + combo % 3);
  for (int combo = 0; combo < 8; combo++) {
    DvDtype in = floats[combo & 1], compute = floats[combo >> 1 & 1];
    DvDtype type = floats[combo >> 2];

    rig->gap = combo % 3;
    up1 (rig, 1, 1, 1, 1, 1, 0, in, compute, type, true);
    up1 (rig, 40, 64, 32, 16, 6, 5, in, compute, type, true);
    up1 (rig, 23, 32, 17, 15, 5, 5, in, compute, type, false);
    up1 (rig, 61, 20, 12, 4, 2, 1, in, compute, type, true);
    up1 (rig, 9, 5, 3, 11, 5, 3, in, compute, type, true);
    up1 (rig, 7, 6, 40, 2, 4, 0, in, compute, type, true);
  }
  rig->gap = rig->offset = 0;
}
