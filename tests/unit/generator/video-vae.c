/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The video VAE's walk through time: whatever the chunk, the number of threads
 * and the interruption, the same frames; memory that the dry run foretells and
 * that does not grow with the video.
 */
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "fail-alloc.h"
#include "ltx2/video-vae.h"
#include "made-weights.h"

#define LATENT 4

#define RES(c, n)                                                              \
  {                                                                            \
    .kind = DV_VAE_RES, .channels = c, .layers = n, .name = "r"                \
  }
#define UP(c, t, y, x, skip)                                                   \
  {                                                                            \
    .kind = DV_VAE_UP, .channels = c, .factor = {t, y, x}, .residual = skip,   \
    .name = "u"                                                                \
  }
#define DOWN(c, t, y, x)                                                       \
  {                                                                            \
    .kind = DV_VAE_DOWN, .channels = c, .factor = {t, y, x}, .name = "d"       \
  }

static const DvVideoVaeConfig configs[] = {
    /* as LTX-2: reflected edges, everything doubled, skips */
    {.latent = LATENT,
        .patch = 2,
        .decoder_in = 16,
        .n_decoder = 5,
        .decoder_reflect = true,
        .decoder = {RES (16, 1), UP (8, 2, 2, 2, true), RES (8, 2),
            UP (4, 2, 2, 2, true), RES (4, 1)}},
    /* as LTX-2.3: zeros, time and space by themselves */
    {.latent = LATENT,
        .patch = 2,
        .decoder_in = 8,
        .n_decoder = 7,
        .decoder = {RES (8, 2), UP (8, 2, 2, 2, false), RES (8, 1),
            UP (4, 2, 1, 1, false), RES (4, 2), UP (4, 1, 2, 2, false),
            RES (4, 1)}},
    /* a causal decoder, and blocks next to each other */
    {.latent = LATENT,
        .patch = 1,
        .decoder_in = 8,
        .n_decoder = 5,
        .decoder_causal = true,
        .decoder = {UP (8, 2, 1, 1, false), UP (8, 1, 2, 2, true), RES (8, 1),
            RES (8, 1), UP (4, 2, 1, 1, true)}},
};
#define N_CONFIGS ((int)(sizeof configs / sizeof configs[0]))

static const DvVideoVaeConfig encoder = {.latent = LATENT,
    .patch = 2,
    .encoder_in = 4,
    .n_encoder = 7,
    .encoder_causal = true,
    .encoder = {RES (4, 1), DOWN (8, 1, 2, 2), RES (8, 1), DOWN (8, 2, 1, 1),
        RES (8, 1), DOWN (16, 2, 2, 2), RES (16, 1)}};

typedef struct {
  DvDevice *device;
  MadeLoader *made;
  DvVideoVae *vae;
} Model;

static Model
open_model (const DvVideoVaeConfig *config, const char *backend, int threads,
    DvDtype compute)
{
  DvDeviceSpec spec = {.backend = backend, .threads = threads};
  Model model = {0};

  model.device = dv_device_open (&spec, NULL);
  ck_assert_ptr_nonnull (model.device);
  model.made = made_loader_new (model.device, compute);
  model.vae = dv_video_vae_load (&model.made->loader, config);
  ck_assert_int_eq (dv_loader_finish (&model.made->loader, NULL), DV_OK);
  ck_assert_ptr_nonnull (model.vae);
  return model;
}

static void
close_model (Model *model)
{
  dv_video_vae_free (model->vae);
  made_loader_free (model->made);
  dv_device_unref (model->device);
}

/* Frames that a decode gave, one after the other. */
typedef struct {
  float *pixels;
  size_t n; /* floats */
  int64_t frames, refuse, asked;
  int64_t cancel_after; /* questions */
} Taken;

static bool
take (void *user, DvStream *stream, int64_t n, const DvTensor *frame)
{
  Taken *taken = user;
  const size_t count = (size_t)dv_tensor_count (frame);

  ck_assert_int_eq (n, taken->frames);
  if (taken->refuse > 0 && n == taken->refuse)
    return false;
  taken->frames++;
  if (!dv_stream_live (stream))
    return true;
  ck_assert (dv_tensor_dense (frame));
  taken->pixels = realloc (taken->pixels, (taken->n + count) * sizeof (float));
  ck_assert_ptr_nonnull (taken->pixels);
  memcpy (taken->pixels + taken->n, frame->data, count * sizeof (float));
  taken->n += count;
  return true;
}

