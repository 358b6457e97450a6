/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Value noise from a table and from hashes.
 */
#include "paint.h"

void
noise_fill (Noise *noise)
{
  for (uint32_t y = 0; y < NOISE_SIZE; y++)
    for (uint32_t x = 0; x < NOISE_SIZE; x++)
      noise->at[y][x] = dv_unit (dv_hash2 (x, y));
}

static inline float
ease (float t)
{
  return t * t * (3 - 2 * t);
}

float
noise_at (const Noise *noise, double x, double y)
{
  double wx = dv_floor_d (x), wy = dv_floor_d (y);
  unsigned ix = (unsigned)(int64_t)wx, iy = (unsigned)(int64_t)wy;
  float fx = ease ((float)(x - wx)), fy = ease ((float)(y - wy));
  const float *a = noise->at[iy % NOISE_SIZE];
  const float *b = noise->at[(iy + 1) % NOISE_SIZE];
  unsigned c = ix % NOISE_SIZE, d = (ix + 1) % NOISE_SIZE;

  return dv_lerp (dv_lerp (a[c], a[d], fx), dv_lerp (b[c], b[d], fx), fy);
}

float
noise_sum (const Noise *noise, double x, double y, int octaves)
{
  float sum = 0, weight = 0.5f;

  for (int i = 0; i < octaves; i++) {
    sum += weight * noise_at (noise, x, y);
    weight *= 0.5f;
    /* Turned and moved, so that the octaves' cells do not line up. */
    double turned = 1.6 * x + 1.2 * y + 17.31;
    y = 1.6 * y - 1.2 * x + 5.77;
    x = turned;
  }
  return sum / (1 - 2 * weight);
}

float
noise_bands (const Noise *noise, double x, double y, int octaves)
{
  float sum = 0, weight = 0.5f;

  for (int i = 0; i < octaves; i++) {
    sum += weight * noise_at (noise, x, y);
    weight *= 0.5f;
    x = x * 2 + 17.31;
    y = y * 2 + 5.77;
  }
  return sum / (1 - 2 * weight);
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
