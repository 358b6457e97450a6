/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The kind "rope": positions and rotary tables. The tables are kept by axis;
 * here they are spread out to the rows that the reference keeps.
 */
#include "case-dit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json-path.h"

#define EXPECTED "expected.safetensors"

static const GoldenLimit exact = {1e-6, 1e-5, 0};
static const GoldenLimit tables_limit = {2e-6, 5e-6, 0};

/* ---- spreading tables out ---- */

bool
spread_open (Spread *spread, DvDevice *device, const DvRopeSpec *spec,
    const DvPositions *positions, DvError *error)
{
  DvRopeTables tables;
  DvStream *stream;
  bool good = false;

  memset (spread, 0, sizeof *spread);
  if (dv_rope_tables_new (&tables, device, spec, positions, error) != DV_OK)
    return false;
  stream = dv_stream_new (device, 64, error);
  spread->n_axes = tables.rope.n_axes;
  spread->pad = tables.rope.pad;
  for (int a = 0; stream && a < spread->n_axes; a++) {
    spread->cos[a] = dv_tensor_new (DV_F32, 2, tables.cos[a].shape);
    spread->sin[a] = dv_tensor_new (DV_F32, 2, tables.sin[a].shape);
    dv_copy (stream, &spread->cos[a], &tables.cos[a]);
    dv_copy (stream, &spread->sin[a], &tables.sin[a]);
  }
  if (stream) {
    spread->index = dv_tensor_new (DV_I32, 2, tables.index.shape);
    dv_copy (stream, &spread->index, &tables.index);
    good = dv_stream_status (stream, error) == DV_OK;
    dv_stream_free (stream);
  }
  dv_rope_tables_clear (device, &tables);
  if (!good)
    spread_close (spread);
  return good;
}

void
spread_close (Spread *spread)
{
  for (int a = 0; a < 3; a++) {
    dv_tensor_clear (&spread->cos[a]);
    dv_tensor_clear (&spread->sin[a]);
  }
  dv_tensor_clear (&spread->index);
}

float
spread_entry (const Spread *spread, bool sine, int64_t token, int64_t entry)
{
  int64_t e = entry - spread->pad;
  const int32_t *index = spread->index.data;
  const DvTensor *table;
  int axis;

  if (e < 0)
    return sine ? 0 : 1;
  axis = (int)(e % spread->n_axes);
  table = sine ? &spread->sin[axis] : &spread->cos[axis];
  return ((const float *)table
              ->data)[index[token * spread->n_axes + axis] * table->shape[1] +
                      e / spread->n_axes];
}

/* Compares NAME.cos and NAME.sin, [1, heads, picked, half], with the tables of
 * those @heads and tokens. */
void
spread_compare (Golden *golden, const char *file, const char *cosines,
    const char *sines, const Spread *spread, const int *heads,
    const int64_t *token)
{
  for (int sine = 0; sine < 2; sine++) {
    const char *name = sine ? sines : cosines;
    const DvTensor *expected = golden_find (golden, file, "%s", name);
    DvTensor got;
    float *out;

    if (!expected || expected->n_dims != 4) {
      golden_fail (golden, "%s is not in %s", name, file);
      return;
    }
    got = dv_tensor_new (DV_F32, 4, expected->shape);
    out = got.data;
    for (int64_t h = 0; h < expected->shape[1]; h++)
      for (int64_t t = 0; t < expected->shape[2]; t++)
        for (int64_t e = 0; e < expected->shape[3]; e++)
          *out++ = spread_entry (spread, sine == 1, token ? token[t] : t,
              (heads ? heads[h] : h) * expected->shape[3] + e);
    golden_compare (golden, name, &got, expected, tables_limit);
    dv_tensor_clear (&got);
  }
}

