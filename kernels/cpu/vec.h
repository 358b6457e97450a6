/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Vectors of floats as wide as the instructions that this file is compiled
 * for: 16 with AVX-512, 8 with AVX2, else 4.  What GCC's vector types say by
 * themselves is said by them; intrinsics do the rest.
 *
 * A row's end is computed in a whole vector with the missing entries 0, so an
 * entry's value never depends on where it stands in a vector.
 *
 * Threads: pure.
 */
#ifndef DV_CPU_VEC_H
#define DV_CPU_VEC_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "../tensor.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#define VL 16
#elif defined(__AVX2__)
#include <immintrin.h>
#define VL 8
#else
#define VL 4
#endif

#define INLINE static inline __attribute__ ((always_inline, unused))

typedef float vf __attribute__ ((vector_size (4 * VL)));
/* At any address: pairs of BF16 are copied as floats too. */
typedef float vf_any
    __attribute__ ((vector_size (4 * VL), aligned (1), may_alias));
typedef int32_t vi __attribute__ ((vector_size (4 * VL)));
typedef uint32_t vu __attribute__ ((vector_size (4 * VL)));
typedef uint16_t vh __attribute__ ((vector_size (2 * VL)));
typedef uint16_t vh_any
    __attribute__ ((vector_size (2 * VL), aligned (2), may_alias));

INLINE vf
vset (float x)
{
  return x - (vf){0};
}

INLINE vf
vload (const float *p)
{
  return *(const vf_any *)p;
}

INLINE void
vstore (float *p, vf v)
{
  *(vf_any *)p = v;
}

/* The first @n entries, 0 < n <= VL. */
INLINE vf
vload_part (const float *p, int64_t n)
{
#if VL == 16
  return _mm512_maskz_loadu_ps ((__mmask16)((1u << n) - 1), p);
#else
  vf v = {0};

  if (n == VL)
    return vload (p);
  for (int64_t i = 0; i < n; i++)
    v[i] = p[i];
  return v;
#endif
}

INLINE void
vstore_part (float *p, vf v, int64_t n)
{
#if VL == 16
  _mm512_mask_storeu_ps (p, (__mmask16)((1u << n) - 1), v);
#else
  if (n == VL)
    vstore (p, v);
  else
    for (int64_t i = 0; i < n; i++)
      p[i] = v[i];
#endif
}

INLINE vf
vwiden (vh h)
{
  return (vf)(__builtin_convertvector(h, vu) << 16);
}

/* To BF16, to nearest, ties to even; a NaN stays one. */
INLINE vh
vnarrow (vf v)
{
#if defined(__AVX512BF16__)
  return (vh)_mm512_cvtneps_pbh (v);
#else
  vu u = (vu)v, rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
  vu nan = (vu)(v != v);

  return __builtin_convertvector(
      (rounded & ~nan) | (((u >> 16) | 0x40) & nan), vh);
#endif
}

INLINE vf
vload_bf16 (const uint16_t *p)
{
  return vwiden (*(const vh_any *)p);
}

INLINE void
vstore_bf16 (uint16_t *p, vf v)
{
  *(vh_any *)p = vnarrow (v);
}

INLINE vf
vload_bf16_part (const uint16_t *p, int64_t n)
{
  vh h = {0};

  if (n == VL)
    return vload_bf16 (p);
#if VL == 16 && defined(__AVX512BW__) && defined(__AVX512VL__)
  h = (vh)_mm256_maskz_loadu_epi16 ((__mmask16)((1u << n) - 1), p);
#else
  for (int64_t i = 0; i < n; i++)
    h[i] = p[i];
#endif
  return vwiden (h);
}

INLINE void
vstore_bf16_part (uint16_t *p, vf v, int64_t n)
{
  vh h = vnarrow (v);

#if VL == 16 && defined(__AVX512BW__) && defined(__AVX512VL__)
  _mm256_mask_storeu_epi16 (p, (__mmask16)((1u << n) - 1), (__m256i)h);
#else
  for (int64_t i = 0; i < n; i++)
    p[i] = h[i];
#endif
}

/* Entries [i, i + n) of F32 or BF16 memory. */
INLINE vf
vget (const void *p, bool bf16, int64_t i, int64_t n)
{
  if (bf16)
    return vload_bf16_part ((const uint16_t *)p + i, n);
  return vload_part ((const float *)p + i, n);
}

INLINE void
vput (void *p, bool bf16, int64_t i, vf v, int64_t n)
{
  if (bf16)
    vstore_bf16_part ((uint16_t *)p + i, v, n);
  else
    vstore_part ((float *)p + i, v, n);
}

/* a b + c, rounded once where the processor can. */
INLINE vf
vfma (vf a, vf b, vf c)
{
#if VL == 16
  return _mm512_fmadd_ps (a, b, c);
#elif VL == 8
  return _mm256_fmadd_ps (a, b, c);
#else
  return a * b + c;
#endif
}

