/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Low-rank changes on two devices, which must agree in every bit.
 */
#include <math.h>

#include "rig.h"

#define MOST 4

static const DvDtype floats[] = {DV_F32, DV_BF16, DV_F16};

typedef struct {
  int64_t N, K;
  int64_t rank[MOST]; /* 0 ends them */
  DvDtype x, out;
  DvDtype factors[2]; /* of b and a, by turns */
  bool in_place;
  float scale;
  int odd; /* 1: x, 2: b, 4: a hold what is no number; 8 makes it infinity */
} Merge;

static void
poke (Rig *rig, int tensor, int64_t count, int odd)
{
  rig_poke (rig, tensor, count / 2, odd & 8 ? -INFINITY : NAN);
  rig_poke (rig, tensor, count - 1, INFINITY);
}

static void
merge (Rig *rig, Merge c)
{
  int x = rig_normal (rig, c.x, 1, SHAPE (c.N, c.K)), n = 0;
  int out = c.in_place ? x : rig_out (rig, c.out, SHAPE (c.N, c.K));
  int b[MOST], a[MOST];

  for (; n < MOST && c.rank[n] > 0; n++) {
    DvDtype first = c.factors[n & 1], second = c.factors[~n & 1];

    b[n] = rig_normal (rig, first, 1, SHAPE (c.N, c.rank[n]));
    a[n] = rig_normal (rig, second, 1, SHAPE (c.rank[n], c.K));
    if (c.odd & 2)
      poke (rig, b[n], c.N * c.rank[n], c.odd);
    if (c.odd & 4)
      poke (rig, a[n], c.rank[n] * c.K, c.odd);
  }
  if (c.odd & 1)
    poke (rig, x, c.N * c.K, c.odd);
  RIG_BOTH (rig)
  {
    DvChange changes[MOST];

    for (int i = 0; i < n; i++)
      changes[i] = (DvChange){T (b[i]), T (a[i]), c.scale / (float)(i + 1)};
    dv_merge (STREAM,
        &(DvMerge){
            .out = T (out), .x = T (x), .changes = changes, .n_changes = n});
  }
  rig_compare (rig, out, 0, 0,
      "%d changes of %lldx%lld, rank %lld, %s and %s, %s to %s, scale %g, "
      "in place %d, odd %d",
      n, (long long)c.N, (long long)c.K, (long long)c.rank[0],
      dv_dtype_name (c.factors[0]), dv_dtype_name (c.factors[1]),
      dv_dtype_name (c.x), dv_dtype_name (c.out), (double)c.scale, c.in_place,
      c.odd);
}

void
rig_merge (Rig *rig)
{
  static const int64_t sizes[][3] = {{1, 1, 1}, {1, 130, 3}, {67, 1, 16},
      {5, 8, 17}, {64, 128, 16}, {65, 129, 33}, {130, 71, 1}, {33, 300, 40}};

  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
    for (int combo = 0; combo < 12; combo++) {
      Merge c = {.N = sizes[s][0],
          .K = sizes[s][1],
          .rank = {sizes[s][2], combo % 3 == 1 ? 2 : 0, combo == 4 ? 19 : 0},
          .x = floats[combo % 3],
          .out = floats[combo / 3 % 2],
          .factors = {floats[combo / 2 % 3], floats[combo / 4]},
          .scale = combo == 7 ? 0 : 0.3f};

      rig->gap = combo % 4 == 3 ? 5 : 0;
      rig->offset = combo % 5 == 1;
      merge (rig, c);
      c.in_place = true;
      c.x = c.out;
      if (combo < 8)
        merge (rig, c);
    }
  rig->gap = rig->offset = 0;
  for (int odd = 1; odd < 16; odd++)
    if (odd != 8)
      for (int type = 0; type < 2; type++)
        merge (rig, (Merge){.N = 70,
                        .K = 140,
                        .rank = {20, type ? 5 : 0},
                        .x = floats[type],
                        .out = floats[type],
                        .factors = {floats[odd % 3], floats[type]},
                        .scale = odd == 9 ? 0 : 0.3f,
                        .odd = odd});
}
