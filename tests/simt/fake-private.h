/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the two halves of the fake runtime share.
 */
#ifndef FAKE_PRIVATE_H
#define FAKE_PRIVATE_H

#include "fake-cuda.h"

extern FakeCuda fake_cuda;

/* Begins a call: what it returns, success or what is to fail. */
cudaError_t fake_call (void);

#endif
