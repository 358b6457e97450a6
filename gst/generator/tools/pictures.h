/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where frames go: a Y4M stream, numbered PNG or PPM files, or nowhere. And
 * pictures read back, as start images.
 */
#ifndef PICTURES_H
#define PICTURES_H

#include <stdio.h>

#include "generator.h"
#include "outfile.h"

/* Bytes before a frame that belong to pictures_write(). */
#define PICTURES_HEAD 64

typedef struct {
  enum { PICTURES_NONE, PICTURES_Y4M, PICTURES_PNG, PICTURES_PPM } kind;
  const char *place; /* the caller's */
  char pattern[4096];
  OutFile y4m;
  uint32_t width, height, fps_n, fps_d;
  uint8_t *rgb;   /* one frame; NULL until one is needed */
  uint64_t bytes; /* written */
} Pictures;

/* Recognises what @place (NULL: nowhere) names and looks whether it can be
 * written. */
DvStatus pictures_open (Pictures *pictures, const char *place, DvError *error);
void pictures_set_format (Pictures *pictures, uint32_t width, uint32_t height,
    uint32_t fps_n, uint32_t fps_d);
/* Frame @number of the stream, counted from 0: I420 planes one after the
 * other, with PICTURES_HEAD bytes before them that this overwrites. */
DvStatus pictures_write (
    Pictures *pictures, uint64_t number, uint8_t *frame, DvError *error);
/* Also after a failure; @error may be NULL. */
DvStatus pictures_close (Pictures *pictures, DvError *error);

/* y4m.c */
DvStatus y4m_write (Pictures *pictures, uint8_t *frame, DvError *error);

/* rgb.c: limited-range BT.709, @rgb [height, width, 3]. */
void rgb_from_i420 (
    const uint8_t *frame, uint32_t width, uint32_t height, uint8_t *rgb);

/* png.c and ppm.c. Files are whole or not there. */
DvStatus png_write (const char *path, const uint8_t *rgb, uint32_t width,
    uint32_t height, uint64_t *bytes, DvError *error);
DvStatus ppm_write (const char *path, const uint8_t *rgb, uint32_t width,
    uint32_t height, uint64_t *bytes, DvError *error);

#define PICTURE_MAX_SIDE 16384

/* PNG or PPM, by its first bytes. @image->pixels is to be freed with free(). */
DvStatus picture_read (const char *path, DvImage *image, DvError *error);
DvStatus png_read (
    FILE *file, const char *path, DvImage *image, DvError *error);
DvStatus ppm_read (
    FILE *file, const char *path, DvImage *image, DvError *error);
/* Memory for a picture of this size. */
DvStatus picture_alloc (
    const char *path, uint64_t width, uint64_t height, DvImage *, DvError *);

#endif
