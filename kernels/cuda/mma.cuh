/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The matrix instruction, the loads of its fragments and asynchronous copies:
 * what sm_80 and everything after it have (PTX ISA: mma.m16n8k16, ldmatrix,
 * cp.async).
 *
 * A warp's lane l is g = l / 4 and t = l % 4.  Of a product of [16, 16] by
 * [16, 8] it holds, two BF16 a register, the lower index in the lower half:
 *   a[0]  row g,     columns 2t, 2t + 1     a[2]  the same, columns + 8
 *   a[1]  row g + 8, columns 2t, 2t + 1     a[3]  the same, columns + 8
 *   b0    rows 2t, 2t + 1 of column g       b1    the same, rows + 8
 *   d[0], d[1]  row g, columns 2t, 2t + 1   d[2], d[3]  row g + 8
 *
 * In the tests (DV_SIMT), lanes exchange these very fragments and multiply them
 * in F32 (tests/simt/matrix.c), so that a tile's logic runs without a GPU.
 *
 * Threads: all lanes of a warp call dv_mma() and the dv_ldmatrix() together.
 */
#ifndef DV_MMA_CUH
#define DV_MMA_CUH

#include "simt.cuh"

/* A register of a fragment: two floats rounded to BF16, @low in the lower half.
 * A NaN stays one, but not which. */
DV_DEVICE uint32_t
dv_fragment (float low, float high)
{
#ifdef DV_SIMT
  return dv_bf16_pair (low, high);
#else
  uint32_t pair;

  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#endif
}

/* 2^x to about two units in the last place; results below 2^-126 are 0. */
DV_DEVICE float
dv_exp2 (float x)
{
#ifdef DV_SIMT
  return x < -126 ? 0 : exp2f (x);
#else
  float y;

  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}

/* d += a b */
DV_DEVICE void
dv_mma (float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
#ifdef DV_SIMT
  simt_mma (d, a, b0, b1);
#else
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

/* Four 8 x 8 matrices of BF16 from shared memory: lanes 8 i .. 8 i + 7 give the
 * addresses of the rows of matrix i, each 16 bytes and aligned so. r[i] is
 * entries 2t, 2t + 1 of row g. */
DV_DEVICE void
dv_ldmatrix (uint32_t (&r)[4], const uint16_t *row)
{
#ifdef DV_SIMT
  simt_ldmatrix (r, row, false);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 "
               "{%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"((uint32_t)__cvta_generic_to_shared (row))
               : "memory");
#endif
}

/* The same, transposed: r[i] is entries g of rows 2t, 2t + 1. */
DV_DEVICE void
dv_ldmatrix_transposed (uint32_t (&r)[4], const uint16_t *row)
{
#ifdef DV_SIMT
  simt_ldmatrix (r, row, true);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 "
               "{%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"((uint32_t)__cvta_generic_to_shared (row))
               : "memory");
#endif
}

/* Begins a copy of 16 bytes from device to shared memory, both aligned so: the
 * first @valid, 0 to 16, from @from, the rest zeros. */
DV_DEVICE void
dv_copy16 (void *to, const void *from, int valid)
{
#ifdef DV_SIMT
  simt_copy_async (to, from, 16, (size_t)valid);
#else
  asm volatile(
      "cp.async.ca.shared.global [%0], [%1], 16, %2;"
      :
      : "r"((uint32_t)__cvta_generic_to_shared (to)), "l"(from), "r"(valid)
      : "memory");
#endif
}

/* Closes a group of the copies begun since the last, possibly none. */
DV_DEVICE void
dv_copy_commit (void)
{
#ifdef DV_SIMT
  simt_copy_commit ();
#else
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

/* Waits for this thread's groups but the latest @PENDING; others see them
 * after a barrier. */
template <int PENDING>
DV_DEVICE void
dv_copy_wait (void)
{
#ifdef DV_SIMT
  simt_copy_wait (PENDING);
#else
  asm volatile("cp.async.wait_group %0;" : : "n"(PENDING) : "memory");
#endif
}

#endif
