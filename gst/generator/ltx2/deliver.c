/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Latents to the caller: sound first, which takes little, then pictures while
 * they are decoded.
 *
 * Where ops are queued nobody waits for what was queued last: sound is handed
 * over when the first pictures are queued behind it, and a picture when the
 * next one is, or the next chunk of them.
 */
#include <math.h>
#include <stdlib.h>

#include "ltx2-private.h"

#define SOUND_BLOCK 4096 /* samples handed over at a time */
#define FADE_OUT_SECONDS 0.02

/* The sink said no: because it was told to stop, or because it failed. */
static void
refused (DvMaking *making, const char *what)
{
  const DvSink *sink = making->sink;

  if (sink->cancelled && sink->cancelled (sink->user))
    dv_stream_fail (making->stream, DV_CANCELLED, "step",
        "segment %u was cancelled after %u frames", making->request->index,
        making->report.frames);
  else
    dv_stream_fail (making->stream, DV_ERROR_SINK, "step",
        "the receiver of segment %u refused %s after %u frames",
        making->request->index, what, making->report.frames);
}

/* ---- sound ---- */

/* What follows the last sample there is, until the boundary of the segment's
 * frames: the end of the sound played backwards, fading out.  The vocoder
 * gives some hundred samples less than the frames last (section 14). */
static void
fill_gap (float *wave, int64_t have, int64_t want, int rate)
{
  int64_t fade = (int64_t)(FADE_OUT_SECONDS * rate);

  for (int64_t i = have; i < want; i++) {
    int64_t back = 2 * have - 1 - i;
    double level =
        i - have < fade
            ? 0.5 + 0.5 * cos (acos (-1.0) * (double)(i - have) / (double)fade)
            : 0;

    for (int c = 0; c < DV_LTX2_CHANNELS; c++)
      wave[i * DV_LTX2_CHANNELS + c] =
          back >= 0 ? (float)(level * (double)wave[back * DV_LTX2_CHANNELS + c])
                    : 0;
  }
}

static void
hand_over_sound (DvMaking *making, const float *wave, int64_t n)
{
  const DvSink *sink = making->sink;
  double since = dv_ltx2_now_ms ();

  for (int64_t at = 0; at < n; at += SOUND_BLOCK) {
    size_t count = (size_t)(n - at > SOUND_BLOCK ? SOUND_BLOCK : n - at);

    if (!sink->commit_audio (sink->user, wave + at * DV_LTX2_CHANNELS, count)) {
      refused (making, "samples");
      break;
    }
    making->samples += count;
  }
  making->handed_ms += dv_ltx2_now_ms () - since;
}

/* ---- what is late ---- */

DvStatus
dv_ltx2_deliver_begin (DvMaking *making, DvError *error)
{
  DvDevice *device = making->model->device;

  making->pending = -1;
  if (!device->discrete)
    return DV_OK;
  making->fence = dv_fence_new (device, error);
  making->sound_fence = making->fence ? dv_fence_new (device, error) : NULL;
  return making->sound_fence ? DV_OK : DV_ERROR_MEMORY;
}

void
dv_ltx2_deliver_end (DvMaking *making)
{
  DvDevice *device = making->model->device;

  dv_fence_free (making->fence);
  dv_fence_free (making->sound_fence);
  dv_device_host_free (device, making->sound);
  making->fence = making->sound_fence = NULL;
  making->sound = NULL;
}

/* Hands over the sound that was queued, as soon as it is there. */
static void
settle_sound (DvMaking *making)
{
  DvStream *stream = making->stream;
  int64_t want = making->request ? (int64_t)making->request->samples : 0;

  if (!making->sound)
    return;
  if (making->sound_fence ? dv_fence_wait (making->sound_fence, stream)
                          : dv_stream_status (stream, NULL) == DV_OK) {
    fill_gap (making->sound, making->sound_have, want,
        dv_vocoder_rate (making->parts->vocoder));
    hand_over_sound (making, making->sound, want);
  }
  /* A failed stream may still write to it. */
  if (stream->status == DV_OK) {
    dv_device_host_free (making->model->device, making->sound);
    making->sound = NULL;
  }
}

/* Puts the sound where its pictures are: @wave [n, 2] begins where the model's
 * sound does, which is before the first frame that is shown. */
static void
place_sound (DvMaking *making, const DvTensor *wave)
{
  const DvLtx2Sizes *sizes = making->sizes;
  const DvRequest *request = making->request;
  const int rate = dv_vocoder_rate (making->parts->vocoder);
  int64_t before = sizes->continued ? sizes->continuation.extra : 0;
  int64_t skip =
      llrint ((double)(before + request->first_frame) / sizes->fps * rate);
  int64_t want = (int64_t)request->samples, have = wave->shape[0] - skip;
  int64_t room = want > have ? want : have;
  DvTensor to, part;

  if (have < 0)
    have = room = 0;
  if (room < want)
    room = want;
  making->sound = dv_device_host_alloc (making->model->device,
      (size_t)(room > 0 ? room : 1) * DV_LTX2_CHANNELS * sizeof (float));
  if (!making->sound) {
    dv_stream_fail (making->stream, DV_ERROR_MEMORY, "sound",
        "no memory for %lld samples", (long long)room);
    return;
  }
  making->sound_have = have;
  if (have > 0) {
    to = DV_TENSOR (making->sound, DV_F32, have, (int64_t)DV_LTX2_CHANNELS);
    part = dv_slice (wave, 0, skip, have);
    dv_copy (making->stream, &to, &part);
  }
  if (making->sound_fence)
    dv_fence_record (making->sound_fence, making->stream);
  else
    settle_sound (making);
}

