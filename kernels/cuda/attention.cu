/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Attention: ops.h, DvAttention.  Where queries, keys and values are BF16 the
 * matrix instructions serve (attention-mma.cu), else F32 arithmetic does
 * (attention-f32.cu).
 */
#include "attention.cuh"

static Heads
heads (const DvTensor *t)
{
  return {t->data, t->stride[0], t->stride[1], t->dtype == DV_BF16};
}

static Attention
described (const DvAttention *p)
{
  Attention a = {};

  a.q = heads (p->q);
  a.k = heads (p->k);
  a.v = heads (p->v);
  a.out = heads (p->out);
  a.bias = p->bias ? (const float *)p->bias->data : NULL;
  a.gate = p->gate ? (const float *)p->gate->data : NULL;
  a.gate_row = p->gate ? p->gate->stride[0] : 0;
  a.M = p->q->shape[0];
  a.S = p->k->shape[0];
  a.window = p->window;
  a.H = (int)p->q->shape[1];
  a.d = (int)p->q->shape[2];
  a.share = a.H / (int)p->k->shape[1];
  a.scale = p->scale;
  a.causal = p->causal;
  a.splits = 1;
  if (a.q.bf16 && a.k.bf16 && a.v.bf16)
    a.splits = dv_cuda_attention_mma_splits (&a);
  return a;
}

size_t
dv_cuda_attention_workspace (const DvDevice *device, const DvAttention *args)
{
  Attention a = described (args);

  if (a.splits == 1)
    return 0;
  return (size_t)a.splits * (size_t)a.H * (size_t)a.M * (size_t)(a.d + 2) *
         sizeof (float);
}

DvStatus
dv_cuda_attention (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  Attention a = described ((const DvAttention *)args);
  cudaStream_t queue = dv_cuda_queue (stream);

  if (a.M == 0 || a.H == 0)
    return DV_OK;
  a.part = (float *)workspace;
  if (a.q.bf16 && a.k.bf16 && a.v.bf16)
    dv_cuda_attention_mma (&a, queue);
  else
    dv_cuda_attention_f32 (&a, queue);
  return dv_cuda_launched ("attention", error);
}
