/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The connectors: features of a prompt's real tokens, then registers, through
 * a small transformer a modality (sections 3.4 and 5.3 of docs/ltx2-model.md).
 *
 * The residual stream is F32; what goes into products has the weights'
 * compute type.
 *
 * Threads: after loading they are only read and may be shared.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "rope.h"
#include "text-private.h"

#define EPS 1e-6f
#define MAX_ROWS (1 << 20) /* of a context; keeps sizes small */

typedef struct {
  DvLinear q, k, v, out;
  DvLinear gate;           /* [heads, width]: [2.3] */
  DvTensor q_norm, k_norm; /* [width] */
  DvLinear up, down;       /* of the feed-forward */
} Block;

typedef struct {
  const char *name; /* "video" */
  DvConnectorConfig config;
  int64_t width;
  DvTensor registers; /* [registers, width] */
  Block *block;
} Connector;

struct DvConnectors {
  DvDevice *device;
  DvTextConfig config;
  DvDtype compute;
  DvFeatures *features;
  Connector video, audio;
};

/* One connector's run. */
typedef struct {
  const DvConnectors *all;
  const Connector *connector;
  DvStream *stream;
  const DvProbe *probe;
  const DvRope *rope;
  const DvTensor *x; /* [rows, width] F32 */
} Run;

/* ---- loading ---- */

static void
load_block (DvLoader *loader, const Connector *c, Block *block, int i)
{
  int64_t w = c->width;
  char at[80];

  snprintf (at, sizeof at, "%s_connector.transformer_blocks.%d", c->name, i);
  block->q = dv_load_linear (loader, w, w, true, "%s.attn1.to_q", at);
  block->k = dv_load_linear (loader, w, w, true, "%s.attn1.to_k", at);
  block->v = dv_load_linear (loader, w, w, true, "%s.attn1.to_v", at);
  block->out = dv_load_linear (loader, w, w, true, "%s.attn1.to_out.0", at);
  block->q_norm =
      dv_load_plain (loader, DV_SHAPE (w), "%s.attn1.norm_q.weight", at);
  block->k_norm =
      dv_load_plain (loader, DV_SHAPE (w), "%s.attn1.norm_k.weight", at);
  if (c->config.gated)
    block->gate = dv_load_linear (
        loader, c->config.heads, w, true, "%s.attn1.to_gate_logits", at);
  block->up = dv_load_linear (loader, 4 * w, w, true, "%s.ff.net.0.proj", at);
  block->down = dv_load_linear (loader, w, 4 * w, true, "%s.ff.net.2", at);
}

static void
load_connector (DvLoader *loader, const char *name,
    const DvConnectorConfig *config, Connector *c)
{
  c->name = name;
  c->config = *config;
  c->width = config->heads * config->head_dim;
  c->registers = dv_load_plain (loader, DV_SHAPE (config->registers, c->width),
      "%s_connector.learnable_registers", name);
  c->block = calloc ((size_t)config->layers + 1, sizeof *c->block);
  if (!c->block) {
    dv_text_no_memory (loader, "connectors");
    return;
  }
  for (int i = 0; i < config->layers; i++)
    load_block (loader, c, &c->block[i], i);
}

DvConnectors *
dv_connectors_load (DvLoader *loader, const DvTextConfig *config)
{
  DvConnectors *connectors = calloc (1, sizeof *connectors);

  if (!connectors) {
    dv_text_no_memory (loader, "connectors");
    return NULL;
  }
  connectors->device = dv_device_ref (loader->device);
  connectors->config = *config;
  connectors->compute = loader->compute;
  connectors->features = dv_features_load (loader, config);
  load_connector (loader, "video", &config->video, &connectors->video);
  load_connector (loader, "audio", &config->audio, &connectors->audio);
  if (loader->status == DV_OK)
    return connectors;
  dv_connectors_free (connectors);
  return NULL;
}

static void
clear_connector (DvDevice *device, Connector *c)
{
  for (int64_t i = 0; c->block && i < c->config.layers; i++) {
    Block *block = &c->block[i];

    dv_linear_clear (device, &block->q);
    dv_linear_clear (device, &block->k);
    dv_linear_clear (device, &block->v);
    dv_linear_clear (device, &block->out);
    dv_linear_clear (device, &block->gate);
    dv_linear_clear (device, &block->up);
    dv_linear_clear (device, &block->down);
    dv_plain_clear (device, &block->q_norm);
    dv_plain_clear (device, &block->k_norm);
  }
  dv_plain_clear (device, &c->registers);
  free (c->block);
}

