/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * YUV4MPEG2: a line about the stream, then each frame after a line of its own.
 */
#include <stdio.h>
#include <string.h>

#include "pictures.h"

#define FRAME_LINE "FRAME\n"
#define FRAME_LINE_SIZE (sizeof FRAME_LINE - 1)

/* Chroma is the mean of 2 x 2 pixels, which readers call jpeg's siting. */
static DvStatus
write_header (Pictures *self, DvError *error)
{
  char line[160];
  int length = snprintf (line, sizeof line,
      "YUV4MPEG2 W%u H%u F%u:%u Ip A1:1 C420jpeg XCOLORRANGE=LIMITED\n",
      self->width, self->height, self->fps_n, self->fps_d);

  return outfile_write (&self->y4m, line, (size_t)length, error);
}

DvStatus
y4m_write (Pictures *self, uint8_t *frame, DvError *error)
{
  size_t chroma = (size_t)((self->width + 1) / 2) * ((self->height + 1) / 2);
  size_t size = (size_t)self->width * self->height + 2 * chroma;
  DvStatus status = DV_OK;

  if (!self->y4m.begun)
    status = write_header (self, error);
  if (status != DV_OK)
    return status;
  memcpy (frame - FRAME_LINE_SIZE, FRAME_LINE, FRAME_LINE_SIZE);
  status = outfile_write (
      &self->y4m, frame - FRAME_LINE_SIZE, size + FRAME_LINE_SIZE, error);
  self->bytes = self->y4m.whole;
  return status;
}
