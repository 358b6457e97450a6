/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Convolutions: ops.h, DvConv, as products of matrices (conv.cuh).
 */
#include "conv.cuh"

static Cells
cells (const DvTensor *t)
{
  Cells c = {};

  if (!t)
    return c;
  c.data = t->data;
  c.bf16 = t->dtype == DV_BF16;
  for (int a = 0; a < 3; a++)
    c.stride[a] = t->stride[a];
  return c;
}

size_t
dv_cuda_conv_workspace (const DvDevice *device, const DvConv *args)
{
  return 0;
}

DvStatus
dv_cuda_conv (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvConv *p = (const DvConv *)args;
  Convolution c = {};

  c.x = cells (p->x);
  c.out = cells (p->out);
  c.residual = cells (p->residual);
  for (int a = 0; a < 3; a++) {
    if (p->x->shape[a] > INT32_MAX / 2 || p->out->shape[a] > INT32_MAX / 2)
      return dv_fail (error, DV_ERROR_ARGUMENT, "convolution",
          "convolution: a GPU has no axis of more than 2^30 cells");
    c.size[a] = (int)p->x->shape[a];
    c.cells[a] = (int)p->out->shape[a];
    c.taps[a] = (int)p->w->shape[2 + a];
    c.stride[a] = p->stride[a] ? p->stride[a] : 1;
    c.dilation[a] = p->dilation[a] ? p->dilation[a] : 1;
    c.lo[a] = p->pad_lo[a];
    c.mode[a] = p->pad_mode[a];
  }
  c.co = (int)p->w->shape[0];
  c.ci = (int)p->w->shape[1];
  c.channels = (c.ci + 7) / 8 * 8;
  c.w = p->w->packed;
  c.w_tap = c.channels;
  c.w_row = (int64_t)c.taps[0] * c.taps[1] * c.taps[2] * c.channels;
  c.bias = p->bias ? (const float *)p->bias->data : NULL;
  c.act = p->act;
  if (conv_rows (&c) == 0)
    return DV_OK;
  if (p->w->compute == DV_BF16)
    dv_cuda_conv_mma (&c, dv_cuda_queue (stream));
  else
    dv_cuda_conv_f32 (&c, dv_cuda_queue (stream));
  return dv_cuda_launched ("convolution", error);
}
