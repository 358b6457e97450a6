/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Files of whole pieces.
 */
#include "outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static DvStatus
failed (const OutFile *self, const char *what, DvError *error)
{
  return dv_fail (error, DV_ERROR_SINK, "output", "cannot %s \"%.200s\": %s",
      what, self->name, strerror (errno));
}

DvStatus
outfile_open (OutFile *self, const char *path, DvError *error)
{
  struct stat about;

  *self = (OutFile){.path = path, .name = path};
  if (strcmp (path, "-") == 0) {
    self->name = "standard output";
    self->fd = STDOUT_FILENO;
  } else {
    /* Whether it is ours to remove shows only so. */
    self->fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    self->made = self->fd >= 0;
    if (self->fd < 0 && errno == EEXIST)
      self->fd = open (path, O_WRONLY | O_CLOEXEC);
    if (self->fd < 0)
      return failed (self, "write", error);
  }
  self->regular = self->fd != STDOUT_FILENO && fstat (self->fd, &about) == 0 &&
                  S_ISREG (about.st_mode);
  return DV_OK;
}

/* All of it, however the system cuts it up. */
static bool
write_all (int fd, const uint8_t *data, size_t size)
{
  while (size > 0) {
    ssize_t written = write (fd, data, size);

    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return false;
    data += written;
    size -= (size_t)written;
  }
  return true;
}

DvStatus
outfile_write (OutFile *self, const void *data, size_t size, DvError *error)
{
  DvStatus status;

  if (!self->begun && self->regular && ftruncate (self->fd, 0) != 0)
    return failed (self, "write", error);
  self->begun = true;
  if (!write_all (self->fd, data, size)) {
    status = failed (self, "write", error);
    outfile_cut (self, self->whole, NULL);
    return status;
  }
  self->whole += size;
  return DV_OK;
}

DvStatus
outfile_patch (
    OutFile *self, uint64_t at, const void *data, size_t size, DvError *error)
{
  const uint8_t *bytes = data;

  while (self->regular && size > 0) {
    ssize_t written = pwrite (self->fd, bytes, size, (off_t)at);

    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return failed (self, "write", error);
    bytes += written;
    at += (uint64_t)written;
    size -= (size_t)written;
  }
  return DV_OK;
}

DvStatus
outfile_cut (OutFile *self, uint64_t size, DvError *error)
{
  if (!self->regular)
    return DV_OK;
  if (ftruncate (self->fd, (off_t)size) != 0 ||
      lseek (self->fd, (off_t)size, SEEK_SET) < 0)
    return failed (self, "cut", error);
  self->whole = size;
  return DV_OK;
}

DvStatus
outfile_close (OutFile *self, DvError *error)
{
  DvStatus status = DV_OK;

  if (self->fd < 0 || !self->path)
    return DV_OK;
  if (self->made && self->whole == 0)
    unlink (self->path);
  if (self->fd != STDOUT_FILENO && close (self->fd) != 0)
    status = failed (self, "finish", error);
  self->fd = -1;
  return status;
}
