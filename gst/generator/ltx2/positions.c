/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Token positions: where each token lies in time and space (section 4.1 of
 * docs/ltx2-model.md).  All float32, an integer bound and one rounded
 * division, as the reference has it: high frequencies magnify a last bit.
 */
#include "rope.h"

#include <stdlib.h>
#include <string.h>

#define PIXELS_PER_LATENT 32
#define FRAMES_PER_LATENT 8
#define MELS_PER_LATENT 4
#define MEL_HOP 160
#define MEL_RATE 16000
#define MAX_TOKENS (INT64_C (1) << 28)

void
dv_positions_clear (DvPositions *positions)
{
  for (int a = 0; a < 3; a++) {
    free (positions->start[a]);
    free (positions->end[a]);
  }
  free (positions->index);
  memset (positions, 0, sizeof *positions);
}

/* Memory for so many coordinates and tokens. */
static DvStatus
positions_alloc (DvPositions *positions, int n_axes, const int64_t *count,
    int64_t tokens, DvError *error)
{
  memset (positions, 0, sizeof *positions);
  positions->n_axes = n_axes;
  positions->tokens = tokens;
  positions->index =
      malloc (sizeof (int32_t) * (size_t)tokens * (size_t)n_axes);
  if (!positions->index)
    goto no_memory;
  for (int a = 0; a < n_axes; a++) {
    positions->count[a] = count[a];
    positions->start[a] = malloc (sizeof (float) * (size_t)count[a]);
    positions->end[a] = malloc (sizeof (float) * (size_t)count[a]);
    if (!positions->start[a] || !positions->end[a])
      goto no_memory;
  }
  return DV_OK;

no_memory:
  dv_positions_clear (positions);
  return dv_fail (error, DV_ERROR_MEMORY, "rope",
      "no memory for the positions of %lld tokens", (long long)tokens);
}

/* The first of a compressed axis stands alone: latent i starts at element
 * max (0, ratio i - (ratio - 1)). */
static int64_t
causal_bound (int64_t i, int64_t ratio)
{
  int64_t bound = ratio * i - (ratio - 1);

  return bound > 0 ? bound : 0;
}

static void
fill_pixels (float *start, float *end, int64_t count)
{
  for (int64_t i = 0; i < count; i++) {
    start[i] = (float)(PIXELS_PER_LATENT * i);
    end[i] = (float)(PIXELS_PER_LATENT * (i + 1));
  }
}

DvStatus
dv_positions_video (DvPositions *positions, int64_t f, int64_t h, int64_t w,
    double fps, double offset, DvError *error)
{
  int64_t count[3] = {f, h, w};
  int32_t *index;
  DvStatus status;

  memset (positions, 0, sizeof *positions);
  if (f < 1 || h < 1 || w < 1 || f > MAX_TOKENS || h > MAX_TOKENS ||
      w > MAX_TOKENS || h > MAX_TOKENS / f || w > MAX_TOKENS / (f * h))
    return dv_fail (error, DV_ERROR_ARGUMENT, "rope",
        "a video latent of %lld x %lld x %lld cells is not to be had; take a "
        "smaller picture or fewer frames",
        (long long)f, (long long)h, (long long)w);
  if (!(fps > 0) || !(offset >= 0))
    return dv_fail (error, DV_ERROR_ARGUMENT, "rope",
        "%g frames a second and an offset of %g s place no token", fps, offset);
  status = positions_alloc (positions, 3, count, f * h * w, error);
  if (status != DV_OK)
    return status;
  for (int64_t i = 0; i < f; i++) {
    positions->start[0][i] =
        (float)causal_bound (i, FRAMES_PER_LATENT) / (float)fps + (float)offset;
    positions->end[0][i] =
        (float)causal_bound (i + 1, FRAMES_PER_LATENT) / (float)fps +
        (float)offset;
  }
  fill_pixels (positions->start[1], positions->end[1], h);
  fill_pixels (positions->start[2], positions->end[2], w);
  index = positions->index;
  for (int64_t i = 0; i < f; i++)
    for (int64_t y = 0; y < h; y++)
      for (int64_t x = 0; x < w; x++) {
        *index++ = (int32_t)i;
        *index++ = (int32_t)y;
        *index++ = (int32_t)x;
      }
  return DV_OK;
}

