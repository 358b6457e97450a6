/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sound as a WAV file of 16 bits, whose header is right whenever a segment has
 * ended, and after a failure too.
 */
#ifndef WAV_H
#define WAV_H

#include "outfile.h"

#define WAV_BUFFER 16384 /* bytes */

typedef struct {
  OutFile file;
  uint32_t rate, channels;
  uint64_t samples; /* a channel, those in the buffer included */
  size_t filled;    /* bytes of the buffer */
  uint8_t buffer[WAV_BUFFER];
} Wav;

DvStatus wav_open (Wav *wav, const char *path, DvError *error);
/* Before anything is written. */
void wav_set_format (Wav *wav, uint32_t rate, uint32_t channels);
DvStatus wav_write (
    Wav *wav, const float *samples, size_t count, DvError *error);
/* Silence up to this many samples, or without what is beyond them; then the
 * header says what there is. At 0 nothing at all is left. */
DvStatus wav_end_at (Wav *wav, uint64_t samples, DvError *error);
/* Also after a failure; @error may be NULL. */
DvStatus wav_close (Wav *wav, DvError *error);

#endif
