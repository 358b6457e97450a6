/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Rotary tables by axis (section 4.2 of docs/ltx2-model.md).
 *
 * The order of roundings is the reference's: a position is scaled in float32,
 * its product with a float32 frequency is rounded to float32, and only then
 * are cosine and sine taken.  At angles of 15,000 anything else is off by
 * 1e-3.
 */
#include "rope.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HALF_PI 1.57079632679489661923

/* Entries of a head's half that one axis fills. */
static int64_t
rope_columns (const DvRopeSpec *spec)
{
  return spec->dim / (2 * spec->n_axes);
}

static bool
rope_sound (const DvRopeSpec *spec, const DvPositions *positions)
{
  if (spec->n_axes < 1 || spec->n_axes > 3 ||
      spec->n_axes > positions->n_axes || positions->tokens < 1)
    return false;
  if (spec->heads < 1 || spec->dim < 2 * spec->n_axes ||
      spec->dim > INT64_C (1) << 24 || spec->dim % (2 * spec->heads) != 0)
    return false;
  for (int a = 0; a < spec->n_axes; a++)
    if (!(spec->max[a] > 0) || positions->count[a] < 1 ||
        positions->count[a] > INT32_MAX)
      return false;
  return spec->theta > 0 && positions->tokens <= INT32_MAX;
}

/* Lays the tables out in @base (NULL: only their shapes), and says how many
 * bytes they take. */
static size_t
rope_lay_out (DvRopeTables *tables, void *base, const DvRopeSpec *spec,
    const DvPositions *positions)
{
  int64_t columns = rope_columns (spec);
  size_t used = 0;

  for (int a = 0; a < spec->n_axes; a++) {
    int64_t rows = positions->count[a];
    size_t bytes = sizeof (float) * (size_t)rows * (size_t)columns;

    tables->cos[a] =
        DV_TENSOR (base ? (char *)base + used : NULL, DV_F32, rows, columns);
    used += bytes;
    tables->sin[a] =
        DV_TENSOR (base ? (char *)base + used : NULL, DV_F32, rows, columns);
    used += bytes;
    tables->rope.cos[a] = &tables->cos[a];
    tables->rope.sin[a] = &tables->sin[a];
  }
  tables->index = DV_TENSOR (base ? (char *)base + used : NULL, DV_I32,
      positions->tokens, spec->n_axes);
  used += sizeof (int32_t) * (size_t)positions->tokens * (size_t)spec->n_axes;
  tables->rope.index = &tables->index;
  tables->rope.n_axes = spec->n_axes;
  tables->rope.pad = spec->dim / 2 - spec->n_axes * columns;
  tables->rope.shared = false;
  return used;
}

/* Entry @j of a float32 line from 0 to 1, as the reference's library draws it:
 * from the nearer end, in blocks of eight from their first entry on. What the
 * last bit is matters where the frequency is high. */
static float
line_f32 (int64_t columns, int64_t j)
{
  float step = 1.0f / (float)(columns - 1);
  int64_t first = j / 8 * 8 + 8 <= columns ? j / 8 * 8 : j;
  float start = first < columns / 2
                    ? step * (float)first
                    : 1.0f - step * (float)(columns - 1 - first);

  return start + step * (float)(j - first);
}

/* theta^(j / (columns - 1)) pi / 2, rounded to float32. */
static float
rope_frequency (const DvRopeSpec *spec, int64_t columns, int64_t j)
{
  double at = 0;

  if (!spec->double_precision)
    return powf ((float)spec->theta, columns > 1 ? line_f32 (columns, j) : 0) *
           (float)HALF_PI;
  if (columns > 1)
    at = j == columns - 1 ? 1 : (double)j * (1.0 / (double)(columns - 1));
  return (float)(pow (spec->theta, at) * HALF_PI);
}

static float
bf16 (float f)
{
  return dv_f32_from_bf16 (dv_bf16_from_f32 (f));
}

/* The middle of an interval as a fraction of @max, stretched to [-1, 1]. */
static float
rope_scaled (const DvRopeSpec *spec, float start, float end, double max)
{
  if (spec->bf16_positions) {
    float middle = bf16 (bf16 (bf16 (start) + bf16 (end)) / 2.0f);

    return bf16 (bf16 (2.0f * bf16 (middle / (float)max)) - 1.0f);
  }
  return 2.0f * ((start + end) / 2.0f / (float)max) - 1.0f;
}

