/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Value noise from a table and from hashes.
 */
#include "paint.h"

void
noise_fill (Noise *noise)
{
#define LEVEL(x, y) (dv_hash2 ((x) % NOISE_SIZE, (y) % NOISE_SIZE) >> 24)
  for (uint32_t y = 0; y < NOISE_SIZE; y++)
    for (uint32_t x = 0; x < NOISE_SIZE; x++) {
      noise->at[y][x] = (float)LEVEL (x, y) / 255;
      noise->corners[y * NOISE_SIZE + x] =
          LEVEL (x, y) | LEVEL (x + 1, y) << 8 | LEVEL (x, y + 1) << 16 |
          LEVEL (x + 1, y + 1) << 24;
    }
#undef LEVEL
}

static inline float
ease (float t)
{
  return t * t * (3 - 2 * t);
}

/* A number of cells as 24 bits of fraction under 8 of whole, which is the
 * table's period: adding 1.5 * 2^28 leaves just these in a double's low bits,
 * for all numbers below 2^27. */
static inline uint32_t
cells (double x)
{
  union {
    double number;
    uint64_t bits;
  } sum = {x + 402653184.0};

  return (uint32_t)sum.bits;
}

static inline float
part (uint32_t x)
{
  return ease ((float)(int32_t)(x & 0xffffff) * (1.0f / 16777216));
}

/* In [0, 255]. */
static inline float
noise_cell (const uint32_t *corners, double x, double y)
{
  uint32_t qx = cells (x), qy = cells (y);
  uint32_t c = corners[(qy >> 24) * NOISE_SIZE + (qx >> 24)];
  float fx = part (qx), fy = part (qy);

  return dv_lerp (
      dv_lerp ((float)(int32_t)(c & 255), (float)(int32_t)(c >> 8 & 255), fx),
      dv_lerp ((float)(int32_t)(c >> 16 & 255), (float)(int32_t)(c >> 24), fx),
      fy);
}

/* What makes a sum of @octaves octaves at most 1. */
static inline float
scale_of (int octaves)
{
  return 1 / (255 - 255 / (float)(1 << octaves));
}

float
noise_at (const Noise *noise, double x, double y)
{
  return noise_cell (noise->corners, x, y) * (1.0f / 255);
}

WIDE void
noise_row (const Noise *noise, NoiseKind kind, const double *x, const double *y,
    int octaves, float *restrict out, int n)
{
  const uint32_t *corners = noise->corners;
  double u[BLOCK], v[BLOCK];
  float weight = 0.5f;

  for (int i = 0; i < n; i++) {
    u[i] = x[i];
    v[i] = y[i];
    out[i] = 0;
  }
  for (int k = 0; k < octaves; k++) {
    for (int i = 0; i < n; i++)
      out[i] += weight * noise_cell (corners, u[i], v[i]);
    weight *= 0.5f;
    if (kind == NOISE_BANDS)
      for (int i = 0; i < n; i++) {
        u[i] = u[i] * 2 + 17.31;
        v[i] = v[i] * 2 + 5.77;
      }
    else
      for (int i = 0; i < n; i++) {
        double turned = 1.6 * u[i] + 1.2 * v[i] + 17.31;

        v[i] = 1.6 * v[i] - 1.2 * u[i] + 5.77;
        u[i] = turned;
      }
  }
  weight = scale_of (octaves);
  for (int i = 0; i < n; i++)
    out[i] *= weight;
}

float
noise_sum (const Noise *noise, double x, double y, int octaves)
{
  float sum = 0, weight = 0.5f;

  for (int i = 0; i < octaves; i++) {
    sum += weight * noise_cell (noise->corners, x, y);
    weight *= 0.5f;
    /* Turned and moved, so that the octaves' cells do not line up. */
    double turned = 1.6 * x + 1.2 * y + 17.31;
    y = 1.6 * y - 1.2 * x + 5.77;
    x = turned;
  }
  return sum * scale_of (octaves);
}

float
noise_bands (const Noise *noise, double x, double y, int octaves)
{
  float sum = 0, weight = 0.5f;

  for (int i = 0; i < octaves; i++) {
    sum += weight * noise_cell (noise->corners, x, y);
    weight *= 0.5f;
    x = x * 2 + 17.31;
    y = y * 2 + 5.77;
  }
  return sum * scale_of (octaves);
}

float
noise_line (uint32_t seed, double x)
{
  double whole = dv_floor_d (x);
  uint32_t cell = (uint32_t)(int64_t)whole;
  float t = (float)(x - whole);

  return dv_lerp (dv_unit (dv_hash2 (cell, seed)),
      dv_unit (dv_hash2 (cell + 1, seed)), ease (t));
}

float
noise_line_sum (uint32_t seed, double x, int octaves)
{
  float sum = 0, weight = 0.5f;

  for (int i = 0; i < octaves; i++) {
    sum += weight * noise_line (seed + (uint32_t)i, x);
    weight *= 0.5f;
    x = x * 2 + 0.37;
  }
  return sum / (1 - 2 * weight);
}

float
noise_ridges (uint32_t seed, double x, int octaves)
{
  float sum = 0, weight = 0.5f, total = 0, sharp = 1;

  for (int i = 0; i < octaves; i++) {
    float n = 2 * noise_line (seed + (uint32_t)i, x) - 1;

    n = 1 - (n < 0 ? -n : n);
    n *= n;
    sum += weight * n * sharp;
    total += weight;
    /* Detail belongs on the crests. */
    sharp = dv_clamp (n * 1.6f, 0.15f, 1);
    weight *= 0.5f;
    x = x * 2.1 + 0.61;
  }
  return sum / total;
}
