/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Conditioning and noising (sections 7.1 and 7.2 of docs/ltx2-model.md).
 */
#include "conditioning.h"

#include <stdlib.h>
#include <string.h>

DvStatus
dv_condition_init (
    DvCondition *condition, const DvTensor *clean, DvError *error)
{
  int64_t tokens = clean->shape[0];

  memset (condition, 0, sizeof *condition);
  condition->mask = dv_tensor_new (DV_F32, 1, &tokens);
  if (!condition->mask.data)
    return dv_fail (error, DV_ERROR_MEMORY, "step",
        "no memory for the mask of %lld tokens", (long long)tokens);
  for (int64_t i = 0; i < tokens; i++)
    ((float *)condition->mask.data)[i] = 1;
  condition->clean = *clean;
  condition->clean.owner = DV_BORROWED;
  return DV_OK;
}

void
dv_condition_clear (DvCondition *condition)
{
  dv_tensor_clear (&condition->mask);
  memset (condition, 0, sizeof *condition);
}

void
dv_zero (DvStream *stream, const DvTensor *t)
{
  size_t mark = dv_mark (stream);
  DvTensor row = DV_NEW (stream, DV_F32, t->shape[1]), host, every;

  if (dv_stream_live (stream)) {
    host = dv_tensor_new (DV_F32, 1, row.shape);
    if (!host.data)
      dv_stream_fail (stream, DV_ERROR_MEMORY, "step",
          "no memory for %lld zeros", (long long)row.shape[0]);
    else
      dv_copy (stream, &row, &host);
    dv_tensor_clear (&host);
  }
  every = *t;
  every.data = row.data;
  every.owner = DV_BORROWED;
  every.stride[0] = 0;
  every.stride[1] = 1;
  dv_map (stream, &(DvMap){.out = t, .x = &every, .kind = DV_MAP_COPY});
  dv_release (stream, mark);
}

void
dv_condition_write (DvCondition *condition, DvStream *stream,
    const DvTensor *latent, int64_t first, float strength)
{
  int64_t n = latent->shape[0], tokens = condition->mask.shape[0];
  float *mask = condition->mask.data;
  DvTensor place;

  if (latent->n_dims != 2 || latent->shape[1] != condition->clean.shape[1] ||
      first < 0 || n > tokens || first > tokens - n ||
      !(strength >= 0 && strength <= 1)) {
    dv_stream_fail (stream, DV_ERROR_ARGUMENT, "step",
        "%lld given tokens at %lld, with strength %g, do not fit among %lld",
        (long long)n, (long long)first, (double)strength, (long long)tokens);
    return;
  }
  place = dv_slice (&condition->clean, 0, first, n);
  dv_map (stream, &(DvMap){.out = &place, .x = latent, .kind = DV_MAP_COPY});
  for (int64_t i = first; i < first + n; i++)
    mask[i] = 1 - strength;
  condition->any = condition->any || (strength > 0 && n > 0);
}

const DvTensor *
dv_condition_mask (const DvCondition *condition)
{
  return condition->any ? &condition->mask : NULL;
}

DvTensor
dv_mask_on_device (DvStream *stream, const DvTensor *mask, float scale)
{
  DvTensor out = DV_NEW (stream, DV_F32, mask->shape[0]);

  if (dv_stream_live (stream))
    dv_copy (stream, &out, mask);
  if (scale != 1)
    dv_map (stream,
        &(DvMap){.out = &out, .x = &out, .kind = DV_MAP_SCALE, .p = scale});
  return out;
}

void
dv_noised (DvStream *stream, const DvTensor *out, const DvTensor *noise,
    const DvTensor *clean, float sigma)
{
  size_t mark = dv_mark (stream);
  DvTensor rest = DV_NEW (stream, DV_F32, clean->shape[0], clean->shape[1]);

  dv_map (stream,
      &(DvMap){.out = &rest, .x = clean, .kind = DV_MAP_SCALE, .p = 1 - sigma});
  dv_map (stream,
      &(DvMap){
          .out = out, .x = &rest, .y = noise, .kind = DV_MAP_AXPY, .p = sigma});
  dv_release (stream, mark);
}

void
dv_condition_noise (const DvCondition *condition, DvStream *stream,
    const DvTensor *out, const DvTensor *noise, float sigma)
{
  size_t mark = dv_mark (stream);
  DvTensor mask;

  if (!condition->any) {
    dv_noised (stream, out, noise, &condition->clean, sigma);
    return;
  }
  mask = dv_mask_on_device (stream, &condition->mask, sigma);
  dv_map (stream, &(DvMap){.out = out,
                      .x = noise,
                      .y = &condition->clean,
                      .s = &mask,
                      .kind = DV_MAP_LERP});
  dv_release (stream, mark);
}

void
dv_condition_mix (
    const DvCondition *condition, DvStream *stream, const DvTensor *x)
{
  size_t mark = dv_mark (stream);
  DvTensor mask;

  if (!condition->any)
    return;
  mask = dv_mask_on_device (stream, &condition->mask, 1);
  dv_map (stream, &(DvMap){.out = x,
                      .x = x,
                      .y = &condition->clean,
                      .s = &mask,
                      .kind = DV_MAP_LERP});
  dv_release (stream, mark);
}
