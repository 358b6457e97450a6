/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Elementwise ops, gathers, shuffles, the Euler step, noise and pixels on two
 * devices.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

static const DvDtype floats[] = {DV_F32, DV_BF16};

static void
map (Rig *rig, DvMapKind kind, DvDtype in, DvDtype type, int n_dims,
    const int64_t *shape, int alias)
{
  int x = rig_normal (rig, in, 2, n_dims, shape);
  int y = rig_normal (rig, in, 1, n_dims, shape);
  int s = rig_normal (
      rig, DV_F32, 1, SHAPE (shape[kind == DV_MAP_LERP ? 0 : n_dims - 1]));
  int b = rig_normal (rig, DV_F32, 1, SHAPE (shape[n_dims - 1]));
  int out = rig_out (rig, type, n_dims, shape);
  bool has_y = kind == DV_MAP_ADD || kind == DV_MAP_AXPY ||
               kind == DV_MAP_MUL || kind == DV_MAP_GELU_MUL ||
               kind == DV_MAP_MAGNITUDE || kind == DV_MAP_LERP;

  if (in == type && alias == 1)
    out = x;
  if (in == type && alias == 2 && has_y)
    out = y;
  RIG_BOTH (rig)
  dv_map (STREAM, &(DvMap){.out = T (out),
                      .x = T (x),
                      .y = has_y ? T (y) : NULL,
                      .s = T (s),
                      .b = T (b),
                      .kind = kind,
                      .p = 0.3f});
  rig_compare (rig, out, rig_rounding (type) * 2, 1,
      "elementwise kind %d, %s to %s, %d dimensions, alias %d", (int)kind,
      dv_dtype_name (in), dv_dtype_name (type), n_dims, alias);
}

/* NaN and infinities go through as arithmetic has it. */
static void
odd_values (Rig *rig)
{
  float values[40];

  for (int i = 0; i < 40; i++)
    values[i] = i % 5 == 0   ? NAN
                : i % 5 == 1 ? INFINITY
                : i % 5 == 2 ? -INFINITY
                : i % 5 == 3 ? -90.0f - (float)i
                             : 90.0f + (float)i;
  for (int kind = 0; kind <= DV_MAP_TANH + 1; kind++)
    for (int type = 0; type < 2; type++) {
      int x = rig_values (rig, DV_F32, values, SHAPE (1, 40));
      int out = rig_out (rig, floats[type], SHAPE (1, 40));

      RIG_BOTH (rig)
      dv_map (STREAM,
          &(DvMap){
              .out = T (out), .x = T (x), .kind = (DvMapKind)kind, .p = 1});
      rig_compare (rig, out, rig_rounding (floats[type]), 1,
          "elementwise kind %d of NaN and infinity", kind);
    }
}

/* Permuted and transposed views on either side. */
static void
permute (Rig *rig, const int *order, int n_dims, const int64_t *shape,
    DvDtype in, DvDtype type)
{
  int64_t turned[DV_MAX_DIMS];
  int x = rig_normal (rig, in, 2, n_dims, shape), out;

  for (int i = 0; i < n_dims; i++)
    turned[i] = shape[order[i]];
  out = rig_out (rig, type, n_dims, turned);
  RIG_BOTH (rig)
  {
    DvTensor view = dv_permute (T (x), order);

    dv_map (STREAM, &(DvMap){.out = T (out), .x = &view, .kind = DV_MAP_COPY});
  }
  rig_compare (rig, out, rig_rounding (type), 1, "permuted copy, %s to %s",
      dv_dtype_name (in), dv_dtype_name (type));
}

/* F16 on either side, as files may have it. */
static void
halves (Rig *rig)
{
  static const DvDtype pairs[][2] = {{DV_F16, DV_F32}, {DV_F32, DV_F16},
      {DV_F16, DV_BF16}, {DV_BF16, DV_F16}, {DV_F16, DV_F16}};
  static const int order[] = {1, 0};

  for (int i = 0; i < 10; i++) {
    rig->offset = i & 1;
    map (rig, DV_MAP_COPY, pairs[i / 2][0], pairs[i / 2][1], SHAPE (5, 43), 0);
    map (rig, DV_MAP_AXPY, pairs[i / 2][0], pairs[i / 2][1], SHAPE (7, 16), 0);
    permute (rig, order, SHAPE (41, 35), pairs[i / 2][0], pairs[i / 2][1]);
  }
  rig->offset = 0;
}

