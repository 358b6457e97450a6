/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The header of a safetensors file: 8 bytes of its length, then JSON
 *
 *   {"name": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}, …,
 *    "__metadata__": {"key": "value", …}}
 *
 * and the data, which the tensors must cover without overlap or gap.
 */
#include "safetensors-private.h"

#include <stdlib.h>
#include <string.h>

#include "json-stream.h"

#define MAX_HEADER 100000000u /* as the format's own library has it */

/* What a header's reading needs at hand. Strings are read into the pool; those
 * to be kept stay where they are. */
typedef struct {
  DvSafetensors *file;
  DvShard *shard;
  size_t n_shard;
  DvJsonStream *json;
  char *out, *end; /* the pool's free part */
  DvStatus status; /* of what is not JSON's fault */
  DvError *error;
} Reader;

DvStatus
dv_shard_header_size (
    const DvShard *shard, const uint8_t *length, uint64_t *size, DvError *error)
{
  uint64_t n = 0;

  if (shard->size < 8)
    return dv_fail (error, DV_ERROR_FORMAT, "open",
        "%s has %zu bytes, too few for a safetensors file.", shard->path,
        shard->size);
  for (int i = 8; i-- > 0;)
    n = n << 8 | length[i];
  if (n > shard->size - 8)
    return dv_fail (error, DV_ERROR_FORMAT, "open",
        "%s is cut off or no safetensors file: its header should have %llu "
        "bytes, and the file has %zu.",
        shard->path, (unsigned long long)n, shard->size);
  if (n < 2 || n > MAX_HEADER)
    return dv_fail (error, DV_ERROR_FORMAT, "open",
        "%s is no safetensors file: a header of %llu bytes is not possible.",
        shard->path, (unsigned long long)n);
  *size = n;
  return DV_OK;
}

static bool
no_memory (Reader *r)
{
  r->status = dv_fail (r->error, DV_ERROR_MEMORY, "open",
      "There is no memory left to open %s.", r->shard->path);
  return false;
}

/* Keeps the last string. */
static const char *
keep (Reader *r)
{
  size_t length;
  const char *start = dv_json_text (r->json, &length);

  r->out += length + 1;
  dv_json_lend (r->json, r->out, (size_t)(r->end - r->out));
  return start;
}

static bool
read_dtype (Reader *r, const char *name, DvDtype *dtype)
{
  static const struct {
    const char *name;
    DvDtype dtype;
  } known[] = {{"F32", DV_F32}, {"BF16", DV_BF16}, {"F16", DV_F16},
      {"F64", DV_F64}, {"I64", DV_I64}, {"I32", DV_I32}, {"I16", DV_I16},
      {"I8", DV_I8}, {"U8", DV_U8}, {"BOOL", DV_BOOL}};
  size_t length;
  const char *text;

  if (!dv_json_expect (r->json, DV_JSON_STRING, "a dtype"))
    return false;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (dv_json_text_is (r->json, known[i].name)) {
      *dtype = known[i].dtype;
      return true;
    }
  text = dv_json_text (r->json, &length);
  if (strncmp (text, "F8", 2) == 0 || strncmp (text, "F6", 2) == 0 ||
      strncmp (text, "F4", 2) == 0)
    r->status = dv_fail (r->error, DV_ERROR_FORMAT, "open",
        "%s is quantised: its tensor %.128s is %.16s. FP8 and FP4 files cannot "
        "be used; take the BF16 file of the same model.",
        r->shard->path, name, text);
  else
    r->status = dv_fail (r->error, DV_ERROR_FORMAT, "open",
        "%s: the tensor %.128s has the type %.16s, which is not known here.",
        r->shard->path, name, text);
  return false;
}

/* The whole number that was read last, if it is 0 or more. */
static bool
natural (Reader *r, const char *name, const char *what, int64_t *value)
{
  if (dv_json_integer (r->json, value) && *value >= 0)
    return true;
  r->status = dv_fail (r->error, DV_ERROR_FORMAT, "open",
      "%s: the tensor %.128s has %s that is no number from 0 to 2^63 - 1.",
      r->shard->path, name, what);
  return false;
}

static bool
read_shape (Reader *r, const char *name, DvEntry *entry, int64_t *count)
{
  DvTensor *t = &entry->tensor;
  int64_t extent = 1; /* as if no dimension were 0: strides need it */
  int64_t size;
  DvJsonKind kind;

  *count = 1;
  t->n_dims = 0;
  if (!dv_json_expect (r->json, DV_JSON_ARRAY, "a shape"))
    return false;
  while ((kind = dv_json_next (r->json)) == DV_JSON_NUMBER) {
    if (!natural (r, name, "a dimension", &size))
      return false;
    if (t->n_dims == DV_MAX_DIMS) {
      r->status = dv_fail (r->error, DV_ERROR_FORMAT, "open",
          "%s: the tensor %.128s has more than %d dimensions.", r->shard->path,
          name, DV_MAX_DIMS);
      return false;
    }
    if (__builtin_mul_overflow (extent, size ? size : 1, &extent)) {
      r->status = dv_fail (r->error, DV_ERROR_FORMAT, "open",
          "%s: the tensor %.128s has more elements than can be counted.",
          r->shard->path, name);
      return false;
    }
    *count *= size;
    t->shape[t->n_dims++] = size;
  }
  return kind == DV_JSON_ARRAY_END || dv_json_fail (r->json, DV_ERROR_FORMAT,
                                          "a shape is no list of numbers");
}