void
dv_connectors_free (DvConnectors *connectors)
{
  if (!connectors)
    return;
  clear_connector (connectors->device, &connectors->video);
  clear_connector (connectors->device, &connectors->audio);
  dv_features_free (connectors->features);
  dv_device_unref (connectors->device);
  free (connectors);
}

/* ---- a block ---- */

static DvTensor
new_rows (Run *run, int64_t columns)
{
  return DV_NEW (run->stream, run->all->compute, run->x->shape[0], columns);
}

static void
rms (Run *run, const DvTensor *out)
{
  dv_norm (run->stream,
      &(DvNorm){.out = out, .x = run->x, .kind = DV_NORM_RMS, .eps = EPS});
}

/* q or k: the norm over all heads, then the rotation; in place. */
static DvTensor
rotated (Run *run, const DvTensor *t, const DvTensor *w)
{
  DvTensor heads = dv_text_heads (t, run->connector->config.head_dim);

  dv_qk_norm (run->stream, &(DvQkNorm){.out = &heads,
                               .x = &heads,
                               .weight = w,
                               .eps = EPS,
                               .rope = *run->rope});
  return heads;
}

/* x += to_out (attention (rms (x))) */
static void
attend (Run *run, const Block *block)
{
  const DvConnectorConfig *c = &run->connector->config;
  int64_t width = run->connector->width;
  DvStream *stream = run->stream;
  size_t mark = dv_mark (stream);
  DvTensor y = new_rows (run, width), q = new_rows (run, width);
  DvTensor k = new_rows (run, width), v = new_rows (run, width);
  DvTensor gate = {0}, seen, q_heads, k_heads, v_heads;

  rms (run, &y);
  dv_text_linear (stream, &q, &y, &block->q, DV_ACT_NONE, NULL);
  dv_text_linear (stream, &k, &y, &block->k, DV_ACT_NONE, NULL);
  dv_text_linear (stream, &v, &y, &block->v, DV_ACT_NONE, NULL);
  if (c->gated) {
    gate = DV_NEW (stream, DV_F32, y.shape[0], c->heads);
    dv_text_linear (stream, &gate, &y, &block->gate, DV_ACT_NONE, NULL);
  }
  q_heads = rotated (run, &q, &block->q_norm);
  k_heads = rotated (run, &k, &block->k_norm);
  v_heads = dv_text_heads (&v, c->head_dim);
  /* The input is not needed any more. */
  seen = dv_text_heads (&y, c->head_dim);
  dv_attention (stream, &(DvAttention){
                            .out = &seen,
                            .q = &q_heads,
                            .k = &k_heads,
                            .v = &v_heads,
                            .scale = 1.0f / sqrtf ((float)c->head_dim),
                            .gate = c->gated ? &gate : NULL,
                        });
  dv_text_linear (stream, run->x, &y, &block->out, DV_ACT_NONE, run->x);
  dv_release (stream, mark);
}

/* x += down (gelu (up (rms (x)))) */
static void
feed_forward (Run *run, const Block *block)
{
  int64_t width = run->connector->width;
  size_t mark = dv_mark (run->stream);
  DvTensor y = new_rows (run, width), wide = new_rows (run, 4 * width);

  rms (run, &y);
  dv_text_linear (run->stream, &wide, &y, &block->up, DV_ACT_GELU, NULL);
  dv_text_linear (
      run->stream, run->x, &wide, &block->down, DV_ACT_NONE, run->x);
  dv_release (run->stream, mark);
}

/* ---- a connector ---- */

static void
show (Run *run, int64_t block, const char *what)
{
  char name[80];

  snprintf (name, sizeof name, "%s_connector.block%lld.%s",
      run->connector->name, (long long)block, what);
  dv_probe (run->probe, run->stream, name, run->x);
}