static void
integers (Rig *rig, int64_t rows, int64_t columns)
{
  static const int order[] = {1, 0};
  int x = rig_index (rig, 1000000, SHAPE (rows, columns));
  int out = rig_out (rig, DV_I32, SHAPE (columns, rows));

  RIG_BOTH (rig)
  {
    DvTensor view = dv_permute (T (x), order);

    dv_map (STREAM, &(DvMap){.out = T (out), .x = &view, .kind = DV_MAP_COPY});
  }
  rig_compare (rig, out, 1e-9, 1, "permuted copy of integers");
}

static void
shuffle (
    Rig *rig, const int64_t *x_shape, DvShuffle how, DvDtype in, DvDtype type)
{
  const int *f = how.factor;
  int64_t P = (int64_t)f[0] * f[1] * f[2], shape[4];
  int x, out;

  for (int a = 0; a < 3; a++)
    shape[a] = how.kind == DV_SPACE_TO_DEPTH
                   ? x_shape[a] / f[a]
                   : x_shape[a] * f[a] - (a == 0 ? how.drop : 0);
  shape[3] = how.kind == DV_SPACE_TO_DEPTH
                 ? x_shape[3] * P / (how.group ? how.group : 1)
                 : x_shape[3] / P * (how.tile ? how.tile : 1);
  x = rig_normal (rig, in, 1, 4, x_shape);
  out = how.add ? rig_normal (rig, type, 1, 4, shape)
                : rig_out (rig, type, 4, shape);
  RIG_BOTH (rig)
  {
    DvShuffle args = how;

    args.out = T (out);
    args.x = T (x);
    dv_shuffle (STREAM, &args);
  }
  rig_compare (rig, out, rig_rounding (type), 1,
      "shuffle kind %d by %dx%dx%d, group %d, tile %d, drop %d, %s to %s",
      (int)how.kind, f[0], f[1], f[2], how.group, how.tile, how.drop,
      dv_dtype_name (in), dv_dtype_name (type));
}

/* Channels in whole chunks, on both sides. */
static void
shuffles_of_chunks (Rig *rig, DvDtype in, DvDtype type)
{
  const int64_t wide[4] = {4, 6, 8, 16}, deep[4] = {3, 2, 5, 128};
  const int factors[3][3] = {{2, 2, 2}, {1, 2, 2}, {2, 1, 1}};

  for (int i = 0; i < 3; i++) {
    const int *f = factors[i];
    DvShuffle how = {.kind = DV_SPACE_TO_DEPTH, .factor = {f[0], f[1], f[2]}};

    shuffle (rig, wide, how, in, type);
    how.add = true;
    shuffle (rig, wide, how, in, type);
    how.columns_first = true;
    shuffle (rig, wide, how, in, type);
    how.kind = DV_DEPTH_TO_SPACE;
    how.drop = f[0] - 1;
    shuffle (rig, deep, how, in, type);
    how.tile = 3;
    shuffle (rig, deep, how, in, type);
    how.add = how.columns_first = false;
    shuffle (rig, deep, how, in, type);
  }
}

static void
shuffles (Rig *rig, DvDtype in, DvDtype type)
{
  const int64_t wide[4] = {4, 6, 8, 12}, deep[4] = {3, 2, 5, 96};
  const int64_t one[4] = {1, 4, 4, 3}, patches[4] = {2, 3, 5, 48};
  DvShuffle how = {.kind = DV_SPACE_TO_DEPTH, .factor = {2, 2, 2}};

  shuffle (rig, wide, how, in, type);
  how.group = 4;
  shuffle (rig, wide, how, in, type);
  how.add = true;
  shuffle (rig, wide, how, in, type);
  shuffle (rig, wide, (DvShuffle){.factor = {1, 2, 2}}, in, type);
  shuffle (rig, wide, (DvShuffle){.factor = {2, 1, 1}, .group = 2}, in, type);
  shuffle (rig, one, (DvShuffle){.factor = {1, 4, 4}, .columns_first = true},
      in, type);
  how = (DvShuffle){.kind = DV_DEPTH_TO_SPACE, .factor = {2, 2, 2}, .drop = 1};
  shuffle (rig, deep, how, in, type);
  how.tile = 4;
  shuffle (rig, deep, how, in, type);
  how.add = true;
  shuffle (rig, deep, how, in, type);
  how = (DvShuffle){.kind = DV_DEPTH_TO_SPACE, .factor = {1, 4, 4}};
  shuffle (rig, patches, how, in, type);
  how.columns_first = true;
  shuffle (rig, patches, how, in, type);
  how.factor[0] = 1;
  how.factor[1] = how.factor[2] = 2;
  shuffle (rig, deep, how, in, type);
  how.factor[0] = 2;
  how.factor[1] = how.factor[2] = 1;
  shuffle (rig, deep, how, in, type);
}

