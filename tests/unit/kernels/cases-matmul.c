/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Matrix products and attention on two devices.
 */
#include <math.h>

#include "rig.h"

static const DvDtype floats[] = {DV_F32, DV_BF16};

static void
product (Rig *rig, int64_t M, int64_t N, int64_t K, DvDtype a_type,
    DvDtype host, DvDtype compute, DvDtype out_type, int epilogue, DvAct act)
{
  int a = rig_normal (rig, a_type, 1, SHAPE (M, K));
  int w = rig_weight (rig, DV_USE_MATMUL, host, compute, SHAPE (N, K));
  int bias = epilogue & 1 ? rig_normal (rig, DV_F32, 1, SHAPE (N)) : -1;
  int gate = epilogue & 2 ? rig_normal (rig, DV_F32, 1, SHAPE (3, N)) : -1;
  int index = epilogue & 4 ? rig_index (rig, 3, SHAPE (M)) : -1;
  int other = epilogue & 8 ? rig_normal (rig, DV_F32, 1, SHAPE (M, N)) : -1;
  int out = epilogue & 16 ? rig_normal (rig, out_type, 1, SHAPE (M, N))
                          : rig_out (rig, out_type, SHAPE (M, N));

  RIG_BOTH (rig)
  dv_matmul (STREAM, &(DvMatmul){.out = T (out),
                         .a = T (a),
                         .w = W (w),
                         .bias = T (bias),
                         .act = act,
                         .gate = {T (gate), T (index)},
                         .residual = epilogue & 16 ? T (out) : T (other)});
  rig_compare (rig, out, rig_rounding (out_type), 8,
      "matmul %lldx%lldx%lld %s by %s in %s to %s, epilogue %d, act %d",
      (long long)M, (long long)N, (long long)K, dv_dtype_name (a_type),
      dv_dtype_name (host), dv_dtype_name (compute), dv_dtype_name (out_type),
      epilogue, (int)act);
}

void
rig_matmul (Rig *rig)
{
  static const int64_t sizes[][3] = {{1, 1, 1}, {1, 130, 257}, {2, 3, 5},
      {7, 16, 32}, {13, 33, 64}, {31, 65, 100}, {65, 48, 7}, {97, 200, 300},
      {260, 70, 513}, {33, 1025, 40}, {5, 17, 2051}};

  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
    for (int combo = 0; combo < 16; combo++) {
      const int64_t *z = sizes[s];

      /* A GPU's kernels run on the host may take a while. */
      if (rig->device[1]->discrete && z[0] * z[1] * z[2] > 1000000 &&
          combo % 5 > 0)
        continue;
      rig->gap = combo % 3;
      rig->offset = combo % 5 == 1;
      product (rig, z[0], z[1], z[2], floats[combo & 1], floats[combo >> 1 & 1],
          floats[combo >> 2 & 1], floats[combo >> 3 & 1], 0, DV_ACT_NONE);
    }
  for (int epilogue = 0; epilogue < 32; epilogue++) {
    if ((epilogue & 6) == 4 || (epilogue & 24) == 24)
      continue;
    for (int act = DV_ACT_NONE; act <= DV_ACT_SILU; act++) {
      rig->gap = epilogue % 2;
      product (rig, 35, 83, 70, DV_F32, DV_F32, DV_F32, DV_F32, epilogue,
          (DvAct)act);
      product (rig, 35, 83, 70, DV_BF16, DV_BF16, DV_BF16, DV_F32, epilogue,
          (DvAct)act);
      product (rig, 35, 83, 70, DV_BF16, DV_BF16, DV_BF16, DV_BF16, epilogue,
          (DvAct)act);
    }
  }
  product (rig, 9, 9, 9, DV_F32, DV_F16, DV_F32, DV_F32, 1, DV_ACT_NONE);
  product (rig, 9, 9, 9, DV_F32, DV_F16, DV_BF16, DV_F32, 1, DV_ACT_NONE);
  rig->gap = rig->offset = 0;
}

typedef struct {
  int64_t M, S, H, G, d;
  bool causal;
  int64_t window;
  /* 1 bias, 2 gate, 4 some keys hidden, 8 all hidden; 16 a query, 32 a key and
   * 64 a value that is no number, 128 an infinite value */
  int extras;
  DvDtype type, out;
} Attention;

static void
attention (Rig *rig, Attention c)
{
  int q = rig_normal (rig, c.type, 1.5f, SHAPE (c.M, c.H, c.d));
  int k = rig_normal (rig, c.type, 1.5f, SHAPE (c.S, c.G, c.d));
  int v = rig_normal (rig, c.type, 1, SHAPE (c.S, c.G, c.d));
  int bias = c.extras & 1 ? rig_normal (rig, DV_F32, 1, SHAPE (c.S)) : -1;
  int gate = c.extras & 2 ? rig_normal (rig, DV_F32, 1, SHAPE (c.M, c.H)) : -1;
  int out = rig_out (rig, c.out, SHAPE (c.M, c.H, c.d));

  for (int64_t j = 0; j < c.S && c.extras & 12; j++)
    if (c.extras & 8 || j % 3 == 0)
      rig_poke (rig, bias, j, -INFINITY);
  if (c.extras & 16)
    rig_poke (rig, q, c.M / 2 * c.H * c.d + c.d - 1, NAN);
  if (c.extras & 32)
    rig_poke (rig, k, c.S / 2 * c.G * c.d, NAN);
  if (c.extras & 64)
    rig_poke (rig, v, c.S / 3 * c.G * c.d + c.d / 2, NAN);
  if (c.extras & 128)
    rig_poke (rig, v, c.S / 4 * c.G * c.d + 1, INFINITY);
  RIG_BOTH (rig)
  dv_attention (STREAM, &(DvAttention){.out = T (out),
                            .q = T (q),
                            .k = T (k),
                            .v = T (v),
                            .scale = (float)(1 / sqrt ((double)c.d)),
                            .causal = c.causal,
                            .window = c.window,
                            .bias = T (bias),
                            .gate = T (gate)});
  rig_compare (rig, out,
      c.type == DV_BF16 ? 1.0 / 64 : rig_rounding (c.out) * 2, 1,
      "attention %lld of %lld, heads %lld of %lld, %lld, causal %d, window "
      "%lld, extras %d, %s to %s",
      (long long)c.M, (long long)c.S, (long long)c.H, (long long)c.G,
      (long long)c.d, c.causal, (long long)c.window, c.extras,
      dv_dtype_name (c.type), dv_dtype_name (c.out));
}

