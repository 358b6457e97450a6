/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Resampling, the short-time Fourier transform and the mel filters (section
 * 10.3 of docs/ltx2-model.md).
 */
#include "mel.h"

#include <complex.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846
#define SINC_WIDTH 6
#define SINC_ROLLOFF 0.99
#define MAX_RATE 768000
#define LOG_FLOOR 1e-5f

/* Slaney's scale: linear to 1 kHz, then logarithmic. */
#define MEL_LINEAR (200.0 / 3)
#define MEL_BREAK_HZ 1000.0
#define MEL_BREAK 15.0

static int
common_divisor (int a, int b)
{
  while (b) {
    int rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/* The taps of one output phase, [width + from + width]. */
static void
fill_phase (float *taps, int64_t n, int phase, int from, int to, int64_t width)
{
  double base = (from < to ? from : to) * SINC_ROLLOFF;

  for (int64_t i = 0; i < n; i++) {
    double t = ((double)(i - width) / from - (double)phase / to) * base, c;

    t = fmax (-SINC_WIDTH, fmin (SINC_WIDTH, t));
    c = cos (t * PI / SINC_WIDTH / 2);
    taps[i] =
        (float)((t == 0 ? 1 : sin (PI * t) / (PI * t)) * c * c * base / from);
  }
}

DvStatus
dv_resample (const float *samples, int channels, size_t n, int rate,
    int to_rate, float **out, size_t *n_out, DvError *error)
{
  int divisor, from, to;
  int64_t width, length;
  size_t count;
  float *taps = NULL, *result = NULL;

  if (rate < 1 || rate > MAX_RATE || to_rate < 1 || to_rate > MAX_RATE ||
      channels < 1 || channels > 64 || n > SIZE_MAX / 2 / MAX_RATE)
    return dv_fail (error, DV_ERROR_ARGUMENT, "resample",
        "%d channels of %zu samples cannot be resampled from %d to %d Hz",
        channels, n, rate, to_rate);
  divisor = common_divisor (rate, to_rate);
  from = rate / divisor;
  to = to_rate / divisor;
  width = (int64_t)ceil (
      SINC_WIDTH * from / ((from < to ? from : to) * SINC_ROLLOFF));
  length = 2 * width + from;
  count = (n * (size_t)to + (size_t)from - 1) / (size_t)from;
  taps = malloc ((size_t)length * sizeof *taps);
  result = malloc (((size_t)channels * count + 1) * sizeof *result);
  if (!taps || !result)
    goto no_memory;
  for (int phase = 0; phase < to; phase++) {
    fill_phase (taps, length, phase, from, to, width);
    if (from == to)
      memset (taps, 0, (size_t)length * sizeof *taps), taps[width] = 1;
    for (int c = 0; c < channels; c++)
      for (size_t k = (size_t)phase; k < count; k += (size_t)to) {
        int64_t start = (int64_t)(k / (size_t)to) * from - width;
        double sum = 0;

        for (int64_t i = 0; i < length; i++)
          if (start + i >= 0 && start + i < (int64_t)n)
            sum += (double)taps[i] *
                   (double)samples[(size_t)c * n + (size_t)(start + i)];
        result[(size_t)c * count + k] = (float)sum;
      }
  }
  free (taps);
  *out = result;
  *n_out = count;
  return DV_OK;

no_memory:
  free (taps);
  free (result);
  return dv_fail (error, DV_ERROR_MEMORY, "resample",
      "no memory for %zu resampled samples", count);
}

void
dv_mel_window (float window[DV_MEL_WINDOW])
{
  for (int i = 0; i < DV_MEL_WINDOW; i++)
    window[i] = (float)(0.5 - 0.5 * cos (2 * PI * i / DV_MEL_WINDOW));
}

static double
mel_of (double hz)
{
  if (hz < MEL_BREAK_HZ)
    return hz / MEL_LINEAR;
  return MEL_BREAK + log (hz / MEL_BREAK_HZ) / (log (6.4) / 27);
}

static double
hz_of (double mel)
{
  if (mel < MEL_BREAK)
    return mel * MEL_LINEAR;
  return MEL_BREAK_HZ * exp ((mel - MEL_BREAK) * (log (6.4) / 27));
}

void
dv_mel_filters (float filters[DV_MEL_FREQUENCIES * DV_MEL_BINS])
{
  const double top = mel_of (DV_MEL_RATE / 2);

  for (int b = 0; b < DV_MEL_BINS; b++) {
    double low = hz_of (top * b / (DV_MEL_BINS + 1));
    double middle = hz_of (top * (b + 1) / (DV_MEL_BINS + 1));
    double high = hz_of (top * (b + 2) / (DV_MEL_BINS + 1));

    for (int f = 0; f < DV_MEL_FREQUENCIES; f++) {
      double hz = (double)f * DV_MEL_RATE / DV_MEL_WINDOW;
      double up = (hz - low) / (middle - low);
      double down = (high - hz) / (high - middle);

      filters[f * DV_MEL_BINS + b] =
          (float)(fmax (0, fmin (up, down)) * 2 / (high - low));
    }
  }
}

/* In place, a power of two. */
static void
fourier (double complex *x, int n)
{
  for (int i = 1, j = 0; i < n; i++) {
    int bit = n >> 1;

    for (; j & bit; bit >>= 1)
      j ^= bit;
    j ^= bit;
    if (i < j) {
      double complex swap = x[i];
      x[i] = x[j];
      x[j] = swap;
    }
  }
  for (int size = 2; size <= n; size *= 2)
    for (int k = 0; k < size / 2; k++) {
      double complex turn =
          cos (2 * PI * k / size) - I * sin (2 * PI * k / size);

      for (int i = k; i < n; i += size) {
        double complex odd = x[i + size / 2] * turn;

        x[i + size / 2] = x[i] - odd;
        x[i] += odd;
      }
    }
}

typedef struct {
  float window[DV_MEL_WINDOW];
  float filters[DV_MEL_FREQUENCIES * DV_MEL_BINS];
  double complex frame[DV_MEL_WINDOW];
} Work;

/* One column of the spectrogram: the window's middle is at @at. */
static void
analyse (Work *work, const float *samples, int64_t n, int64_t at, float *mel,
    int stride)
{
  for (int i = 0; i < DV_MEL_WINDOW; i++) {
    int64_t k = at - DV_MEL_WINDOW / 2 + i;

    if (k < 0)
      k = -k;
    if (k >= n)
      k = 2 * (n - 1) - k;
    work->frame[i] = (double)(samples[k] * work->window[i]);
  }
  fourier (work->frame, DV_MEL_WINDOW);
  for (int b = 0; b < DV_MEL_BINS; b++) {
    double sum = 0;

    for (int f = 0; f < DV_MEL_FREQUENCIES; f++)
      sum += cabs (work->frame[f]) * (double)work->filters[f * DV_MEL_BINS + b];
    mel[b * stride] = logf (fmaxf ((float)sum, LOG_FLOOR));
  }
}

DvStatus
dv_log_mel (const float *samples, int channels, size_t n, float **mel,
    int64_t *frames, DvError *error)
{
  int64_t count = (int64_t)(n / DV_MEL_HOP) + 1;
  float *result;
  Work *work;

  if (n <= DV_MEL_WINDOW / 2 || channels < 1 || channels > 64 ||
      n > SIZE_MAX / 256)
    return dv_fail (error, DV_ERROR_ARGUMENT, "mel",
        "%d channels of %zu samples: a spectrogram needs more than %d",
        channels, n, DV_MEL_WINDOW / 2);
  work = malloc (sizeof *work);
  result =
      malloc ((size_t)count * DV_MEL_BINS * (size_t)channels * sizeof *result);
  if (!work || !result) {
    free (work);
    free (result);
    return dv_fail (error, DV_ERROR_MEMORY, "mel",
        "no memory for a spectrogram of %lld frames", (long long)count);
  }
  dv_mel_window (work->window);
  dv_mel_filters (work->filters);
  for (int64_t t = 0; t < count; t++)
    for (int c = 0; c < channels; c++)
      analyse (work, samples + (size_t)c * n, (int64_t)n, t * DV_MEL_HOP,
          result + t * DV_MEL_BINS * channels + c, channels);
  free (work);
  *mel = result;
  *frames = count;
  return DV_OK;
}