static void
gather (Rig *rig, int64_t M, int64_t C, DvDtype table_type, DvDtype type)
{
  int table = rig_normal (rig, table_type, 1, SHAPE (31, C));
  int id = rig_index (rig, 31, SHAPE (M));
  int out = rig_out (rig, type, SHAPE (M, C));

  RIG_BOTH (rig)
  dv_gather (STREAM,
      &(DvGather){
          .out = T (out), .table = T (table), .id = T (id), .scale = 1.5f});
  rig_compare (rig, out, rig_rounding (type), 1,
      "gather %lldx%lld from %s to %s", (long long)M, (long long)C,
      dv_dtype_name (table_type), dv_dtype_name (type));
}

static void
spread (Rig *rig, int64_t L, int64_t M, int64_t C, DvDtype type)
{
  int x = rig_normal (rig, type, 3, SHAPE (L, M, C));
  int out = rig_out (rig, DV_F32, SHAPE (2, L));

  RIG_BOTH (rig)
  {
    DvTensor s = dv_index (T (out), 0), b = dv_index (T (out), 1);

    dv_spread (STREAM,
        &(DvSpread){.s = &s, .b = &b, .x = T (x), .scale = 8, .eps = 1e-6f});
  }
  rig_compare (rig, out, 1e-5, 1, "spread %lldx%lldx%lld of %s", (long long)L,
      (long long)M, (long long)C, dv_dtype_name (type));
}

/* Each term may be absent; out may be any input. */
static void
guide (Rig *rig, int64_t M, int64_t C, int terms, bool rescaled, bool alias)
{
  int in[4], out;

  for (int i = 0; i < 4; i++)
    in[i] = rig_normal (rig, DV_F32, 1, SHAPE (M, C));
  out = alias ? in[0] : rig_out (rig, DV_F32, 2, (int64_t[]){M, C});
  RIG_BOTH (rig)
  dv_guide (STREAM, &(DvGuide){.out = T (out),
                        .cond = T (in[0]),
                        .uncond = terms & 1 ? T (in[1]) : NULL,
                        .perturbed = terms & 2 ? T (in[2]) : NULL,
                        .modality = terms & 4 ? T (in[3]) : NULL,
                        .cfg = 3,
                        .stg = 1,
                        .mod = 2,
                        .rescale = rescaled ? 0.7f : 0});
  rig_compare (rig, out, 1e-5, 1, "guidance %lldx%lld, terms %d", (long long)M,
      (long long)C, terms);
}

static void
euler (Rig *rig, int64_t M, int64_t C, bool masked, float next, DvDtype type)
{
  float values[3] = {1, 0, 0.3f}, rows[64];
  int x = rig_normal (rig, DV_F32, 1, SHAPE (M, C));
  int velocity = rig_normal (rig, type, 1, SHAPE (M, C));
  int clean = rig_normal (rig, DV_F32, 1, SHAPE (M, C)), mask = -1;

  for (int i = 0; i < 64; i++)
    rows[i] = values[i % 3];
  if (masked)
    mask = rig_values (rig, DV_F32, rows, SHAPE (M));
  RIG_BOTH (rig)
  dv_euler (STREAM, &(DvEuler){.x = T (x),
                        .velocity = T (velocity),
                        .mask = T (mask),
                        .clean = T (clean),
                        .sigma = 0.9f,
                        .next = next});
  rig_compare (rig, x, 3e-6, 1, "Euler step %lldx%lld, masked %d, to %g",
      (long long)M, (long long)C, masked, (double)next);
}

static void
noise (Rig *rig, int64_t n)
{
  int out;

  rig->gap = 0;
  out = rig_out (rig, DV_F32, SHAPE (n));
  RIG_BOTH (rig)
  dv_noise (STREAM,
      &(DvNoise){.out = T (out), .seed = 0x123456789abcdefu, .sequence = 77});
  /* every backend draws the very same numbers */
  rig_compare (rig, out, 1e-30, 0, "noise of %lld", (long long)n);
}

