/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The video VAE (sections 8 and 9 of docs/ltx2-model.md).
 *
 * Decoding walks time: it takes latent frames and gives pixel frames as soon
 * as they can be known, with memory bounded by the frame and not by the
 * segment, equal bit for bit to decoding all at once.
 */
#ifndef DV_LTX2_VIDEO_VAE_H
#define DV_LTX2_VIDEO_VAE_H

#include "loader.h"
#include "probe.h"

typedef struct DvVideoVae DvVideoVae;

/* Loads what the file has (encoder, decoder, statistics). */
DvVideoVae *dv_video_vae_load (
    DvLoader *loader, const DvVideoVaeConfig *config);
void dv_video_vae_free (DvVideoVae *vae);
/* Statistics [latent] F32: raw = normalised * std + mean. */
const DvTensor *dv_video_vae_mean (const DvVideoVae *vae);
const DvTensor *dv_video_vae_std (const DvVideoVae *vae);
/* @out = (@raw - mean) / std and back; the last dimension is the latent's
 * channels. In place too. */
void dv_video_vae_normalise (const DvVideoVae *vae, DvStream *stream,
    const DvTensor *out, const DvTensor *raw);
void dv_video_vae_restore (const DvVideoVae *vae, DvStream *stream,
    const DvTensor *out, const DvTensor *latent);

typedef struct {
  /* Frame @n: [H, W, 3] F32, about [-1, 1], not clamped, on the device; valid
   * during the call. False ends the decode with DV_ERROR_SINK, or with what
   * the callee left in the stream. In order. Called on a dry stream too, with
   * no data, so that what it queues is planned: see dv_stream_live(). */
  bool (*frame) (
      void *user, DvStream *stream, int64_t n, const DvTensor *pixels);
  void *user;
  /* Latent frames taken at a time; 0: the VAE chooses. The result does not
   * depend on it. */
  int64_t chunk;
} DvVideoSink;

/* @latent [F, h, w, C] F32, normalised -> 8 (F - 1) + 1 frames (times the
 * temporal factors). */
void dv_video_vae_decode (const DvVideoVae *vae, DvStream *stream,
    const DvTensor *latent, const DvVideoSink *sink, const DvProbe *probe);

typedef struct {
  int64_t tile, overlap;               /* pixels: 512, 64 */
  int64_t tile_frames, overlap_frames; /* 64, 24 */
} DvTiling;

/* The reference's tiled decode (section 9.4): blends, so it differs near
 * seams; where memory is short. */
void dv_video_vae_decode_tiled (const DvVideoVae *vae, DvStream *stream,
    const DvTensor *latent, const DvTiling *tiling, const DvVideoSink *sink);

/* @video [n, H, W, 3] F32 in [-1, 1], n = 8k + 1 -> @latent [k + 1, H/32,
 * W/32, C] F32, the mean, normalised. */
void dv_video_vae_encode (const DvVideoVae *vae, DvStream *stream,
    const DvTensor *video, const DvTensor *latent, const DvProbe *probe);

#endif
