/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The same op on two devices: inputs are made once and given to both, the
 * results are compared.  With "ref" as the first this is the test of a
 * backend; with one backend twice, under 1 and 3 threads, results must agree
 * in every bit.
 *
 * Tensors may be strided, unaligned, and stand in memory whose gaps must
 * survive.  A case is written once:
 *
 *   int x = rig_normal (rig, DV_F32, SHAPE (5, 7)), out = rig_out (...);
 *   RIG_BOTH (rig, side)
 *     dv_norm (STREAM, &(DvNorm){.out = T (out), .x = T (x), …});
 *   rig_compare (rig, out, 1e-6, "norm 5x7");
 *
 * Threads: one.
 */
#ifndef DV_TEST_RIG_H
#define DV_TEST_RIG_H

#include "ops.h"

typedef struct {
  bool weight;
  DvTensor view[2];
  void *memory[2]; /* of the devices */
  size_t bytes;    /* of the whole memory, gaps included */
  void *host[2];   /* what it held at first; what it holds */
  DvWeight w[2];
  DvTensor dense; /* the weight's host tensor */
} RigTensor;

typedef struct {
  DvDevice *device[2];
  DvStream *stream[2];
  bool exact;      /* every bit must agree */
  int gap, offset; /* elements: for the tensors that are made next */
  uint32_t state;  /* of the numbers */
  RigTensor tensor[24];
  int n;
  int checks, failures;
  double worst; /* the largest error against its tolerance so far */
} Rig;

#define SHAPE(...)                                                             \
  (int)(sizeof ((int64_t[]){__VA_ARGS__}) / sizeof (int64_t)),                 \
      (const int64_t[])                                                        \
  {                                                                            \
    __VA_ARGS__                                                                \
  }

bool rig_open (Rig *rig, const DvDeviceSpec *a, const DvDeviceSpec *b);
void rig_close (Rig *rig);
/* Frees the tensors of a case; the next begins. */
void rig_clear (Rig *rig);

/* A uniform number in [0, 1), the same sequence every time. */
double rig_random (Rig *rig);

/* Each returns the tensor's number. */
/* Normal numbers times @scale. */
int rig_normal (
    Rig *rig, DvDtype dtype, float scale, int n_dims, const int64_t *shape);
/* Whole numbers in [0, limit). */
int rig_index (Rig *rig, int64_t limit, int n_dims, const int64_t *shape);
int rig_values (Rig *rig, DvDtype dtype, const float *values, int n_dims,
    const int64_t *shape);
/* An output; its first contents are the same on both sides. */
int rig_out (Rig *rig, DvDtype dtype, int n_dims, const int64_t *shape);
/* A weight of normal numbers / sqrt (fan in), prepared. */
int rig_weight (Rig *rig, DvUse use, DvDtype host, DvDtype compute, int n_dims,
    const int64_t *shape);
/* Puts a value at element @i (of a tensor without gaps, before the first
 * run). */
void rig_poke (Rig *rig, int tensor, int64_t i, float value);

/* NULL for number -1. */
const DvTensor *rig_view (Rig *rig, int side, int tensor);
const DvWeight *rig_prepared (Rig *rig, int side, int tensor);

#define RIG_BOTH(rig) for (int side = 0; side < 2; side++)
#define STREAM rig->stream[side]
#define T(i) rig_view (rig, side, i)
#define W(i) rig_prepared (rig, side, i)

/* Ends the case: |a - b| <= tolerance (|a| + @floor) for every element; NaN
 * must meet NaN, and infinity its like; gaps must be untouched. */
void rig_compare (Rig *rig, int tensor, double tolerance, double floor,
    const char *format, ...) __attribute__ ((format (printf, 5, 6)));

void rig_complain (Rig *rig, const char *name, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));

/* The rounding of a stored result. */
static inline double
rig_rounding (DvDtype dtype)
{
  return dtype == DV_BF16 ? 1.0 / 128 : 2e-6;
}

/* The cases, a family a file. */
void rig_matmul (Rig *rig);
void rig_attention (Rig *rig);
void rig_norm (Rig *rig);
void rig_conv (Rig *rig);
void rig_pointwise (Rig *rig);
void rig_audio (Rig *rig);
void rig_merge (Rig *rig);

#endif
