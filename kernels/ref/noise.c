/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The ref backend's noise: ops.h, DvNoise, by philox.h.
 *
 * Threads: see ref.h.
 */
#include "../philox.h"
#include "ref.h"

DvStatus
dv_ref_noise (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvNoise *p = args;
  int64_t count = dv_tensor_count (p->out);
  float *out = p->out->data;

  for (int64_t i = 0; i < count; i += 4) {
    float normal[4];

    dv_philox_normal (p->seed, p->sequence, (uint64_t)i / 4, normal);
    for (int64_t j = 0; j < 4 && i + j < count; j++)
      out[i + j] = normal[j];
  }
  return DV_OK;
}
