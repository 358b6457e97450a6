/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Runs CUDA kernels on the host, for tests: the threads of a block as fibers,
 * blocks one after another, and looks after every access they make.
 *
 * The kernels are compiled with -fsanitize=thread, whose calls before every
 * load and store (hooks.c) come here instead of to a sanitizer's library.  An
 * access of a kernel must lie in its own stack, in the shared memory of its
 * block, in device memory (below), or read the launch's arguments or the
 * program's constants; the rest is a fault.  Faults:
 *  - out of bounds, and host memory: to the byte;
 *  - misaligned: what a GPU would not load;
 *  - shared memory read before it was written in this block;
 *  - shared memory that two threads of a block touch, one of them writing,
 *    without a barrier (or, inside a warp, a warp function) in between;
 *  - barriers that not all threads of a block reach, or not the same one; warp
 *    functions whose lanes do not all come, or that read another lane;
 *  - results that depend on the order of threads and blocks: every launch runs
 *    twice from the same memory, forwards and backwards, and must agree in
 *    every bit it wrote.
 * Where the environment has SIMT_UNWATCHED, launches run once, and accesses are
 * not looked after: for whole models, whose ops have tests of their own.
 *
 * A fault prints kernel, block and thread, and ends the process, unless a test
 * expects it.
 *
 * Device memory is closed to the host but while a kernel runs: host code that
 * follows a device's pointer crashes, as it must.  (A process that forks shares
 * it with the child.)
 *
 * Threads: any; launches and copies of all threads run one after another.
 */
#ifndef SIMT_EXECUTOR_H
#define SIMT_EXECUTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- device memory: what the fake runtime is built on ---- */

/* Aligned to 256 bytes, filled with 0xff (NaN); NULL beyond the limit. */
void *simt_alloc (size_t bytes);
/* False: no such allocation. */
bool simt_free (void *memory);
/* Bytes from @at to the end of its allocation; 0: no device memory. */
size_t simt_room (const void *at);
/* Bytes allocated now; the most that may be (for tests of memory that runs
 * out). */
size_t simt_used (void);
void simt_set_limit (size_t bytes);

/* Either side may be device memory; false where such a side is too short. */
bool simt_copy (void *to, const void *from, size_t bytes);
/* Whether simt_copy() would find such a side long enough. */
bool simt_reaches (const void *at, size_t bytes);
bool simt_fill (void *to, int byte, size_t bytes);

/* ---- launches ---- */

#define SIMT_UNWATCHED "SIMT_UNWATCHED"

typedef struct {
  const char *kernel, *file;
  int line;
  unsigned grid[3], block[3];
  size_t shared_bytes; /* dynamic */
  void (*call) (const void *args);
  const void *args; /* kernels may read them */
  size_t args_bytes;
} SimtLaunch;

/* Runs the kernel to its end. */
void simt_launch (const SimtLaunch *launch);
/* Leaves it to who keeps queues, with a @queue that is not NULL; else runs it.
 */
void simt_launch_on (void *queue, const SimtLaunch *launch);
extern void (*simt_queue_launch) (void *queue, const SimtLaunch *launch);

/* The next fault ends its launch instead of the process. */
void simt_expect_fault (void);
/* The text of the fault that came, and none is expected any more; NULL if none
 * came. Valid until the next fault. */
const char *simt_take_fault (void);
/* What was launched so far, for tests of what runs where. */
unsigned long simt_launches (void);

/* ---- what kernels call (simt.h, simt.cuh) ---- */

void *simt_shared (const void *key, size_t bytes, const char *name);
void *simt_dynamic (void);
void simt_barrier (const char *file, int line);

typedef enum {
  SIMT_SYNC,
  SIMT_SHUFFLE, /* the value of lane @argument */
  SIMT_BALLOT,
  SIMT_TOGETHER /* simt_warp_together() */
} SimtWarpOp;

uint64_t simt_warp (SimtWarpOp op, unsigned mask, uint64_t value, int argument,
    const char *file, int line);
/* This thread's lane. */
int simt_lane (void);
/* When every lane of a whole warp has come, @work is called once with what they
 * give, in the order of lanes. */
void simt_warp_together (
    void *mine, void (*work) (void *const *all), const char *file, int line);

/* matrix.c: the instructions of mma.cuh on the fragments that it describes. */
void simt_mma (float d[4], const uint32_t a[4], uint32_t b0, uint32_t b1);
void simt_ldmatrix (uint32_t r[4], const uint16_t *row, bool transposed);

void simt_load16 (uint32_t to[4], const void *from);
void simt_store16 (void *to, const uint32_t from[4]);
/* An atomic operation is about to touch @at. */
void simt_atomic (void *at, size_t bytes);

/* Copies from device to shared memory that are seen after a wait for all but
 * the latest @pending groups of this thread. */
void simt_copy_async (void *to, const void *from, size_t bytes, size_t valid);
void simt_copy_commit (void);
void simt_copy_wait (unsigned pending);

/* A kernel gives up. */
void simt_fault (const char *format, ...)
    __attribute__ ((format (printf, 1, 2)));

#ifdef __cplusplus
}
#endif

#endif