static void
compare_tables (Golden *golden, const char *name, const DvRopeSpec *spec,
    const DvPositions *positions, const int *heads, const int64_t *token)
{
  Spread spread;
  DvError error = {0};
  char names[2][96];

  if (!spread_open (&spread, golden_device (golden), spec, positions, &error)) {
    golden_fail (golden, "%s: %s", name, error.detail);
    return;
  }
  snprintf (names[0], sizeof names[0], "%s.cos", name);
  snprintf (names[1], sizeof names[1], "%s.sin", name);
  spread_compare (golden, EXPECTED, names[0], names[1], &spread, heads, token);
  spread_close (&spread);
}

/* ---- the real grids ---- */

static const int picked_heads[] = {0, 1, 15, 31};
static const int outer_heads[] = {0, 31};

static DvRopeSpec
real_spec (bool video, bool cross, bool bf16)
{
  DvRopeSpec spec = {
      .dim = video && !cross ? 4096 : 2048,
      .heads = 32,
      .n_axes = video && !cross ? 3 : 1,
      .max = {20, 2048, 2048},
      .theta = 10000,
      .double_precision = true,
      .bf16_positions = bf16,
  };

  return spec;
}

static void
compare_positions (Golden *golden, const char *grid, const char *side,
    const DvPositions *positions, const int64_t *token)
{
  const DvTensor *expected =
      golden_find (golden, EXPECTED, "%s.%s_positions", grid, side);
  DvTensor got;
  float *out;
  char name[96];

  snprintf (name, sizeof name, "%s.%s_positions", grid, side);
  if (!expected || expected->n_dims != 4 ||
      expected->shape[1] != positions->n_axes) {
    golden_fail (golden, "%s is not there", name);
    return;
  }
  got = dv_tensor_new (DV_F32, 4, expected->shape);
  out = got.data;
  for (int a = 0; a < positions->n_axes; a++)
    for (int64_t t = 0; t < expected->shape[2]; t++) {
      int32_t i = positions->index[token[t] * positions->n_axes + a];

      *out++ = positions->start[a][i];
      *out++ = positions->end[a][i];
    }
  golden_compare (golden, name, &got, expected, exact);
  dv_tensor_clear (&got);
}

static void
compare_side (
    Golden *golden, const char *grid, bool video, const DvPositions *positions)
{
  const char *side = video ? "video" : "audio";
  const DvTensor *index =
      golden_find (golden, EXPECTED, "%s.%s_index", grid, side);
  DvRopeSpec spec;
  char name[96];

  if (!index || index->dtype != DV_I64) {
    golden_fail (golden, "%s.%s_index is not there", grid, side);
    return;
  }
  compare_positions (golden, grid, side, positions, index->data);
  spec = real_spec (video, false, false);
  snprintf (name, sizeof name, "%s.%s_self", grid, side);
  compare_tables (golden, name, &spec, positions, picked_heads, index->data);
  spec = real_spec (video, true, false);
  snprintf (name, sizeof name, "%s.%s_cross", grid, side);
  compare_tables (golden, name, &spec, positions, picked_heads, index->data);
  if (!video)
    return;
  spec = real_spec (true, false, true);
  snprintf (name, sizeof name, "%s.video_self_bf16pos", grid);
  compare_tables (golden, name, &spec, positions, outer_heads, index->data);
}

static void
compare_grid (Golden *golden, const cJSON *text, const char *grid)
{
  DvPositions video = {0}, audio = {0};
  double f, h, w, fps, offset, t;
  DvError error = {0};

  if (!json_number (text, &f, "%s.latent_frames", grid) ||
      !json_number (text, &h, "%s.latent_height", grid) ||
      !json_number (text, &w, "%s.latent_width", grid) ||
      !json_number (text, &fps, "%s.fps", grid) ||
      !json_number (text, &offset, "%s.video_position_offset_sec", grid) ||
      !json_number (text, &t, "%s.audio_frames", grid)) {
    golden_fail (golden, "grids.json: %s lacks a size", grid);
    return;
  }
  if (dv_positions_video (&video, (int64_t)f, (int64_t)h, (int64_t)w, fps,
          offset, &error) != DV_OK ||
      dv_positions_audio (&audio, (int64_t)t, &error) != DV_OK) {
    golden_fail (golden, "%s: %s", grid, error.detail);
  } else {
    compare_side (golden, grid, true, &video);
    compare_side (golden, grid, false, &audio);
  }
  dv_positions_clear (&video);
  dv_positions_clear (&audio);
}