/* Computes tables that lie in host memory. */
static void
rope_fill (const DvRopeTables *tables, float *frequency, const DvRopeSpec *spec,
    const DvPositions *positions)
{
  int64_t columns = rope_columns (spec);
  int32_t *index = tables->index.data;

  for (int64_t j = 0; j < columns; j++)
    frequency[j] = rope_frequency (spec, columns, j);
  for (int a = 0; a < spec->n_axes; a++) {
    float *cosines = tables->cos[a].data, *sines = tables->sin[a].data;

    for (int64_t i = 0; i < positions->count[a]; i++) {
      float at = rope_scaled (
          spec, positions->start[a][i], positions->end[a][i], spec->max[a]);

      for (int64_t j = 0; j < columns; j++) {
        float angle = at * frequency[j];

        cosines[i * columns + j] = (float)cos ((double)angle);
        sines[i * columns + j] = (float)sin ((double)angle);
      }
    }
  }
  for (int64_t i = 0; i < positions->tokens; i++)
    for (int a = 0; a < spec->n_axes; a++)
      index[i * spec->n_axes + a] = positions->index[i * positions->n_axes + a];
}

/* Computes the tables in host memory and copies them to @base. */
static void
rope_upload (DvStream *stream, void *base, size_t bytes, const DvRopeSpec *spec,
    const DvPositions *positions)
{
  size_t columns = (size_t)rope_columns (spec);
  char *host = malloc (bytes + columns * sizeof (float));
  DvRopeTables tables = {0};
  DvTensor from, to;

  if (!host) {
    dv_stream_fail (stream, DV_ERROR_MEMORY, "rope",
        "no memory for %zu bytes of rotary tables", bytes);
    return;
  }
  rope_lay_out (&tables, host, spec, positions);
  rope_fill (&tables, (float *)(void *)(host + bytes), spec, positions);
  from = DV_TENSOR (host, DV_U8, (int64_t)bytes);
  to = DV_TENSOR (base, DV_U8, (int64_t)bytes);
  to.device = stream->device;
  dv_copy (stream, &to, &from);
  free (host);
}

size_t
dv_rope_bytes (const DvRopeSpec *spec, const DvPositions *positions)
{
  DvRopeTables tables = {0};

  if (!rope_sound (spec, positions))
    return 0;
  return rope_lay_out (&tables, NULL, spec, positions);
}

static void
rope_set_device (DvRopeTables *tables, DvDevice *device)
{
  for (int a = 0; a < tables->rope.n_axes; a++)
    tables->cos[a].device = tables->sin[a].device = device;
  tables->index.device = device;
}

DvStatus
dv_rope_tables_new (DvRopeTables *tables, DvDevice *device,
    const DvRopeSpec *spec, const DvPositions *positions, DvError *error)
{
  size_t bytes = dv_rope_bytes (spec, positions);
  DvStream *stream = NULL;
  DvStatus status;

  memset (tables, 0, sizeof *tables);
  if (bytes == 0)
    return dv_fail (error, DV_ERROR_ARGUMENT, "rope",
        "rotary width %lld in %lld heads over %d axes makes no table",
        (long long)spec->dim, (long long)spec->heads, spec->n_axes);
  tables->memory = dv_device_alloc (device, bytes);
  if (!tables->memory)
    return dv_fail (error, DV_ERROR_MEMORY, "rope",
        "no memory on %s for %zu bytes of rotary tables", device->name, bytes);
  stream = dv_stream_new (device, 0, error);
  if (!stream) {
    dv_rope_tables_clear (device, tables);
    return error ? error->code : DV_ERROR_MEMORY;
  }
  rope_upload (stream, tables->memory, bytes, spec, positions);
  status = dv_stream_status (stream, error);
  dv_stream_free (stream);
  if (status != DV_OK) {
    dv_rope_tables_clear (device, tables);
    return status;
  }
  rope_lay_out (tables, tables->memory, spec, positions);
  rope_set_device (tables, device);
  return DV_OK;
}

void
dv_rope_tables_clear (DvDevice *device, DvRopeTables *tables)
{
  if (tables->memory)
    dv_device_free (device, tables->memory);
  memset (tables, 0, sizeof *tables);
}

void
dv_rope_tables_take (DvRopeTables *tables, DvStream *stream,
    const DvRopeSpec *spec, const DvPositions *positions)
{
  size_t bytes = dv_rope_bytes (spec, positions);
  DvTensor block;

  memset (tables, 0, sizeof *tables);
  if (bytes == 0) {
    dv_stream_fail (stream, DV_ERROR_ARGUMENT, "rope",
        "rotary width %lld in %lld heads over %d axes makes no table",
        (long long)spec->dim, (long long)spec->heads, spec->n_axes);
    return;
  }
  block = DV_NEW (stream, DV_U8, (int64_t)bytes);
  if (dv_stream_live (stream))
    rope_upload (stream, block.data, bytes, spec, positions);
  rope_lay_out (tables, block.data, spec, positions);
  rope_set_device (tables, stream->device);
}
