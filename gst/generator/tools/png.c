/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * PNG files, by libpng; without it they are refused.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pictures.h"

#ifdef HAVE_PNG

#include <png.h>

/* What is transparent shows black. */
DvStatus
png_read (FILE *file, const char *path, DvImage *image, DvError *error)
{
  png_image png = {.version = PNG_IMAGE_VERSION};
  png_color black = {0, 0, 0};
  DvStatus status = DV_OK;

  if (png_image_begin_read_from_stdio (&png, file)) {
    png.format = PNG_FORMAT_RGB;
    status = picture_alloc (path, png.width, png.height, image, error);
    if (status == DV_OK)
      png_image_finish_read (
          &png, &black, (void *)image->pixels, (png_int_32)image->stride, NULL);
  }
  if (status == DV_OK && PNG_IMAGE_FAILED (png))
    status = dv_fail (error, DV_ERROR_FORMAT, "image",
        "\"%.200s\" cannot be read as PNG: %.64s", path, png.message);
  png_image_free (&png);
  return status;
}

DvStatus
png_write (const char *path, const uint8_t *rgb, uint32_t width,
    uint32_t height, uint64_t *bytes, DvError *error)
{
  png_image png = {.version = PNG_IMAGE_VERSION,
      .width = width,
      .height = height,
      .format = PNG_FORMAT_RGB,
      .flags = PNG_IMAGE_FLAG_FAST};
  FILE *file = fopen (path, "we");
  long size = 0;
  bool good;

  if (!file)
    return dv_fail (error, DV_ERROR_SINK, "output",
        "cannot write \"%.200s\": %s", path, strerror (errno));
  errno = 0;
  good = png_image_write_to_stdio (&png, file, 0, rgb, 0, NULL) &&
         fflush (file) == 0;
  if (good)
    size = ftell (file);
  /* A full disk may show at the end only. */
  good = fclose (file) == 0 && good;
  if (!good) {
    dv_fail (error, DV_ERROR_SINK, "output", "cannot write \"%.200s\": %s",
        path, errno ? strerror (errno) : png.message);
    unlink (path);
    return DV_ERROR_SINK;
  }
  *bytes += size > 0 ? (uint64_t)size : 0;
  return DV_OK;
}

#else

DvStatus
png_read (FILE *file, const char *path, DvImage *image, DvError *error)
{
  return dv_fail (error, DV_ERROR_FORMAT, "image",
      "\"%.200s\" is a PNG, which this build cannot read: make a PPM of it",
      path);
}

DvStatus
png_write (const char *path, const uint8_t *rgb, uint32_t width,
    uint32_t height, uint64_t *bytes, DvError *error)
{
  return dv_fail (error, DV_ERROR_SINK, "output",
      "cannot write \"%.200s\": this build has no PNG", path);
}

#endif
