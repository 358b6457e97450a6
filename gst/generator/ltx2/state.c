/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The continuation state, in memory and as bytes.
 *
 * Little-endian on every machine: magic, version, model, width, height,
 * frames, latents, channels, checksum of the body; then the pictures and the
 * latents.  Loading believes no number before it has been compared with the
 * size, and no latent that is not finite.
 */
#include "state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC 0x534c5644u /* "DVLS" */
#define VERSION 1u
#define HEADER 44
#define MAX_SIDE 16384u
#define MAX_LATENTS 65536u
#define MAX_CHANNELS 4096u

static size_t
rgb_bytes (const DvState *state)
{
  return (size_t)state->frames * state->height * state->width * 3;
}

static size_t
audio_values (const DvState *state)
{
  return (size_t)state->latents * state->channels;
}

void
dv_state_clear (DvState *state)
{
  free (state->rgb);
  free (state->audio);
  memset (state, 0, sizeof *state);
}

static bool
possible (const DvState *state)
{
  return state->width > 0 && state->width <= MAX_SIDE && state->height > 0 &&
         state->height <= MAX_SIDE && state->frames <= DV_STATE_MAX_FRAMES &&
         state->latents > 0 && state->latents <= MAX_LATENTS &&
         state->channels > 0 && state->channels <= MAX_CHANNELS;
}

DvStatus
dv_state_size (DvState *state, uint32_t width, uint32_t height, uint32_t frames,
    uint32_t latents, uint32_t channels, DvError *error)
{
  dv_state_clear (state);
  state->width = width;
  state->height = height;
  state->frames = frames;
  state->latents = latents;
  state->channels = channels;
  if (!possible (state)) {
    memset (state, 0, sizeof *state);
    return dv_fail (error, DV_ERROR_ARGUMENT, "state",
        "%u pictures of %ux%u and %u latents of %u values are more than a "
        "state can hold",
        frames, width, height, latents, channels);
  }
  state->rgb = malloc (rgb_bytes (state) + 1);
  state->audio = calloc (audio_values (state), sizeof *state->audio);
  if (!state->rgb || !state->audio) {
    dv_fail (error, DV_ERROR_MEMORY, "state",
        "no memory for the %zu bytes that a segment leaves to the next",
        rgb_bytes (state) + audio_values (state) * sizeof *state->audio);
    dv_state_clear (state);
    return DV_ERROR_MEMORY;
  }
  state->started = true;
  return DV_OK;
}

/* FNV-1a */
static uint64_t
checksum (const uint8_t *data, size_t size)
{
  uint64_t sum = 0xcbf29ce484222325u;

  for (size_t i = 0; i < size; i++)
    sum = (sum ^ data[i]) * 0x100000001b3u;
  return sum;
}

static void
put (uint8_t **at, uint64_t value, int bytes)
{
  for (int i = 0; i < bytes; i++)
    *(*at)++ = (uint8_t)(value >> (8 * i));
}

static uint64_t
get (const uint8_t **at, int bytes)
{
  uint64_t value = 0;

  for (int i = 0; i < bytes; i++)
    value |= (uint64_t) * (*at)++ << (8 * i);
  return value;
}

static uint32_t
bits_of (float f)
{
  uint32_t bits;

  memcpy (&bits, &f, sizeof bits);
  return bits;
}

DvStatus
dv_state_save (const DvState *state, uint64_t model, uint8_t **data,
    size_t *size, DvError *error)
{
  size_t body = rgb_bytes (state) + 4 * audio_values (state);
  uint8_t *bytes = malloc (HEADER + body), *at = bytes;

  if (!bytes)
    return dv_fail (error, DV_ERROR_MEMORY, "save",
        "no memory for a saved state of %zu bytes", HEADER + body);
  at += HEADER;
  if (state->started) {
    memcpy (at, state->rgb, rgb_bytes (state));
    at += rgb_bytes (state);
    for (size_t i = 0; i < audio_values (state); i++)
      put (&at, bits_of (state->audio[i]), 4);
  }
  at = bytes;
  put (&at, MAGIC, 4);
  put (&at, VERSION, 4);
  put (&at, model, 8);
  put (&at, state->width, 4);
  put (&at, state->height, 4);
  put (&at, state->frames, 4);
  put (&at, state->latents, 4);
  put (&at, state->channels, 4);
  put (&at, checksum (bytes + HEADER, body), 8);
  *data = bytes;
  *size = HEADER + body;
  return DV_OK;
}

static DvStatus
refuse (DvError *error, const char *why)
{
  return dv_fail (error, DV_ERROR_FORMAT, "load",
      "the saved state cannot be used: %s", why);
}

static DvStatus
read_body (DvState *state, const uint8_t *at, DvError *error)
{
  memcpy (state->rgb, at, rgb_bytes (state));
  at += rgb_bytes (state);
  for (size_t i = 0; i < audio_values (state); i++) {
    uint32_t bits = (uint32_t)get (&at, 4);
    memcpy (&state->audio[i], &bits, sizeof bits);
    if (!isfinite (state->audio[i]))
      return refuse (error, "its sound is not made of numbers");
  }
  return DV_OK;
}

DvStatus
dv_state_load (DvState *state, uint64_t model, uint32_t channels,
    const uint8_t *data, size_t size, DvError *error)
{
  DvState header = {0}, loaded = {0};
  const uint8_t *at = data;
  DvStatus status;

  if (size < HEADER || get (&at, 4) != MAGIC)
    return refuse (error, "it is not one of LTX-2's");
  if (get (&at, 4) != VERSION)
    return refuse (error, "another version wrote it");
  if (get (&at, 8) != model)
    return refuse (error, "another model wrote it");
  header.width = (uint32_t)get (&at, 4);
  header.height = (uint32_t)get (&at, 4);
  header.frames = (uint32_t)get (&at, 4);
  header.latents = (uint32_t)get (&at, 4);
  header.channels = (uint32_t)get (&at, 4);
  if (size == HEADER && header.width == 0) {
    dv_state_clear (state);
    return DV_OK;
  }
  if (!possible (&header) || header.channels != channels ||
      size - HEADER != rgb_bytes (&header) + 4 * audio_values (&header))
    return refuse (error, "its numbers contradict its size");
  if (get (&at, 8) != checksum (data + HEADER, size - HEADER))
    return refuse (error, "its checksum is wrong");
  status = dv_state_size (&loaded, header.width, header.height, header.frames,
      header.latents, header.channels, error);
  if (status == DV_OK)
    status = read_body (&loaded, data + HEADER, error);
  if (status != DV_OK) {
    dv_state_clear (&loaded);
    return status;
  }
  dv_state_clear (state);
  *state = loaded;
  return DV_OK;
}
