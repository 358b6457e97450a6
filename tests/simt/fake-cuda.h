/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A CUDA runtime and cuBLASLt for tests: what kernels/cuda/ calls of them, on
 * the executor's device memory.  Everything runs when it is called but copies
 * into pinned memory: these arrive when somebody waited for them, and until
 * then the place holds rubbish.
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
  /* Bytes of device memory that may be had. */
  void (*limit) (size_t bytes);
} FakeCuda;

#endif