/* ---- connectors ---- */

static void
compare_connector (Golden *golden, const char *name, int64_t dim, int64_t heads)
{
  const DvTensor *index = golden_find (golden, EXPECTED, "connector.index");
  DvRopeSpec spec = {.dim = dim,
      .heads = heads,
      .n_axes = 1,
      .max = {4096},
      .theta = 10000,
      .double_precision = true};
  int picked[3] = {0, 1, (int)heads - 1};
  float bounds[2 * 4096];
  DvPositions positions;
  DvError error = {0};

  for (int i = 0; i < 4096; i++)
    bounds[2 * i] = bounds[2 * i + 1] = (float)i;
  if (!index ||
      dv_positions_from_bounds (&positions, 1, 4096, bounds, &error) != DV_OK) {
    golden_fail (golden, "%s: %s", name, error.detail);
    return;
  }
  compare_tables (golden, name, &spec, &positions, picked, index->data);
  dv_positions_clear (&positions);
}

/* ---- small tables: padding, layouts, precisions ---- */

/* The interleaved layout, which no released model uses: pairs of neighbours
 * share an entry, and the identity entries come first.  Only the layout is
 * the test's; the angles are the tables'. */
static float
interleaved_entry (
    const Spread *spread, bool sine, int64_t token, int64_t dim, int64_t at)
{
  int64_t pad = dim % (2 * spread->n_axes);

  if (at < pad)
    return sine ? 0 : 1;
  return spread_entry (spread, sine, token, spread->pad + (at - pad) / 2);
}

static void
compare_interleaved (
    Golden *golden, const char *name, const Spread *spread, int64_t dim)
{
  for (int sine = 0; sine < 2; sine++) {
    const char *part = sine ? "sin" : "cos";
    const DvTensor *expected =
        golden_find (golden, EXPECTED, "%s.%s", name, part);
    char full[128];
    DvTensor got;
    float *out;

    snprintf (full, sizeof full, "%s.%s", name, part);
    if (!expected || expected->n_dims != 3) {
      golden_fail (golden, "%s is not there", full);
      return;
    }
    got = dv_tensor_new (DV_F32, 3, expected->shape);
    out = got.data;
    for (int64_t t = 0; t < expected->shape[1]; t++)
      for (int64_t e = 0; e < dim; e++)
        *out++ = interleaved_entry (spread, sine == 1, t, dim, e);
    golden_compare (golden, full, &got, expected, tables_limit);
    dv_tensor_clear (&got);
  }
}

static void
compare_small (
    Golden *golden, const DvPositions *positions, int64_t dim, int64_t heads)
{
  DvRopeSpec spec = real_spec (true, false, false);
  Spread spread;
  DvError error = {0};
  char name[96];

  spec.dim = dim;
  spec.heads = heads;
  for (int precise = 0; precise < 2; precise++) {
    spec.double_precision = precise == 1;
    snprintf (name, sizeof name, "small.split.%s.d%lldh%lld",
        precise ? "f64" : "f32", (long long)dim, (long long)heads);
    compare_tables (golden, name, &spec, positions, NULL, NULL);
    if (!spread_open (
            &spread, golden_device (golden), &spec, positions, &error)) {
      golden_fail (golden, "%s: %s", name, error.detail);
      return;
    }
    snprintf (name, sizeof name, "small.interleaved.%s.d%lldh%lld",
        precise ? "f64" : "f32", (long long)dim, (long long)heads);
    compare_interleaved (golden, name, &spread, dim);
    spread_close (&spread);
  }
}

