/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Pixels to latents (sections 9.1 and 9.2 of docs/ltx2-model.md): causal, so
 * the first frame is walked alone and then as many as make one latent frame.
 */
#include "video-vae-private.h"

typedef struct {
  const DvTensor *latent;
  int64_t n; /* latent frames made */
} Encode;

/* The mean, without the variance behind it, normalised. */
static void
keep (DvVaeRun *run, const DvTensor *frames)
{
  Encode *encode = run->user;
  DvTensor mean = dv_slice (frames, 3, 0, run->vae->config.latent);
  DvTensor out = dv_slice (encode->latent, 0, encode->n, frames->shape[0]);

  dv_video_vae_normalise (run->vae, run->stream, &out, &mean);
  encode->n += frames->shape[0];
}

/* Whether @video can be encoded into @latent; says why not in the stream. */
static bool
acceptable (const DvVideoVae *vae, DvStream *stream, const DvTensor *video,
    const DvTensor *latent)
{
  const int64_t *scale = vae->encoder.scale;
  char have[96], into[96];
  bool fits;

  if (stream->status != DV_OK)
    return false;
  if (vae->encoder.n_stages == 0) {
    dv_stream_fail (stream, DV_ERROR_NOT_FOUND, "encode",
        "this model's files have no video VAE encoder, which a start image or "
        "a continuation needs");
    return false;
  }
  fits = video->n_dims == 4 && latent->n_dims == 4 && video->dtype == DV_F32 &&
         latent->dtype == DV_F32 && video->shape[3] == 3 &&
         latent->shape[3] == vae->config.latent && latent->shape[0] >= 1 &&
         video->shape[0] == (latent->shape[0] - 1) * scale[0] + 1;
  for (int a = 1; fits && a < 3; a++)
    fits = latent->shape[a] >= 1 && latent->shape[a] <= INT16_MAX &&
           video->shape[a] == latent->shape[a] * scale[a] * vae->config.patch;
  if (!fits)
    dv_stream_fail (stream, DV_ERROR_ARGUMENT, "encode",
        "a video %s cannot be encoded into %s: it should be f32 [%lld k + 1, "
        "%lld rows, %lld columns, 3]",
        dv_tensor_describe (video, have, sizeof have),
        dv_tensor_describe (latent, into, sizeof into), (long long)scale[0],
        (long long)scale[1] * vae->config.patch,
        (long long)scale[2] * vae->config.patch);
  return fits;
}

void
dv_video_vae_encode (const DvVideoVae *vae, DvStream *stream,
    const DvTensor *video, const DvTensor *latent, const DvProbe *probe)
{
  const size_t mark = dv_mark (stream);
  const int patch = vae->config.patch;
  Encode encode = {.latent = latent};
  DvVaeRun run = {.emit = keep, .user = &encode};
  int64_t frames, chunk;

  if (!acceptable (vae, stream, video, latent))
    return;
  frames = video->shape[0];
  chunk = vae->encoder.scale[0] < frames ? vae->encoder.scale[0] : frames;
  dv_vae_run_begin (&run, vae, &vae->encoder, stream, video->shape[1] / patch,
      video->shape[2] / patch, chunk, frames, probe);
  for (int64_t i = 0; i < frames && stream->status == DV_OK;) {
    const int64_t n = i == 0 ? 1 : chunk;
    const size_t piece_mark = dv_mark (stream);
    DvTensor buffer = dv_vae_run_buffer (&run, chunk);
    DvTensor cells = dv_slice (&buffer, 0, run.head, n);
    DvTensor pixels = dv_slice (video, 0, i, n);

    dv_shuffle (stream, &(DvShuffle){.out = &cells,
                            .x = &pixels,
                            .kind = DV_SPACE_TO_DEPTH,
                            .factor = {1, patch, patch},
                            .columns_first = true});
    dv_vae_run_push (&run, &buffer, n, i + n == frames);
    dv_release (stream, piece_mark);
    i += n;
  }
  dv_vae_run_end (&run);
  dv_release (stream, mark);
}
