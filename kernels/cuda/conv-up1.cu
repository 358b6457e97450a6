/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Transposed convolution along one axis: ops.h, DvConvUp1.  The outputs o with
 * the same (o + pad) % stride see the same taps, so each such phase is a
 * convolution of its own: its taps are stride apart in the weight and see the
 * input backwards, its outputs are stride apart.
 */
#include "conv.cuh"

size_t
dv_cuda_conv_up1_workspace (const DvDevice *device, const DvConvUp1 *args)
{
  return 0;
}

/* The convolution whose first output is the first with (o + pad) % stride ==
 * @phase. */
static Convolution
phase_of (const DvConvUp1 *p, int phase)
{
  const int stride = p->stride, k = (int)p->w->shape[2];
  const int first = (phase - p->pad % stride + stride) % stride;
  const int64_t length = p->out->shape[0];
  Convolution c = {};

  c.x = {p->x->data, {0, 0, p->x->stride[0]}, p->x->dtype == DV_BF16};
  c.out.bf16 = p->out->dtype == DV_BF16;
  c.out.data =
      (char *)p->out->data + first * p->out->stride[0] * (c.out.bf16 ? 2 : 4);
  c.out.stride[2] = stride * p->out->stride[0];
  for (int a = 0; a < 3; a++)
    c.size[a] = c.cells[a] = c.taps[a] = c.stride[a] = c.dilation[a] = 1;
  c.size[2] = (int)p->x->shape[0];
  c.cells[2] =
      first < length ? (int)((length - first + stride - 1) / stride) : 0;
  c.taps[2] = phase < k ? (k - phase + stride - 1) / stride : 0;
  c.taps[0] = phase < k; /* none, and the bias alone is left */
  c.dilation[2] = -1;
  c.lo[2] = -((first + p->pad) / stride);
  c.ci = (int)p->w->shape[0];
  c.channels = (c.ci + 7) / 8 * 8;
  c.co = (int)p->w->shape[1];
  c.w_row = c.channels;
  c.w_tap = (int64_t)stride * c.co * c.channels;
  c.w = (const char *)p->w->packed + (phase < k ? phase : 0) * (int64_t)c.co *
                                         c.channels *
                                         (p->w->compute == DV_BF16 ? 2 : 4);
  c.bias = p->bias ? (const float *)p->bias->data : NULL;
  return c;
}

DvStatus
dv_cuda_conv_up1 (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvConvUp1 *p = (const DvConvUp1 *)args;

  if (p->x->shape[0] > INT32_MAX / 2)
    return dv_fail (error, DV_ERROR_ARGUMENT, "transposed convolution",
        "transposed convolution: a GPU has no axis of more than 2^30 cells");
  for (int phase = 0; phase < p->stride; phase++) {
    Convolution c = phase_of (p, phase);

    if (conv_rows (&c) == 0)
      continue;
    if (p->w->compute == DV_BF16)
      dv_cuda_conv_mma (&c, dv_cuda_queue (stream));
    else
      dv_cuda_conv_f32 (&c, dv_cuda_queue (stream));
  }
  return dv_cuda_launched ("transposed convolution", error);
}
