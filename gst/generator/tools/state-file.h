/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The state of a stream between two runs: a session's continuation, and how
 * far the stream has come.
 */
#ifndef STATE_FILE_H
#define STATE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

typedef struct {
  uint32_t segments; /* made so far */
  uint64_t frames;   /* of the stream */
  uint32_t fps_n, fps_d;
  uint32_t rate; /* of the sound, samples a second */
} StreamState;

/* @data, the session's bytes, is to be freed with free(). */
DvStatus state_file_read (const char *path, StreamState *state, uint8_t **data,
    size_t *size, DvError *error);
/* Replaces what is there when all of it is written, not before. */
DvStatus state_file_write (const char *path, const StreamState *state,
    const uint8_t *data, size_t size, DvError *error);
/* Whether that could be done. */
DvStatus state_file_check (const char *path, DvError *error);

#endif
