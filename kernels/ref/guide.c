/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The ref backend's guidance: ops.h, DvGuide; section 6.3 of
 * docs/ltx2-model.md.
 *
 * Threads: see ref.h.
 */
#include "ref.h"

static float
at (const DvTensor *t, int64_t m, int64_t c)
{
  return dv_ref_get (t, m * t->stride[0] + c);
}

static float
guided (const DvGuide *p, int64_t m, int64_t c)
{
  float cond = at (p->cond, m, c), g = cond;

  if (p->uncond)
    g += (p->cfg - 1) * (cond - at (p->uncond, m, c));
  if (p->perturbed)
    g += p->stg * (cond - at (p->perturbed, m, c));
  if (p->modality)
    g += (p->mod - 1) * (cond - at (p->modality, m, c));
  return g;
}

/* The standard deviation of all elements of cond, or of what becomes of it. */
static double
deviation (const DvGuide *p, bool of_guided)
{
  int64_t M = p->cond->shape[0], C = p->cond->shape[1];
  double sum = 0, squares = 0, mean;

  for (int64_t m = 0; m < M; m++)
    for (int64_t c = 0; c < C; c++)
      sum += of_guided ? guided (p, m, c) : at (p->cond, m, c);
  mean = sum / (double)(M * C);
  for (int64_t m = 0; m < M; m++)
    for (int64_t c = 0; c < C; c++) {
      double v = (of_guided ? guided (p, m, c) : at (p->cond, m, c)) - mean;

      squares += v * v;
    }
  return sqrt (squares / (double)(M * C - 1));
}

DvStatus
dv_ref_guide (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvGuide *p = args;
  float factor = 1;

  if (p->rescale != 0 && dv_tensor_count (p->cond) > 1) {
    double after = deviation (p, true);

    if (after > 0)
      factor =
          p->rescale * (float)(deviation (p, false) / after) + 1 - p->rescale;
  }
  for (int64_t m = 0; m < p->out->shape[0]; m++)
    for (int64_t c = 0; c < p->out->shape[1]; c++)
      dv_ref_put (p->out, m * p->out->stride[0] + c, guided (p, m, c) * factor);
  return DV_OK;
}
