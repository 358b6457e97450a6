/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * RIFF WAVE, PCM. Where one cannot go back, or beyond 4 GiB, the sizes in the
 * header are the largest there are, which readers take for "to the end".
 */
#include "wav.h"

#include <math.h>
#include <string.h>

#define HEADER 44
#define SAMPLE_BYTES 2

static void
put (uint8_t *at, uint32_t value, int bytes)
{
  for (int i = 0; i < bytes; i++)
    at[i] = (uint8_t)(value >> (8 * i));
}

static void
make_header (const Wav *self, bool known, uint8_t *header)
{
  uint32_t frame = self->channels * SAMPLE_BYTES;
  uint64_t bytes = self->samples * frame;
  bool fits = known && bytes <= UINT32_MAX - HEADER;

  memcpy (header, "RIFF    WAVEfmt ", 16);
  put (header + 4, fits ? (uint32_t)bytes + HEADER - 8 : UINT32_MAX, 4);
  put (header + 16, 16, 4);
  put (header + 20, 1, 2); /* PCM */
  put (header + 22, self->channels, 2);
  put (header + 24, self->rate, 4);
  put (header + 28, self->rate * frame, 4);
  put (header + 32, frame, 2);
  put (header + 34, 8 * SAMPLE_BYTES, 2);
  memcpy (header + 36, "data", 4);
  put (header + 40, fits ? (uint32_t)bytes : UINT32_MAX, 4);
}

DvStatus
wav_open (Wav *self, const char *path, DvError *error)
{
  self->samples = 0;
  self->filled = 0;
  return outfile_open (&self->file, path, error);
}

void
wav_set_format (Wav *self, uint32_t rate, uint32_t channels)
{
  self->rate = rate;
  self->channels = channels;
}

static DvStatus
flush (Wav *self, DvError *error)
{
  uint8_t header[HEADER];
  DvStatus status = DV_OK;
  size_t filled = self->filled;

  if (self->file.whole == 0) {
    make_header (self, false, header);
    status = outfile_write (&self->file, header, HEADER, error);
  }
  self->filled = 0;
  if (status == DV_OK && filled)
    status = outfile_write (&self->file, self->buffer, filled, error);
  /* What could not be written is not there. */
  if (status != DV_OK)
    self->samples =
        self->file.whole > HEADER
            ? (self->file.whole - HEADER) / (self->channels * SAMPLE_BYTES)
            : 0;
  return status;
}

static void
add_value (Wav *self, float value)
{
  float clamped = value < -1 ? -1 : value > 1 ? 1 : value;
  int16_t sample = isnan (value) ? 0 : (int16_t)lrintf (clamped * 32767);

  put (self->buffer + self->filled, (uint16_t)sample, SAMPLE_BYTES);
  self->filled += SAMPLE_BYTES;
}

static DvStatus
add_sample (Wav *self, const float *values, DvError *error)
{
  if (self->filled + self->channels * SAMPLE_BYTES > WAV_BUFFER) {
    DvStatus status = flush (self, error);

    if (status != DV_OK)
      return status;
  }
  for (uint32_t i = 0; i < self->channels; i++)
    add_value (self, values ? values[i] : 0);
  self->samples++;
  return DV_OK;
}

DvStatus
wav_write (Wav *self, const float *samples, size_t count, DvError *error)
{
  DvStatus status = DV_OK;

  for (size_t i = 0; i < count && status == DV_OK; i++)
    status = add_sample (self, samples + i * self->channels, error);
  return status;
}

static DvStatus
patch_header (Wav *self, DvError *error)
{
  uint8_t header[HEADER];

  make_header (self, true, header);
  return outfile_patch (&self->file, 0, header, HEADER, error);
}

DvStatus
wav_end_at (Wav *self, uint64_t samples, DvError *error)
{
  DvStatus status = DV_OK;

  if (samples == 0) {
    self->samples = self->filled = 0;
    return self->file.begun ? outfile_cut (&self->file, 0, error) : DV_OK;
  }
  while (self->samples < samples && status == DV_OK)
    status = add_sample (self, NULL, error);
  if (status == DV_OK)
    status = flush (self, error);
  if (status == DV_OK && self->samples > samples && self->file.regular) {
    status = outfile_cut (
        &self->file, HEADER + samples * self->channels * SAMPLE_BYTES, error);
    self->samples = samples;
  }
  return status == DV_OK ? patch_header (self, error) : status;
}

DvStatus
wav_close (Wav *self, DvError *error)
{
  DvStatus status = DV_OK, closed;

  if (self->file.whole > 0)
    status = patch_header (self, error);
  closed = outfile_close (&self->file, status == DV_OK ? error : NULL);
  return status == DV_OK ? closed : status;
}
