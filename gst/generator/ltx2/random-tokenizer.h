/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A small tokenizer.json for a random model.
 */
#ifndef DV_LTX2_RANDOM_TOKENIZER_H
#define DV_LTX2_RANDOM_TOKENIZER_H

#include <stdint.h>

#include "error.h"

/* At most 512 tokens, and no more than the model's @vocabulary. */
DvStatus dv_random_tokenizer (
    const char *path, int64_t vocabulary, DvError *error);

#endif
