/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The ref backend's attention: ops.h, DvAttention.  Each query looks at the
 * keys twice, once for the largest score and once for the sums, so no score is
 * kept.
 *
 * Threads: see ref.h.
 */
#include "ref.h"

/* Of the keys [first, end) that query @i may see, @first is returned. */
static int64_t
first_key (const DvAttention *p, int64_t i)
{
  if (p->causal && p->window > 0 && i >= p->window)
    return i - p->window + 1;
  return 0;
}

static int64_t
end_of_keys (const DvAttention *p, int64_t i)
{
  int64_t end = p->k->shape[0];

  return p->causal && i + 1 < end ? i + 1 : end;
}

static float
score (const DvAttention *p, int64_t q, int64_t j, int64_t g)
{
  int64_t k = j * p->k->stride[0] + g * p->k->stride[1];
  float sum = 0;

  for (int64_t c = 0; c < p->q->shape[2]; c++)
    sum += dv_ref_get (p->q, q + c) * dv_ref_get (p->k, k + c);
  sum *= p->scale;
  if (p->bias)
    sum += dv_ref_get (p->bias, j * p->bias->stride[0]);
  return sum;
}

/* One query and head: @out and @q are offsets. */
static void
attend (const DvAttention *p, int64_t i, int64_t h, int64_t g)
{
  int64_t q = i * p->q->stride[0] + h * p->q->stride[1];
  int64_t out = i * p->out->stride[0] + h * p->out->stride[1];
  int64_t d = p->q->shape[2], end = end_of_keys (p, i);
  float top = -INFINITY, sum = 0, factor, value[DV_MAX_HEAD] = {0};

  for (int64_t j = first_key (p, i); j < end; j++) {
    float s = score (p, q, j, g);

    if (s > top || s != s)
      top = s;
  }
  for (int64_t j = first_key (p, i); j < end && top != -INFINITY; j++) {
    float weight = expf (score (p, q, j, g) - top);
    int64_t v = j * p->v->stride[0] + g * p->v->stride[1];

    sum += weight;
    if (weight == 0) /* a hidden key's values do not count, even NaN */
      continue;
    for (int64_t c = 0; c < d; c++)
      value[c] += weight * dv_ref_get (p->v, v + c);
  }
  factor = sum == 0 ? 0 : 1 / sum;
  if (p->gate) {
    float gate =
        dv_ref_get (p->gate, i * p->gate->stride[0] + h * p->gate->stride[1]);

    factor *= 2 / (1 + expf (-gate));
  }
  for (int64_t c = 0; c < d; c++)
    dv_ref_put (p->out, out + c, value[c] * factor);
}

DvStatus
dv_ref_attention (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvAttention *p = args;
  int64_t heads = p->q->shape[1], shared = heads / p->k->shape[1];

  for (int64_t h = 0; h < heads; h++)
    for (int64_t i = 0; i < p->q->shape[0]; i++)
      attend (p, i, h, h / shared);
  return DV_OK;
}
