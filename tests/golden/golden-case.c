/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a kind of case uses: files, streams, comparisons.
 */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "golden-private.h"

DvDevice *
golden_device (Golden *golden)
{
  return golden->device;
}

DvDtype
golden_dtype (Golden *golden)
{
  return golden->dtype;
}

const char *
golden_directory (Golden *golden)
{
  return golden->directory;
}

void
golden_fail (Golden *golden, const char *format, ...)
{
  va_list args;

  golden->failed++;
  printf ("  %s: ", golden->name);
  va_start (args, format);
  vprintf (format, args);
  va_end (args);
  printf ("\n");
}

const char *
golden_path (Golden *golden, const char *rest)
{
  char **paths = realloc (golden->paths, (golden->n_paths + 1) * sizeof *paths);
  char *path;

  if (!paths)
    return NULL;
  golden->paths = paths;
  if (asprintf (&path, "%s/%s", golden->directory, rest) < 0)
    return NULL;
  golden->paths[golden->n_paths++] = path;
  return path;
}

static DvSafetensors *
find_file (Golden *golden, const char *name)
{
  GoldenFile *file;
  DvError error = {0};
  const char *path;

  for (int i = 0; i < golden->n_files; i++)
    if (strcmp (golden->files[i].name, name) == 0)
      return golden->files[i].file;
  if (golden->n_files == GOLDEN_MAX_FILES) {
    golden_fail (golden, "more than %d files", GOLDEN_MAX_FILES);
    return NULL;
  }
  path = golden_path (golden, name);
  file = &golden->files[golden->n_files];
  file->name = strdup (name);
  file->file = NULL;
  golden->n_files++;
  /* A file that is not there has no tensors; whoever needs one says so. */
  if (path && access (path, F_OK) == 0) {
    file->file = dv_safetensors_open (path, &error);
    if (!file->file)
      golden_fail (golden, "%s", error.detail);
  }
  return file->file;
}

const DvTensor *
golden_find (Golden *golden, const char *file, const char *format, ...)
{
  DvSafetensors *found = find_file (golden, file);
  char name[192];
  va_list args;

  if (!found)
    return NULL;
  va_start (args, format);
  vsnprintf (name, sizeof name, format, args);
  va_end (args);
  return dv_safetensors_find (found, name);
}

const char *
golden_nth (Golden *golden, const char *file, size_t i)
{
  DvSafetensors *found = find_file (golden, file);
  const char *name;

  return found && dv_safetensors_nth (found, i, &name) ? name : NULL;
}

DvStream *
golden_stream (
    Golden *golden, void (*run) (DvStream *stream, void *user), void *user)
{
  DvError error = {0};
  DvStream *stream = dv_stream_new_dry (golden->device, &error);
  size_t planned;

  if (!stream)
    goto failed;
  run (stream, user);
  if (dv_stream_status (stream, &error) != DV_OK)
    goto failed;
  if (stream->arena.used != 0) {
    golden_fail (
        golden, "the dry run left %zu bytes in the arena", stream->arena.used);
  }
  planned = stream->arena.peak;
  dv_stream_free (stream);
  stream = dv_stream_new (golden->device, planned, &error);
  if (!stream)
    goto failed;
  run (stream, user);
  if (dv_stream_status (stream, &error) != DV_OK)
    goto failed;
  if (stream->arena.peak != planned)
    golden_fail (golden, "%zu bytes were planned, %zu used", planned,
        stream->arena.peak);
  return stream;

failed:
  golden_fail (golden, "%s: %s", error.stage, error.detail);
  dv_stream_free (stream);
  return NULL;
}

/* ---- comparing ---- */

/* The shape without its 1s. */
static int
squeezed (const DvTensor *t, int64_t *shape, int64_t *stride)
{
  int n = 0;

  for (int i = 0; i < t->n_dims; i++)
    if (t->shape[i] != 1) {
      shape[n] = t->shape[i];
      stride[n++] = t->stride[i];
    }
  return n;
}

static double
element (const DvTensor *t, const void *at)
{
  float f;
  uint16_t h;
  int64_t l;
  int32_t i;
  double d;

  switch (t->dtype) {
    case DV_F32:
      memcpy (&f, at, sizeof f);
      return (double)f;
    case DV_F64:
      memcpy (&d, at, sizeof d);
      return d;
    case DV_BF16:
      memcpy (&h, at, sizeof h);
      return (double)dv_f32_from_bf16 (h);
    case DV_F16:
      memcpy (&h, at, sizeof h);
      return (double)dv_f32_from_f16 (h);
    case DV_I64:
      memcpy (&l, at, sizeof l);
      return (double)l;
    case DV_I32:
      memcpy (&i, at, sizeof i);
      return (double)i;
    case DV_U8:
      return *(const uint8_t *)at;
    default:
      return (double)NAN;
  }
}

typedef struct {
  double difference, expected, largest;
  bool finite;
} Sums;

static void
add_up (Sums *sums, const DvTensor *a, const DvTensor *b, const uint8_t *at,
    const uint8_t *bt, const int64_t *shape, const int64_t *as,
    const int64_t *bs, int n)
{
  if (n == 0) {
    double x = element (a, at), y = element (b, bt), d = fabs (x - y);
    if (!isfinite (d))
      sums->finite = false;
    sums->difference += d * d;
    sums->expected += y * y;
    if (d > sums->largest)
      sums->largest = d;
    return;
  }
  for (int64_t i = 0; i < shape[0]; i++)
    add_up (sums, a, b, at + i * as[0] * (int64_t)dv_dtype_size (a->dtype),
        bt + i * bs[0] * (int64_t)dv_dtype_size (b->dtype), shape + 1, as + 1,
        bs + 1, n - 1);
}