static bool
cancelled (void *user)
{
  Taken *taken = user;

  return taken->asked++ >= taken->cancel_after;
}

static DvTensor
make_latent (int64_t frames, int64_t h, int64_t w)
{
  int64_t shape[] = {frames, h, w, LATENT};
  DvTensor latent = dv_tensor_new (DV_F32, 4, shape);

  made_numbers (latent.data, (size_t)dv_tensor_count (&latent), 7, 2);
  return latent;
}

static size_t
planned (const Model *model, const DvTensor *latent, int64_t chunk)
{
  DvStream *dry = dv_stream_new_dry (model->device, NULL);
  Taken taken = {0};
  DvVideoSink sink = {take, &taken, chunk};
  size_t peak;

  dv_video_vae_decode (model->vae, dry, latent, &sink, NULL);
  ck_assert_int_eq (dv_stream_status (dry, NULL), DV_OK);
  peak = dry->arena.peak;
  dv_stream_free (dry);
  return peak;
}

/* Decodes in an arena of just the planned size. */
static Taken
decode (const Model *model, const DvTensor *latent, int64_t chunk)
{
  const size_t bytes = planned (model, latent, chunk);
  DvStream *stream = dv_stream_new (model->device, bytes, NULL);
  Taken taken = {0};
  DvVideoSink sink = {take, &taken, chunk};
  DvError error;

  ck_assert_ptr_nonnull (stream);
  dv_video_vae_decode (model->vae, stream, latent, &sink, NULL);
  ck_assert_msg (
      dv_stream_status (stream, &error) == DV_OK, "%s", error.detail);
  ck_assert_uint_eq (stream->arena.peak, bytes);
  ck_assert_uint_eq (stream->arena.used, 0);
  dv_stream_free (stream);
  return taken;
}

static void
assert_same (const Taken *a, const Taken *b)
{
  ck_assert_int_eq (a->frames, b->frames);
  ck_assert_uint_eq (a->n, b->n);
  ck_assert_int_eq (memcmp (a->pixels, b->pixels, a->n * sizeof (float)), 0);
}

static const char *const backends[] = {"ref", NULL};
static const DvDtype dtypes[] = {DV_F32, DV_BF16};

START_TEST (every_chunk_gives_the_same_frames)
{
  const DvVideoVaeConfig *config = &configs[_i % N_CONFIGS];
  const char *backend = backends[_i / N_CONFIGS % 2];
  Model model = open_model (config, backend, 1, dtypes[_i / N_CONFIGS / 2 % 2]);

  for (int64_t frames = 1; frames <= 6; frames++) {
    DvTensor latent = make_latent (frames, 2, 3);
    Taken whole = decode (&model, &latent, frames), chosen;

    ck_assert_int_eq (whole.frames, 4 * (frames - 1) + 1);
    for (int64_t chunk = 1; chunk < frames; chunk++) {
      Taken pieces = decode (&model, &latent, chunk);

      assert_same (&whole, &pieces);
      free (pieces.pixels);
    }
    chosen = decode (&model, &latent, 0);
    assert_same (&whole, &chosen);
    free (chosen.pixels);
    free (whole.pixels);
    dv_tensor_clear (&latent);
  }
  close_model (&model);
}
END_TEST

START_TEST (threads_change_nothing)
{
  DvTensor latent = make_latent (3, 3, 5);
  Taken one = {0};

  for (int threads = 1; threads <= 4; threads++) {
    Model model = open_model (&configs[0], NULL, threads, dtypes[_i]);
    Taken taken = decode (&model, &latent, 2);

    if (threads == 1) {
      one = taken;
    } else {
      assert_same (&one, &taken);
      free (taken.pixels);
    }
    close_model (&model);
  }
  free (one.pixels);
  dv_tensor_clear (&latent);
}
END_TEST

START_TEST (memory_does_not_grow_with_the_video)
{
  Model model = open_model (&configs[_i], "ref", 1, DV_F32);

  for (int64_t chunk = 1; chunk <= 4; chunk++) {
    DvTensor few = make_latent (8 * chunk, 4, 4);
    DvTensor many = make_latent (40 * chunk, 4, 4);
    DvTensor five = make_latent (5, 4, 4);
    const size_t most = planned (&model, &many, chunk);

    ck_assert_uint_eq (planned (&model, &few, chunk), most);
    /* The first frames are on their way when the last have come. */
    ck_assert_uint_le (planned (&model, &five, chunk), most);
    dv_tensor_clear (&five);
    dv_tensor_clear (&few);
    dv_tensor_clear (&many);
  }
  close_model (&model);
}
END_TEST

