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

#include "json.h"

#define MAX_HEADER 100000000u /* as the format's own library has it */

/* What a header's reading needs at hand. */
typedef struct {
  DvSafetensors *file;
  DvShard *shard;
  size_t n_shard;
  DvJson json;
  char *out; /* next free byte of the pool */
  DvStatus status;
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

static const char *
keep (Reader *r, DvJsonString string)
{
  char *start = r->out;

  r->out += dv_json_unescape (string, start) + 1;
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
  DvJsonString text;
  int n;

  if (!dv_json_string (&r->json, &text))
    return false;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (dv_json_equals (text, known[i].name)) {
      *dtype = known[i].dtype;
      return true;
    }
  n = text.size < 16 ? (int)text.size : 16;
  if (text.size > 1 && text.text[0] == 'F' &&
      (text.text[1] == '8' || text.text[1] == '6' || text.text[1] == '4'))
    r->status = dv_fail (r->error, DV_ERROR_FORMAT, "open",
        "%s is quantised: its tensor %.128s is %.*s. FP8 and FP4 files cannot "
        "be used; take the BF16 file of the same model.",
        r->shard->path, name, n, text.text);
  else
    r->status = dv_fail (r->error, DV_ERROR_FORMAT, "open",
        "%s: the tensor %.128s has the type %.*s, which is not known here.",
        r->shard->path, name, n, text.text);
  return false;
}

static bool
read_shape (Reader *r, const char *name, DvEntry *entry, int64_t *count)
{
  DvTensor *t = &entry->tensor;
  int64_t extent = 1; /* as if no dimension were 0: strides need it */
  uint64_t size;

  *count = 1;
  t->n_dims = 0;
  if (!dv_json_enter (&r->json, DV_JSON_ARRAY))
    return false;
  while (dv_json_more (&r->json, NULL)) {
    if (!dv_json_uint (&r->json, &size))
      return false;
    if (t->n_dims == DV_MAX_DIMS) {
      r->status = dv_fail (r->error, DV_ERROR_FORMAT, "open",
          "%s: the tensor %.128s has more than %d dimensions.", r->shard->path,
          name, DV_MAX_DIMS);
      return false;
    }
    if (size > INT64_MAX ||
        __builtin_mul_overflow (extent, size ? (int64_t)size : 1, &extent)) {
      r->status = dv_fail (r->error, DV_ERROR_FORMAT, "open",
          "%s: the tensor %.128s has more elements than can be counted.",
          r->shard->path, name);
      return false;
    }
    *count *= (int64_t)size;
    t->shape[t->n_dims++] = (int64_t)size;
  }
  return !r->json.why;
}

static bool
read_offsets (Reader *r, DvEntry *entry)
{
  if (!dv_json_enter (&r->json, DV_JSON_ARRAY) ||
      !dv_json_more (&r->json, NULL) ||
      !dv_json_uint (&r->json, &entry->begin) ||
      !dv_json_more (&r->json, NULL) || !dv_json_uint (&r->json, &entry->end))
    return false;
  if (dv_json_more (&r->json, NULL))
    r->json.why = "data_offsets has more than two numbers";
  return !r->json.why;
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
read_tensor (Reader *r, DvJsonString key)
{
  DvEntry entry = {.name = keep (r, key), .shard = r->n_shard};
  DvJsonString field;
  int64_t count = 0;
  unsigned seen = 0, bit;
  bool ok = true;

  if (strlen (entry.name) == 0 || memchr (key.text, 0, key.size)) {
    r->json.why = "a tensor has no name";
    return false;
  }
  if (!dv_json_enter (&r->json, DV_JSON_OBJECT))
    return false;
  while (ok && dv_json_more (&r->json, &field)) {
    if (dv_json_equals (field, "dtype")) {
      bit = 1;
      ok = read_dtype (r, entry.name, &entry.tensor.dtype);
    } else if (dv_json_equals (field, "shape")) {
      bit = 2;
      ok = read_shape (r, entry.name, &entry, &count);
    } else if (dv_json_equals (field, "data_offsets")) {
      bit = 4;
      ok = read_offsets (r, &entry);
    } else {
      bit = 0;
      ok = dv_json_skip (&r->json);
    }
    if (ok && bit && (seen & bit)) {
      r->json.why = "a tensor has the same field twice";
      return false;
    }
    seen |= bit;
  }
  if (!ok || r->json.why)
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
  DvJsonString key, value;

  if (!dv_json_enter (&r->json, DV_JSON_OBJECT))
    return false;
  while (dv_json_more (&r->json, &key)) {
    if (!dv_json_string (&r->json, &value))
      return false;
    if (file->n_meta == file->max_meta) {
      size_t max = file->max_meta ? 2 * file->max_meta : 8;
      DvMeta *grown = realloc (file->meta, max * sizeof *grown);

      if (!grown)
        return no_memory (r);
      file->meta = grown;
      file->max_meta = max;
    }
    file->meta[file->n_meta].key = keep (r, key);
    file->meta[file->n_meta++].value = keep (r, value);
  }
  return !r->json.why;
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
  DvJsonString key;
  bool ok;

  /* A string's quotes make room for its 0. */
  shard->pool = malloc (shard->header_size);
  if (!shard->pool) {
    no_memory (&r);
    return r.status;
  }
  r.out = shard->pool;
  dv_json_init (&r.json, shard->header, shard->header_size);
  ok = dv_json_enter (&r.json, DV_JSON_OBJECT);
  while (ok && dv_json_more (&r.json, &key))
    ok = dv_json_equals (key, "__metadata__") ? read_metadata (&r)
                                              : read_tensor (&r, key);
  if (r.status != DV_OK)
    return r.status;
  if (!ok || !dv_json_end (&r.json))
    return dv_fail (error, DV_ERROR_FORMAT, "open",
        "%s is no safetensors file: at byte %zu of its header %s.", shard->path,
        r.json.at, dv_json_why (&r.json));
  return check_cover (&r, first);
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
