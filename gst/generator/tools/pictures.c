/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which kind of file an --output means, and files with numbers in their names.
 */
#include "pictures.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_DIGITS 12

static bool
ends_in (const char *text, const char *end)
{
  size_t length = strlen (text), tail = strlen (end);

  return length >= tail && strcmp (text + length - tail, end) == 0;
}

/* Whether there is exactly one number in it, "%d" or "%06d", and no other per
 * cent sign but doubled ones. */
static bool
is_pattern (const char *text)
{
  int numbers = 0;

  for (; *text; text++) {
    if (*text != '%')
      continue;
    if (*++text == '%')
      continue;
    if (*text == '0')
      text++;
    if (isdigit ((unsigned char)*text) && isdigit ((unsigned char)text[1]))
      text++;
    if (isdigit ((unsigned char)*text))
      text++;
    if (*text != 'd')
      return false;
    numbers++;
  }
  return numbers == 1;
}

/* Writes the name of the file with this number. */
static bool
fill_pattern (const char *pattern, uint64_t number, char *name, size_t room)
{
  size_t length = 0;

  for (; *pattern && length + 32 < room; pattern++) {
    int digits = 0;

    if (*pattern != '%' || *++pattern == '%') {
      name[length++] = *pattern;
      continue;
    }
    while (isdigit ((unsigned char)*pattern))
      digits = 10 * digits + *pattern++ - '0';
    if (digits > MAX_DIGITS)
      digits = MAX_DIGITS;
    length +=
        (size_t)snprintf (name + length, 32, "%0*" PRIu64, digits, number);
  }
  name[length] = 0;
  return *pattern == 0;
}

static DvStatus
open_folder (Pictures *self, const char *place, DvError *error)
{
  size_t length = strlen (place);

  if (mkdir (place, 0777) != 0 && errno != EEXIST)
    return dv_fail (error, DV_ERROR_SINK, "output",
        "cannot make the folder \"%.200s\": %s", place, strerror (errno));
  if (access (place, W_OK | X_OK) != 0)
    return dv_fail (error, DV_ERROR_SINK, "output",
        "cannot write into \"%.200s\": %s", place, strerror (errno));
  while (length > 1 && place[length - 1] == '/')
    length--;
  /* A per cent sign in the folder's name is no number. */
  self->pattern[0] = 0;
  for (size_t i = 0, at = 0; i < length; i++) {
    if (place[i] == '%')
      self->pattern[at++] = '%';
    self->pattern[at++] = place[i];
    self->pattern[at] = 0;
  }
  strcat (self->pattern, "/frame-%06d.png");
  return DV_OK;
}

static DvStatus
check_png (DvError *error)
{
#ifdef HAVE_PNG
  return DV_OK;
#else
  return dv_fail (error, DV_ERROR_ARGUMENT, "output",
      "this build has no PNG: name a Y4M file, or a pattern of PPM files such "
      "as frame-%%06d.ppm");
#endif
}

DvStatus
pictures_open (Pictures *self, const char *place, DvError *error)
{
  struct stat about;
  bool there;
  DvStatus status;

  *self = (Pictures){.place = place};
  if (!place)
    return DV_OK;
  if (strlen (place) > sizeof self->pattern / 2 - 32)
    return dv_fail (
        error, DV_ERROR_ARGUMENT, "output", "--output is too long a name");
  there = stat (place, &about) == 0;
  if (ends_in (place, "/") || (there && S_ISDIR (about.st_mode))) {
    self->kind = PICTURES_PNG;
    status = check_png (error);
    return status == DV_OK ? open_folder (self, place, error) : status;
  }
  if (strcmp (place, "-") == 0 || ends_in (place, ".y4m") ||
      (there && !S_ISREG (about.st_mode))) {
    if (strcmp (place, "-") == 0 && isatty (STDOUT_FILENO))
      return dv_fail (error, DV_ERROR_ARGUMENT, "output",
          "standard output is a terminal, which pictures would only confuse: "
          "send it into a pipe");
    self->kind = PICTURES_Y4M;
    return outfile_open (&self->y4m, place, error);
  }
  if (!is_pattern (place) ||
      !(ends_in (place, ".png") || ends_in (place, ".ppm")))
    return dv_fail (error, DV_ERROR_ARGUMENT, "output",
        "--output \"%.160s\" is neither FILE.y4m nor FOLDER/ nor a pattern "
        "such as frame-%%06d.png nor -",
        place);
  strcpy (self->pattern, place);
  self->kind = ends_in (place, ".png") ? PICTURES_PNG : PICTURES_PPM;
  return self->kind == PICTURES_PNG ? check_png (error) : DV_OK;
}

