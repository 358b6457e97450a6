/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What one segment leaves to the next (section 7.3 of docs/ltx2-model.md): its
 * last pictures and its sound's latents.  And the same as bytes.
 */
#ifndef DV_LTX2_STATE_H
#define DV_LTX2_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define DV_STATE_MAX_FRAMES 257 /* pictures kept at the most */

typedef struct {
  bool started;           /* there was a segment */
  uint32_t width, height; /* of the pictures */
  uint32_t frames;        /* pictures */
  uint8_t *rgb;           /* [frames, height, width, 3] */
  uint32_t latents;       /* of the sound */
  uint32_t channels;      /* values of one */
  float *audio;           /* [latents, channels], normalised, token order */
} DvState;

/* Makes room for so much; what was in it is gone. On failure it is empty. */
DvStatus dv_state_size (DvState *state, uint32_t width, uint32_t height,
    uint32_t frames, uint32_t latents, uint32_t channels, DvError *error);
/* Empties it, and frees. */
void dv_state_clear (DvState *state);

/* @model tells one model's states from another's (a hash of its shape). */
DvStatus dv_state_save (const DvState *state, uint64_t model, uint8_t **data,
    size_t *size, DvError *error);
/* On failure @state is as it was. */
DvStatus dv_state_load (DvState *state, uint64_t model, uint32_t channels,
    const uint8_t *data, size_t size, DvError *error);

#endif
