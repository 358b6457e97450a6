/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Normal numbers from a counter: the same on every backend, bit for bit.
 *
 * Philox4x32-10 (Salmon and others, "Parallel random numbers: as easy as
 * 1, 2, 3", 2011) turns a 128-bit counter under a 64-bit key into four 32-bit
 * words.  The key is the seed, low word first.  Element i of a drawing comes
 * from the counter
 *
 *   { low 32 bits of i / 4, high 32 bits of i / 4,
 *     low 32 bits of the sequence, high 32 bits of the sequence }
 *
 * Words 0, 1 give elements 0, 1 of the four, words 2, 3 elements 2, 3, by Box
 * and Muller: with words a and b,
 *
 *   r = sqrt (-2 log ((a + 0.5) / 2^32)),  angle = 2 pi b / 2^32
 *   first = r cos (angle),  second = r sin (angle)
 *
 * Logarithm, sine and cosine are computed here, in double, by additions,
 * multiplications, divisions and square roots only: IEEE 754 fixes their
 * results, so a processor and a GPU agree as long as no product and sum are
 * contracted into one rounding (-ffp-contract=off, -fmad=false).  The result
 * is rounded to F32 once.
 *
 * The file is also read by a CUDA compiler: it keeps to what C and C++ share.
 */
#ifndef DV_PHILOX_H
#define DV_PHILOX_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#define DV_PHILOX_FUNC static __host__ __device__ inline
#else
#define DV_PHILOX_FUNC static inline
#endif

DV_PHILOX_FUNC void
dv_philox (uint64_t seed, uint64_t sequence, uint64_t block, uint32_t word[4])
{
  uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
  uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32);
  uint32_t c2 = (uint32_t)sequence, c3 = (uint32_t)(sequence >> 32);

  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c0;
    uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;

    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ key0;
    c1 = (uint32_t)p1;
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ key1;
    c3 = (uint32_t)p0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  word[0] = c0;
  word[1] = c1;
  word[2] = c2;
  word[3] = c3;
}

/* log ((a + 0.5) / 2^32), which is below 0. */
DV_PHILOX_FUNC double
dv_philox_log (uint32_t a)
{
  double x = ((double)a + 0.5) / 4294967296.0, s, t, sum = 0;
  uint64_t bits;
  int exponent;

  /* x = 2^exponent x' with x' in [sqrt (1/2), sqrt (2)); then
   * log (x') = 2 atanh ((x' - 1) / (x' + 1)), a series in odd powers. */
  memcpy (&bits, &x, sizeof bits);
  exponent = (int)(bits >> 52) - 1023;
  bits = (bits & 0x000fffffffffffffu) | 0x3ff0000000000000u;
  memcpy (&x, &bits, sizeof x);
  if (x > 1.4142135623730951) {
    x *= 0.5;
    exponent++;
  }
  s = (x - 1.0) / (x + 1.0);
  t = s * s;
  for (int n = 17; n >= 1; n -= 2)
    sum = sum * t + 1.0 / n;
  return 2.0 * s * sum + exponent * 0.6931471805599453;
}

/* cos and sin of 2 pi b / 2^32. */
DV_PHILOX_FUNC void
dv_philox_turn (uint32_t b, double *c, double *s)
{
  /* The nearest quarter turn, and what remains, within an eighth. */
  uint32_t quarter = (b + 0x20000000u) >> 30;
  double x = (double)(int32_t)(b - (quarter << 30)) * 1.4629180792671596e-9;
  double t = x * x, sine, cosine;

  sine =
      x * (1.0 + t * (-1.0 / 6 +
                         t * (1.0 / 120 +
                                 t * (-1.0 / 5040 +
                                         t * (1.0 / 362880 +
                                                 t * (-1.0 / 39916800 +
                                                         t / 6227020800.0))))));
  cosine =
      1.0 +
      t * (-1.0 / 2 +
              t * (1.0 / 24 +
                      t * (-1.0 / 720 +
                              t * (1.0 / 40320 +
                                      t * (-1.0 / 3628800 +
                                              t * (1.0 / 479001600 -
                                                      t / 87178291200.0))))));
  switch (quarter & 3) {
    case 0:
      *c = cosine;
      *s = sine;
      break;
    case 1:
      *c = -sine;
      *s = cosine;
      break;
    case 2:
      *c = -cosine;
      *s = -sine;
      break;
    default:
      *c = sine;
      *s = -cosine;
      break;
  }
}

/* Elements [4 block, 4 block + 4) of the drawing. */
DV_PHILOX_FUNC void
dv_philox_normal (
    uint64_t seed, uint64_t sequence, uint64_t block, float normal[4])
{
  uint32_t word[4];

  dv_philox (seed, sequence, block, word);
  for (int i = 0; i < 4; i += 2) {
    double r = sqrt (-2.0 * dv_philox_log (word[i])), c, s;

    dv_philox_turn (word[i + 1], &c, &s);
    normal[i] = (float)(r * c);
    normal[i + 1] = (float)(r * s);
  }
}

#endif