/* Row i >= n of x is register i % R. */
static void
add_registers (Run *run, int64_t n)
{
  int64_t R = run->connector->config.registers, rows = run->x->shape[0];

  for (int64_t row = n, count; row < rows; row += count) {
    int64_t first = row % R;
    DvTensor from, to;

    count = R - first < rows - row ? R - first : rows - row;
    from = dv_slice (&run->connector->registers, 0, first, count);
    to = dv_slice (run->x, 0, row, count);
    dv_map (run->stream, &(DvMap){.out = &to, .x = &from, .kind = DV_MAP_COPY});
  }
}

/* Token i stands at i / 4096. */
static void
take_rope (Run *run, DvRopeTables *tables)
{
  const DvTextConfig *config = &run->all->config;
  DvRopeSpec spec = {
      .dim = run->connector->width,
      .heads = run->connector->config.heads,
      .n_axes = 1,
      .max = {(double)config->rope_base_len},
      .theta = config->rope_theta,
      .double_precision = config->rope_double,
  };
  int64_t rows = run->x->shape[0];
  DvPositions positions = {0};
  DvError error = {0};
  float *bounds = malloc (2 * (size_t)rows * sizeof *bounds);

  if (!bounds) {
    dv_stream_fail (run->stream, DV_ERROR_MEMORY, "text",
        "no memory for %lld positions", (long long)rows);
    return;
  }
  for (int64_t i = 0; i < rows; i++)
    bounds[2 * i] = bounds[2 * i + 1] = (float)i;
  if (dv_positions_from_bounds (&positions, 1, rows, bounds, &error) == DV_OK)
    dv_rope_tables_take (tables, run->stream, &spec, &positions);
  else
    dv_stream_fail (run->stream, error.code, error.stage, "%s", error.detail);
  dv_positions_clear (&positions);
  free (bounds);
}

/* @x holds features in its first @n rows; it becomes the context. */
static void
run_connector (const DvConnectors *all, const Connector *connector,
    DvStream *stream, const DvTensor *x, int64_t n, const DvProbe *probe)
{
  size_t mark = dv_mark (stream);
  DvRopeTables tables = {{0}};
  Run run = {all, connector, stream, probe, &tables.rope, x};

  add_registers (&run, n);
  take_rope (&run, &tables);
  for (int64_t i = 0; i < connector->config.layers; i++) {
    show (&run, i, "in");
    attend (&run, &connector->block[i]);
    feed_forward (&run, &connector->block[i]);
    show (&run, i, "out");
  }
  rms (&run, x);
  dv_release (stream, mark);
}

static bool
fits (const DvConnectors *c, const DvTensor *hidden, const DvTensor *video,
    const DvTensor *audio)
{
  return hidden->n_dims == 3 && hidden->shape[0] == c->config.hidden_states &&
         hidden->shape[2] == c->config.caption && video->n_dims == 2 &&
         audio->n_dims == 2 && video->shape[1] == c->video.width &&
         audio->shape[1] == c->audio.width &&
         video->shape[0] == audio->shape[0] && video->shape[0] <= MAX_ROWS &&
         hidden->shape[1] >= 1 && hidden->shape[1] <= video->shape[0];
}

void
dv_connectors_run (const DvConnectors *connectors, DvStream *stream,
    const DvTensor *hidden, const DvTensor *video, const DvTensor *audio,
    const DvProbe *probe)
{
  char what[3][96];
  DvTensor features[2];
  int64_t n;

  if (!fits (connectors, hidden, video, audio)) {
    dv_stream_fail (stream, DV_ERROR_ARGUMENT, "text",
        "hidden states %s do not become contexts %s and %s",
        dv_tensor_describe (hidden, what[0], sizeof what[0]),
        dv_tensor_describe (video, what[1], sizeof what[1]),
        dv_tensor_describe (audio, what[2], sizeof what[2]));
    return;
  }
  n = hidden->shape[1];
  features[0] = dv_slice (video, 0, 0, n);
  features[1] = dv_slice (audio, 0, 0, n);
  dv_features_run (
      connectors->features, stream, hidden, &features[0], &features[1]);
  dv_probe (probe, stream, "video_features", &features[0]);
  dv_probe (probe, stream, "audio_features", &features[1]);
  run_connector (connectors, &connectors->video, stream, video, n, probe);
  run_connector (connectors, &connectors->audio, stream, audio, n, probe);
}
