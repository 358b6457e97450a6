/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A tensor: a typed, strided view of memory on one device.
 *
 * Strides count elements and may be anything for a view that is only read;
 * an op that writes says in ops.h what it wants.  Dimension 0 is outermost.
 * Activations are channels-last throughout: [tokens, C], [T, H, W, C],
 * [T, C].  A batch is a loop of the caller.
 *
 * Ownership is said by the owner field.  A tensor is passed and copied by
 * value; a copy is a view, and only the one with DV_OWNED is ever cleared.
 */
#ifndef DV_TENSOR_H
#define DV_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define DV_MAX_DIMS 6

typedef enum {
  DV_F32 = 0,
  DV_BF16,
  DV_F16,
  DV_F64,
  DV_I64,
  DV_I32,
  DV_I16,
  DV_I8,
  DV_U8,
  DV_BOOL,
  DV_F8_E4M3, /* weights only, with scales (DvWeight); no CPU backend has it */
  DV_F8_E5M2,
  DV_N_DTYPES
} DvDtype;

/* Who frees the memory behind a tensor. */
typedef enum {
  DV_BORROWED = 0, /* the caller, a mapped file, another tensor */
  DV_ARENA,        /* the stream's arena, at dv_release() */
  DV_OWNED         /* whoever holds it, by dv_tensor_clear() */
} DvOwner;

typedef struct DvDevice DvDevice;

typedef struct {
  void *data;
  DvDtype dtype;
  DvOwner owner;
  DvDevice *device; /* NULL: host memory */
  int n_dims;
  int64_t shape[DV_MAX_DIMS];
  int64_t stride[DV_MAX_DIMS]; /* elements */
} DvTensor;

/* Bytes of one element. */
size_t dv_dtype_size (DvDtype dtype);
/* "f32", "bf16", … */
const char *dv_dtype_name (DvDtype dtype);

/* A row-major view of @data. */
DvTensor dv_tensor (
    void *data, DvDtype dtype, int n_dims, const int64_t *shape);
#define DV_TENSOR(data, dtype, ...)                                            \
  dv_tensor ((void *)(data), dtype,                                            \
      (int)(sizeof ((int64_t[]){__VA_ARGS__}) / sizeof (int64_t)),             \
      (int64_t[]){__VA_ARGS__})

/* A new host tensor with memory of its own, zeroed; data is NULL when there is
 * none left. */
DvTensor dv_tensor_new (DvDtype dtype, int n_dims, const int64_t *shape);
/* Frees what a DV_OWNED host tensor holds and zeroes @t. */
void dv_tensor_clear (DvTensor *t);

int64_t dv_tensor_count (const DvTensor *t); /* elements */
size_t dv_tensor_bytes (const DvTensor *t);  /* of the elements, dense */
bool dv_tensor_dense (const DvTensor *t);    /* row-major without gaps */
bool dv_tensor_same_shape (const DvTensor *a, const DvTensor *b);
/* The element's address by its leading indices; the rest are 0. */
void *dv_tensor_at (const DvTensor *t, int n, const int64_t *index);

/* Views; nothing is copied. */
/* [start, start + count) of dimension @dim. */
DvTensor dv_slice (const DvTensor *t, int dim, int64_t start, int64_t count);
/* Index @i of dimension 0, which goes away. */
DvTensor dv_index (const DvTensor *t, int64_t i);
/* Another shape of a dense tensor with the same count. */
DvTensor dv_reshape (const DvTensor *t, int n_dims, const int64_t *shape);
#define DV_RESHAPE(t, ...)                                                     \
  dv_reshape (t, (int)(sizeof ((int64_t[]){__VA_ARGS__}) / sizeof (int64_t)),  \
      (int64_t[]){__VA_ARGS__})
/* Dimension i of the result is dimension order[i] of @t. */
DvTensor dv_permute (const DvTensor *t, const int *order);

/* "f32 [2, 3, 4]" into @text, for messages; returns @text. */
const char *dv_tensor_describe (const DvTensor *t, char *text, size_t size);

/* Rounds to nearest, ties to even; a NaN stays one. */
static inline uint16_t
dv_bf16_from_f32 (float f)
{
  union {
    float f;
    uint32_t u;
  } v = {f};

  if ((v.u & 0x7fffffffu) > 0x7f800000u)
    return (uint16_t)((v.u >> 16) | 0x40);
  return (uint16_t)((v.u + 0x7fffu + ((v.u >> 16) & 1)) >> 16);
}

static inline float
dv_f32_from_bf16 (uint16_t h)
{
  union {
    uint32_t u;
    float f;
  } v = {(uint32_t)h << 16};

  return v.f;
}

float dv_f32_from_f16 (uint16_t h);
uint16_t dv_f16_from_f32 (float f);

#endif
