/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Writing a safetensors file (safetensors-write.h; the format is described in
 * safetensors-header.c).
 */
#include "safetensors-write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct DvSafetensorsWriter {
  char *path;
  int fd;
  char *header; /* while tensors are announced */
  size_t used, size;
  char *metadata;
  size_t metadata_used, metadata_size;
  uint64_t announced, written;
  bool begun;
  DvStatus status;
  DvError error;
};

static void __attribute__ ((format (printf, 3, 4)))
fail (DvSafetensorsWriter *w, DvStatus code, const char *format, ...)
{
  char text[256];
  va_list args;

  if (w->status != DV_OK)
    return;
  va_start (args, format);
  vsnprintf (text, sizeof text, format, args);
  va_end (args);
  w->status = dv_fail (&w->error, code, "write", "%s: %s", w->path, text);
}

DvSafetensorsWriter *
dv_safetensors_write (const char *path, DvError *error)
{
  DvSafetensorsWriter *w = calloc (1, sizeof *w);

  if (w)
    w->path = strdup (path);
  if (!w || !w->path) {
    free (w);
    dv_fail (error, DV_ERROR_MEMORY, "write",
        "There is no memory left to write a file.");
    return NULL;
  }
  w->fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (w->fd < 0) {
    dv_fail (error, DV_ERROR_ARGUMENT, "write", "%s cannot be written: %s.",
        path, strerror (errno));
    free (w->path);
    free (w);
    return NULL;
  }
  return w;
}

/* ---- text ---- */

static void
append (DvSafetensorsWriter *w, char **text, size_t *used, size_t *size,
    const char *what, size_t n)
{
  if (w->status != DV_OK)
    return;
  if (n + 1 > *size - *used) {
    size_t grown_size = 2 * *size + n + 256;
    char *grown = realloc (*text, grown_size);

    if (!grown) {
      fail (w, DV_ERROR_MEMORY, "there is no memory left for its header.");
      return;
    }
    *text = grown;
    *size = grown_size;
  }
  memcpy (*text + *used, what, n);
  *used += n;
  (*text)[*used] = 0;
}

static void
put (DvSafetensorsWriter *w, const char *text)
{
  append (w, &w->header, &w->used, &w->size, text, strlen (text));
}

static void
put_metadata (DvSafetensorsWriter *w, const char *text, size_t n)
{
  append (w, &w->metadata, &w->metadata_used, &w->metadata_size, text, n);
}

/* A string with its quotes and escapes. */
static void
put_metadata_string (DvSafetensorsWriter *w, const char *text)
{
  char escape[8];

  put_metadata (w, "\"", 1);
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;

    if (c == '"' || c == '\\')
      snprintf (escape, sizeof escape, "\\%c", c);
    else if (c < 0x20)
      snprintf (escape, sizeof escape, "\\u%04x", c);
    else
      snprintf (escape, sizeof escape, "%c", c);
    put_metadata (w, escape, strlen (escape));
  }
  put_metadata (w, "\"", 1);
}

void
dv_safetensors_write_metadata (
    DvSafetensorsWriter *w, const char *key, const char *value)
{
  if (w->metadata_used)
    put_metadata (w, ",", 1);
  put_metadata_string (w, key);
  put_metadata (w, ":", 1);
  put_metadata_string (w, value);
}

static const char *
dtype_name (DvDtype dtype)
{
  switch (dtype) {
    case DV_F32:
      return "F32";
    case DV_BF16:
      return "BF16";
    case DV_F16:
      return "F16";
    case DV_F64:
      return "F64";
    case DV_I64:
      return "I64";
    case DV_I32:
      return "I32";
    case DV_I16:
      return "I16";
    case DV_I8:
      return "I8";
    case DV_U8:
      return "U8";
    case DV_BOOL:
      return "BOOL";
    case DV_F8_E4M3:
      return "F8_E4M3";
    case DV_F8_E5M2:
      return "F8_E5M2";
    default:
      return "?";
  }
}

