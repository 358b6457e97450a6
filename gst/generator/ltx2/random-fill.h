/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Values for the tensors of a random model, any piece of them by itself.
 */
#ifndef DV_LTX2_RANDOM_FILL_H
#define DV_LTX2_RANDOM_FILL_H

#include <stdint.h>

#include "random-tensors.h"

/* Elements [@start, @start + @n) as BF16. */
void dv_random_fill (DvFill fill, int n_dims, const int64_t *shape,
    uint64_t key, int64_t start, int64_t n, uint16_t *out);
/* A tensor's key, from the model's seed and its name. */
uint64_t dv_random_key (uint64_t seed, const char *name);

#endif