START_TEST (frames_leave_while_later_ones_are_unknown)
{
  Model model = open_model (&configs[0], "ref", 1, DV_F32);
  DvTensor latent = make_latent (12, 2, 2);
  Taken whole = decode (&model, &latent, 1), part;

  /* What was handed out before the sink refused came from a prefix. */
  for (int64_t refuse = 1; refuse < whole.frames; refuse += 11) {
    DvStream *stream =
        dv_stream_new (model.device, planned (&model, &latent, 1), NULL);
    DvVideoSink sink = {take, &part, 1};
    DvError error;

    part = (Taken){.refuse = refuse};
    dv_video_vae_decode (model.vae, stream, &latent, &sink, NULL);
    ck_assert_int_eq (dv_stream_status (stream, &error), DV_ERROR_SINK);
    ck_assert_ptr_nonnull (strstr (error.detail, "refused"));
    ck_assert_int_eq (part.frames, refuse);
    ck_assert_int_eq (
        memcmp (part.pixels, whole.pixels, part.n * sizeof (float)), 0);
    free (part.pixels);
    dv_stream_free (stream);
  }
  free (whole.pixels);
  dv_tensor_clear (&latent);
  close_model (&model);
}
END_TEST

START_TEST (a_cancelled_decode_ends_at_once_and_can_be_repeated)
{
  Model model = open_model (&configs[0], "ref", 1, DV_F32);
  DvTensor latent = make_latent (4, 2, 2);
  Taken whole = decode (&model, &latent, 1), taken = {0};
  DvVideoSink sink = {take, &taken, 1};
  DvStream *stream =
      dv_stream_new (model.device, planned (&model, &latent, 1), NULL);
  int64_t questions;

  taken.cancel_after = INT64_MAX;
  stream->cancelled = cancelled;
  stream->user = &taken;
  dv_video_vae_decode (model.vae, stream, &latent, &sink, NULL);
  questions = taken.asked;
  assert_same (&whole, &taken);
  free (taken.pixels);
  for (int64_t after = 0; after < questions; after += 1 + questions / 23) {
    taken = (Taken){.cancel_after = after};
    dv_stream_reset (stream);
    dv_video_vae_decode (model.vae, stream, &latent, &sink, NULL);
    ck_assert_int_eq (dv_stream_status (stream, NULL), DV_CANCELLED);
    ck_assert_int_eq (taken.asked, after + 1);
    ck_assert_int_lt (taken.frames, whole.frames);
    free (taken.pixels);
  }
  taken = (Taken){.cancel_after = INT64_MAX};
  dv_stream_reset (stream);
  dv_video_vae_decode (model.vae, stream, &latent, &sink, NULL);
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_OK);
  assert_same (&whole, &taken);
  free (taken.pixels);
  free (whole.pixels);
  dv_stream_free (stream);
  dv_tensor_clear (&latent);
  close_model (&model);
}
END_TEST

START_TEST (too_little_memory_is_an_error)
{
  Model model = open_model (&configs[0], "ref", 1, DV_F32);
  DvTensor latent = make_latent (3, 2, 2);
  const size_t bytes = planned (&model, &latent, 1);

  for (size_t less = 1; less < bytes; less = less * 3 + 64) {
    DvStream *stream = dv_stream_new (model.device, bytes - less, NULL);
    Taken taken = {0};
    DvVideoSink sink = {take, &taken, 1};

    dv_video_vae_decode (model.vae, stream, &latent, &sink, NULL);
    ck_assert_int_eq (dv_stream_status (stream, NULL), DV_ERROR_MEMORY);
    free (taken.pixels);
    dv_stream_free (stream);
  }
  dv_tensor_clear (&latent);
  close_model (&model);
}
END_TEST

/* ---- tiles ---- */

static Taken
decode_tiled (
    const Model *model, const DvTensor *latent, const DvTiling *tiling)
{
  Taken taken = {0};
  DvVideoSink sink = {take, &taken, 0};
  DvStream *stream = dv_stream_new_dry (model->device, NULL);
  size_t bytes;

  dv_video_vae_decode_tiled (model->vae, stream, latent, tiling, &sink);
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_OK);
  bytes = stream->arena.peak;
  dv_stream_free (stream);
  taken = (Taken){0};
  stream = dv_stream_new (model->device, bytes, NULL);
  dv_video_vae_decode_tiled (model->vae, stream, latent, tiling, &sink);
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_OK);
  ck_assert_uint_eq (stream->arena.peak, bytes);
  dv_stream_free (stream);
  return taken;
}