/* One picture into each combination of destinations. */
static void
pixels (Rig *rig, int64_t H, int64_t W, DvDtype in)
{
  int x = rig_normal (rig, in, 0.8f, SHAPE (H, W, 3));
  size_t stride = (size_t)(3 * W + 5), bytes = stride * (size_t)H * 4;
  uint8_t *to[2] = {calloc (bytes, 1), calloc (bytes, 1)};

  RIG_BOTH (rig)
  {
    uint8_t *plane = to[side] + stride * (size_t)H;
    uint8_t *memory = dv_device_host_alloc (rig->device[side], bytes);

    memset (memory, 7, bytes);
    plane = memory + stride * (size_t)H;
    dv_pixels (STREAM,
        &(DvPixels){.x = T (x),
            .rgb = W % 2 ? NULL : memory,
            .rgb_stride = (int64_t)stride,
            .plane = {plane, plane + stride * (size_t)H,
                plane + 2 * stride * (size_t)H},
            .stride = {(int64_t)stride, (int64_t)stride, (int64_t)stride}});
    dv_stream_status (STREAM, NULL);
    memcpy (to[side], memory, bytes);
    dv_device_host_free (rig->device[side], memory);
  }
  rig->checks++;
  if (memcmp (to[0], to[1], bytes) != 0) {
    size_t i = 0;

    while (to[0][i] == to[1][i])
      i++;
    rig_complain (rig, "pixels",
        "%lldx%lld %s: byte %zu is %d, it should be %d", (long long)H,
        (long long)W, dv_dtype_name (in), i, to[1][i], to[0][i]);
  }
  free (to[0]);
  free (to[1]);
  rig_clear (rig);
}

void
rig_pointwise (Rig *rig)
{
  static const int order4[] = {3, 0, 1, 2}, order3[] = {1, 0, 2};
  static const int back4[] = {1, 2, 3, 0};
  static const DvDtype tables[] = {DV_F32, DV_BF16, DV_F16};

  for (int types = 0; types < 4; types++) {
    DvDtype in = floats[types & 1], type = floats[types >> 1];

    for (int gap = 0; gap < 3; gap++) {
      rig->gap = gap;
      rig->offset = gap * 3;
      for (int kind = 0; kind <= DV_MAP_LERP; kind++)
        for (int alias = 0; alias < 3; alias++) {
          map (rig, (DvMapKind)kind, in, type, SHAPE (1), alias);
          map (rig, (DvMapKind)kind, in, type, SHAPE (37), alias);
          map (rig, (DvMapKind)kind, in, type, SHAPE (40, 67), alias);
          map (rig, (DvMapKind)kind, in, type, SHAPE (2, 3, 4, 5), alias);
          map (
              rig, (DvMapKind)kind, in, type, SHAPE (2, 1, 3, 2, 4, 21), alias);
        }
      permute (rig, order4, SHAPE (3, 4, 5, 6), in, type);
      permute (rig, back4, SHAPE (48, 2, 9, 33), in, type);
      permute (rig, order3, SHAPE (7, 5, 70), in, type);
      shuffles (rig, in, type);
      shuffles_of_chunks (rig, in, type);
    }
    for (int i = 0; i < 3; i++)
      gather (rig, 3 + 40 * i, 1 + 50 * i, tables[i], type);
    for (int i = 0; i < 3; i++)
      spread (rig, 1 + 3 * i, 1 + 20 * i, 2 + 70 * i, type);
    spread (rig, 2, 3, 1101, type);
    for (int64_t size = 1; size < 20; size += 3)
      pixels (rig, size, 21 - size, in);
    pixels (rig, 50, 70, in);
  }
  rig->offset = 0;
  integers (rig, 5, 9);
  integers (rig, 5, 7);
  halves (rig);
  rig->gap = 0;
  odd_values (rig);
  for (int i = 0; i < 16; i++) {
    rig->gap = i % 3;
    guide (rig, 1 + 7 * (i % 5), 1 + 33 * (i % 3), i & 7, i & 8, i & 1);
  }
  rig->gap = 0;
  for (int i = 0; i < 8; i++) {
    rig->gap = i;
    euler (rig, 1 + 9 * (i / 2), 1 + 31 * (i % 3), i & 1, i & 2 ? 0 : 0.7f,
        floats[i >> 2]);
  }
  noise (rig, 1);
  noise (rig, 4);
  noise (rig, 1003);
  noise (rig, 100001);
  rig->gap = rig->offset = 0;
}
