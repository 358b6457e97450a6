/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The ref backend's elementwise ops: ops.h, DvMap, DvGather and DvEuler (the
 * step of docs/ltx2-model.md, section 6.2).
 *
 * Threads: see ref.h.
 */
#include "ref.h"

static float
map_one (const DvMap *p, float x, float y, float s, float b)
{
  switch (p->kind) {
    case DV_MAP_COPY:
      return x;
    case DV_MAP_SCALE:
      return x * p->p;
    case DV_MAP_GELU:
      return dv_ref_gelu (x);
    case DV_MAP_SILU:
      return dv_ref_silu (x);
    case DV_MAP_LEAKY:
      return x < 0 ? p->p * x : x;
    case DV_MAP_TANH:
      return tanhf (x);
    case DV_MAP_CLAMP:
      return x < -p->p ? -p->p : x > p->p ? p->p : x;
    case DV_MAP_ADD:
      return x + y;
    case DV_MAP_AXPY:
      return x + p->p * y;
    case DV_MAP_MUL:
      return x * y;
    case DV_MAP_GELU_MUL:
      return dv_ref_gelu (x) * y;
    case DV_MAP_FILL:
      return p->p;
    case DV_MAP_MAGNITUDE:
      return sqrtf (x * x + y * y);
    case DV_MAP_LOG:
      return logf (x < p->p ? p->p : x);
    case DV_MAP_AFFINE:
      return x * s + b;
    case DV_MAP_LERP:
      return x * s + y * (1 - s);
  }
  return x;
}

/* Integral tensors are only copied, bit for bit. */
static void
copy_integer (const DvTensor *out, int64_t to, const DvTensor *x, int64_t from)
{
  size_t size = dv_dtype_size (x->dtype);
  const uint8_t *source = (const uint8_t *)x->data + (size_t)from * size;
  uint8_t *target = (uint8_t *)out->data + (size_t)to * size;

  for (size_t i = 0; i < size; i++)
    target[i] = source[i];
}

static bool
is_float (DvDtype dtype)
{
  return dtype == DV_F32 || dtype == DV_BF16 || dtype == DV_F16;
}

DvStatus
dv_ref_map (DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvMap *p = args;
  const DvTensor *x = p->x, *y = p->y;
  int64_t count = dv_tensor_count (x), at[DV_MAX_DIMS] = {0};
  int64_t ix = 0, iy = 0, io = 0;
  int last = x->n_dims - 1;

  for (int64_t n = 0; n < count; n++) {
    if (!is_float (x->dtype)) {
      copy_integer (p->out, io, x, ix);
    } else {
      float s = 0, b = 0;

      if (p->kind == DV_MAP_AFFINE) {
        s = dv_ref_get (p->s, at[last] * p->s->stride[0]);
        b = dv_ref_get (p->b, at[last] * p->b->stride[0]);
      } else if (p->kind == DV_MAP_LERP) {
        s = dv_ref_get (p->s, at[0] * p->s->stride[0]);
      }
      dv_ref_put (p->out, io,
          map_one (p, dv_ref_get (x, ix), y ? dv_ref_get (y, iy) : 0, s, b));
    }
    /* The next element, the last dimension fastest. */
    for (int d = last; d >= 0; d--) {
      ix += x->stride[d];
      iy += y ? y->stride[d] : 0;
      io += p->out->stride[d];
      if (++at[d] < x->shape[d])
        break;
      ix -= at[d] * x->stride[d];
      iy -= y ? at[d] * y->stride[d] : 0;
      io -= at[d] * p->out->stride[d];
      at[d] = 0;
    }
  }
  return DV_OK;
}

DvStatus
dv_ref_gather (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvGather *p = args;
  int64_t rows = p->table->shape[0];

  for (int64_t m = 0; m < p->out->shape[0]; m++) {
    int64_t id = dv_ref_int (p->id, m * p->id->stride[0]);

    if (id < 0 || id >= rows)
      return dv_fail (error, DV_ERROR_ARGUMENT, "gather",
          "row %lld of a table of %lld is asked for: the ids do not belong to "
          "this table",
          (long long)id, (long long)rows);
    for (int64_t c = 0; c < p->out->shape[1]; c++)
      dv_ref_put (p->out, m * p->out->stride[0] + c,
          dv_ref_get (p->table, id * p->table->stride[0] + c) * p->scale);
  }
  return DV_OK;
}

DvStatus
dv_ref_euler (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvEuler *p = args;

  for (int64_t m = 0; m < p->x->shape[0]; m++) {
    float mask = p->mask ? dv_ref_get (p->mask, m * p->mask->stride[0]) : 1;
    float tau = mask * p->sigma;

    for (int64_t c = 0; c < p->x->shape[1]; c++) {
      int64_t i = m * p->x->stride[0] + c;
      float x = dv_ref_get (p->x, i), x0;

      x0 = x - tau * dv_ref_get (p->velocity, m * p->velocity->stride[0] + c);
      if (p->mask)
        x0 = x0 * mask +
             dv_ref_get (p->clean, m * p->clean->stride[0] + c) * (1 - mask);
      if (p->next == 0)
        x = x0;
      else
        x += (x - x0) / p->sigma * (p->next - p->sigma);
      dv_ref_put (p->x, i, x);
    }
  }
  return DV_OK;
}