/* What is no number reaches the queries that see it, and no other. */
static void
odd_attention (Rig *rig)
{
  static const int extras[] = {16, 17, 32, 64, 128, 64 | 128 | 2};

  for (int type = 0; type < 4; type++)
    for (size_t i = 0; i < sizeof extras / sizeof *extras; i++)
      for (int causal = 0; causal < (extras[i] < 64 ? 2 : 1); causal++)
        attention (rig, (Attention){.M = 40,
                            .S = 70,
                            .H = 2,
                            .G = 1,
                            .d = 32,
                            .type = floats[type & 1],
                            .out = floats[type >> 1],
                            .causal = causal,
                            .extras = extras[i]});
}

/* As models have them: BF16 at whole addresses. Some of these have few queries
 * for many keys, and so many keys that tiles of any size have neighbours. */
static void
aligned_attention (Rig *rig)
{
  static const Attention cases[] = {
      {.M = 130, .S = 200, .H = 2, .G = 2, .d = 64},
      {.M = 130, .S = 130, .H = 2, .G = 1, .d = 64, .causal = true},
      {.M = 70, .S = 1200, .H = 2, .G = 1, .d = 64, .extras = 6 | 1},
      {.M = 5, .S = 1025, .H = 1, .G = 1, .d = 128, .extras = 9},
      {.M = 9, .S = 1100, .H = 2, .G = 1, .d = 64, .extras = 2 | 16 | 64},
      {.M = 140, .S = 170, .H = 1, .G = 1, .d = 128, .extras = 2},
      {.M = 33, .S = 70, .H = 2, .G = 1, .d = 128, .extras = 1},
      {.M = 20, .S = 65, .H = 2, .G = 1, .d = 80},
      /* the values that are no number are those of hidden keys */
      {.M = 70, .S = 108, .H = 2, .G = 1, .d = 64, .extras = 1 | 4 | 64 | 128},
      {.M = 70, .S = 108, .H = 2, .G = 1, .d = 256, .extras = 1 | 4 | 64 | 128},
      {.M = 70,
          .S = 100,
          .H = 2,
          .G = 1,
          .d = 256,
          .causal = true,
          .window = 40},
  };

  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Attention c = cases[i];

    c.type = DV_BF16;
    c.out = floats[i % 2];
    attention (rig, c);
  }
}

void
rig_attention (Rig *rig)
{
  static const int64_t d[] = {1, 7, 8, 16, 24, 32, 40, 64, 80, 96, 128, 256};

  for (int type = 0; type < 4; type++) {
    DvDtype in = floats[type & 1], out = floats[type >> 1];

    for (size_t i = 0; i < sizeof d / sizeof *d; i++) {
      rig->gap = (int)i % 2 * 3;
      rig->offset = type;
      attention (rig, (Attention){.M = 37,
                          .S = 150,
                          .H = 2,
                          .G = 2,
                          .d = d[i],
                          .type = in,
                          .out = out});
    }
    attention (rig,
        (Attention){
            .M = 1, .S = 1, .H = 1, .G = 1, .d = 64, .type = in, .out = out});
    attention (rig, (Attention){.M = 130,
                        .S = 9,
                        .H = 6,
                        .G = 2,
                        .d = 32,
                        .type = in,
                        .out = out,
                        .extras = 3});
    attention (rig, (Attention){.M = 3,
                        .S = 700,
                        .H = 2,
                        .G = 1,
                        .d = 64,
                        .type = in,
                        .out = out,
                        .extras = 7});
    attention (rig, (Attention){.M = 3,
                        .S = 5,
                        .H = 1,
                        .G = 1,
                        .d = 16,
                        .type = in,
                        .out = out,
                        .extras = 9});
    attention (rig, (Attention){.M = 170,
                        .S = 170,
                        .H = 2,
                        .G = 1,
                        .d = 32,
                        .type = in,
                        .out = out,
                        .causal = true});
    attention (rig, (Attention){.M = 170,
                        .S = 170,
                        .H = 2,
                        .G = 1,
                        .d = 32,
                        .type = in,
                        .out = out,
                        .causal = true,
                        .window = 20,
                        .extras = 1});
    attention (rig, (Attention){.M = 300,
                        .S = 300,
                        .H = 1,
                        .G = 1,
                        .d = 64,
                        .type = in,
                        .out = out,
                        .causal = true,
                        .window = 64,
                        .extras = 5});
  }
  rig->gap = rig->offset = 0;
  aligned_attention (rig);
  odd_attention (rig);
}
