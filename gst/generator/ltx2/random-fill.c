/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Values for the tensors of a random model (random-fill.h): uniform ones of
 * the variance that keeps sums at about 1, and the few tables that a model
 * needs to be right.
 */
#include "random-fill.h"

#include <math.h>

#include "tensor.h"

#define PI 3.14159265358979323846

static uint64_t
mix (uint64_t x)
{
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

uint64_t
dv_random_key (uint64_t seed, const char *name)
{
  uint64_t hash = 14695981039346656037u;

  for (; *name; name++)
    hash = (hash ^ (uint8_t)*name) * 1099511628211u;
  return mix (hash ^ mix (seed));
}

/* Uniform in [-1, 1); four elements share one draw. */
static float
uniform (uint64_t key, int64_t i)
{
  uint64_t four = mix (key + (uint64_t)i / 4);

  return (float)(int16_t)(four >> (16 * (i % 4))) / 32768.0f;
}

/* I0, the modified Bessel function, by its series. */
static double
bessel (double x)
{
  double sum = 1.0, term = 1.0;

  for (int k = 1; k < 32; k++) {
    term *= (x / (2 * k)) * (x / (2 * k));
    sum += term;
  }
  return sum;
}

/* Tap @i of n: a Kaiser-windowed sinc of cutoff 0.25 and half width 0.3, not
 * yet divided by its sum. */
static double
sinc_tap (int64_t i, int64_t n)
{
  double half = (double)n / 2.0, t = (double)i - half + 0.5;
  double attenuation = 2.285 * (half - 1.0) * PI * 1.2 + 7.95;
  double beta = 0.1102 * (attenuation - 8.7);
  double r = 2.0 * (double)i / (double)(n - 1) - 1.0;
  double x = 0.5 * t;

  return bessel (beta * sqrt (fmax (0.0, 1.0 - r * r))) / bessel (beta) * 0.5 *
         (x == 0.0 ? 1.0 : sin (PI * x) / (PI * x));
}

static float
sinc (int64_t i, int64_t n)
{
  double sum = 0.0;

  for (int64_t j = 0; j < n; j++)
    sum += sinc_tap (j, n);
  return (float)(sinc_tap (i, n) / sum);
}

static float
stft (int64_t i, int64_t n)
{
  int64_t row = i / n, t = i % n, half = n / 2 + 1;
  double window = 0.5 - 0.5 * cos (2.0 * PI * (double)t / (double)n);
  double angle = 2.0 * PI * (double)(row % half) * (double)t / (double)n;

  return (float)(window * (row < half ? cos (angle) : -sin (angle)));
}

static float
bands (int64_t i, int64_t rows, int64_t columns)
{
  double width = (double)columns / (double)(rows + 1);
  double distance =
      fabs ((double)(i % columns) - width * (double)(i / columns + 1));

  return (float)fmax (0.0, 1.0 - distance / width);
}

static float
blur (int64_t i)
{
  static const float row[5] = {1, 4, 6, 4, 1};

  return row[i / 5 % 5] * row[i % 5] / 256.0f;
}

void
dv_random_fill (DvFill fill, int n_dims, const int64_t *shape, uint64_t key,
    int64_t start, int64_t n, uint16_t *out)
{
  double inputs = 1.0;
  float base = 0.0f, spread = 0.1f;

  for (int i = 1; i < n_dims; i++)
    inputs *= (double)shape[i];
  if (fill == DV_FILL_PRODUCT)
    spread = (float)sqrt (3.0 / fmax (inputs, 1.0));
  else if (fill == DV_FILL_BRANCH)
    spread = (float)(0.25 * sqrt (3.0 / fmax (inputs, 1.0)));
  else if (fill == DV_FILL_UP1) /* of k taps about k / 2 meet */
    spread = (float)sqrt (1.5 / (double)shape[0]);
  else if (fill == DV_FILL_ONE)
    base = 1.0f;
  else if (fill == DV_FILL_UNIT)
    spread = (float)sqrt (3.0);

  for (int64_t i = start; i < start + n; i++) {
    float value;

    switch (fill) {
      case DV_FILL_SINC:
        value = sinc (i % shape[2], shape[2]);
        break;
      case DV_FILL_STFT:
        value = stft (i, shape[2]);
        break;
      case DV_FILL_BANDS:
        value = bands (i, shape[0], shape[1]);
        break;
      case DV_FILL_BLUR:
        value = blur (i);
        break;
      default:
        value = base + spread * uniform (key, i);
        break;
    }
    out[i - start] = dv_bf16_from_f32 (value);
  }
}
