/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a timestep does to a token: AdaLN-single (section 5.2 of
 * docs/ltx2-model.md).
 *
 * Tokens have few distinct timesteps, so that a modulation is one row a
 * distinct value and each token's index.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dit-private.h"

/* Distinct timesteps planned for where a dry run does not know the mask. */
#define PLANNED_TAUS 4
#define LN_10000 9.210340371976184

static int
compare_floats (const void *a, const void *b)
{
  float x = *(const float *)a, y = *(const float *)b;

  return (x > y) - (x < y);
}

/* The place of @value in the rising list. */
static int32_t
place_of (const float *value, int64_t n, float wanted)
{
  int64_t low = 0, high = n - 1;

  while (low < high) {
    int64_t middle = (low + high) / 2;

    if (value[middle] < wanted)
      low = middle + 1;
    else
      high = middle;
  }
  return (int32_t)low;
}

/* Sorts @value (a copy of the mask) and keeps what is distinct. */
static int64_t
keep_distinct (float *value, int64_t n)
{
  int64_t kept = 1;

  qsort (value, (size_t)n, sizeof *value, compare_floats);
  for (int64_t i = 1; i < n; i++)
    if (value[i] != value[kept - 1])
      value[kept++] = value[i];
  return kept;
}

/* A timestep as cosines, then sines. */
static void
sinusoid (float *out, float timestep)
{
  for (int i = 0; i < DV_DIT_SINUSOID / 2; i++) {
    float frequency =
        expf ((float)-LN_10000 * (float)i / (float)(DV_DIT_SINUSOID / 2));
    float angle = timestep * frequency;

    out[i] = (float)cos ((double)angle);
    out[DV_DIT_SINUSOID / 2 + i] = (float)sin ((double)angle);
  }
}

/* The sinusoids of @value[n] * @scale, in the dtype of products' inputs. */
static DvTensor
embed (DvDitRun *run, const float *value, int64_t n, float sigma, double scale)
{
  DvStream *stream = run->stream;
  DvTensor out =
      DV_NEW (stream, run->dit->compute, n, (int64_t)DV_DIT_SINUSOID);
  size_t mark = dv_mark (stream);
  DvTensor exact = DV_NEW (stream, DV_F32, n, (int64_t)DV_DIT_SINUSOID), host;
  float *memory;

  if (dv_stream_live (stream)) {
    memory = malloc (sizeof (float) * DV_DIT_SINUSOID * (size_t)n);
    if (!memory) {
      dv_stream_fail (stream, DV_ERROR_MEMORY, "denoise",
          "no memory for %lld timesteps", (long long)n);
      return out;
    }
    for (int64_t i = 0; i < n; i++)
      sinusoid (memory + i * DV_DIT_SINUSOID,
          (value ? value[i] * sigma : sigma) * (float)scale);
    host = DV_TENSOR (memory, DV_F32, n, (int64_t)DV_DIT_SINUSOID);
    dv_copy (stream, &exact, &host);
    free (memory);
  }
  dv_map (stream, &(DvMap){.out = &out, .x = &exact, .kind = DV_MAP_COPY});
  dv_release (stream, mark);
  return out;
}

/* e (may be NULL) and y of the sinusoids @s. */
static void
adaln (DvDitRun *run, const DvDitAdaln *w, int64_t width, const DvTensor *s,
    const DvTensor *e, const DvTensor *y)
{
  DvStream *stream = run->stream;
  size_t mark = dv_mark (stream);
  int64_t n = s->shape[0];
  DvTensor hidden = DV_NEW (stream, run->dit->compute, n, width);
  DvTensor own = {0};

  if (!e) {
    own = DV_NEW (stream, DV_F32, n, width);
    e = &own;
  }
  dv_dit_linear (stream, &hidden, s, &w->first, DV_ACT_SILU);
  dv_dit_linear (stream, e, &hidden, &w->second, DV_ACT_NONE);
  dv_map (stream, &(DvMap){.out = &hidden, .x = e, .kind = DV_MAP_SILU});
  dv_dit_linear (stream, y, &hidden, &w->rows, DV_ACT_NONE);
  dv_release (stream, mark);
}

/* The distinct values of a lane's mask (malloc'd; NULL: all 1), their number
 * in taus and each token's place in index. */