static bool
read_offsets (Reader *r, DvEntry *entry)
{
  int64_t offset[2];

  if (!dv_json_expect (r->json, DV_JSON_ARRAY, "a list of data_offsets"))
    return false;
  for (int i = 0; i < 2; i++)
    if (!dv_json_expect (r->json, DV_JSON_NUMBER, "a data offset") ||
        !natural (r, entry->name, "an offset", &offset[i]))
      return false;
  entry->begin = (uint64_t)offset[0];
  entry->end = (uint64_t)offset[1];
  return dv_json_expect (
      r->json, DV_JSON_ARRAY_END, "the end of two data_offsets");
}

/* Offsets, type and shape must tell the same size. */
static bool
check_entry (Reader *r, DvEntry *entry, int64_t count)
{
  uint64_t data_size = r->shard->size - 8 - r->shard->header_size;
  uint64_t bytes;
  DvTensor *t = &entry->tensor;

  if (entry->begin > entry->end || entry->end > data_size) {
    r->status = dv_fail (r->error, DV_ERROR_FORMAT, "open",
        "%s is cut off or damaged: the tensor %.128s should lie at bytes %llu "
        "to %llu of %llu.",
        r->shard->path, entry->name, (unsigned long long)entry->begin,
        (unsigned long long)entry->end, (unsigned long long)data_size);
    return false;
  }
  if (__builtin_mul_overflow (
          (uint64_t)count, (uint64_t)dv_dtype_size (t->dtype), &bytes) ||
      bytes != entry->end - entry->begin) {
    r->status = dv_fail (r->error, DV_ERROR_FORMAT, "open",
        "%s is damaged: the tensor %.128s has %llu bytes, which its shape and "
        "type do not.",
        r->shard->path, entry->name,
        (unsigned long long)(entry->end - entry->begin));
    return false;
  }
  *t = dv_tensor ((uint8_t *)(uintptr_t)r->shard->bytes + 8 +
                      r->shard->header_size + entry->begin,
      t->dtype, t->n_dims, t->shape);
  return true;
}

static bool
add_entry (Reader *r, const DvEntry *entry)
{
  DvSafetensors *file = r->file;

  if (file->n_entries == file->max_entries) {
    size_t max = file->max_entries ? 2 * file->max_entries : 64;
    DvEntry *grown = realloc (file->entry, max * sizeof *grown);

    if (!grown)
      return no_memory (r);
    file->entry = grown;
    file->max_entries = max;
  }
  file->entry[file->n_entries++] = *entry;
  return true;
}

static bool
read_field (Reader *r, DvEntry *entry, int64_t *count, unsigned *seen)
{
  static const char *const fields[] = {"dtype", "shape", "data_offsets"};
  unsigned i = 0;

  while (i < 3 && !dv_json_text_is (r->json, fields[i]))
    i++;
  if (i == 3)
    return dv_json_skip (r->json);
  if (*seen & 1u << i)
    return dv_json_fail (r->json, DV_ERROR_FORMAT, "%s comes twice", fields[i]);
  *seen |= 1u << i;
  if (i == 0)
    return read_dtype (r, entry->name, &entry->tensor.dtype);
  return i == 1 ? read_shape (r, entry->name, entry, count)
                : read_offsets (r, entry);
}

/* The key, its name, was read. */
static bool
read_tensor (Reader *r)
{
  DvEntry entry = {.shard = r->n_shard};
  int64_t count = 0;
  unsigned seen = 0;
  size_t length;
  DvJsonKind kind;

  if (strlen (dv_json_text (r->json, &length)) != length || length == 0)
    return dv_json_fail (r->json, DV_ERROR_FORMAT, "a tensor without a name");
  entry.name = keep (r);
  if (!dv_json_expect (r->json, DV_JSON_OBJECT, "a tensor's description"))
    return false;
  while ((kind = dv_json_next (r->json)) == DV_JSON_KEY)
    if (!read_field (r, &entry, &count, &seen))
      return false;
  if (kind != DV_JSON_OBJECT_END)
    return false;
  if (seen != 7) {
    r->status = dv_fail (r->error, DV_ERROR_FORMAT, "open",
        "%s: the tensor %.128s lacks its dtype, shape or data_offsets.",
        r->shard->path, entry.name);
    return false;
  }
  return check_entry (r, &entry, count) && add_entry (r, &entry);
}

