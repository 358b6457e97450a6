/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Latents to pixels (sections 9.1 and 9.3 of docs/ltx2-model.md), frames
 * handed out as soon as they are known.
 */
#include "video-vae-private.h"

/* Cells of a chunk that keep the convolutions of the first level busy. */
#define CHUNK_CELLS 512
#define CHUNK_MOST 8

typedef struct {
  const DvVideoSink *sink;
  int64_t n; /* frames handed out */
} Decode;

/* The last convolution's channels are pixels: columns before rows. */
static void
show (DvVaeRun *run, const DvTensor *frames)
{
  Decode *decode = run->user;
  const int patch = run->vae->config.patch;
  const int64_t n = frames->shape[0], h = frames->shape[1] * patch;
  const int64_t w = frames->shape[2] * patch;
  const size_t mark = dv_mark (run->stream);
  DvTensor pixels = DV_NEW (run->stream, DV_F32, n, h, w, 3);

  dv_shuffle (run->stream, &(DvShuffle){.out = &pixels,
                               .x = frames,
                               .kind = DV_DEPTH_TO_SPACE,
                               .factor = {1, patch, patch},
                               .columns_first = true});
  for (int64_t i = 0; i < n && run->stream->status == DV_OK; i++) {
    DvTensor frame = dv_index (&pixels, i);

    if (!decode->sink->frame (
            decode->sink->user, run->stream, decode->n, &frame))
      dv_stream_fail (run->stream, DV_ERROR_SINK, "decode",
          "frame %lld of the video was refused", (long long)decode->n);
    decode->n++;
  }
  dv_release (run->stream, mark);
}

/* Whether @latent can be decoded; says why not in the stream. */
static bool
acceptable (const DvVideoVae *vae, DvStream *stream, const DvTensor *latent)
{
  char text[96];

  if (stream->status != DV_OK)
    return false;
  if (vae->decoder.n_stages == 0) {
    dv_stream_fail (stream, DV_ERROR_NOT_FOUND, "decode",
        "this model's files have no video VAE decoder");
    return false;
  }
  if (latent->n_dims != 4 || latent->dtype != DV_F32 ||
      latent->shape[3] != vae->config.latent || latent->shape[0] < 1 ||
      latent->shape[1] < 1 || latent->shape[2] < 1 ||
      latent->shape[0] > INT32_MAX || latent->shape[1] > INT16_MAX ||
      latent->shape[2] > INT16_MAX) {
    dv_stream_fail (stream, DV_ERROR_ARGUMENT, "decode",
        "a latent %s cannot be decoded: it should be f32 [frames, rows, "
        "columns, %lld]",
        dv_tensor_describe (latent, text, sizeof text),
        (long long)vae->config.latent);
    return false;
  }
  if (vae->decoder.pad == DV_PAD_REFLECT &&
      (latent->shape[1] < 2 || latent->shape[2] < 2)) {
    dv_stream_fail (stream, DV_ERROR_ARGUMENT, "decode",
        "%lld x %lld pixels are too few for this model: both sides need 64",
        (long long)(latent->shape[2] * vae->decoder.scale[2] *
                    vae->config.patch),
        (long long)(latent->shape[1] * vae->decoder.scale[1] *
                    vae->config.patch));
    return false;
  }
  return true;
}

void
dv_video_vae_decode (const DvVideoVae *vae, DvStream *stream,
    const DvTensor *latent, const DvVideoSink *sink, const DvProbe *probe)
{
  const size_t mark = dv_mark (stream);
  Decode decode = {.sink = sink};
  DvVaeRun run = {.emit = show, .user = &decode};
  int64_t chunk, frames;

  if (!acceptable (vae, stream, latent))
    return;
  frames = latent->shape[0];
  chunk = sink->chunk;
  if (chunk < 1) {
    chunk = CHUNK_CELLS / (latent->shape[1] * latent->shape[2]);
    chunk = chunk < 1 ? 1 : chunk > CHUNK_MOST ? CHUNK_MOST : chunk;
  }
  if (chunk > frames)
    chunk = frames;
  dv_vae_run_begin (&run, vae, &vae->decoder, stream, latent->shape[1],
      latent->shape[2], chunk, frames, probe);
  for (int64_t i = 0; i < frames && stream->status == DV_OK; i += chunk) {
    const int64_t n = i + chunk < frames ? chunk : frames - i;
    const size_t piece_mark = dv_mark (stream);
    DvTensor buffer = dv_vae_run_buffer (&run, chunk);
    DvTensor raw = dv_slice (&buffer, 0, run.head, n);
    DvTensor normalised = dv_slice (latent, 0, i, n);

    dv_video_vae_restore (vae, stream, &raw, &normalised);
    dv_vae_run_push (&run, &buffer, n, i + n == frames);
    dv_release (stream, piece_mark);
  }
  dv_vae_run_end (&run);
  dv_release (stream, mark);
}
