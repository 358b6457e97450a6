/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Noise levels, sizes and continuation (sections 1, 6.1, 6.3 and 7.3 of
 * docs/ltx2-model.md).  Durations are computed in doubles in the reference's
 * order and rounded half to even, as its language does.
 */
#include "schedule.h"

#include <math.h>
#include <string.h>

#define LATENTS_PER_SECOND 25
#define FRAMES_PER_LATENT 8
#define PIXELS_PER_LATENT 32
#define MAX_SIDE 32768
#define MAX_FRAMES (1 << 20)

/* ---- noise levels ---- */

/* The distilled sigmas in units of 1/320, in which all of them are whole: so
 * that ties between subsets are ties. */
static const int distilled[DV_DISTILLED_STEPS + 1] = {
    320, 318, 316, 314, 312, 291, 232, 135, 0};
static const int stage2[DV_STAGE2_STEPS + 1] = {291, 232, 135, 0};

typedef struct {
  int largest, last;
  int64_t squares;
} Gaps;

/* The gaps between the levels whose bits are set in @chosen. */
static Gaps
gaps_of (const int *level, int n, unsigned chosen)
{
  Gaps gaps = {0};
  int before = level[0];

  for (int i = 1; i <= n; i++) {
    if (!(chosen >> i & 1))
      continue;
    gaps.last = before - level[i];
    gaps.squares += (int64_t)gaps.last * gaps.last;
    if (gaps.last > gaps.largest)
      gaps.largest = gaps.last;
    before = level[i];
  }
  return gaps;
}

static bool
gaps_less (Gaps a, Gaps b)
{
  if (a.largest != b.largest)
    return a.largest < b.largest;
  if (a.last != b.last)
    return a.last < b.last;
  return a.squares < b.squares;
}

/* Whether the increasing index list of @a comes before that of @b: the lowest
 * index in which they differ is in the earlier one. */
static bool
lexicographically_first (unsigned a, unsigned b)
{
  unsigned differ = a ^ b;

  return (a & (differ & (~differ + 1))) != 0;
}

/* Of all sets of @steps + 1 levels with both ends: the smallest largest gap,
 * then the smallest last, then the smallest sum of squares, then the first. */
static void
choose_levels (const int *level, int n, int steps, float *sigmas)
{
  unsigned best = 0, ends = 1u | 1u << n;
  Gaps best_gaps = {0};

  for (unsigned chosen = 0; chosen < 1u << (n + 1); chosen++) {
    Gaps gaps;

    if ((chosen & ends) != ends || __builtin_popcount (chosen) != steps + 1)
      continue;
    gaps = gaps_of (level, n, chosen);
    if (best == 0 || gaps_less (gaps, best_gaps) ||
        (!gaps_less (best_gaps, gaps) &&
            lexicographically_first (chosen, best))) {
      best = chosen;
      best_gaps = gaps;
    }
  }
  for (int i = 0; i <= n; i++)
    if (best >> i & 1)
      *sigmas++ = (float)(level[i] / 320.0);
}

DvStatus
dv_sigmas_distilled (int steps, float *sigmas, DvError *error)
{
  if (steps < 1 || steps > DV_DISTILLED_STEPS)
    return dv_fail (error, DV_ERROR_ARGUMENT, "schedule",
        "the distilled model takes 1 to %d steps, not %d", DV_DISTILLED_STEPS,
        steps);
  choose_levels (distilled, DV_DISTILLED_STEPS, steps, sigmas);
  return DV_OK;
}

DvStatus
dv_sigmas_stage2 (int steps, float *sigmas, DvError *error)
{
  if (steps < 1 || steps > DV_STAGE2_STEPS)
    return dv_fail (error, DV_ERROR_ARGUMENT, "schedule",
        "the second stage takes 1 to %d steps, not %d", DV_STAGE2_STEPS, steps);
  choose_levels (stage2, DV_STAGE2_STEPS, steps, sigmas);
  return DV_OK;
}

/* In float32 and the reference's order: with many tokens all levels but the
 * last lie so near 1 that what is left of 1 - s is mostly rounding, and the
 * stretch magnifies it. */
DvStatus
dv_sigmas_shifted (int steps, int64_t tokens, float *sigmas, DvError *error)
{
  const double low = 1024, high = 4096, at_low = 0.95, at_high = 2.05;
  double slope = (at_high - at_low) / (high - low);
  float pull = (float)exp ((double)tokens * slope + at_low - slope * low);
  float stretch = 0;

  if (steps < 1 || steps > DV_MAX_STEPS || tokens < 1 || !isfinite (pull))
    return dv_fail (error, DV_ERROR_ARGUMENT, "schedule",
        "%d steps over %lld tokens make no schedule; take 1 to %d steps", steps,
        (long long)tokens, DV_MAX_STEPS);
  for (int i = 0; i < steps; i++) {
    float step = -1.0f / (float)steps;
    float s = i < (steps + 1) / 2 ? 1.0f + step * (float)i
                                  : 0.0f - step * (float)(steps - i);

    sigmas[i] = 1.0f / (pull + (1.0f / s - 1.0f)) * pull;
  }
  stretch = (1.0f - sigmas[steps - 1]) / 0.9f;
  for (int i = 0; i < steps && stretch > 0; i++)
    sigmas[i] = 1.0f - (1.0f - sigmas[i]) / stretch;
  sigmas[steps] = 0;
  return DV_OK;
}