static bool
read_metadata (Reader *r)
{
  DvSafetensors *file = r->file;
  DvJsonKind kind;
  const char *key;

  if (!dv_json_expect (r->json, DV_JSON_OBJECT, "an object of metadata"))
    return false;
  while ((kind = dv_json_next (r->json)) == DV_JSON_KEY) {
    key = keep (r);
    if (!dv_json_expect (r->json, DV_JSON_STRING, "a string of metadata"))
      return false;
    if (file->n_meta == file->max_meta) {
      size_t max = file->max_meta ? 2 * file->max_meta : 8;
      DvMeta *grown = realloc (file->meta, max * sizeof *grown);

      if (!grown)
        return no_memory (r);
      file->meta = grown;
      file->max_meta = max;
    }
    file->meta[file->n_meta++] = (DvMeta){key, keep (r)};
  }
  return kind == DV_JSON_OBJECT_END;
}

/* The header's object; whether it was read to its end. */
static bool
read_all (Reader *r)
{
  DvJsonKind kind;

  if (!dv_json_expect (r->json, DV_JSON_OBJECT, "an object of tensors"))
    return false;
  while ((kind = dv_json_next (r->json)) == DV_JSON_KEY)
    if (!(dv_json_text_is (r->json, "__metadata__") ? read_metadata (r)
                                                    : read_tensor (r)))
      return false;
  return kind == DV_JSON_OBJECT_END &&
         dv_json_expect (r->json, DV_JSON_END, "the end of the header");
}

static int
by_offset (const void *a, const void *b)
{
  const DvEntry *x = a, *y = b;

  if (x->begin != y->begin)
    return x->begin < y->begin ? -1 : 1;
  return (x->end > y->end) - (x->end < y->end);
}

/* The tensors of the shard, from entry @first on, cover its data. */
static DvStatus
check_cover (Reader *r, size_t first)
{
  DvSafetensors *file = r->file;
  uint64_t at = 0, data_size = r->shard->size - 8 - r->shard->header_size;

  if (file->n_entries > first)
    qsort (file->entry + first, file->n_entries - first, sizeof *file->entry,
        by_offset);
  for (size_t i = first; i < file->n_entries; i++) {
    const DvEntry *entry = &file->entry[i];

    if (entry->begin < at)
      return dv_fail (r->error, DV_ERROR_FORMAT, "open",
          "%s is damaged: the tensors %.96s and %.96s overlap.", r->shard->path,
          file->entry[i - 1].name, entry->name);
    if (entry->begin > at)
      return dv_fail (r->error, DV_ERROR_FORMAT, "open",
          "%s is damaged: no tensor holds the %llu bytes before %.128s.",
          r->shard->path, (unsigned long long)(entry->begin - at), entry->name);
    at = entry->end;
  }
  if (at != data_size)
    return dv_fail (r->error, DV_ERROR_FORMAT, "open",
        "%s is damaged: no tensor holds its last %llu bytes.", r->shard->path,
        (unsigned long long)(data_size - at));
  return DV_OK;
}

DvStatus
dv_shard_read (DvSafetensors *file, DvShard *shard, DvError *error)
{
  Reader r = {.file = file,
      .shard = shard,
      .n_shard = (size_t)(shard - file->shard),
      .error = error};
  size_t first = file->n_entries;
  DvStatus status;

  r.json = dv_json_from_memory (
      shard->path, shard->header, shard->header_size, 0, error);
  if (!r.json)
    return DV_ERROR_MEMORY;
  /* A string's quotes make room for its NUL. */
  shard->pool = malloc (shard->header_size + 1);
  if (!shard->pool) {
    no_memory (&r);
    goto out;
  }
  r.out = shard->pool;
  r.end = shard->pool + shard->header_size + 1;
  dv_json_lend (r.json, r.out, shard->header_size + 1);
  if (read_all (&r))
    r.status = check_cover (&r, first);

out:
  status = r.status;
  if (status == DV_OK)
    status = dv_json_status (r.json, error);
  dv_json_close (r.json);
  return status;
}

static int
by_name (const void *a, const void *b)
{
  const DvEntry *x = a, *y = b;

  return strcmp (x->name, y->name);
}

DvStatus
dv_entries_sort (DvSafetensors *file, DvError *error)
{
  if (file->n_entries > 1)
    qsort (file->entry, file->n_entries, sizeof *file->entry, by_name);
  for (size_t i = 1; i < file->n_entries; i++)
    if (strcmp (file->entry[i - 1].name, file->entry[i].name) == 0)
      return dv_fail (error, DV_ERROR_FORMAT, "open",
          "%s is damaged: it holds two tensors named %.128s.", file->path,
          file->entry[i].name);
  return DV_OK;
}
