/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * safetensors files: mapping, shards, look-up (safetensors.h). Headers are
 * read in safetensors-header.c.
 */
#include "safetensors-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json-stream.h"

#define MAX_SHARDS 4096

static DvSafetensors *
new_file (const char *path, DvError *error)
{
  DvSafetensors *file = calloc (1, sizeof *file);

  if (file)
    file->path = strdup (path);
  if (!file || !file->path) {
    free (file);
    dv_fail (error, DV_ERROR_MEMORY, "open",
        "There is no memory left to open a file of weights.");
    return NULL;
  }
  return file;
}

void
dv_safetensors_free (DvSafetensors *file)
{
  if (!file)
    return;
  for (size_t i = 0; i < file->n_shards; i++) {
    DvShard *shard = &file->shard[i];

    if (shard->mapped)
      munmap (shard->mapped, shard->size);
    free (shard->header);
    free (shard->pool);
    free (shard->path);
  }
  free (file->shard);
  free (file->entry);
  free (file->meta);
  free (file->path);
  free (file);
}

/* A new shard at the end of the list, with its path. */
static DvShard *
add_shard (DvSafetensors *file, const char *path, DvError *error)
{
  DvShard *grown =
      realloc (file->shard, (file->n_shards + 1) * sizeof *file->shard);
  DvShard *shard;

  if (!grown)
    goto no_memory;
  file->shard = grown;
  shard = &grown[file->n_shards];
  *shard = (DvShard){.path = strdup (path)};
  if (!shard->path)
    goto no_memory;
  file->n_shards++;
  return shard;

no_memory:
  dv_fail (error, DV_ERROR_MEMORY, "open",
      "There is no memory left to open %s.", path);
  return NULL;
}

/* The header comes by read(), not through the mapping, so that opening causes
 * no page faults and no read-ahead of weights. */
static DvStatus
read_header (int fd, DvShard *shard, DvError *error)
{
  uint8_t length[8] = {0};
  uint64_t n;
  DvStatus status;

  if (shard->size >= 8 && pread (fd, length, 8, 0) != 8)
    goto unreadable;
  status = dv_shard_header_size (shard, length, &n, error);
  if (status != DV_OK)
    return status;
  shard->header = malloc (n);
  if (!shard->header)
    return dv_fail (error, DV_ERROR_MEMORY, "open",
        "There is no memory left for the %llu bytes of %s's header.",
        (unsigned long long)n, shard->path);
  shard->header_size = n;
  for (size_t done = 0; done < n;) {
    ssize_t got = pread (fd, shard->header + done, n - done, (off_t)(8 + done));

    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      goto unreadable;
    done += (size_t)got;
  }
  return DV_OK;

unreadable:
  return dv_fail (error, DV_ERROR_FORMAT, "open", "%s cannot be read: %s.",
      shard->path, errno ? strerror (errno) : "it is too short");
}

static DvStatus
map_shard (DvShard *shard, DvError *error)
{
  struct stat st;
  DvStatus status;
  int fd = open (shard->path, O_RDONLY | O_CLOEXEC);

  if (fd < 0)
    return dv_fail (error,
        errno == ENOENT ? DV_ERROR_NOT_FOUND : DV_ERROR_FORMAT, "open",
        "%s cannot be opened: %s.", shard->path, strerror (errno));
  if (fstat (fd, &st) != 0 || !S_ISREG (st.st_mode)) {
    status =
        dv_fail (error, DV_ERROR_FORMAT, "open", "%s is no file.", shard->path);
    goto out;
  }
  shard->size = (size_t)st.st_size;
  errno = 0;
  status = read_header (fd, shard, error);
  if (status != DV_OK)
    goto out;
  shard->mapped = mmap (NULL, shard->size, PROT_READ, MAP_SHARED, fd, 0);
  if (shard->mapped == MAP_FAILED) {
    shard->mapped = NULL;
    status = dv_fail (error, DV_ERROR_MEMORY, "open",
        "%s (%zu bytes) cannot be mapped: %s.", shard->path, shard->size,
        strerror (errno));
    goto out;
  }
  shard->bytes = shard->mapped;

out:
  close (fd);
  return status;
}

