/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The end of a row of sums: bias, activation, gate and residual, and the
 * store.
 *
 * Threads: pure.
 */
#ifndef DV_CPU_EPILOGUE_H
#define DV_CPU_EPILOGUE_H

#include "cpu.h"
#include "vec.h"

typedef struct {
  DvAct act;
  const float *bias, *gate; /* at the first column; NULL: none */
  const void *residual;
  bool residual_bf16, out_bf16;
  void *out;
} DvEpilogue;

/* out = residual + gate * act (sum + bias), for @n columns. */
INLINE void
epilogue_row (const DvEpilogue *e, int64_t n, const float *sum)
{
  for (int64_t i = 0; i < n; i += VL) {
    int64_t part = n - i < VL ? n - i : VL;
    vf v = vload_part (sum + i, part);

    if (e->bias)
      v += vload_part (e->bias + i, part);
    if (e->act == DV_ACT_GELU)
      v = vgelu (v);
    else if (e->act == DV_ACT_SILU)
      v = vsilu (v);
    if (e->gate)
      v *= vload_part (e->gate + i, part);
    if (e->residual)
      v += vget (e->residual, e->residual_bf16, i, part);
    vput (e->out, e->out_bf16, i, v, part);
  }
}

/* Copies @n entries between F32 and BF16 memory; @round: an F32 result holds
 * what BF16 would. */
INLINE void
convert_row (void *to, bool to_bf16, const void *from, bool from_bf16,
    int64_t n, bool round)
{
  if (to_bf16 == from_bf16 && !(round && !to_bf16)) {
    int64_t words = to_bf16 ? n / 2 : n, i = 0;

    /* Short pieces: no call. */
    for (; i + VL <= words; i += VL)
      vstore ((float *)to + i, vload ((const float *)from + i));
    if (i < words || (to_bf16 && n % 2))
      memcpy ((float *)to + i, (const float *)from + i,
          (size_t)n * (to_bf16 ? 2 : 4) - (size_t)i * 4);
    return;
  }
  for (int64_t i = 0; i < n; i += VL) {
    int64_t part = n - i < VL ? n - i : VL;
    vf v = vget (from, from_bf16, i, part);

    if (round && !to_bf16)
      v = vwiden (vnarrow (v));
    vput (to, to_bf16, i, v, part);
  }
}

/* What a row pointer of a strided tensor is. */
INLINE void *
row_at (const DvTensor *t, int64_t elements)
{
  return (uint8_t *)t->data + elements * (t->dtype == DV_F32 ? 4 : 2);
}

#endif