DvStatus
dv_positions_audio (DvPositions *positions, int64_t tokens, DvError *error)
{
  DvStatus status;

  memset (positions, 0, sizeof *positions);
  if (tokens < 1 || tokens > MAX_TOKENS)
    return dv_fail (error, DV_ERROR_ARGUMENT, "rope",
        "%lld audio tokens are not to be had", (long long)tokens);
  status = positions_alloc (positions, 1, &tokens, tokens, error);
  if (status != DV_OK)
    return status;
  for (int64_t i = 0; i < tokens; i++) {
    positions->start[0][i] =
        (float)(causal_bound (i, MELS_PER_LATENT) * MEL_HOP) / (float)MEL_RATE;
    positions->end[0][i] =
        (float)(causal_bound (i + 1, MELS_PER_LATENT) * MEL_HOP) /
        (float)MEL_RATE;
    positions->index[i] = (int32_t)i;
  }
  return DV_OK;
}

/* ---- explicit bounds ---- */

typedef struct {
  float start, end;
  int32_t token;
} Interval;

static int
compare_intervals (const void *a, const void *b)
{
  const Interval *x = a, *y = b;

  if (x->start != y->start)
    return x->start < y->start ? -1 : 1;
  if (x->end != y->end)
    return x->end < y->end ? -1 : 1;
  return (x->token > y->token) - (x->token < y->token);
}

/* Gives equal intervals of axis @a one coordinate. */
static void
collect_axis (
    DvPositions *positions, int a, Interval *interval, const float *bounds)
{
  int64_t tokens = positions->tokens, count = 0;

  for (int64_t i = 0; i < tokens; i++)
    interval[i] = (Interval){bounds[2 * i], bounds[2 * i + 1], (int32_t)i};
  qsort (interval, (size_t)tokens, sizeof *interval, compare_intervals);
  for (int64_t i = 0; i < tokens; i++) {
    if (i == 0 || interval[i].start != interval[i - 1].start ||
        interval[i].end != interval[i - 1].end) {
      positions->start[a][count] = interval[i].start;
      positions->end[a][count] = interval[i].end;
      count++;
    }
    positions->index[(int64_t)interval[i].token * positions->n_axes + a] =
        (int32_t)(count - 1);
  }
  positions->count[a] = count;
}

DvStatus
dv_positions_from_bounds (DvPositions *positions, int n_axes, int64_t tokens,
    const float *bounds, DvError *error)
{
  int64_t count[3] = {tokens, tokens, tokens};
  Interval *interval;
  DvStatus status;

  memset (positions, 0, sizeof *positions);
  if (n_axes < 1 || n_axes > 3 || tokens < 1 || tokens > MAX_TOKENS)
    return dv_fail (error, DV_ERROR_ARGUMENT, "rope",
        "%lld tokens on %d axes are not to be had", (long long)tokens, n_axes);
  for (int64_t i = 0; i < 2 * tokens * n_axes; i++)
    if (bounds[i] != bounds[i])
      return dv_fail (error, DV_ERROR_ARGUMENT, "rope",
          "the position of token %lld is not a number",
          (long long)(i / 2 % tokens));
  status = positions_alloc (positions, n_axes, count, tokens, error);
  if (status != DV_OK)
    return status;
  interval = malloc (sizeof *interval * (size_t)tokens);
  if (!interval) {
    dv_positions_clear (positions);
    return dv_fail (error, DV_ERROR_MEMORY, "rope",
        "no memory for the positions of %lld tokens", (long long)tokens);
  }
  for (int a = 0; a < n_axes; a++)
    collect_axis (positions, a, interval, bounds + 2 * tokens * a);
  free (interval);
  return DV_OK;
}
