/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The check of a request, before any work is done for it.
 */
#include "procedural.h"

static DvStatus
check_size (const char *what, uint32_t pixels, DvError *error)
{
  if (pixels < DV_PROCEDURAL_MIN_SIZE || pixels > DV_PROCEDURAL_MAX_SIZE)
    return dv_fail (error, DV_ERROR_ARGUMENT, "step",
        "%s of %u pixels is outside %u to %u", what, pixels,
        DV_PROCEDURAL_MIN_SIZE, DV_PROCEDURAL_MAX_SIZE);
  if (pixels % DV_PROCEDURAL_SIZE_STEP)
    return dv_fail (error, DV_ERROR_ARGUMENT, "step",
        "%s of %u pixels is odd: it must be a multiple of %u", what, pixels,
        DV_PROCEDURAL_SIZE_STEP);
  return DV_OK;
}

static DvStatus
check_frames (const DvRequest *request, DvError *error)
{
  double fps = request->fps_d ? (double)request->fps_n / request->fps_d : 0;

  if (!(fps >= DV_PROCEDURAL_MIN_FPS && fps <= DV_PROCEDURAL_MAX_FPS))
    return dv_fail (error, DV_ERROR_ARGUMENT, "step",
        "frame rate %u/%u is outside %g to %d frames a second", request->fps_n,
        request->fps_d, DV_PROCEDURAL_MIN_FPS, DV_PROCEDURAL_MAX_FPS);
  if (request->frames == 0)
    return dv_fail (error, DV_ERROR_ARGUMENT, "step",
        "a segment must have at least one frame");
  if (request->overlap >= request->frames)
    return dv_fail (error, DV_ERROR_ARGUMENT, "step",
        "overlap of %u frames leaves nothing of a segment of %u frames",
        request->overlap, request->frames);
  if (request->first_frame >= request->frames)
    return dv_fail (error, DV_ERROR_ARGUMENT, "step",
        "trimming %u frames leaves nothing of a segment of %u frames",
        request->first_frame, request->frames);
  if (request->samples > UINT64_MAX / 2 ||
      request->first_sample > UINT64_MAX / 2)
    return dv_fail (error, DV_ERROR_ARGUMENT, "step",
        "%llu samples from sample %llu on are more than can be counted",
        (unsigned long long)request->samples,
        (unsigned long long)request->first_sample);
  return DV_OK;
}

static DvStatus
check_image (const DvImage *image, DvError *error)
{
  if (!image)
    return DV_OK;
  if (!image->pixels || image->width == 0 || image->height == 0)
    return dv_fail (
        error, DV_ERROR_ARGUMENT, "step", "the start image has no pixels");
  if (image->stride / 3 < image->width)
    return dv_fail (error, DV_ERROR_ARGUMENT, "step",
        "rows of %zu bytes are too short for a start image %u pixels wide",
        image->stride, image->width);
  return DV_OK;
}

DvStatus
dv_procedural_check (const DvRequest *request, DvError *error)
{
  DvStatus status;

  if (request->index == 0)
    return dv_fail (error, DV_ERROR_ARGUMENT, "step",
        "segment 0: segments are counted from 1");
  if ((status = check_size ("width", request->width, error)) != DV_OK ||
      (status = check_size ("height", request->height, error)) != DV_OK ||
      (status = check_frames (request, error)) != DV_OK ||
      (status = check_image (request->start_image, error)) != DV_OK)
    return status;
  if (!(request->pace >= 0 && request->pace <= DV_PROCEDURAL_MAX_PACE))
    return dv_fail (error, DV_ERROR_ARGUMENT, "step",
        "pace of %g seconds is outside 0 to %d", request->pace,
        DV_PROCEDURAL_MAX_PACE);
  return DV_OK;
}