START_TEST (one_tile_is_the_whole)
{
  Model model = open_model (&configs[_i], "ref", 1, DV_F32);
  DvTensor latent = make_latent (3, 3, 4);
  DvTiling tiling = {512, 64, 64, 24};
  Taken whole = decode (&model, &latent, 0);
  Taken tiled = decode_tiled (&model, &latent, &tiling);

  ck_assert_int_eq (whole.frames, tiled.frames);
  for (size_t i = 0; i < whole.n; i++)
    ck_assert_float_eq (whole.pixels[i], tiled.pixels[i]);
  free (whole.pixels);
  free (tiled.pixels);
  dv_tensor_clear (&latent);
  close_model (&model);
}
END_TEST

/* Biases alone give every tile the same pixels, so that only the weights of
 * the blend are left: they must add up to 1 everywhere. */
START_TEST (tiles_cover_the_video_once)
{
  const int64_t frames[] = {1, 4, 9}, sides[] = {2, 5, 8};
  Model model = {
      .device = dv_device_open (&(DvDeviceSpec){.backend = "ref"}, NULL)};

  model.made = made_loader_new (model.device, DV_F32);
  model.made->gain = 0;
  model.vae = dv_video_vae_load (&model.made->loader, &configs[0]);
  for (int f = 0; f < 3; f++)
    for (int s = 0; s < 3; s++) {
      DvTensor latent = make_latent (frames[f], sides[s], sides[2 - s]);
      DvTiling tiling = {5 * 8, 3 * 8, 4 * 4, 2 * 4};
      Taken whole = decode (&model, &latent, 0);
      Taken tiled = decode_tiled (&model, &latent, &tiling);

      ck_assert_int_eq (whole.frames, tiled.frames);
      ck_assert_uint_eq (whole.n, tiled.n);
      for (size_t i = 0; i < whole.n; i++)
        ck_assert_float_eq_tol (whole.pixels[i], tiled.pixels[i], 1e-5f);
      free (whole.pixels);
      free (tiled.pixels);
      dv_tensor_clear (&latent);
    }
  close_model (&model);
}
END_TEST

START_TEST (tiles_that_cannot_cover_are_refused)
{
  static const DvTiling bad[] = {
      {512, 64, 24, 24}, {512, -1000, 64, 24}, {512, 64, 0, 0}};
  Model model = open_model (&configs[0], "ref", 1, DV_F32);
  DvTensor latent = make_latent (3, 3, 4);
  Taken taken = {0};
  DvVideoSink sink = {take, &taken, 0};
  DvStream *stream = dv_stream_new_dry (model.device, NULL);

  dv_video_vae_decode_tiled (model.vae, stream, &latent, &bad[_i], &sink);
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_ERROR_ARGUMENT);
  dv_stream_free (stream);
  dv_tensor_clear (&latent);
  close_model (&model);
}
END_TEST

/* ---- the encoder ---- */

static DvTensor
encode (const Model *model, const DvTensor *video, int64_t frames)
{
  int64_t shape[] = {
      (frames - 1) / 4 + 1, video->shape[1] / 8, video->shape[2] / 8, LATENT};
  DvTensor latent = dv_tensor_new (DV_F32, 4, shape);
  DvTensor part = dv_slice (video, 0, 0, frames);
  DvStream *stream = dv_stream_new_dry (model->device, NULL);
  size_t bytes;

  dv_video_vae_encode (model->vae, stream, &part, &latent, NULL);
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_OK);
  bytes = stream->arena.peak;
  dv_stream_free (stream);
  stream = dv_stream_new (model->device, bytes, NULL);
  dv_video_vae_encode (model->vae, stream, &part, &latent, NULL);
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_OK);
  ck_assert_uint_eq (stream->arena.peak, bytes);
  dv_stream_free (stream);
  return latent;
}

