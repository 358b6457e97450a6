/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The ref backend's moves between space and channels: ops.h, DvShuffle; the
 * channel orders are those of docs/ltx2-model.md, sections 9.1 to 9.3.
 *
 * Threads: see ref.h.
 */
#include "ref.h"

/* Splits channel @i of the deep side into channel *@c of the wide side and the
 * offset inside a cell. */
static void
split (const DvShuffle *p, int64_t i, int64_t *c, int64_t offset[3])
{
  const int *f = p->factor;

  if (p->columns_first) {
    offset[1] = i % f[1];
    i /= f[1];
    offset[2] = i % f[2];
    i /= f[2];
  } else {
    offset[2] = i % f[2];
    i /= f[2];
    offset[1] = i % f[1];
    i /= f[1];
  }
  offset[0] = i % f[0];
  *c = i / f[0];
}

static int64_t
join (const DvShuffle *p, int64_t c, const int64_t offset[3])
{
  const int *f = p->factor;
  int64_t i = c * f[0] + offset[0];

  if (p->columns_first)
    return (i * f[2] + offset[2]) * f[1] + offset[1];
  return (i * f[1] + offset[1]) * f[2] + offset[2];
}

static float
to_depth (const DvShuffle *p, const int64_t cell[3], int64_t channel)
{
  int64_t group = p->group > 0 ? p->group : 1;
  float sum = 0;

  for (int64_t i = channel * group; i < (channel + 1) * group; i++) {
    int64_t offset[3], at;

    split (p, i, &at, offset);
    for (int a = 0; a < 3; a++)
      at += (cell[a] * p->factor[a] + offset[a]) * p->x->stride[a];
    sum += dv_ref_get (p->x, at);
  }
  return group == 1 ? sum : sum / (float)group;
}

static float
to_space (const DvShuffle *p, const int64_t cell[3], int64_t channel)
{
  int64_t P = (int64_t)p->factor[0] * p->factor[1] * p->factor[2];
  int64_t offset[3], at = 0;

  for (int a = 0; a < 3; a++) {
    int64_t i = cell[a] + (a == 0 ? p->drop : 0);

    offset[a] = i % p->factor[a];
    at += i / p->factor[a] * p->x->stride[a];
  }
  at += join (p, channel % (p->x->shape[3] / P), offset);
  return dv_ref_get (p->x, at);
}

DvStatus
dv_ref_shuffle (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvShuffle *p = args;
  const DvTensor *out = p->out;
  int64_t i[3];

  for (i[0] = 0; i[0] < out->shape[0]; i[0]++)
    for (i[1] = 0; i[1] < out->shape[1]; i[1]++)
      for (i[2] = 0; i[2] < out->shape[2]; i[2]++) {
        int64_t at = i[0] * out->stride[0] + i[1] * out->stride[1] +
                     i[2] * out->stride[2];

        for (int64_t c = 0; c < out->shape[3]; c++) {
          float v = p->kind == DV_SPACE_TO_DEPTH ? to_depth (p, i, c)
                                                 : to_space (p, i, c);

          if (p->add)
            v += dv_ref_get (out, at + c);
          dv_ref_put (out, at + c, v);
        }
      }
  return DV_OK;
}