/* a < b ? x : y */
INLINE vf
vless (vf a, vf b, vf x, vf y)
{
#if VL == 16
  return _mm512_mask_blend_ps (_mm512_cmp_ps_mask (a, b, _CMP_LT_OQ), y, x);
#else
  vi m = a < b;

  return (vf)(((vi)x & m) | ((vi)y & ~m));
#endif
}

/* The larger; @b where one is NaN. */
INLINE vf
vmax (vf a, vf b)
{
#if VL == 16
  return _mm512_max_ps (a, b);
#elif VL == 8
  return _mm256_max_ps (a, b);
#else
  return vless (b, a, a, b);
#endif
}

INLINE vf
vmin (vf a, vf b)
{
#if VL == 16
  return _mm512_min_ps (a, b);
#elif VL == 8
  return _mm256_min_ps (a, b);
#else
  return vless (a, b, a, b);
#endif
}

/* The sum of the entries, by halves. */
INLINE float
vsum (vf v)
{
  float x[VL];

  vstore (x, v);
  for (int n = VL / 2; n > 0; n /= 2)
    for (int i = 0; i < n; i++)
      x[i] += x[i + n];
  return x[0];
}

INLINE float
vmax_of (vf v)
{
  float x[VL];

  vstore (x, v);
  for (int n = VL / 2; n > 0; n /= 2)
    for (int i = 0; i < n; i++)
      x[i] = x[i + n] > x[i] ? x[i + n] : x[i];
  return x[0];
}

/* Adding this rounds |x| < 2^22 to the nearest whole number, which then
 * stands in the low bits. */
#define ROUNDER 12582912.0f

/* e^x within 2 units of the last place; 0 below -87.3, infinite above 88.3. */
INLINE vf
vexp (vf x)
{
  vf n, r, p, scale;

  n = vmin (vset (88.3f), vmax (vset (-87.3f), x));
  n = vfma (n, vset (1.44269504f), vset (ROUNDER));
  scale = (vf)(((vi)n + (127 - 0x4b400000)) << 23);
  n = n - ROUNDER;
  r = vfma (n, vset (-0.693145752f), x);
  r = vfma (n, vset (-1.42860677e-6f), r);
  p = vfma (r, vset (1.3888889e-3f), vset (8.3333333e-3f));
  p = vfma (p, r, vset (4.1666667e-2f));
  p = vfma (p, r, vset (1.6666667e-1f));
  p = vfma (p, r, vset (0.5f));
  p = vfma (p, r, vset (1));
  p = vfma (p, r, vset (1)) * scale;
  p = vless (x, vset (-87.3f), vset (0), p);
  return vless (vset (88.3f), x, vset (INFINITY), p);
}

/* 2^x within 2 units of the last place, for x <= 0: the weights of a softmax.
 * A NaN stays one. */
INLINE vf
vexp2 (vf x)
{
  vf n, r, p;

  x = vmax (vset (-126), x);
#if VL == 16
  n = _mm512_roundscale_ps (x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  n = (x + ROUNDER) - ROUNDER;
#endif
  r = x - n;
  p = vfma (r, vset (1.5403530e-4f), vset (1.3333558e-3f));
  p = vfma (p, r, vset (9.6181291e-3f));
  p = vfma (p, r, vset (5.5504109e-2f));
  p = vfma (p, r, vset (2.4022651e-1f));
  p = vfma (p, r, vset (6.9314718e-1f));
  p = vfma (p, r, vset (1));
#if VL == 16
  return _mm512_scalef_ps (p, n);
#else
  return p * (vf)(((vi)(n + ROUNDER) + (127 - 0x4b400000)) << 23);
#endif
}

INLINE vf
vsilu (vf x)
{
  return x / (1 + vexp (-x));
}

/* tanh's form: 0.5 (1 + tanh (u)) = 1 / (1 + e^-2u). */
INLINE vf
vgelu (vf x)
{
  vf u =
      x * vfma (x * x, vset (0.044715f * 1.5957691216f), vset (1.5957691216f));

  return x / (1 + vexp (-u));
}

/* sin (x)^2, which repeats after pi. */
INLINE vf
vsin2 (vf x)
{
  vf n = vfma (x, vset (0.318309886f), vset (ROUNDER)) - ROUNDER, r, t, p;

  r = vfma (n, vset (-3.140625f), x);
  r = vfma (n, vset (-9.67502593994140625e-4f), r);
  r = vfma (n, vset (-1.509957990978376432e-7f), r);
  t = r * r;
  p = vfma (t, vset (-2.38889859e-8f), vset (2.75255616e-6f));
  p = vfma (p, t, vset (-1.98408743e-4f));
  p = vfma (p, t, vset (8.33333310e-3f));
  p = vfma (p, t, vset (-1.66666666e-1f));
  p = vfma (p * t, r, r);
  return p * p;
}

#endif