DvStatus
dv_sigmas_check (const float *sigmas, int steps, DvError *error)
{
  if (steps < 1 || steps > DV_MAX_STEPS)
    return dv_fail (error, DV_ERROR_ARGUMENT, "schedule",
        "%d denoise steps are not between 1 and %d", steps, DV_MAX_STEPS);
  if (!(sigmas[0] <= 1) || sigmas[steps] != 0)
    return dv_fail (error, DV_ERROR_ARGUMENT, "schedule",
        "noise levels go from at most 1 to 0, not from %g to %g",
        (double)sigmas[0], (double)sigmas[steps]);
  for (int i = 0; i < steps; i++)
    if (!(sigmas[i] > sigmas[i + 1]))
      return dv_fail (error, DV_ERROR_ARGUMENT, "schedule",
          "noise level %d, %g, is not above the next, %g", i, (double)sigmas[i],
          (double)sigmas[i + 1]);
  return DV_OK;
}

/* ---- sizes ---- */

static int64_t
half_to_even (double value)
{
  double floor_of = floor (value), rest = value - floor_of;
  int64_t whole = (int64_t)floor_of;

  if (rest > 0.5 || (rest == 0.5 && whole % 2 != 0))
    whole++;
  return whole;
}

int64_t
dv_audio_latents (int64_t frames, double fps)
{
  return half_to_even ((double)frames / fps * LATENTS_PER_SECOND);
}

static DvStatus
check_duration (int64_t frames, double fps, DvError *error)
{
  if (frames < 1 || frames > MAX_FRAMES || frames % FRAMES_PER_LATENT != 1)
    return dv_fail (error, DV_ERROR_ARGUMENT, "schedule",
        "%lld frames are not 8 k + 1 (9, 17, … 121, …)", (long long)frames);
  if (!(fps >= 1 && fps <= 1000))
    return dv_fail (error, DV_ERROR_ARGUMENT, "schedule",
        "%g frames a second are not between 1 and 1000", fps);
  return DV_OK;
}

DvStatus
dv_shapes (DvShapes *shapes, int64_t width, int64_t height, int64_t frames,
    double fps, int stages, DvError *error)
{
  int64_t unit = stages > 1 ? 2 * PIXELS_PER_LATENT : PIXELS_PER_LATENT;
  DvStatus status = check_duration (frames, fps, error);

  memset (shapes, 0, sizeof *shapes);
  if (status != DV_OK)
    return status;
  if (width < unit || height < unit || width > MAX_SIDE || height > MAX_SIDE ||
      width % unit != 0 || height % unit != 0)
    return dv_fail (error, DV_ERROR_ARGUMENT, "schedule",
        "%lld x %lld pixels: width and height must be multiples of %lld up to "
        "%d",
        (long long)width, (long long)height, (long long)unit, MAX_SIDE);
  shapes->f = (frames - 1) / FRAMES_PER_LATENT + 1;
  shapes->h = height / PIXELS_PER_LATENT;
  shapes->w = width / PIXELS_PER_LATENT;
  shapes->tokens = shapes->f * shapes->h * shapes->w;
  shapes->audio_latents = dv_audio_latents (frames, fps);
  if (shapes->audio_latents < 1)
    shapes->audio_latents = 1;
  shapes->mel_frames = 4 * shapes->audio_latents - 3;
  return DV_OK;
}

/* ---- continuation ---- */

DvStatus
dv_continuation (DvContinuation *continuation, int64_t frames, double fps,
    int64_t video, int64_t audio, int64_t available, DvError *error)
{
  DvContinuation c = {0};
  DvStatus status = check_duration (frames, fps, error);

  memset (continuation, 0, sizeof *continuation);
  if (status != DV_OK)
    return status;
  if (video < 1 || video >= frames || video % FRAMES_PER_LATENT != 1)
    return dv_fail (error, DV_ERROR_ARGUMENT, "schedule",
        "%lld frames to continue from are not 8 k + 1 below the segment's %lld",
        (long long)video, (long long)frames);
  if (audio < 1 || audio > MAX_FRAMES || available < 1)
    return dv_fail (error, DV_ERROR_ARGUMENT, "schedule",
        "no sound to continue from: %lld frames of it, %lld latents kept",
        (long long)audio, (long long)available);
  c.video_frames = video;
  c.video_latents = (video - 1) / FRAMES_PER_LATENT + 1;
  c.audio_latents = dv_audio_latents (audio, fps);
  if (c.audio_latents < 1)
    c.audio_latents = 1;
  if (c.audio_latents > available)
    c.audio_latents = available;
  c.extra = audio > video ? audio - video : 0;
  c.audio_frames = frames + c.extra;
  c.position_offset = (double)c.extra / fps;
  c.audio_total = dv_audio_latents (c.audio_frames, fps);
  if (c.audio_total < c.audio_latents + 1)
    c.audio_total = c.audio_latents + 1;
  *continuation = c;
  return DV_OK;
}

DvTrim
dv_continuation_trim (
    const DvContinuation *continuation, int64_t frames, double fps, double rate)
{
  int64_t before = continuation->video_frames;
  DvTrim trim;

  trim.drop_frames = before;
  trim.keep_frames = frames - before;
  trim.drop_samples =
      half_to_even ((double)(before + continuation->extra) / fps * rate);
  trim.keep_samples = half_to_even ((double)(frames - before) / fps * rate);
  return trim;
}
