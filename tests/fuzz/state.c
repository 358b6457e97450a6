/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fuzzes the loading of what an LTX-2 segment left to the next. The checksum of
 * the input is also made to fit, since it would keep everything else out; what
 * then loads must be saved the same again.
 */
#include "ltx2/state.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define HEADER 44
#define SUM 36
#define MODEL 7
#define CHANNELS 2

#define EXPECT(condition)                                                      \
  do {                                                                         \
    if (!(condition))                                                          \
      abort ();                                                                \
  } while (0)

static void
fix_checksum (uint8_t *data, size_t size)
{
  uint64_t sum = 0xcbf29ce484222325u;

  for (size_t i = HEADER; i < size; i++)
    sum = (sum ^ data[i]) * 0x100000001b3u;
  for (int i = 0; i < 8; i++)
    data[SUM + i] = (uint8_t)(sum >> (8 * i));
}

/* Whatever comes, what was there before stays or is replaced as a whole. */
static void
load (DvState *state, uint8_t *data, size_t size)
{
  DvState before = *state;
  DvError error = {0};
  uint8_t *saved = NULL;
  size_t saved_size = 0;

  if (dv_state_load (state, MODEL, CHANNELS, data, size, &error) != DV_OK) {
    EXPECT (error.detail[0]);
    EXPECT (memcmp (state, &before, sizeof before) == 0);
    return;
  }
  EXPECT (dv_state_save (state, MODEL, &saved, &saved_size, &error) == DV_OK);
  EXPECT (saved_size == size);
  if (state->started) {
    EXPECT (memcmp (saved, data, size) == 0);
    for (size_t i = 0; i < (size_t)state->latents * state->channels; i++)
      EXPECT (state->audio[i] - state->audio[i] == 0);
  }
  free (saved);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  DvState state = {0};
  DvError error;
  uint8_t *copy = malloc (size ? size : 1);

  EXPECT (copy);
  EXPECT (dv_state_size (&state, 4, 2, 1, 3, CHANNELS, &error) == DV_OK);
  memset (state.rgb, 0, 4 * 2 * 3);
  if (size)
    memcpy (copy, data, size);
  load (&state, copy, size);
  if (size >= HEADER) {
    fix_checksum (copy, size);
    load (&state, copy, size);
  }
  EXPECT (dv_state_size (&state, 0, 2, 1, 3, CHANNELS, &error) != DV_OK);
  dv_state_clear (&state);
  free (copy);
  return 0;
}
