/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Portable pixmaps, binary (P6), 8 bits.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "pictures.h"

/* The next number of a header; 0 when there is none up to a million. */
static uint32_t
next_number (FILE *file)
{
  uint32_t value = 0;
  int c = getc (file);

  while (isspace (c) || c == '#') {
    if (c == '#')
      while (c != '\n' && c != EOF)
        c = getc (file);
    c = getc (file);
  }
  for (; isdigit (c); c = getc (file)) {
    value = 10 * value + (uint32_t)(c - '0');
    if (value > 1000000)
      return 0;
  }
  /* One blank follows each, and after the last one come the pixels. */
  return isspace (c) ? value : 0;
}

DvStatus
ppm_read (FILE *file, const char *path, DvImage *image, DvError *error)
{
  uint32_t width, height, most;
  DvStatus status;
  size_t size;

  getc (file);
  getc (file); /* P6 */
  width = next_number (file);
  height = next_number (file);
  most = next_number (file);
  if (most != 255)
    return dv_fail (error, DV_ERROR_FORMAT, "image",
        "\"%.200s\" is no PPM of 8 bits a channel", path);
  status = picture_alloc (path, width, height, image, error);
  if (status != DV_OK)
    return status;
  size = image->stride * height;
  if (fread ((void *)image->pixels, 1, size, file) != size)
    return dv_fail (error, DV_ERROR_FORMAT, "image",
        "\"%.200s\" ends before its %ux%u pixels", path, width, height);
  return DV_OK;
}

DvStatus
ppm_write (const char *path, const uint8_t *rgb, uint32_t width,
    uint32_t height, uint64_t *bytes, DvError *error)
{
  size_t size = (size_t)width * height * 3;
  char header[64];
  OutFile file;
  DvStatus status = outfile_open (&file, path, error), closed;
  int length =
      snprintf (header, sizeof header, "P6\n%u %u\n255\n", width, height);

  if (status != DV_OK)
    return status;
  status = outfile_write (&file, header, (size_t)length, error);
  if (status == DV_OK)
    status = outfile_write (&file, rgb, size, error);
  *bytes += file.whole;
  if (status != DV_OK && file.made)
    outfile_cut (&file, 0, NULL);
  closed = outfile_close (&file, status == DV_OK ? error : NULL);
  return status == DV_OK ? closed : status;
}