void
dv_safetensors_write_tensor (DvSafetensorsWriter *w, const char *name,
    DvDtype dtype, int n_dims, const int64_t *shape)
{
  uint64_t bytes = dv_dtype_size (dtype);
  char text[96];

  if (w->begun)
    fail (w, DV_ERROR_ARGUMENT, "%.96s is announced too late.", name);
  put (w, w->used ? ",\"" : "{\"");
  put (w, name);
  snprintf (text, sizeof text, "\":{\"dtype\":\"%s\",\"shape\":[",
      dtype_name (dtype));
  put (w, text);
  for (int i = 0; i < n_dims; i++) {
    snprintf (text, sizeof text, "%s%lld", i ? "," : "", (long long)shape[i]);
    put (w, text);
    if (shape[i] < 0 ||
        __builtin_mul_overflow (bytes, (uint64_t)shape[i], &bytes))
      fail (w, DV_ERROR_ARGUMENT, "%.96s is too large.", name);
  }
  snprintf (text, sizeof text, "],\"data_offsets\":[%llu,%llu]}",
      (unsigned long long)w->announced,
      (unsigned long long)(w->announced + bytes));
  put (w, text);
  if (__builtin_add_overflow (w->announced, bytes, &w->announced))
    fail (w, DV_ERROR_ARGUMENT, "it would be too large.");
}

/* ---- bytes ---- */

static void
write_all (DvSafetensorsWriter *w, const void *data, size_t n)
{
  const uint8_t *at = data;

  while (n > 0 && w->status == DV_OK) {
    ssize_t done = write (w->fd, at, n);

    if (done < 0 && errno == EINTR)
      continue;
    if (done < 0) {
      fail (w, errno == ENOSPC ? DV_ERROR_MEMORY : DV_ERROR_ARGUMENT,
          "it cannot be written: %s.", strerror (errno));
      return;
    }
    at += done;
    n -= (size_t)done;
  }
}

/* The header; padded, so that the data begins on a multiple of 8. */
static void
begin (DvSafetensorsWriter *w)
{
  uint8_t length[8];
  uint64_t n;

  if (w->begun)
    return;
  w->begun = true;
  if (w->metadata_used) {
    put (w, w->used ? ",\"__metadata__\":{" : "{\"__metadata__\":{");
    put (w, w->metadata ? w->metadata : "");
    put (w, "}");
  }
  put (w, w->used ? "}" : "{}");
  while (w->status == DV_OK && w->used % 8)
    put (w, " ");
  n = w->used;
  for (int i = 0; i < 8; i++)
    length[i] = (uint8_t)(n >> (8 * i));
  write_all (w, length, sizeof length);
  write_all (w, w->header, w->used);
}

void
dv_safetensors_write_data (
    DvSafetensorsWriter *w, const void *data, size_t bytes)
{
  begin (w);
  if (bytes > w->announced - w->written) {
    fail (w, DV_ERROR_ARGUMENT, "more data than was announced.");
    return;
  }
  write_all (w, data, bytes);
  w->written += bytes;
}

void
dv_safetensors_write_hole (DvSafetensorsWriter *w, uint64_t bytes)
{
  off_t end;

  begin (w);
  if (bytes > w->announced - w->written) {
    fail (w, DV_ERROR_ARGUMENT, "more data than was announced.");
    return;
  }
  if (w->status != DV_OK)
    return;
  w->written += bytes;
  end = lseek (w->fd, (off_t)bytes, SEEK_CUR);
  if (end < 0 || ftruncate (w->fd, end) != 0)
    fail (w, DV_ERROR_ARGUMENT, "it cannot be written: %s.", strerror (errno));
}

DvStatus
dv_safetensors_write_end (DvSafetensorsWriter *w, DvError *error)
{
  DvStatus status;

  begin (w);
  if (w->written != w->announced)
    fail (w, DV_ERROR_ARGUMENT, "less data than was announced.");
  if (close (w->fd) != 0)
    fail (w, DV_ERROR_ARGUMENT, "it cannot be written: %s.", strerror (errno));
  status = w->status;
  if (status != DV_OK) {
    unlink (w->path);
    if (error)
      *error = w->error;
  }
  free (w->header);
  free (w->metadata);
  free (w->path);
  free (w);
  return status;
}