/* ---- applying them ---- */

typedef struct {
  Golden *golden;
  const DvTensor *x;
  const DvPositions *positions;
  DvRopeSpec spec;
} Apply;

static void
apply_split (DvStream *stream, void *user)
{
  Apply *self = user;
  size_t mark = dv_mark (stream);
  int64_t tokens = self->x->shape[1], dim = self->x->shape[2];
  DvTensor x =
      DV_NEW (stream, DV_F32, tokens, self->spec.heads, dim / self->spec.heads);
  DvTensor host;
  DvRopeTables tables;

  dv_rope_tables_take (&tables, stream, &self->spec, self->positions);
  dv_copy (stream, &x, self->x);
  dv_qk_norm (stream, &(DvQkNorm){.out = &x, .x = &x, .rope = tables.rope});
  if (dv_stream_live (stream)) {
    host = dv_tensor_new (DV_F32, 3, x.shape);
    dv_copy (stream, &host, &x);
    host = DV_RESHAPE (&host, tokens, dim);
    dv_stream_status (stream, NULL);
    golden_compare (self->golden, "apply.split", &host,
        golden_find (self->golden, EXPECTED, "apply.split"), tables_limit);
    free (host.data);
  }
  dv_release (stream, mark);
}

static void
apply_interleaved (Apply *self)
{
  int64_t tokens = self->x->shape[1], dim = self->x->shape[2];
  const float *x = self->x->data;
  DvTensor got = dv_tensor_new (DV_F32, 3, self->x->shape);
  float *out = got.data;
  Spread spread;

  if (!spread_open (&spread, golden_device (self->golden), &self->spec,
          self->positions, NULL)) {
    golden_fail (self->golden, "apply.interleaved: no tables");
    dv_tensor_clear (&got);
    return;
  }
  for (int64_t t = 0; t < tokens; t++)
    for (int64_t e = 0; e < dim; e += 2) {
      float c = interleaved_entry (&spread, false, t, dim, e);
      float s = interleaved_entry (&spread, true, t, dim, e);
      const float *pair = x + t * dim + e;

      *out++ = pair[0] * c - pair[1] * s;
      *out++ = pair[1] * c + pair[0] * s;
    }
  golden_compare (self->golden, "apply.interleaved", &got,
      golden_find (self->golden, EXPECTED, "apply.interleaved"), tables_limit);
  spread_close (&spread);
  dv_tensor_clear (&got);
}

static void
run_small (Golden *golden)
{
  const DvTensor *bounds = golden_find (golden, EXPECTED, "small.positions");
  Apply apply = {.golden = golden,
      .x = golden_find (golden, EXPECTED, "apply.x"),
      .spec = real_spec (true, false, false)};
  DvPositions positions;
  DvError error = {0};

  if (!bounds || !apply.x ||
      dv_positions_from_bounds (&positions, (int)bounds->shape[1],
          bounds->shape[2], bounds->data, &error) != DV_OK) {
    golden_fail (golden, "small.positions: %s", error.detail);
    return;
  }
  compare_small (golden, &positions, 128, 4);
  compare_small (golden, &positions, 112, 7);
  compare_small (golden, &positions, 120, 4);
  apply.positions = &positions;
  apply.spec.dim = 128;
  apply.spec.heads = 4;
  dv_stream_free (golden_stream (golden, apply_split, &apply));
  apply_interleaved (&apply);
  dv_positions_clear (&positions);
}

void
golden_run_rope (Golden *golden)
{
  cJSON *grids = json_read (golden, "grids.json"), *grid;

  if (!grids)
    return;
  cJSON_ArrayForEach (grid, grids) compare_grid (golden, grids, grid->string);
  cJSON_Delete (grids);
  compare_connector (golden, "connector20", 3840, 30);
  compare_connector (golden, "connector23_video", 4096, 32);
  compare_connector (golden, "connector23_audio", 2048, 32);
  run_small (golden);
}
