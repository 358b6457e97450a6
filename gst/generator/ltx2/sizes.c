/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The check of a request, and the sizes of the segment that it asks for
 * (sections 1, 6.1 and 7.3 of docs/ltx2-model.md).
 */
#include <string.h>

#include "../segment.h"
#include "ltx2-private.h"

#define STEPS_1 5 /* Dreamverse's; the published pipeline takes 8 and 3 */
#define STEPS_2 2
#define TIME_FACTOR 8

static DvStatus
check_size (const char *what, uint32_t pixels, int stages, DvError *error)
{
  uint32_t step = stages == 2 ? 64 : 32;

  if (pixels < DV_LTX2_MIN_SIZE || pixels > DV_LTX2_MAX_SIZE)
    return dv_fail (error, DV_ERROR_ARGUMENT, "step",
        "%s of %u pixels is outside %u to %u", what, pixels, DV_LTX2_MIN_SIZE,
        DV_LTX2_MAX_SIZE);
  if (pixels % step)
    return dv_fail (error, DV_ERROR_ARGUMENT, "step",
        "%s of %u pixels cannot be made: LTX-2 in %s needs a multiple of %u",
        what, pixels, stages == 2 ? "two stages" : "one stage", step);
  return DV_OK;
}

static DvStatus
check_frames (const DvRequest *request, DvError *error)
{
  double fps = request->fps_d ? (double)request->fps_n / request->fps_d : 0;

  if (request->frames % TIME_FACTOR != 1 ||
      request->frames > DV_LTX2_MAX_FRAMES)
    return dv_fail (error, DV_ERROR_ARGUMENT, "step",
        "a segment of %u frames cannot be made: LTX-2 makes 8 k + 1 of them, "
        "at most %u",
        request->frames, DV_LTX2_MAX_FRAMES);
  if (!(fps >= 1 && fps <= 240))
    return dv_fail (error, DV_ERROR_ARGUMENT, "step",
        "frame rate %u/%u is outside 1 to 240 frames a second", request->fps_n,
        request->fps_d);
  if (request->overlap >= request->frames ||
      (request->overlap && request->overlap % TIME_FACTOR != 1))
    return dv_fail (error, DV_ERROR_ARGUMENT, "step",
        "an overlap of %u frames cannot be taken over: LTX-2 encodes 8 k + 1 "
        "of them, fewer than the segment's %u",
        request->overlap, request->frames);
  if (request->first_frame >= request->frames)
    return dv_fail (error, DV_ERROR_ARGUMENT, "step",
        "trimming %u frames leaves nothing of a segment of %u frames",
        request->first_frame, request->frames);
  if (request->samples > UINT32_MAX)
    return dv_fail (error, DV_ERROR_ARGUMENT, "step",
        "%llu samples are more than a segment can have",
        (unsigned long long)request->samples);
  return DV_OK;
}

static DvStatus
check_image (const DvImage *image, DvError *error)
{
  if (!image)
    return DV_OK;
  if (!image->pixels || image->width == 0 || image->height == 0 ||
      image->stride / 3 < image->width)
    return dv_fail (error, DV_ERROR_ARGUMENT, "step",
        "the start image has no pixels, or rows too short for its width");
  return DV_OK;
}

static DvStatus
choose_sigmas (
    const DvRequest *request, int stage, DvLtx2Sizes *sizes, DvError *error)
{
  float *sigmas = sizes->sigmas[stage];
  bool first = stage == 0 || sizes->stages == 1;
  /* A single stage walks the first stage's list. */
  int list = sizes->stages == 1 ? 0 : stage;

  if (!request->sigmas[list]) {
    sizes->steps[stage] = first ? STEPS_1 : STEPS_2;
    return first ? dv_sigmas_distilled (STEPS_1, sigmas, error)
                 : dv_sigmas_stage2 (STEPS_2, sigmas, error);
  }
  if (request->n_sigmas[list] < 2 || request->n_sigmas[list] > DV_MAX_SIGMAS)
    return dv_fail (error, DV_ERROR_ARGUMENT, "step",
        "a list of %u noise levels cannot be walked: 2 to %d, the last 0",
        request->n_sigmas[list], DV_MAX_SIGMAS);
  sizes->steps[stage] = (int)request->n_sigmas[list] - 1;
  memcpy (
      sigmas, request->sigmas[list], request->n_sigmas[list] * sizeof *sigmas);
  return dv_sigmas_check (sigmas, sizes->steps[stage], error);
}

static DvStatus
choose_continuation (const DvRequest *request, const DvState *before,
    DvLtx2Sizes *sizes, DvError *error)
{
  uint32_t audio = request->audio_overlap;

  if (request->overlap == 0 || request->reset)
    return DV_OK;
  if (!before || !before->started)
    return dv_fail (error, DV_ERROR_ARGUMENT, "step",
        "segment %u is to repeat %u frames, but starts clean: there is "
        "nothing to repeat",
        request->index, request->overlap);
  if (before->frames < request->overlap)
    return dv_fail (error, DV_ERROR_ARGUMENT, "step",
        "segment %u is to repeat %u frames; the last %u are kept",
        request->index, request->overlap, before->frames);
  sizes->continued = true;
  if (audio < request->overlap)
    audio = request->overlap;
  return dv_continuation (&sizes->continuation, request->frames, sizes->fps,
      request->overlap, audio, before->latents, error);
}

DvStatus
dv_ltx2_sizes (const DvLtx2 *model, const DvRequest *request,
    const DvState *before, DvLtx2Sizes *sizes, DvError *error)
{
  DvStatus status;
  int stages = request->one_stage || !model->config->has_upsampler ? 1 : 2;

  memset (sizes, 0, sizeof *sizes);
  if (request->index == 0)
    return dv_fail (error, DV_ERROR_ARGUMENT, "step",
        "segment 0: segments are counted from 1");
  if ((status = check_size ("width", request->width, stages, error)) != DV_OK ||
      (status = check_size ("height", request->height, stages, error)) !=
          DV_OK ||
      (status = check_frames (request, error)) != DV_OK ||
      (status = check_image (request->start_image, error)) != DV_OK)
    return status;
  sizes->width = request->width;
  sizes->height = request->height;
  sizes->frames = request->frames;
  sizes->fps = (double)request->fps_n / request->fps_d;
  sizes->stages = stages;
  sizes->text_len = model->config->text.text_len;
  if (request->test && request->test->text_len)
    sizes->text_len = (int64_t)request->test->text_len;
  sizes->n_ids = sizes->text_len;
  for (int stage = 2 - stages; stage < 2; stage++) {
    int shrink = stage == 0 ? 2 : 1;

    status = dv_shapes (&sizes->shape[stage], request->width / shrink,
        request->height / shrink, request->frames, sizes->fps, 1, error);
    if (status != DV_OK ||
        (status = choose_sigmas (request, stage, sizes, error)) != DV_OK)
      return status;
  }
  status = choose_continuation (request, before, sizes, error);
  sizes->audio_latents = sizes->continued ? sizes->continuation.audio_total
                                          : sizes->shape[1].audio_latents;
  return status;
}