START_TEST (later_frames_do_not_change_earlier_latents)
{
  Model model = open_model (&encoder, backends[_i], 1, DV_F32);
  int64_t shape[] = {13, 16, 24, 3};
  DvTensor video = dv_tensor_new (DV_F32, 4, shape), all;

  made_numbers (video.data, (size_t)dv_tensor_count (&video), 3, 1);
  all = encode (&model, &video, 13);
  for (int64_t frames = 1; frames < 13; frames += 4) {
    DvTensor some = encode (&model, &video, frames);

    ck_assert_int_eq (memcmp (some.data, all.data, dv_tensor_bytes (&some)), 0);
    dv_tensor_clear (&some);
  }
  dv_tensor_clear (&all);
  dv_tensor_clear (&video);
  close_model (&model);
}
END_TEST

START_TEST (a_video_of_the_wrong_size_is_refused)
{
  static const int64_t shapes[][4] = {
      {4, 16, 24, 3}, {5, 15, 24, 3}, {5, 16, 32, 3}, {5, 16, 24, 4}};
  Model model = open_model (&encoder, "ref", 1, DV_F32);
  int64_t into[] = {2, 2, 3, LATENT};
  DvTensor video = dv_tensor_new (DV_F32, 4, shapes[_i]);
  DvTensor latent = dv_tensor_new (DV_F32, 4, into);
  DvStream *stream = dv_stream_new_dry (model.device, NULL);

  dv_video_vae_encode (model.vae, stream, &video, &latent, NULL);
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_ERROR_ARGUMENT);
  dv_stream_free (stream);
  dv_tensor_clear (&video);
  dv_tensor_clear (&latent);
  close_model (&model);
}
END_TEST

/* ---- what cannot be ---- */

START_TEST (a_latent_of_the_wrong_size_is_refused)
{
  Model model = open_model (&configs[0], "ref", 1, DV_F32);
  static const int64_t shapes[][4] = {{2, 1, 2, LATENT}, {2, 2, 1, LATENT},
      {0, 2, 2, LATENT}, {2, 2, 2, LATENT + 1}, {2, 0, 2, LATENT}};
  DvTensor latent = dv_tensor_new (DV_F32, 4, shapes[_i]);
  DvStream *stream = dv_stream_new_dry (model.device, NULL);
  Taken taken = {0};
  DvVideoSink sink = {take, &taken, 0};
  DvError error;

  dv_video_vae_decode (model.vae, stream, &latent, &sink, NULL);
  ck_assert_int_eq (dv_stream_status (stream, &error), DV_ERROR_ARGUMENT);
  ck_assert_int_eq (taken.frames, 0);
  dv_stream_free (stream);
  dv_tensor_clear (&latent);
  close_model (&model);
}
END_TEST

START_TEST (a_half_that_is_not_there_is_named)
{
  Model model = open_model (&encoder, "ref", 1, DV_F32);
  DvTensor latent = make_latent (1, 2, 2);
  DvStream *stream = dv_stream_new_dry (model.device, NULL);
  DvVideoSink sink = {take, NULL, 0};
  DvError error;

  dv_video_vae_decode (model.vae, stream, &latent, &sink, NULL);
  ck_assert_int_eq (dv_stream_status (stream, &error), DV_ERROR_NOT_FOUND);
  ck_assert_ptr_nonnull (strstr (error.detail, "decoder"));
  dv_stream_free (stream);
  dv_tensor_clear (&latent);
  close_model (&model);
}
END_TEST

/* Configurations that contradict themselves. */
static void
spoil (DvVideoVaeConfig *config, int how)
{
  switch (how) {
    case 0:
      config->decoder[1].channels = 0;
      break;
    case 1:
      config->decoder[1].channels = INT64_MAX / 2;
      break;
    case 2:
      config->decoder[1].factor[0] = 3;
      break;
    case 3:
      config->decoder[2].layers = 1 << 30;
      break;
    case 4:
      config->decoder[2].channels = 16;
      break;
    case 5:
      config->decoder[1].kind = DV_VAE_DOWN;
      break;
    case 6:
      config->n_decoder = DV_MAX_BLOCKS + 1;
      break;
    case 7:
      config->decoder[1].factor[0] = config->decoder[1].factor[1] =
          config->decoder[1].factor[2] = 1;
      break;
    case 8:
      config->patch = 0;
      break;
    case 9:
      config->decoder_in = 4; /* no 8 cells of whole channels to repeat */
      config->decoder[0].channels = 4;
      break;
  }
}