static DvStatus
open_shard (DvSafetensors *file, const char *path, DvError *error)
{
  DvShard *shard = add_shard (file, path, error);
  DvStatus status;

  if (!shard)
    return DV_ERROR_MEMORY;
  status = map_shard (shard, error);
  if (status == DV_OK)
    status = dv_shard_read (file, shard, error);
  free (shard->header);
  shard->header = NULL;
  return status;
}

/* ---- an index of shards ---- */

/* Goes to the entries of weight_map; what is before it is skipped. */
static bool
enter_weight_map (DvJsonStream *json)
{
  DvJsonKind kind;

  if (!dv_json_expect (json, DV_JSON_OBJECT, "an index's object"))
    return false;
  while ((kind = dv_json_next (json)) == DV_JSON_KEY) {
    if (dv_json_text_is (json, "weight_map"))
      return dv_json_expect (json, DV_JSON_OBJECT, "a map of weights");
    if (!dv_json_skip (json))
      return false;
  }
  return dv_json_fail (json, DV_ERROR_FORMAT, "weight_map is missing");
}

/* The directory of @index, then the name that was read last, which must be a
 * plain one. */
static bool
shard_path (DvJsonStream *json, const char *index, char *path, size_t size)
{
  const char *slash = strrchr (index, '/');
  size_t n = slash ? (size_t)(slash - index) + 1 : 0, length;
  const char *name = dv_json_text (json, &length);

  if (n + length + 1 > size || length == 0 || strlen (name) != length ||
      strchr (name, '/') || strchr (name, '\\') || name[0] == '.')
    return dv_json_fail (
        json, DV_ERROR_FORMAT, "a shard's name that is no plain file name");
  memcpy (path, index, n);
  memcpy (path + n, name, length + 1);
  return true;
}

static size_t
find_shard (const DvSafetensors *file, const char *path)
{
  for (size_t i = file->n_shards; i-- > 0;)
    if (strcmp (file->shard[i].path, path) == 0)
      return i;
  return SIZE_MAX;
}

/* Opens each shard that is named; DV_OK also where the text is at fault, which
 * its reader tells. */
static DvStatus
open_shards (DvSafetensors *file, DvJsonStream *json, DvError *error)
{
  char path[4096];
  DvStatus status = DV_OK;

  if (!enter_weight_map (json))
    return DV_OK;
  while (status == DV_OK && dv_json_next (json) == DV_JSON_KEY &&
         dv_json_expect (json, DV_JSON_STRING, "a shard's name") &&
         shard_path (json, file->path, path, sizeof path)) {
    if (find_shard (file, path) != SIZE_MAX)
      continue;
    if (file->n_shards == MAX_SHARDS)
      return dv_fail (error, DV_ERROR_FORMAT, "open",
          "%s names more than %d shards.", file->path, MAX_SHARDS);
    status = open_shard (file, path, error);
  }
  return status;
}

/* Whether every tensor of the index is where the index says. */
static void
check_index (const DvSafetensors *file, DvJsonStream *json)
{
  char path[4096], name[512];
  const DvEntry *entry;
  size_t length;
  bool good = enter_weight_map (json);

  while (good && dv_json_next (json) == DV_JSON_KEY) {
    const char *text = dv_json_text (json, &length);

    entry = dv_entry_find (file, text);
    snprintf (name, sizeof name, "%s", text);
    good = dv_json_expect (json, DV_JSON_STRING, "a shard's name") &&
           shard_path (json, file->path, path, sizeof path);
    if (good && (!entry || entry->shard != find_shard (file, path)))
      good = dv_json_fail (json, DV_ERROR_FORMAT,
          "the tensor %.96s is not in its shard %.96s", name,
          dv_json_text (json, &length));
  }
}

static DvStatus
open_index (DvSafetensors *file, DvError *error)
{
  DvJsonStream *json;
  DvError local = {DV_OK};
  DvStatus status;

  json = dv_json_open (file->path, &local);
  if (!json) {
    status = local.code;
    goto out;
  }
  status = open_shards (file, json, &local);
  if (status == DV_OK)
    status = dv_json_status (json, &local);
  if (status == DV_OK)
    status = dv_entries_sort (file, &local);
  if (status == DV_OK) {
    dv_json_rewind (json);
    check_index (file, json);
    status = dv_json_status (json, &local);
  }

out:
  dv_json_close (json);
  if (status != DV_OK && error)
    *error = local;
  return status;
}