void
dv_ltx2_deliver_sound (DvMaking *making, const DvTensor *audio)
{
  static const int order[] = {0, 2, 1};
  const DvAudioVaeConfig *config = &making->model->config->audio_vae;
  DvStream *stream = making->stream;
  const int64_t t = audio->shape[0], c = config->latent;
  const int64_t bins = audio->shape[1] / c, frames = 4 * t - 3;
  const int64_t samples = dv_vocoder_samples (making->parts->vocoder, frames);
  size_t mark = dv_mark (stream);
  DvTensor latent = DV_NEW (stream, DV_F32, t, bins, c);
  DvTensor mel = DV_NEW (stream, DV_F32, frames, config->mel_bins, 2);
  DvTensor wave = DV_NEW (stream, DV_F32, samples, DV_LTX2_CHANNELS);
  DvTensor view = DV_RESHAPE (audio, t, c, bins);

  dv_ltx2_tell (making, "sound", 0.7);
  view = dv_permute (&view, order);
  dv_map (stream, &(DvMap){.out = &latent, .x = &view, .kind = DV_MAP_COPY});
  dv_audio_vae_decode (making->parts->audio_vae, stream, &latent, &mel, NULL);
  dv_probe (making->probe, stream, "mel", &mel);
  dv_vocoder_run (making->parts->vocoder, stream, &mel, &wave, NULL);
  dv_probe (making->probe, stream, "wave", &wave);
  if (making->request && dv_stream_live (stream))
    place_sound (making, &wave);
  dv_release (stream, mark);
  /* Its time is decoding's where nobody waits for it. */
  if (!making->sound)
    dv_ltx2_stage_done (making, "sound");
}

/* ---- pictures ---- */

/* Where frame @n goes for the segment after this one, or NULL. */
static uint8_t *
kept_place (const DvMaking *making, int64_t n)
{
  const DvState *after = making->after;
  int64_t first = (int64_t)making->sizes->frames - (after ? after->frames : 0);

  if (!after || n < first)
    return NULL;
  return after->rgb + (size_t)(n - first) * after->width * after->height * 3;
}

/* On a dry stream the op is asked for its workspace only. */
static void
measure_picture (const DvMaking *making, const DvTensor *pixels)
{
  static uint8_t nowhere;
  int64_t width = making->sizes->width;

  dv_pixels (making->stream, &(DvPixels){.x = pixels,
                                 .rgb = &nowhere,
                                 .rgb_stride = 3 * width,
                                 .plane = {&nowhere, &nowhere, &nowhere},
                                 .stride = {width, width / 2, width / 2}});
}

static void
tell_frame (const DvMaking *making, int64_t n)
{
  dv_ltx2_tell (making, "decode",
      0.75 + 0.25 * (double)(n + 1) / (double)making->sizes->frames);
}

/* Commits the frame that was queued, as soon as it is whole. */
static bool
settle_picture (DvMaking *making)
{
  const DvSink *sink = making->sink;
  DvStream *stream = making->stream;
  int64_t n = making->pending;
  double since;

  if (n < 0)
    return stream->status == DV_OK;
  making->pending = -1;
  if (making->fence ? !dv_fence_wait (making->fence, stream)
                    : dv_stream_status (stream, NULL) != DV_OK)
    return false;
  since = dv_ltx2_now_ms ();
  if (!sink->commit_frame (sink->user, (uint32_t)n)) {
    refused (making, "a frame");
    return false;
  }
  making->handed_ms += dv_ltx2_now_ms () - since;
  making->report.frames++;
  tell_frame (making, n);
  return true;
}

/* Asks for the place of frame @n. */
static bool
acquire (DvMaking *making, int64_t n, DvPixels *convert)
{
  double since = dv_ltx2_now_ms ();
  DvFrame frame = {0};

  if (!making->sink->acquire_frame (making->sink->user, (uint32_t)n, &frame)) {
    refused (making, "a frame");
    return false;
  }
  making->handed_ms += dv_ltx2_now_ms () - since;
  for (int i = 0; i < 3; i++) {
    convert->plane[i] = frame.plane[i];
    convert->stride[i] = frame.stride[i];
  }
  return true;
}

static bool
deliver_picture (
    void *user, DvStream *stream, int64_t n, const DvTensor *pixels)
{
  DvMaking *making = user;
  DvPixels convert = {.x = pixels};
  bool shown;

  if (!making->request) {
    measure_picture (making, pixels);
    return true;
  }
  settle_sound (making);
  if (!settle_picture (making) || !dv_stream_live (stream))
    return false;
  dv_probe (making->probe, stream, "frame", pixels);
  shown = n >= making->request->first_frame;
  convert.rgb = kept_place (making, n);
  convert.rgb_stride = 3 * (int64_t)making->sizes->width;
  if (shown && !acquire (making, n, &convert))
    return false;
  if (shown || convert.rgb)
    dv_pixels (stream, &convert);
  if (!shown) {
    tell_frame (making, n);
    return dv_stream_live (stream);
  }
  making->pending = n;
  if (making->fence)
    dv_fence_record (making->fence, stream);
  return making->fence || settle_picture (making);
}

void
dv_ltx2_deliver_pictures (DvMaking *making, const DvTensor *video)
{
  DvVideoSink sink = {.frame = deliver_picture, .user = making};

  dv_ltx2_tell (making, "decode", 0.75);
  dv_video_vae_decode (
      making->parts->video_vae, making->stream, video, &sink, NULL);
  settle_sound (making);
  settle_picture (making);
  dv_ltx2_stage_done (making, "decode");
}
