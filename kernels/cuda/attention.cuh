/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the two attention kernels share: the arguments as a kernel takes them,
 * which keys a query sees, and the factor at the end.
 *
 * Both walk over blocks of keys and keep, for each query, the largest score,
 * the sum of the weights and the weighted sum of the values so far (Milakov
 * and Gimelshein, "Online normalizer calculation for softmax", 2018; Dao and
 * others, "FlashAttention", 2022).
 */
#ifndef DV_ATTENTION_CUH
#define DV_ATTENTION_CUH

#include "dvcuda.h"
#include "simt.cuh"

/* Rows and heads of a tensor [rows, heads, d]; strides in elements. */
typedef struct {
  void *data;
  int64_t row, head;
  bool bf16;
} Heads;

typedef struct {
  Heads q, k, v, out;
  const float *bias; /* [S] */
  const float *gate; /* [M, H] */
  int64_t gate_row;
  int64_t M, S, window;
  int H, d, share; /* query heads, entries of one, query heads a key head */
  float scale;
  bool causal;
  /* With more than one, each block serves the queries with a part of the keys
   * and leaves its sums: values [splits, H, M, d], then top and sum
   * [splits, H, M, 2]. */
  int splits;
  float *part;
} Attention;

/* The keys [*first, *end) that some of the queries [i, i + n) see. */
DV_DEVICE void
keys_seen (
    const Attention &p, int64_t i, int64_t n, int64_t *first, int64_t *end)
{
  *first = p.window > 0 && i >= p.window ? i - p.window + 1 : 0;
  *end = p.causal && i + n < p.S ? i + n : p.S;
}

/* The keys [key + *from, key + *end) of a tile of @n that query @i sees. */
DV_DEVICE void
keys_of_tile (
    const Attention &p, int64_t i, int64_t key, int n, int *from, int *end)
{
  int64_t first, last;

  keys_seen (p, i, 1, &first, &last);
  *from = first <= key ? 0 : first - key < n ? (int)(first - key) : n;
  *end = last <= key ? 0 : last - key < n ? (int)(last - key) : n;
}

DV_DEVICE void
put_entry (const Heads &t, int64_t at, float x)
{
  if (t.bf16)
    dv_put ((DvBf16 *)t.data + at, x);
  else
    dv_put ((float *)t.data + at, x);
}

/* By what query @i's sum of values is multiplied, @sum being its weights'. */
DV_DEVICE float
last_factor (const Attention &p, int64_t i, int h, float sum)
{
  float factor = sum == 0 ? 0 : 1 / sum;

  if (p.gate)
    factor *= 2 / (1 + expf (-p.gate[i * p.gate_row + h]));
  return factor;
}

/* attention-mma.cu, attention-f32.cu: launch. */
void dv_cuda_attention_mma (const Attention *p, cudaStream_t queue);
void dv_cuda_attention_f32 (const Attention *p, cudaStream_t queue);
/* Into how many parts the keys are split. */
int dv_cuda_attention_mma_splits (const Attention *p);

#endif
