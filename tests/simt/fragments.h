/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What fragments.cu offers to layouts.c.
 */
#ifndef SIMT_FRAGMENTS_H
#define SIMT_FRAGMENTS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  FRAGMENTS_BY_HAND,    /* as mma.cuh says, entry by entry; b[16, 8] */
  FRAGMENTS_LOADED,     /* by ldmatrix; b is given as [16 columns, 16] */
  FRAGMENTS_TRANSPOSED, /* by ldmatrix, transposed; b[16, 16] */
} Fragments;

/* d = a[16, 16] b + 1, of BF16 in device memory; with FRAGMENTS_LOADED only
 * the first @valid entries of each row of a count. */
void fragments (
    Fragments kind, const uint16_t *a, const uint16_t *b, float *d, int valid);

/* The pair of two numbers, and 2^x. */
void fragments_numbers (float low, float high, uint32_t *pair, float *power);

#ifdef __cplusplus
}
#endif

#endif
