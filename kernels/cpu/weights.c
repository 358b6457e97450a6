/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The cpu backend's weights: panels as gemm.h wants them, packed once.  The
 * mapped memory stays beside them, for what ref computes.
 *
 * The depth of a panel counts taps outside and input channels inside.  A
 * transposed convolution's taps each begin a word.
 *
 * Threads: packing runs on the device's pool.
 */
#include <stdlib.h>

#include "../ref/ref.h"
#include "gemm.h"

typedef struct {
  const DvTensor *host;
  uint32_t *packed;
  bool bf16, round;
  int64_t columns, channels, taps;
  int64_t column_step, channel_step, tap_step; /* in the host's memory */
  int64_t tap_words;
} Pack;

static Pack
described (const DvWeight *w)
{
  const int64_t *s = w->shape;
  Pack p = {.bf16 = GEMM_BF16 && w->compute == DV_BF16,
      .round = w->compute == DV_BF16,
      .columns = s[0],
      .channels = s[1],
      .taps = 1,
      .channel_step = 1,
      .tap_step = 1};

  for (int i = 2; i < w->n_dims; i++)
    p.taps *= s[i];
  p.channel_step = p.taps;
  p.column_step = p.taps * s[1];
  if (w->use == DV_USE_CONV_UP1) {
    p.columns = s[1];
    p.channels = s[0];
    p.column_step = p.taps;
    p.channel_step = p.taps * s[1];
  }
  p.tap_words = gemm_words (p.channels, p.bf16);
  if (w->use == DV_USE_CONV && p.bf16 && p.channels % 2)
    p.tap_words = 0; /* taps follow each other without a gap */
  return p;
}

static int64_t
panel_words (const Pack *p)
{
  return p->tap_words ? p->taps * p->tap_words
                      : gemm_words (p->taps * p->channels, p->bf16);
}

static size_t
packed_bytes (const Pack *p)
{
  int64_t panels = (p->columns + GEMM_COLUMNS - 1) / GEMM_COLUMNS;

  return (size_t)(panels * panel_words (p) * GEMM_COLUMNS) * 4;
}

/* Of the others the reference's form will do: rows are only looked up. */
static bool
is_packed (DvUse use)
{
  return use != DV_USE_PLAIN && use != DV_USE_TABLE;
}

size_t
DV_CPU (weight_bytes) (
    const DvDevice *device, const DvWeight *w, DvDtype host_dtype)
{
  Pack p;

  if (!is_packed (w->use))
    return dv_ref_weight_bytes (device, w, host_dtype);
  p = described (w);
  return packed_bytes (&p);
}

/* One column of a panel: entries of a channel after another, by tap. */
static void
pack_column (const Pack *p, int64_t column, uint32_t *to)
{
  int64_t at = 0, from = column * p->column_step;

  for (int64_t tap = 0; tap < p->taps; tap++) {
    if (p->tap_words)
      at = tap * p->tap_words * gemm_per_word (p->bf16);
    for (int64_t c = 0; c < p->channels; c++, at++) {
      float v =
          dv_ref_get (p->host, from + c * p->channel_step + tap * p->tap_step);

      if (p->bf16) {
        ((uint16_t *)(to + at / 2 * GEMM_COLUMNS))[at % 2] =
            dv_bf16_from_f32 (v);
      } else {
        if (p->round)
          v = dv_f32_from_bf16 (dv_bf16_from_f32 (v));
        memcpy (to + at * GEMM_COLUMNS, &v, sizeof v);
      }
    }
  }
}

static void
pack_panel (void *user, int64_t panel, int thread)
{
  const Pack *p = user;
  uint32_t *to = p->packed + panel * panel_words (p) * GEMM_COLUMNS;

  memset (to, 0, (size_t)panel_words (p) * GEMM_COLUMNS * 4);
  for (int64_t j = 0; j < GEMM_COLUMNS; j++)
    if (panel * GEMM_COLUMNS + j < p->columns)
      pack_column (p, panel * GEMM_COLUMNS + j, to + j);
}

DvStatus
DV_CPU (prepare) (
    DvDevice *device, DvWeight *w, const DvTensor *host, DvError *error)
{
  DvStatus status = dv_ref_prepare (device, w, host, error);
  Pack p;

  if (status != DV_OK || !is_packed (w->use))
    return status;
  p = described (w);
  p.host = &w->data;
  w->packed_bytes = packed_bytes (&p);
  w->packed = dv_cpu_alloc (device, w->packed_bytes);
  if (!w->packed) {
    char text[96];

    return dv_fail (error, DV_ERROR_MEMORY, "prepare",
        "there is no memory for the %zu bytes of a packed weight, %s",
        w->packed_bytes, dv_tensor_describe (host, text, sizeof text));
  }
  p.packed = w->packed;
  dv_pool_run (device->pool, (p.columns + GEMM_COLUMNS - 1) / GEMM_COLUMNS,
      pack_panel, &p);
  return DV_OK;
}

void
DV_CPU (release) (DvDevice *device, DvWeight *w)
{
  dv_cpu_free (device, w->packed);
  dv_ref_release (device, w);
}
