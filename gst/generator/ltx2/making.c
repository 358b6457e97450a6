/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One segment: prompt to contexts, two stages of denoising, decoding (sections
 * 1, 6 and 7 of docs/ltx2-model.md).  The same code, run dry, is the plan of
 * its memory.
 *
 * Draws: every noise has a sequence of its own, made of the segment's index,
 * the stage and the modality, so that a segment depends on its seed and index
 * and on nothing that was drawn before.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conditioning.h"
#include "ltx2-private.h"
#include "resize.h"
#include "sampler.h"

enum { VIDEO, AUDIO, N_SIDES };

/* One modality in one stage. */
typedef struct {
  DvTensor x;     /* [M, C] F32: noise, then the latent */
  DvTensor clean; /* [M, C] F32 */
  DvCondition condition;
  DvPositions positions;
} Side;

typedef struct {
  DvMaking *making;
  int stage;
  float scale; /* of the noise at the start */
  Side side[N_SIDES];
} Stage;

/* ---- time ---- */

double
dv_ltx2_now_ms (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

void
dv_ltx2_stage_done (DvMaking *making, const char *name)
{
  DvReport *report = &making->report;
  double now;

  if (!dv_stream_live (making->stream) ||
      dv_stream_status (making->stream, NULL) != DV_OK)
    return;
  now = dv_ltx2_now_ms ();
  if (report->n_stages < DV_REPORT_STAGES) {
    DvStageTime *stage = &report->stage[report->n_stages++];

    strncpy (stage->name, name, sizeof stage->name - 1);
    stage->ms =
        now - making->since_ms - (making->handed_ms - making->handed_before);
  }
  making->since_ms = now;
  making->handed_before = making->handed_ms;
}

void
dv_ltx2_tell (const DvMaking *making, const char *stage, double fraction)
{
  if (making->sink && making->sink->progress)
    making->sink->progress (making->sink->user, stage, fraction);
}

static void
out_of_memory (DvMaking *making, const char *what)
{
  dv_stream_fail (
      making->stream, DV_ERROR_MEMORY, "step", "no memory for %s", what);
}

/* Tokens as the pictures that they are. */
static void
show_video (DvMaking *making, const char *name, int stage, const DvTensor *x)
{
  const DvShapes *shape = &making->sizes->shape[stage];
  DvTensor view = DV_RESHAPE (x, shape->f, shape->h, shape->w, x->shape[1]);

  dv_probe (making->probe, making->stream, name, &view);
}

/* And as [T, bins, C]. */
static void
show_audio (DvMaking *making, const char *name, const DvTensor *x)
{
  static const int order[] = {0, 2, 1};
  const int64_t c = making->model->config->audio_vae.latent;
  DvTensor view = DV_RESHAPE (x, x->shape[0], c, x->shape[1] / c);

  view = dv_permute (&view, order);
  dv_probe (making->probe, making->stream, name, &view);
}

/* ---- text ---- */

/* What the transformer attends to. */
typedef struct {
  DvTensor context[N_SIDES]; /* [text_len, width] */
  uint64_t key;
  const DvTextContext *kept; /* to be given back; NULL: none */
} Text;

static void
encode_text (DvMaking *making, Text *text)
{
  const DvTextConfig *config = &making->model->config->text;
  const DvLtx2Sizes *sizes = making->sizes;
  const DvLtx2Parts *parts = making->parts;
  DvStream *stream = making->stream;

  dv_ltx2_tell (making, "text", 0);
  if (making->texts)
    text->kept = dv_text_cache_take (making->texts, parts->gemma,
        parts->connectors, stream, making->ids, (size_t)sizes->n_ids);
  if (text->kept) {
    text->context[VIDEO] = text->kept->video;
    text->context[AUDIO] = text->kept->audio;
    text->key = text->kept->key;
  } else {
    text->context[VIDEO] = DV_NEW (stream, DV_F32, sizes->text_len,
        config->video.heads * config->video.head_dim);
    text->context[AUDIO] = DV_NEW (stream, DV_F32, sizes->text_len,
        config->audio.heads * config->audio.head_dim);
    if (stream->dry)
      dv_text_encode (parts->gemma, parts->connectors, stream, NULL,
          sizes->n_ids, &text->context[VIDEO], &text->context[AUDIO]);
  }
  dv_probe (making->probe, stream, "video_context", &text->context[VIDEO]);
  dv_probe (making->probe, stream, "audio_context", &text->context[AUDIO]);
  dv_ltx2_stage_done (making, "text");
}

/* ---- conditions ---- */

static void
draw (DvMaking *making, const DvTensor *x, int stage, int modality)
{
  const DvRequest *request = making->request;
  int which = 2 * stage + modality;
  DvTensor host;

  if (making->sizes->stages == 1)
    which = modality;
  if (request && request->test && request->test->noise[which]) {
    if ((int64_t)request->test->n_noise[which] != dv_tensor_count (x)) {
      dv_stream_fail (making->stream, DV_ERROR_ARGUMENT, "step",
          "%zu numbers of noise were given for %lld",
          request->test->n_noise[which], (long long)dv_tensor_count (x));
      return;
    }
    host = dv_tensor (
        (void *)request->test->noise[which], DV_F32, x->n_dims, x->shape);
    dv_copy (making->stream, x, &host);
    return;
  }
  dv_noise (making->stream,
      &(DvNoise){.out = x,
          .seed = request ? request->seed : 0,
          .sequence =
              request ? (uint64_t)request->index << 2 | (unsigned)which : 0});
}

/* @n pictures of @rgb, @stride bytes a row, fitted and encoded; written over
 * the first latent frames. */
static void
give_pictures (Stage *stage, const uint8_t *rgb, size_t stride, size_t picture,
    uint32_t width, uint32_t height, int64_t n, float strength)
{
  DvMaking *making = stage->making;
  DvStream *stream = making->stream;
  const DvShapes *shape = &making->sizes->shape[stage->stage];
  const int64_t w = shape->w * 32, h = shape->h * 32, f = (n - 1) / 8 + 1;
  const int64_t c = making->model->config->video_vae.latent;
  size_t mark = dv_mark (stream);
  DvTensor video = DV_NEW (stream, DV_F32, n, h, w, 3);
  DvTensor latent = DV_NEW (stream, DV_F32, f, shape->h, shape->w, c);
  DvTensor host = {0}, tokens;
  DvError error = {0};

  if (dv_stream_live (stream)) {
    host = dv_tensor_new (DV_F32, 4, video.shape);
    if (!host.data)
      out_of_memory (making, "the pictures that a segment continues");
    for (int64_t i = 0; i < n && host.data; i++)
      if (dv_resize_crop (rgb + (size_t)i * picture, stride, width, height,
              (float *)host.data + i * w * h * 3, w, h, &error) != DV_OK) {
        dv_stream_fail (stream, error.code, error.stage, "%s", error.detail);
        break;
      }
    dv_copy (stream, &video, &host);
    dv_stream_status (stream, NULL);
  }
  dv_tensor_clear (&host);
  dv_video_vae_encode (making->parts->video_vae, stream, &video, &latent, NULL);
  tokens = DV_RESHAPE (&latent, f * shape->h * shape->w, c);
  dv_probe (making->probe, stream,
      stage->stage == 0 || making->sizes->stages == 1 ? "stage1.cond_latent"
                                                      : "stage2.cond_latent",
      &latent);
  dv_condition_write (
      &stage->side[VIDEO].condition, stream, &tokens, 0, strength);
  dv_release (stream, mark);
}

/* The pictures that are given: the end of the segment before, or an image. */
static void
condition_video (Stage *stage)
{
  DvMaking *making = stage->making;
  const DvLtx2Sizes *sizes = making->sizes;
  const DvImage *image = making->request ? making->request->start_image : NULL;

  if (sizes->continued) {
    const DvState *before = making->before;
    int64_t n = sizes->continuation.video_frames;
    size_t row = before ? (size_t)before->width * 3 : 0;
    size_t picture = before ? row * before->height : 0;

    give_pictures (stage,
        before ? before->rgb + (before->frames - (size_t)n) * picture : NULL,
        row, picture, before ? before->width : 0, before ? before->height : 0,
        n, 1);
  } else if (image) {
    float strength = making->request->image_strength;

    give_pictures (stage, image->pixels, image->stride, 0, image->width,
        image->height, 1, strength > 0 ? strength : 1);
  } else if (!making->request) {
    /* A plan is made for the larger of both. */
    give_pictures (stage, NULL, 0, 0, 0, 0, 9, 1);
  }
}

/* The sound that is given: the last latents of the segment before. */
static void
condition_audio (Stage *stage)
{
  DvMaking *making = stage->making;
  DvStream *stream = making->stream;
  const DvState *before = making->before;
  Side *side = &stage->side[AUDIO];
  int64_t n = making->sizes->continuation.audio_latents;
  size_t mark = dv_mark (stream);
  DvTensor given, host;

  if (!making->sizes->continued)
    return;
  given = DV_NEW (stream, DV_F32, n, side->x.shape[1]);
  host = dv_tensor (
      before ? before->audio + (before->latents - (size_t)n) * before->channels
             : NULL,
      DV_F32, 2, given.shape);
  dv_copy (stream, &given, &host);
  dv_condition_write (&side->condition, stream, &given, 0, 1);
  dv_release (stream, mark);
}

/* ---- a stage ---- */

static bool
open_stage (Stage *stage)
{
  DvMaking *making = stage->making;
  const DvLtx2Sizes *sizes = making->sizes;
  const DvShapes *shape = &sizes->shape[stage->stage];
  DvError error = {0};

  if (dv_condition_init (&stage->side[VIDEO].condition,
          &stage->side[VIDEO].clean, &error) == DV_OK &&
      dv_condition_init (&stage->side[AUDIO].condition,
          &stage->side[AUDIO].clean, &error) == DV_OK &&
      dv_positions_video (&stage->side[VIDEO].positions, shape->f, shape->h,
          shape->w, sizes->fps,
          sizes->continued ? sizes->continuation.position_offset : 0,
          &error) == DV_OK &&
      dv_positions_audio (
          &stage->side[AUDIO].positions, sizes->audio_latents, &error) == DV_OK)
    return true;
  dv_stream_fail (making->stream, error.code, error.stage, "%s", error.detail);
  return false;
}

static void
close_stage (Stage *stage)
{
  for (int i = 0; i < N_SIDES; i++) {
    dv_condition_clear (&stage->side[i].condition);
    dv_positions_clear (&stage->side[i].positions);
  }
}

static bool
step_done (void *user, int done, int steps)
{
  Stage *stage = user;
  DvMaking *making = stage->making;

  dv_ltx2_tell (making, stage->stage == 0 ? "denoise" : "refine",
      (stage->stage == 0 ? 0.05 : 0.3) +
          (stage->stage == 0 ? 0.25 : 0.4) * done / steps);
  return !making->sink->cancelled ||
         !making->sink->cancelled (making->sink->user);
}

static void
denoise (Stage *stage, const Text *text)
{
  DvMaking *making = stage->making;
  Side *v = &stage->side[VIDEO], *a = &stage->side[AUDIO];
  DvSampling sampling = {
      .video = {.latent = &v->x,
          .context = &text->context[VIDEO],
          .mask = dv_condition_mask (&v->condition),
          .clean = &v->clean,
          .positions = &v->positions},
      .audio = {.latent = &a->x,
          .context = &text->context[AUDIO],
          .mask = dv_condition_mask (&a->condition),
          .clean = &a->clean,
          .positions = &a->positions},
      .sigmas = making->sizes->sigmas[stage->stage],
      .steps = making->sizes->steps[stage->stage],
      .rule = DV_CROSS_OWN,
      .context_key = text->key,
      .progress = making->sink ? step_done : NULL,
      .user = stage,
  };

  dv_sample (
      making->parts->dit, making->stream, &sampling, making->cache, NULL);
}

/* The first stage, from noise alone. */
static void
start_from_noise (Stage *stage)
{
  DvStream *stream = stage->making->stream;
  Side *v = &stage->side[VIDEO], *a = &stage->side[AUDIO];

  dv_zero (stream, &v->clean);
  dv_zero (stream, &a->clean);
  condition_video (stage);
  condition_audio (stage);
  draw (stage->making, &v->x, 0, VIDEO);
  draw (stage->making, &a->x, 0, AUDIO);
  dv_condition_noise (&v->condition, stream, &v->x, &v->x, stage->scale);
  dv_condition_noise (&a->condition, stream, &a->x, &a->x, stage->scale);
}

/* The second, from what the first left: @video is its latent, upsampled, in
 * stage->side[VIDEO].clean already; @audio its sound. */
static void
start_from_latents (Stage *stage, const DvTensor *audio)
{
  DvMaking *making = stage->making;
  DvStream *stream = making->stream;
  Side *v = &stage->side[VIDEO], *a = &stage->side[AUDIO];

  dv_zero (stream, &a->clean);
  condition_video (stage);
  condition_audio (stage);
  draw (making, &v->x, 1, VIDEO);
  draw (making, &a->x, 1, AUDIO);
  dv_condition_noise (&v->condition, stream, &v->x, &v->x, stage->scale);
  /* The sound is noised everywhere; only then what is given is put back. */
  dv_noised (stream, &a->x, &a->x, audio, stage->scale);
  dv_condition_mix (&a->condition, stream, &a->x);
  show_video (making, "stage2.initial_video", 1, &v->x);
  show_audio (making, "stage2.initial_audio", &a->x);
}

/* @out [f, 2h, 2w, C] = the latent [f, h, w, C] at twice the size, both
 * normalised */
static void
upsample (DvMaking *making, const DvTensor *out, const DvTensor *latent)
{
  DvStream *stream = making->stream;
  size_t mark = dv_mark (stream);
  DvTensor raw = dv_new (stream, DV_F32, 4, latent->shape);

  dv_video_vae_restore (making->parts->video_vae, stream, &raw, latent);
  dv_upsampler_run (making->parts->upsampler, stream, out, &raw);
  dv_video_vae_normalise (making->parts->video_vae, stream, out, out);
  dv_release (stream, mark);
}

static DvTensor
tokens (DvStream *stream, int64_t n, int64_t channels)
{
  return DV_NEW (stream, DV_F32, n, channels);
}

/* Stage 1: what it denoised is left in @video and @audio. */
static void
first_stage (DvMaking *making, const DvTensor *video, const DvTensor *audio,
    const Text *text)
{
  int number = making->sizes->stages == 1 ? 1 : 0;
  size_t mark = dv_mark (making->stream);
  Stage stage = {.making = making,
      .stage = number,
      .scale = making->sizes->sigmas[number][0]};

  stage.side[VIDEO].x = *video;
  stage.side[AUDIO].x = *audio;
  stage.side[VIDEO].clean =
      tokens (making->stream, video->shape[0], video->shape[1]);
  stage.side[AUDIO].clean =
      tokens (making->stream, audio->shape[0], audio->shape[1]);
  if (open_stage (&stage)) {
    start_from_noise (&stage);
    denoise (&stage, text);
  }
  close_stage (&stage);
  dv_release (making->stream, mark);
  show_video (making, "stage1.video_latent", number, video);
  show_audio (making, "stage1.audio_latent", audio);
  dv_ltx2_stage_done (making, "denoise");
}

/* Stage 2: from @small at half the size; @audio is in and out. */
static void
second_stage (DvMaking *making, const DvTensor *video, const DvTensor *audio,
    const DvTensor *small, const Text *text)
{
  DvStream *stream = making->stream;
  const DvShapes *half = &making->sizes->shape[0];
  const DvShapes *full = &making->sizes->shape[1];
  const int64_t c = video->shape[1];
  size_t mark = dv_mark (stream);
  DvTensor heard = tokens (stream, audio->shape[0], audio->shape[1]);
  Stage stage = {
      .making = making, .stage = 1, .scale = making->sizes->sigmas[1][0]};
  DvTensor up, latent;

  stage.side[VIDEO].x = *video;
  stage.side[AUDIO].x = *audio;
  stage.side[VIDEO].clean = tokens (stream, full->tokens, c);
  stage.side[AUDIO].clean = tokens (stream, audio->shape[0], audio->shape[1]);
  up = DV_RESHAPE (&stage.side[VIDEO].clean, full->f, full->h, full->w, c);
  latent = DV_RESHAPE (small, half->f, half->h, half->w, c);
  upsample (making, &up, &latent);
  dv_probe (making->probe, stream, "stage2.upsampled", &up);
  dv_ltx2_stage_done (making, "upsample");
  dv_map (stream, &(DvMap){.out = &heard, .x = audio, .kind = DV_MAP_COPY});
  if (open_stage (&stage)) {
    start_from_latents (&stage, &heard);
    denoise (&stage, text);
  }
  close_stage (&stage);
  dv_release (stream, mark);
  show_video (making, "stage2.video_latent", 1, video);
  show_audio (making, "stage2.audio_latent", audio);
  dv_ltx2_stage_done (making, "refine");
}

/* Both stages, or the only one: the latents of a whole segment. */
static void
make_latents (DvMaking *making, const DvTensor *video, const DvTensor *audio)
{
  const DvLtx2Sizes *sizes = making->sizes;
  DvStream *stream = making->stream;
  size_t mark = dv_mark (stream);
  Text text = {0};
  DvTensor small;

  encode_text (making, &text);
  if (sizes->stages == 1) {
    first_stage (making, video, audio, &text);
  } else {
    small = tokens (stream, sizes->shape[0].tokens, video->shape[1]);
    first_stage (making, &small, audio, &text);
    second_stage (making, video, audio, &small, &text);
  }
  if (text.kept)
    dv_text_cache_give_back (making->texts, text.kept);
  dv_release (stream, mark);
}

/* The end of the sound, for the segment after this one. */
static void
keep_sound (DvMaking *making, const DvTensor *audio)
{
  DvTensor host;

  if (!making->after)
    return;
  host = dv_tensor (making->after->audio, DV_F32, 2, audio->shape);
  dv_copy (making->stream, &host, audio);
}

void
dv_ltx2_make (DvMaking *making)
{
  const DvLtx2Config *config = making->model->config;
  const DvShapes *full = &making->sizes->shape[1];
  DvStream *stream = making->stream;
  size_t mark = dv_mark (stream);
  DvTensor video = tokens (stream, full->tokens, config->dit.video.in);
  DvTensor audio =
      tokens (stream, making->sizes->audio_latents, config->dit.audio.in);
  DvTensor latent;

  making->since_ms = dv_ltx2_now_ms ();
  make_latents (making, &video, &audio);
  keep_sound (making, &audio);
  dv_ltx2_deliver_sound (making, &audio);
  latent = DV_RESHAPE (&video, full->f, full->h, full->w, config->dit.video.in);
  dv_ltx2_deliver_pictures (making, &latent);
  dv_release (stream, mark);
}
