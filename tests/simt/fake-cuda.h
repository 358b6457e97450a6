/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A CUDA runtime and cuBLASLt for tests: what kernels/cuda/ calls of them, on
 * the executor's device memory.  As on a GPU, kernels, products, copies and
 * freeing are queued, and run when somebody waits for them, streams in an
 * adverse order (fake-queues.h).  A copy from ordinary host memory has read it
 * when it returns, and one to there has written it; pinned memory that a copy
 * will write holds rubbish until then, and must not be given back before.
 *
 * The module of the backend that is built on it shows what a test may set as
 * the symbol FAKE_CUDA.
 *
 * Threads: settings are changed while no other thread calls.
 */
#ifndef FAKE_CUDA_H
#define FAKE_CUDA_H

#include <stdbool.h>
#include <stddef.h>

#include "cuda_runtime_api.h"

#define FAKE_CUDA "fake_cuda"

/* Which stream goes on where several can: always the oldest or the newest, or
 * one that is drawn, by this seed or a larger one. */
#define FAKE_OLDEST_FIRST 0u
#define FAKE_NEWEST_FIRST 1u
#define FAKE_DRAWN 2u

/* What stands in pinned memory that a copy will write. */
#define FAKE_RUBBISH 0xa5

typedef struct {
  int driver;       /* CUDA version of the driver; 0: there is none */
  int devices;      /* GPUs */
  int major, minor; /* their compute capability */
  long fail_at;     /* this call from now fails (0: the next); < 0: none */
  cudaError_t code; /* so */
  bool failed;      /* it did */
  bool lost;        /* with a code after which a device does nothing more */
  long calls;       /* so far; what cannot fail is not counted */
  long live;        /* streams, events, pinned and device memory not given
                     * back */
  long products;    /* cuBLASLt's */
  long searches;    /* of its kernels */
  bool no_product;  /* it has a kernel for none */
  unsigned order;   /* FAKE_OLDEST_FIRST ... */
  long ignore_at;   /* this wait of a stream for an event is none (0: the next);
                     * < 0: all are */
  long waits;       /* so far of streams for events that were recorded */
  /* Bytes of device memory that may be had. */
  void (*limit) (size_t bytes);
} FakeCuda;

#endif