START_TEST (a_configuration_that_cannot_be_is_refused)
{
  DvVideoVaeConfig config = configs[0];
  DvDevice *device = dv_device_open (&(DvDeviceSpec){.backend = "ref"}, NULL);
  MadeLoader *made = made_loader_new (device, DV_F32);
  DvVideoVae *vae;
  DvError error;

  spoil (&config, _i);
  vae = dv_video_vae_load (&made->loader, &config);
  ck_assert_int_eq (dv_loader_finish (&made->loader, &error), DV_ERROR_FORMAT);
  ck_assert_uint_gt (strlen (error.detail), 0);
  dv_video_vae_free (vae);
  made_loader_free (made);
  dv_device_unref (device);
}
END_TEST

START_TEST (statistics_go_there_and_back)
{
  Model model = open_model (&configs[0], "ref", 1, DV_F32);
  DvTensor latent = make_latent (2, 2, 3), raw = make_latent (2, 2, 3);
  DvStream *stream = dv_stream_new (model.device, 4096, NULL);
  const float *mean = dv_video_vae_mean (model.vae)->data;
  const float *std = dv_video_vae_std (model.vae)->data;
  const float *a = latent.data;
  float *b = raw.data;

  dv_video_vae_restore (model.vae, stream, &raw, &latent);
  for (int64_t i = 0; i < dv_tensor_count (&raw); i++)
    ck_assert_float_eq (b[i], a[i] * std[i % LATENT] + mean[i % LATENT]);
  dv_video_vae_normalise (model.vae, stream, &raw, &raw);
  for (int64_t i = 0; i < dv_tensor_count (&raw); i++)
    ck_assert_float_eq_tol (b[i], a[i], 1e-5f);
  dv_stream_free (stream);
  dv_tensor_clear (&latent);
  dv_tensor_clear (&raw);
  close_model (&model);
}
END_TEST

static bool
ignore (void *user, DvStream *stream, int64_t n, const DvTensor *frame)
{
  return true;
}

START_TEST (no_memory_to_decode_is_an_error)
{
  Model model = open_model (&configs[0], "ref", 1, DV_F32);
  DvTensor latent = make_latent (3, 3, 9);
  DvTiling tiling = {5 * 8, 3 * 8, 4 * 4, 2 * 4};
  DvVideoSink sink = {ignore, NULL, 1};
  DvStream *stream = dv_stream_new_dry (model.device, NULL);
  int failures = 0;

  for (size_t i = 0;; i++) {
    const long before = fail_alloc_live ();

    dv_stream_reset (stream);
    fail_alloc_at (i);
    dv_video_vae_decode_tiled (model.vae, stream, &latent, &tiling, &sink);
    if (!fail_alloc_hit ())
      break;
    failures++;
    ck_assert_int_eq (dv_stream_status (stream, NULL), DV_ERROR_MEMORY);
    ck_assert_int_eq (fail_alloc_live (), before);
  }
  ck_assert_int_ge (failures, 4);
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_OK);
  dv_stream_free (stream);
  dv_tensor_clear (&latent);
  close_model (&model);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("video-vae");
  TCase *tc = tcase_create ("video-vae");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, tc);
  tcase_add_loop_test (tc, every_chunk_gives_the_same_frames, 0, N_CONFIGS * 4);
  tcase_add_loop_test (tc, threads_change_nothing, 0, 2);
  tcase_add_loop_test (tc, memory_does_not_grow_with_the_video, 0, N_CONFIGS);
  tcase_add_test (tc, frames_leave_while_later_ones_are_unknown);
  tcase_add_test (tc, a_cancelled_decode_ends_at_once_and_can_be_repeated);
  tcase_add_test (tc, too_little_memory_is_an_error);
  tcase_add_loop_test (tc, one_tile_is_the_whole, 0, N_CONFIGS);
  tcase_add_test (tc, tiles_cover_the_video_once);
  tcase_add_loop_test (tc, tiles_that_cannot_cover_are_refused, 0, 3);
  tcase_add_loop_test (tc, later_frames_do_not_change_earlier_latents, 0, 2);
  tcase_add_loop_test (tc, a_video_of_the_wrong_size_is_refused, 0, 4);
  tcase_add_loop_test (tc, a_latent_of_the_wrong_size_is_refused, 0, 5);
  tcase_add_test (tc, a_half_that_is_not_there_is_named);
  tcase_add_loop_test (tc, a_configuration_that_cannot_be_is_refused, 0, 10);
  tcase_add_test (tc, statistics_go_there_and_back);
  tcase_add_test (tc, no_memory_to_decode_is_an_error);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
