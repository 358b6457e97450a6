/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Guidance on a GPU: ops.h, DvGuide.  For its rescaling slices of the tensor
 * are summed by a block each, about the first element so that little is lost;
 * what they come to is one factor, which the last pass reads.
 *
 * Threads: see dvcuda.h.
 */
#include "simt.cuh"

#define THREADS 256
#define SLICES 256 /* at most */

struct Guide {
  DvView out, cond, uncond, perturbed, modality;
  float cfg, stg, mod, rescale;
};

/* Of cond and of what becomes of it: sums, and sums of squares. */
struct Part {
  double cond, cond2, guided, guided2;
};

static int64_t
chunks_of (const DvTensor *t)
{
  return t->shape[0] * ((t->shape[1] + DV_CHUNK - 1) / DV_CHUNK);
}

static int64_t
slices_of (const DvTensor *t)
{
  int64_t slices = (chunks_of (t) + THREADS - 1) / THREADS;

  return slices < SLICES ? slices : SLICES;
}

static bool
rescales (const DvGuide *p)
{
  return p->rescale != 0 && dv_tensor_count (p->cond) > 1;
}

/* The factor stands behind the parts. */
size_t
dv_cuda_guide_workspace (const DvDevice *device, const DvGuide *p)
{
  if (!rescales (p))
    return 0;
  return (size_t)slices_of (p->cond) * sizeof (Part) + sizeof (double);
}

DV_DEVICE void
towards (const DvView &t, int64_t m, int64_t c, int64_t n, float weight,
    const float cond[DV_CHUNK], float g[DV_CHUNK])
{
  float other[DV_CHUNK];

  if (!t.data)
    return;
  dv_get8 (t, m * t.stride[0] + c, n, other);
  for (int i = 0; i < DV_CHUNK; i++)
    g[i] += weight * (cond[i] - other[i]);
}

/* Eight elements of cond, and what becomes of them. */
DV_DEVICE void
guided (const Guide &p, int64_t m, int64_t c, int64_t n, float cond[DV_CHUNK],
    float g[DV_CHUNK])
{
  dv_get8 (p.cond, m * p.cond.stride[0] + c, n, cond);
  for (int i = 0; i < DV_CHUNK; i++)
    g[i] = cond[i];
  towards (p.uncond, m, c, n, p.cfg - 1, cond, g);
  towards (p.perturbed, m, c, n, p.stg, cond, g);
  towards (p.modality, m, c, n, p.mod - 1, cond, g);
}

DV_KERNEL
DV_BOUNDS (THREADS) look (Guide p, Part *parts, int64_t chunks, int64_t count)
{
  float cond[DV_CHUNK], g[DV_CHUNK], cond0, g0;
  Part part = {};

  guided (p, 0, 0, 1, cond, g);
  cond0 = cond[0];
  g0 = g[0];
  for (int64_t i = dv_thread (); i < count; i += dv_threads ()) {
    int64_t m = i, c = DV_CHUNK * dv_split (&m, chunks);
    int64_t n = p.cond.shape[1] - c;

    guided (p, m, c, n, cond, g);
    for (int j = 0; j < DV_CHUNK; j++)
      if (j < n) {
        double a = (double)cond[j] - cond0, b = (double)g[j] - g0;

        part.cond += a;
        part.cond2 += a * a;
        part.guided += b;
        part.guided2 += b * b;
      }
  }
  part.cond = dv_block_sum (part.cond);
  part.cond2 = dv_block_sum (part.cond2);
  part.guided = dv_block_sum (part.guided);
  part.guided2 = dv_block_sum (part.guided2);
  if (threadIdx.x == 0)
    parts[blockIdx.x] = part;
}

/* n times the variance. */
DV_DEVICE double
spread_of (double sum, double squares, double n)
{
  double v = squares - sum * sum / n;

  return v > 0 || v != v ? v : 0;
}

DV_KERNEL
DV_BOUNDS (DV_WARP)
join (const Part *parts, int slices, double n, float rescale, float *factor)
{
  Part part = {};
  double before, after;

  for (int i = (int)threadIdx.x; i < slices; i += DV_WARP) {
    part.cond += parts[i].cond;
    part.cond2 += parts[i].cond2;
    part.guided += parts[i].guided;
    part.guided2 += parts[i].guided2;
  }
  before = spread_of (dv_warp_sum (part.cond), dv_warp_sum (part.cond2), n);
  after = spread_of (dv_warp_sum (part.guided), dv_warp_sum (part.guided2), n);
  if (threadIdx.x == 0)
    *factor =
        after > 0 ? rescale * (float)sqrt (before / after) + 1 - rescale : 1;
}

DV_KERNEL
DV_BOUNDS (THREADS)
guide (Guide p, const float *factor, int64_t chunks, int64_t count)
{
  float by = factor ? *factor : 1;

  for (int64_t i = dv_thread (); i < count; i += dv_threads ()) {
    int64_t m = i, c = DV_CHUNK * dv_split (&m, chunks);
    int64_t n = p.cond.shape[1] - c;
    float cond[DV_CHUNK], g[DV_CHUNK];

    guided (p, m, c, n, cond, g);
    for (int j = 0; j < DV_CHUNK; j++)
      g[j] *= by;
    dv_set8 (p.out, m * p.out.stride[0] + c, n, g);
  }
}

DvStatus
dv_cuda_guide (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvGuide *p = (const DvGuide *)args;
  cudaStream_t queue = dv_cuda_queue (stream);
  int64_t chunks = (p->cond->shape[1] + DV_CHUNK - 1) / DV_CHUNK;
  int64_t count = chunks_of (p->cond);
  float *factor = NULL;
  Guide g = {};

  g.out = dv_view (p->out);
  g.cond = dv_view (p->cond);
  g.uncond = dv_view (p->uncond);
  g.perturbed = dv_view (p->perturbed);
  g.modality = dv_view (p->modality);
  g.cfg = p->cfg;
  g.stg = p->stg;
  g.mod = p->mod;
  g.rescale = p->rescale;
  if (rescales (p)) {
    Part *parts = (Part *)workspace;
    int slices = (int)slices_of (p->cond);

    factor = (float *)(parts + slices);
    DV_LAUNCH (
        look, (unsigned)slices, THREADS, 0, queue, g, parts, chunks, count);
    DV_LAUNCH (join, 1, DV_WARP, 0, queue, parts, slices,
        (double)dv_tensor_count (p->cond), p->rescale, factor);
  }
  DV_LAUNCH (guide, dv_blocks (count, THREADS), THREADS, 0, queue, g, factor,
      chunks, count);
  return dv_cuda_launched ("guidance", error);
}
