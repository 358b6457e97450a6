/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of the ref backend share: the ops, and reading and writing
 * one element of a float tensor.
 *
 * The ref backend is the oracle: every op as its formula in ops.h, in plain
 * loops.  Products and sums are F32; long sums are cut into blocks whose
 * partial sums are added, so that their rounding stays small; statistics of
 * norms are summed in double.
 *
 * Threads: every op runs in the thread that calls it and keeps nothing.
 */
#ifndef DV_REF_H
#define DV_REF_H

#include <math.h>

#include "../ops.h"

#define DV_REF_OP(name)                                                        \
  DvStatus dv_ref_##name (                                                     \
      DvStream *stream, const void *args, void *workspace, DvError *error)

DV_REF_OP (matmul);
DV_REF_OP (attention);
DV_REF_OP (norm);
DV_REF_OP (qk_norm);
DV_REF_OP (conv);
DV_REF_OP (conv_up1);
DV_REF_OP (shuffle);
DV_REF_OP (group_norm);
DV_REF_OP (map);
DV_REF_OP (gather);
DV_REF_OP (spread);
DV_REF_OP (euler);
DV_REF_OP (noise);
DV_REF_OP (snake);
DV_REF_OP (fir_up);
DV_REF_OP (pixels);
DV_REF_OP (guide);
DV_REF_OP (merge);

/* ---- ref.c: weights, as another CPU backend may want them too ---- */

size_t dv_ref_weight_bytes (
    const DvDevice *device, const DvWeight *w, DvDtype host_dtype);
DvStatus dv_ref_prepare (
    DvDevice *device, DvWeight *w, const DvTensor *host, DvError *error);
void dv_ref_release (DvDevice *device, DvWeight *w);

/* ---- elements ---- */

/* Element number @i (strides applied by the caller) as a float. */
static inline float
dv_ref_get (const DvTensor *t, int64_t i)
{
  switch (t->dtype) {
    case DV_F32:
      return ((const float *)t->data)[i];
    case DV_BF16:
      return dv_f32_from_bf16 (((const uint16_t *)t->data)[i]);
    case DV_F16:
      return dv_f32_from_f16 (((const uint16_t *)t->data)[i]);
    default:
      return 0;
  }
}

static inline void
dv_ref_put (const DvTensor *t, int64_t i, float value)
{
  switch (t->dtype) {
    case DV_F32:
      ((float *)t->data)[i] = value;
      break;
    case DV_BF16:
      ((uint16_t *)t->data)[i] = dv_bf16_from_f32 (value);
      break;
    case DV_F16:
      ((uint16_t *)t->data)[i] = dv_f16_from_f32 (value);
      break;
    default:
      break;
  }
}

static inline int32_t
dv_ref_int (const DvTensor *t, int64_t i)
{
  return ((const int32_t *)t->data)[i];
}

/* Entry @c of the row that @rows has for token @m. */
static inline float
dv_ref_row (const DvRows *rows, int64_t m, int64_t c)
{
  int64_t d =
      rows->index ? dv_ref_int (rows->index, m * rows->index->stride[0]) : 0;

  return dv_ref_get (rows->table, d * rows->table->stride[0] + c);
}

static inline float
dv_ref_gelu (float x)
{
  return 0.5f * x *
         (1.0f + tanhf (0.7978845608028654f * (x + 0.044715f * x * x * x)));
}

static inline float
dv_ref_silu (float x)
{
  return x / (1.0f + expf (-x));
}

static inline float
dv_ref_act (DvAct act, float x)
{
  switch (act) {
    case DV_ACT_GELU:
      return dv_ref_gelu (x);
    case DV_ACT_SILU:
      return dv_ref_silu (x);
    default:
      return x;
  }
}

/* ---- products.c: the sums behind matmul and convolution ---- */

/* Writes entries [k, k + n) of row @m of the left factor to @to. */
typedef void (*DvRefFill) (
    const void *user, int64_t m, int64_t k, int64_t n, float *to);
/* Takes the finished sum of row @m and column @n. */
typedef void (*DvRefTake) (const void *user, int64_t m, int64_t n, float sum);

/* sum_k a[m,k] w[n,k] for all m < M, n < N, with w of K entries a row. Where
 * w's products are BF16, F32 factors are rounded to BF16 first. */
void dv_ref_products (int64_t M, int64_t N, int64_t K, const DvWeight *w,
    DvRefFill fill, DvRefTake take, const void *user);

#endif