static void
note_worst (Golden *golden, const char *name, double relative, double largest)
{
  if (relative >= golden->worst_relative) {
    golden->worst_relative = relative;
    snprintf (golden->worst_name[0], sizeof golden->worst_name[0], "%s", name);
  }
  if (largest >= golden->worst_largest) {
    golden->worst_largest = largest;
    snprintf (golden->worst_name[1], sizeof golden->worst_name[1], "%s", name);
  }
}

void
golden_compare (Golden *golden, const char *name, const DvTensor *got,
    const DvTensor *expected, GoldenLimit limit)
{
  int64_t shape[2][DV_MAX_DIMS], stride[2][DV_MAX_DIMS];
  Sums sums = {.finite = true};
  double relative, relative_limit = limit.relative;
  bool bf16 = golden->dtype == DV_BF16 && limit.bf16 > 0, good;
  int n;

  golden->compared++;
  if (!expected) {
    golden_fail (golden, "%s: there is nothing to compare it with", name);
    return;
  }
  n = squeezed (got, shape[0], stride[0]);
  if (n != squeezed (expected, shape[1], stride[1]) ||
      memcmp (shape[0], shape[1], (size_t)n * sizeof (int64_t)) != 0) {
    char a[96], b[96];
    golden_fail (golden, "%s is %s, expected %s", name,
        dv_tensor_describe (got, a, sizeof a),
        dv_tensor_describe (expected, b, sizeof b));
    return;
  }
  add_up (&sums, got, expected, got->data, expected->data, shape[0], stride[0],
      stride[1], n);
  relative = sums.expected > 0 ? sqrt (sums.difference / sums.expected)
                               : sqrt (sums.difference);
  if (bf16)
    relative_limit = limit.bf16;
  good = sums.finite && (relative_limit <= 0 || relative <= relative_limit) &&
         (bf16 || limit.largest <= 0 || sums.largest <= limit.largest);
  note_worst (golden, name, relative, sums.largest);
  if (!good)
    golden_fail (golden,
        "%s: relative L2 %.3g (at most %.3g), largest error %.3g (at most "
        "%.3g)%s",
        name, relative, relative_limit, sums.largest,
        bf16 ? (double)INFINITY : limit.largest,
        sums.finite ? "" : ", and it is not finite");
  else if (golden->verbose)
    printf ("  %s: %s: relative L2 %.3g, largest error %.3g\n", golden->name,
        name, relative, sums.largest);
}

/* ---- probes ---- */

static void
compare_probed (
    void *user, DvStream *stream, const char *name, const DvTensor *tensor)
{
  GoldenProbe *self = user;
  const DvTensor *expected;
  DvTensor host, view = *tensor, span;
  int64_t count = 1;
  int order[DV_MAX_DIMS];
  char full[160];

  snprintf (full, sizeof full, "%s%s%s", self->prefix,
      self->prefix[0] ? "." : "", name);
  expected = golden_find (self->golden, self->file, "%s", full);
  if (!expected)
    return;
  /* From its first element to its last, whatever its strides. */
  for (int i = 0; i < tensor->n_dims; i++)
    count += (tensor->shape[i] - 1) * tensor->stride[i];
  span = DV_TENSOR (tensor->data, tensor->dtype, count);
  host = dv_tensor_new (tensor->dtype, 1, &count);
  if (!host.data) {
    golden_fail (self->golden, "%s: no memory to look at it", full);
    return;
  }
  dv_copy (stream, &host, &span);
  dv_stream_status (stream, NULL);
  view.data = host.data;
  if (self->channels_last && view.n_dims > 1) {
    order[0] = view.n_dims - 1;
    for (int i = 1; i < view.n_dims; i++)
      order[i] = i - 1;
    view = dv_permute (&view, order);
  }
  golden_compare (self->golden, full, &view, expected, self->limit);
  dv_tensor_clear (&host);
}

const DvProbe *
golden_probe (Golden *golden, const char *file, const char *prefix,
    bool channels_last, GoldenLimit limit)
{
  GoldenProbe *self;

  if (golden->n_probes == GOLDEN_MAX_PROBES)
    return NULL;
  self = calloc (1, sizeof *self);
  if (!self)
    return NULL;
  golden->probes[golden->n_probes++] = self;
  self->golden = golden;
  self->file = strdup (file);
  self->prefix = strdup (prefix);
  self->channels_last = channels_last;
  self->limit = limit;
  self->probe = (DvProbe){compare_probed, self};
  return &self->probe;
}

void
golden_clear (Golden *golden)
{
  for (int i = 0; i < golden->n_files; i++) {
    dv_safetensors_free (golden->files[i].file);
    free (golden->files[i].name);
  }
  for (int i = 0; i < golden->n_probes; i++) {
    free (golden->probes[i]->file);
    free (golden->probes[i]->prefix);
    free (golden->probes[i]);
  }
  for (size_t i = 0; i < golden->n_paths; i++)
    free (golden->paths[i]);
  free (golden->paths);
  golden->paths = NULL;
  golden->n_files = golden->n_probes = 0;
  golden->n_paths = 0;
}
