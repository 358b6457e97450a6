/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Small maths that gives the same bits everywhere: plain IEEE single and
 * double precision, polynomials instead of libm, integer hashes for chance.
 */
#ifndef DV_MATHS_H
#define DV_MATHS_H

#include <stdint.h>

static inline float
dv_min (float a, float b)
{
  return a < b ? a : b;
}

static inline float
dv_max (float a, float b)
{
  return a > b ? a : b;
}

static inline float
dv_clamp (float x, float low, float high)
{
  return x < low ? low : x > high ? high : x;
}

static inline float
dv_lerp (float a, float b, float t)
{
  return a + (b - a) * t;
}

/* For |x| below 2^31, which is all that the painter ever asks. */
static inline float
dv_floor (float x)
{
  float whole = (float)(int32_t)x;
  return whole > x ? whole - 1 : whole;
}

/* For |x| below 2^63. */
static inline double
dv_floor_d (double x)
{
  double whole = (double)(int64_t)x;
  return whole > x ? whole - 1 : whole;
}

/* The part of @x after the point, as if going round a circle. */
static inline float
dv_turn (double x)
{
  return (float)(x - dv_floor_d (x));
}

/* 0 below @a, 1 above @b, smooth between. */
static inline float
dv_smooth (float a, float b, float x)
{
  float t = dv_clamp ((x - a) / (b - a), 0, 1);
  return t * t * (3 - 2 * t);
}

/* Sine of an angle in turns; the error is below 2e-4, its ends meet. */
static inline float
dv_sin (float turns)
{
  float x = turns - dv_floor (turns + 0.5f); /* [-0.5, 0.5) */
  float y, square;

  /* Fold onto the quarter wave. */
  y = x > 0.25f ? 0.5f - x : x < -0.25f ? -0.5f - x : x;
  square = y * y;
  return y * (6.2831853f +
                 square * (-41.341702f +
                              square * (81.605249f - 76.70586f * square)));
}

static inline float
dv_cos (float turns)
{
  return dv_sin (turns + 0.25f);
}

/* e to the @x for x <= 0, by (1 + x/32)^32; good enough for light. */
static inline float
dv_fade (float x)
{
  float y = 1 + x * (1.0f / 32);
  y = y < 0 ? 0 : y;
  y *= y;
  y *= y;
  y *= y;
  y *= y;
  return y * y;
}

static inline uint32_t
dv_hash (uint32_t x)
{
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  return x ^ x >> 16;
}

static inline uint32_t
dv_hash2 (uint32_t x, uint32_t y)
{
  return dv_hash (x ^ dv_hash (y + 0x9e3779b9u));
}

/* A number in [0, 1) from a hash. */
static inline float
dv_unit (uint32_t hash)
{
  return (float)(hash >> 8) * (1.0f / 16777216);
}

#endif