static float *
distinct_taus (DvDitRun *run, DvDitLane *lane)
{
  DvStream *stream = run->stream;
  const DvTensor *mask = lane->io->mask;
  const float *of = mask ? mask->data : NULL;
  float *value = NULL;
  int32_t *index = NULL;
  DvTensor host;

  lane->taus = 1;
  lane->row_index = NULL;
  if (!mask || stream->status != DV_OK)
    return NULL;
  if (!of) {
    lane->taus = PLANNED_TAUS;
  } else {
    value = malloc (sizeof *value * (size_t)lane->m);
    if (!value)
      goto no_memory;
    memcpy (value, of, sizeof *value * (size_t)lane->m);
    lane->taus = keep_distinct (value, lane->m);
  }
  if (lane->taus == 1)
    return value;
  lane->index = DV_NEW (stream, DV_I32, lane->m);
  lane->row_index = &lane->index;
  if (!dv_stream_live (stream) || !of)
    return value;
  index = malloc (sizeof *index * (size_t)lane->m);
  if (!index)
    goto no_memory;
  for (int64_t i = 0; i < lane->m; i++)
    index[i] = i > 0 && of[i] == of[i - 1]
                   ? index[i - 1]
                   : place_of (value, lane->taus, of[i]);
  host = DV_TENSOR (index, DV_I32, lane->m);
  dv_copy (stream, &lane->index, &host);
  free (index);
  return value;

no_memory:
  dv_stream_fail (stream, DV_ERROR_MEMORY, "denoise",
      "no memory for the timesteps of %lld tokens", (long long)lane->m);
  free (value);
  return NULL;
}

static void
show_time (DvDitRun *run, const DvDitLane *lane, const char *side)
{
  if (!dv_dit_probed (run))
    return;
  dv_dit_show_rows (run, &lane->y, lane->row_index, lane->m, "%s.temb", side);
  dv_dit_show_rows (
      run, &lane->e, lane->row_index, lane->m, "%s.embedded_timestep", side);
  dv_dit_show_rows (
      run, &lane->cross, lane->row_index, lane->m, "%s.ca_scale_shift", side);
  dv_dit_show_rows (
      run, &lane->cross_gate, lane->gate_index, lane->m, "%s.ca_gate", side);
  if (run->dit->config.cross_mod)
    dv_dit_show (run, &lane->prompt, "%s.prompt_temb", side);
}

static void
time_of_lane (DvDitRun *run, DvDitLane *lane)
{
  const DvDit *dit = run->dit;
  const DvDitForward *forward = run->forward;
  DvStream *stream = run->stream;
  bool other = forward->rule == DV_CROSS_OTHER;
  float *value = distinct_taus (run, lane);
  int64_t width = lane->w->width, gates = other ? 1 : lane->taus;
  DvTensor s, step;
  size_t mark;

  lane->gate_index = other ? NULL : lane->row_index;
  lane->e = DV_NEW (stream, DV_F32, lane->taus, width);
  lane->y = DV_NEW (stream, DV_F32, lane->taus, dit->rows * width);
  lane->cross = DV_NEW (stream, DV_F32, lane->taus, 4 * width);
  lane->cross_gate = DV_NEW (stream, DV_F32, gates, width);
  if (dit->config.cross_mod)
    lane->prompt = DV_NEW (stream, DV_F32, INT64_C (1), 2 * width);
  mark = dv_mark (stream);
  s = embed (
      run, value, lane->taus, forward->sigma, dit->config.timestep_scale);
  adaln (run, &lane->w->time, width, &s, &lane->e, &lane->y);
  adaln (run, &lane->w->cross_scale_shift, width, &s, NULL, &lane->cross);
  s = embed (run, other ? NULL : value, gates, forward->sigma,
      dit->config.cross_timestep_scale);
  adaln (run, &lane->w->cross_gate, width, &s, NULL, &lane->cross_gate);
  if (dit->config.cross_mod) {
    step = embed (run, NULL, 1, forward->sigma, dit->config.timestep_scale);
    adaln (run, &lane->w->prompt, width, &step, NULL, &lane->prompt);
  }
  dv_release (stream, mark);
  free (value);
}

void
dv_dit_time (DvDitRun *run)
{
  time_of_lane (run, &run->lane[DV_VIDEO]);
  time_of_lane (run, &run->lane[DV_AUDIO]);
  show_time (run, &run->lane[DV_VIDEO], "video");
  show_time (run, &run->lane[DV_AUDIO], "audio");
}

DvDitMod
dv_dit_modulation (DvStream *stream, const DvTensor *y, const DvTensor *table,
    int rows, const DvTensor *index)
{
  int64_t n = y->shape[0], width = y->shape[1] / rows;
  DvTensor sum = DV_NEW (stream, DV_F32, n, rows * width);
  DvTensor every = DV_TENSOR (table->data, DV_F32, n, rows * width);
  DvDitMod mod = {.index = index};

  every.stride[0] = 0;
  every.device = table->device;
  dv_map (
      stream, &(DvMap){.out = &sum, .x = y, .y = &every, .kind = DV_MAP_ADD});
  for (int r = 0; r < rows; r++)
    mod.row[r] = dv_slice (&sum, 1, r * width, width);
  return mod;
}