DvSafetensors *
dv_safetensors_open (const char *path, DvError *error)
{
  DvSafetensors *file = new_file (path, error);
  size_t n = strlen (path);
  DvStatus status;

  if (!file)
    return NULL;
  if (n > 5 && strcmp (path + n - 5, ".json") == 0) {
    status = open_index (file, error);
  } else {
    status = open_shard (file, path, error);
    if (status == DV_OK)
      status = dv_entries_sort (file, error);
  }
  if (status != DV_OK) {
    dv_safetensors_free (file);
    return NULL;
  }
  return file;
}

DvSafetensors *
dv_safetensors_parse (
    const void *bytes, size_t size, const char *name, DvError *error)
{
  DvSafetensors *file = new_file (name, error);
  DvShard *shard = file ? add_shard (file, name, error) : NULL;
  uint64_t n;
  DvStatus status;

  if (!shard)
    goto failed;
  shard->bytes = bytes;
  shard->size = size;
  status = dv_shard_header_size (shard, bytes, &n, error);
  if (status == DV_OK) {
    /* Only read; the const comes back at once. */
    shard->header = (char *)(uintptr_t)bytes + 8;
    shard->header_size = n;
    status = dv_shard_read (file, shard, error);
    shard->header = NULL;
  }
  if (status == DV_OK)
    status = dv_entries_sort (file, error);
  if (status == DV_OK)
    return file;

failed:
  dv_safetensors_free (file);
  return NULL;
}

/* ---- look-up ---- */

const DvEntry *
dv_entry_find (const DvSafetensors *file, const char *name)
{
  size_t low = 0, high = file->n_entries;

  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = strcmp (name, file->entry[middle].name);

    if (order == 0)
      return &file->entry[middle];
    if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return NULL;
}

size_t
dv_safetensors_count (const DvSafetensors *file)
{
  return file->n_entries;
}

const DvTensor *
dv_safetensors_find (const DvSafetensors *file, const char *name)
{
  const DvEntry *entry = dv_entry_find (file, name);

  return entry ? &entry->tensor : NULL;
}

const DvTensor *
dv_safetensors_nth (const DvSafetensors *file, size_t i, const char **name)
{
  if (i >= file->n_entries)
    return NULL;
  if (name)
    *name = file->entry[i].name;
  return &file->entry[i].tensor;
}

const char *
dv_safetensors_metadata (const DvSafetensors *file, const char *key)
{
  for (size_t i = 0; i < file->n_meta; i++)
    if (strcmp (file->meta[i].key, key) == 0)
      return file->meta[i].value;
  return NULL;
}

const char *
dv_safetensors_path (const DvSafetensors *file)
{
  return file->path;
}

uint64_t
dv_safetensors_bytes (const DvSafetensors *file)
{
  uint64_t bytes = 0;

  for (size_t i = 0; i < file->n_entries; i++)
    bytes += file->entry[i].end - file->entry[i].begin;
  return bytes;
}

/* ---- hints ---- */

/* The whole pages that hold @tensor, if it lies in a mapping of @file. */
static bool
pages (const DvSafetensors *file, const DvTensor *tensor, void **start,
    size_t *size)
{
  uintptr_t page = (uintptr_t)sysconf (_SC_PAGESIZE);
  uintptr_t at = (uintptr_t)tensor->data;
  size_t bytes = dv_tensor_bytes (tensor);

  for (size_t i = 0; i < file->n_shards; i++) {
    uintptr_t base = (uintptr_t)file->shard[i].mapped;

    if (!base || bytes == 0 || at < base || at - base >= file->shard[i].size)
      continue;
    *start = (void *)(at & ~(page - 1));
    *size = bytes + (at & (page - 1));
    return true;
  }
  return false;
}

void
dv_safetensors_will_read (const DvSafetensors *file, const DvTensor *tensor)
{
  void *start;
  size_t size;

  if (!pages (file, tensor, &start, &size))
    return;
  madvise (start, size, MADV_SEQUENTIAL);
  madvise (start, size, MADV_WILLNEED);
}

void
dv_safetensors_was_read (
    const DvSafetensors *file, const DvTensor *tensor, bool stays)
{
  void *start;
  size_t size;

  if (!pages (file, tensor, &start, &size))
    return;
  /* Pages read in sequence are the first that the system takes back. */
  madvise (start, size, MADV_NORMAL);
  if (!stays)
    madvise (start, size, MADV_DONTNEED);
}