void
pictures_set_format (Pictures *self, uint32_t width, uint32_t height,
    uint32_t fps_n, uint32_t fps_d)
{
  self->width = width;
  self->height = height;
  self->fps_n = fps_n;
  self->fps_d = fps_d;
}

/* One file of its own, numbered from 1. */
static DvStatus
write_numbered (
    Pictures *self, uint64_t number, const uint8_t *frame, DvError *error)
{
  char name[sizeof self->pattern];

  if (!self->rgb)
    self->rgb = malloc ((size_t)self->width * self->height * 3);
  if (!self->rgb)
    return dv_fail (error, DV_ERROR_MEMORY, "output",
        "no memory for a picture of %ux%u pixels", self->width, self->height);
  if (!fill_pattern (self->pattern, number + 1, name, sizeof name))
    return dv_fail (
        error, DV_ERROR_ARGUMENT, "output", "--output is too long a name");
  rgb_from_i420 (frame, self->width, self->height, self->rgb);
  return (self->kind == PICTURES_PNG ? png_write : ppm_write) (
      name, self->rgb, self->width, self->height, &self->bytes, error);
}

DvStatus
pictures_write (Pictures *self, uint64_t number, uint8_t *frame, DvError *error)
{
  switch (self->kind) {
    case PICTURES_NONE:
      return DV_OK;
    case PICTURES_Y4M:
      return y4m_write (self, frame, error);
    default:
      return write_numbered (self, number, frame, error);
  }
}

DvStatus
pictures_close (Pictures *self, DvError *error)
{
  free (self->rgb);
  self->rgb = NULL;
  return self->kind == PICTURES_Y4M ? outfile_close (&self->y4m, error) : DV_OK;
}

DvStatus
picture_alloc (const char *path, uint64_t width, uint64_t height,
    DvImage *image, DvError *error)
{
  uint8_t *pixels;

  if (width < 1 || height < 1 || width > PICTURE_MAX_SIDE ||
      height > PICTURE_MAX_SIDE)
    return dv_fail (error, DV_ERROR_FORMAT, "image",
        "\"%.200s\" has %" PRIu64 "x%" PRIu64
        " pixels; a side may have 1 to %d",
        path, width, height, PICTURE_MAX_SIDE);
  pixels = malloc ((size_t)(width * height * 3));
  if (!pixels)
    return dv_fail (error, DV_ERROR_MEMORY, "image",
        "no memory for the %" PRIu64 "x%" PRIu64 " pixels of \"%.200s\"", width,
        height, path);
  *image =
      (DvImage){pixels, (uint32_t)width, (uint32_t)height, (size_t)width * 3};
  return DV_OK;
}

DvStatus
picture_read (const char *path, DvImage *image, DvError *error)
{
  FILE *file = fopen (path, "re");
  unsigned char magic[2];
  DvStatus status;

  *image = (DvImage){0};
  if (!file)
    return dv_fail (error, DV_ERROR_NOT_FOUND, "image",
        "cannot open \"%.200s\": %s", path, strerror (errno));
  if (fread (magic, 1, 2, file) != 2)
    magic[0] = 0;
  rewind (file);
  if (magic[0] == 0x89 && magic[1] == 'P')
    status = png_read (file, path, image, error);
  else if (magic[0] == 'P' && magic[1] == '6')
    status = ppm_read (file, path, image, error);
  else
    status = dv_fail (error, DV_ERROR_FORMAT, "image",
        "\"%.200s\" is neither PNG nor PPM (P6)", path);
  fclose (file);
  if (status != DV_OK) {
    free ((void *)image->pixels);
    *image = (DvImage){0};
  }
  return status;
}
