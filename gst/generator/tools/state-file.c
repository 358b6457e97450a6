/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * State files: magic, version, checksum of what follows, how far the stream
 * is, the session's bytes. Little-endian.
 */
#include "state-file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "outfile.h"

#define MAGIC 0x54535644u /* "DVST" */
#define VERSION 1u
#define HEADER 36
#define CHECKED 12 /* where the checksum begins to count */
#define MAX_BYTES ((uint64_t)1 << 34)
#define MAX_COUNT ((uint64_t)1 << 48)

static void
put (uint8_t *at, uint64_t value, int bytes)
{
  for (int i = 0; i < bytes; i++)
    at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t
get (const uint8_t *at, int bytes)
{
  uint64_t value = 0;

  for (int i = 0; i < bytes; i++)
    value |= (uint64_t)at[i] << (8 * i);
  return value;
}

static uint32_t
checksum (const uint8_t *data, size_t size)
{
  uint32_t sum = 2166136261u;

  for (size_t i = 0; i < size; i++)
    sum = (sum ^ data[i]) * 16777619u;
  return sum;
}

static DvStatus
read_all (const char *path, uint8_t **data, size_t *size, DvError *error)
{
  FILE *file = fopen (path, "re");
  struct stat about;
  DvStatus status = DV_OK;

  if (!file)
    return dv_fail (error, DV_ERROR_NOT_FOUND, "state",
        "cannot open \"%.200s\": %s", path, strerror (errno));
  if (fstat (fileno (file), &about) != 0 || !S_ISREG (about.st_mode) ||
      about.st_size < HEADER || (uint64_t)about.st_size > MAX_BYTES) {
    fclose (file);
    return dv_fail (error, DV_ERROR_FORMAT, "state",
        "\"%.200s\" is no state that --state-out wrote", path);
  }
  *size = (size_t)about.st_size;
  *data = malloc (*size);
  if (!*data)
    status = dv_fail (error, DV_ERROR_MEMORY, "state",
        "no memory for the %zu bytes of \"%.200s\"", *size, path);
  else if (fread (*data, 1, *size, file) != *size)
    status = dv_fail (error, DV_ERROR_NOT_FOUND, "state",
        "cannot read \"%.200s\": %s", path, strerror (errno));
  fclose (file);
  return status;
}

static DvStatus
parse (const char *path, const uint8_t *data, size_t size, StreamState *state,
    DvError *error)
{
  if (get (data, 4) != MAGIC)
    return dv_fail (error, DV_ERROR_FORMAT, "state",
        "\"%.200s\" is no state that --state-out wrote", path);
  if (get (data + 4, 4) != VERSION)
    return dv_fail (error, DV_ERROR_FORMAT, "state",
        "\"%.200s\" is a state of version %u; this program reads %u", path,
        (unsigned)get (data + 4, 4), VERSION);
  if (get (data + 8, 4) != checksum (data + CHECKED, size - CHECKED))
    return dv_fail (error, DV_ERROR_FORMAT, "state",
        "\"%.200s\" is damaged: its checksum does not fit", path);
  state->frames = get (data + 12, 8);
  state->segments = (uint32_t)get (data + 20, 4);
  state->fps_n = (uint32_t)get (data + 24, 4);
  state->fps_d = (uint32_t)get (data + 28, 4);
  state->rate = (uint32_t)get (data + 32, 4);
  if (state->frames == 0 || state->frames > MAX_COUNT || state->segments == 0 ||
      state->segments >= INT_MAX || state->fps_n == 0 || state->fps_d == 0 ||
      state->rate == 0)
    return dv_fail (error, DV_ERROR_FORMAT, "state",
        "\"%.200s\" holds numbers that no stream can have", path);
  return DV_OK;
}

DvStatus
state_file_read (const char *path, StreamState *state, uint8_t **data,
    size_t *size, DvError *error)
{
  DvStatus status;

  *data = NULL;
  status = read_all (path, data, size, error);
  if (status == DV_OK)
    status = parse (path, *data, *size, state, error);
  if (status != DV_OK) {
    free (*data);
    *data = NULL;
    return status;
  }
  *size -= HEADER;
  memmove (*data, *data + HEADER, *size);
  return DV_OK;
}

/* The name of the file until it is whole. Devices are written directly. */
static void
part_name (const char *path, char *name, size_t room)
{
  struct stat about;

  if (stat (path, &about) == 0 && !S_ISREG (about.st_mode))
    snprintf (name, room, "%s", path);
  else
    snprintf (name, room, "%s.part", path);
}

DvStatus
state_file_check (const char *path, DvError *error)
{
  char name[PATH_MAX + 8];
  OutFile file;
  DvStatus status;

  if (strlen (path) >= PATH_MAX)
    return dv_fail (
        error, DV_ERROR_ARGUMENT, "state", "--state-out is too long a name");
  part_name (path, name, sizeof name);
  status = outfile_open (&file, name, error);
  return status == DV_OK ? outfile_close (&file, error) : status;
}

DvStatus
state_file_write (const char *path, const StreamState *state,
    const uint8_t *data, size_t size, DvError *error)
{
  uint8_t *whole = malloc (HEADER + size);
  char name[PATH_MAX + 8];
  OutFile file = {.fd = -1};
  DvStatus status, closed;

  if (!whole)
    return dv_fail (error, DV_ERROR_MEMORY, "state",
        "no memory for a state of %zu bytes", size);
  put (whole, MAGIC, 4);
  put (whole + 4, VERSION, 4);
  put (whole + 12, state->frames, 8);
  put (whole + 20, state->segments, 4);
  put (whole + 24, state->fps_n, 4);
  put (whole + 28, state->fps_d, 4);
  put (whole + 32, state->rate, 4);
  memcpy (whole + HEADER, data, size);
  put (whole + 8, checksum (whole + CHECKED, HEADER - CHECKED + size), 4);

  part_name (path, name, sizeof name);
  status = outfile_open (&file, name, error);
  if (status == DV_OK)
    status = outfile_write (&file, whole, HEADER + size, error);
  closed = outfile_close (&file, status == DV_OK ? error : NULL);
  if (status == DV_OK)
    status = closed;
  if (status == DV_OK && strcmp (name, path) != 0 && rename (name, path) != 0)
    status = dv_fail (error, DV_ERROR_SINK, "state",
        "cannot write \"%.200s\": %s", path, strerror (errno));
  free (whole);
  return status;
}
