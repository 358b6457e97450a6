/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Gemma 3's text model: all hidden states of a prompt's real tokens (section
 * 3.2 of docs/ltx2-model.md).
 *
 * The residual stream and what is normed or multiplied on its way into a
 * product are F32; what goes into products has the weights' compute type.
 *
 * Threads: after loading, a model is only read and may be shared.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text-private.h"

/* Far more than a prompt has: keeps sizes small enough to multiply. */
#define MAX_TOKENS (1 << 20)

typedef struct {
  DvTensor before_attention, after_attention, before_mlp, after_mlp;
  DvTensor q_norm, k_norm; /* [head_dim] */
  DvLinear q, k, v, o;
  DvLinear gate, up, down;
  DvParcel parcel; /* its matrices, if they do not stay on the device */
} Layer;

#define MATRICES 7 /* of a layer */

struct DvGemma {
  DvDevice *device;
  DvGemmaConfig config;
  DvDtype compute;
  DvWeight embed;
  DvTensor norm;
  Layer *layer;
};

/* One run. */
typedef struct {
  const DvGemma *gemma;
  DvStream *stream;
  int64_t n;
  DvTensor x;          /* [n, hidden] F32 */
  DvTensor cosines[2]; /* local, global: [n, head_dim / 2] */
  DvTensor sines[2];
} Run;

/* ---- loading ---- */

static void
load_layer (DvLoader *loader, const DvGemmaConfig *c, Layer *layer, int i)
{
  int64_t D = c->hidden, q = c->heads * c->head_dim,
          kv = c->kv_heads * c->head_dim;
  const char *at = "model.layers";

#define NORM(field, size, name)                                                \
  layer->field =                                                               \
      dv_load_plain (loader, DV_SHAPE (size), "%s.%d." name ".weight", at, i)
#define LINEAR(field, out, in, name)                                           \
  layer->field = dv_load_linear (loader, out, in, false, "%s.%d." name, at, i)
  NORM (before_attention, D, "input_layernorm");
  LINEAR (q, q, D, "self_attn.q_proj");
  LINEAR (k, kv, D, "self_attn.k_proj");
  LINEAR (v, kv, D, "self_attn.v_proj");
  NORM (q_norm, c->head_dim, "self_attn.q_norm");
  NORM (k_norm, c->head_dim, "self_attn.k_norm");
  LINEAR (o, D, q, "self_attn.o_proj");
  NORM (after_attention, D, "post_attention_layernorm");
  NORM (before_mlp, D, "pre_feedforward_layernorm");
  LINEAR (gate, c->mlp, D, "mlp.gate_proj");
  LINEAR (up, c->mlp, D, "mlp.up_proj");
  LINEAR (down, D, c->mlp, "mlp.down_proj");
  NORM (after_mlp, D, "post_feedforward_layernorm");
#undef NORM
#undef LINEAR
}

/* ---- a layer's matrices ---- */

static void
matrices_of (Layer *layer, DvWeight **matrices)
{
  DvLinear *all[MATRICES] = {&layer->q, &layer->k, &layer->v, &layer->o,
      &layer->gate, &layer->up, &layer->down};

  for (int i = 0; i < MATRICES; i++)
    matrices[i] = &all[i]->w;
}

int64_t
dv_gemma_layers (const DvGemma *gemma)
{
  return gemma->config.layers;
}

uint64_t
dv_gemma_layer_bytes (const DvGemma *gemma)
{
  DvWeight *matrices[MATRICES];
  uint64_t most = 0;

  for (int64_t i = 0; i < gemma->config.layers; i++) {
    uint64_t bytes;

    matrices_of (&gemma->layer[i], matrices);
    bytes = dv_parcel_bytes (matrices, MATRICES);
    most = bytes > most ? bytes : most;
  }
  return most;
}

/* Takes layers off the device when they are loaded. */
static void
load_layers (DvLoader *loader, DvGemma *gemma)
{
  bool parks = loader->parked > 0 && !loader->counting;
  DvStream *stream = NULL;
  DvWeight *matrices[MATRICES];

  if (parks && loader->status == DV_OK) {
    stream = dv_stream_new (loader->device, 0, &loader->error);
    loader->status = stream ? DV_OK : loader->error.code;
  }
  for (int i = 0; i < gemma->config.layers; i++) {
    Layer *layer = &gemma->layer[i];

    load_layer (loader, &gemma->config, layer, i);
    matrices_of (layer, matrices);
    if (parks && loader->status == DV_OK &&
        dv_is_parked (i, gemma->config.layers, loader->parked))
      loader->status = dv_parcel_pack (
          &layer->parcel, stream, matrices, MATRICES, &loader->error);
  }
  dv_stream_free (stream);
}

DvGemma *
dv_gemma_load (DvLoader *loader, const DvGemmaConfig *config)
{
  DvGemma *gemma = calloc (1, sizeof *gemma);

  if (!gemma)
    goto no_memory;
  gemma->config = *config;
  gemma->compute = loader->compute;
  gemma->device = dv_device_ref (loader->device);
  gemma->layer = calloc ((size_t)config->layers, sizeof *gemma->layer);
  if (!gemma->layer)
    goto no_memory;
  gemma->embed = dv_load (loader, DV_USE_TABLE,
      DV_SHAPE (config->vocab, config->hidden), "model.embed_tokens.weight");
  load_layers (loader, gemma);
  gemma->norm =
      dv_load_plain (loader, DV_SHAPE (config->hidden), "model.norm.weight");
  if (loader->status == DV_OK)
    return gemma;
  dv_gemma_free (gemma);
  return NULL;

no_memory:
  dv_text_no_memory (loader, "text encoder's layers");
  dv_gemma_free (gemma);
  return NULL;
}

static void
clear_layer (DvDevice *device, Layer *layer)
{
  dv_plain_clear (device, &layer->before_attention);
  dv_plain_clear (device, &layer->after_attention);
  dv_plain_clear (device, &layer->before_mlp);
  dv_plain_clear (device, &layer->after_mlp);
  dv_plain_clear (device, &layer->q_norm);
  dv_plain_clear (device, &layer->k_norm);
  dv_linear_clear (device, &layer->q);
  dv_linear_clear (device, &layer->k);
  dv_linear_clear (device, &layer->v);
  dv_linear_clear (device, &layer->o);
  dv_linear_clear (device, &layer->gate);
  dv_linear_clear (device, &layer->up);
  dv_linear_clear (device, &layer->down);
  dv_parcel_clear (&layer->parcel, device);
}

void
dv_gemma_free (DvGemma *gemma)
{
  if (!gemma)
    return;
  for (int64_t i = 0; gemma->layer && i < gemma->config.layers; i++)
    clear_layer (gemma->device, &gemma->layer[i]);
  if (gemma->device) {
    dv_weight_clear (gemma->device, &gemma->embed);
    dv_plain_clear (gemma->device, &gemma->norm);
    dv_device_unref (gemma->device);
  }
  free (gemma->layer);
  free (gemma);
}

/* ---- positions ---- */

/* angle_j (t) = t base^(-2j / d) / factor, j < d / 2 */
static void
fill_angles (float *cosines, float *sines, int64_t n, int64_t d, double base,
    double factor)
{
  for (int64_t j = 0; j < d / 2; j++) {
    double speed = pow (base, -2.0 * (double)j / (double)d) / factor;

    for (int64_t t = 0; t < n; t++) {
      cosines[t * (d / 2) + j] = (float)cos ((double)t * speed);
      sines[t * (d / 2) + j] = (float)sin ((double)t * speed);
    }
  }
}

/* Makes the tables of both kinds of layers and takes them to the device. */
static void
make_angles (Run *run)
{
  const DvGemmaConfig *c = &run->gemma->config;
  int64_t half = c->head_dim / 2, n = run->n;
  size_t each = (size_t)(n * half);
  DvTensor all = DV_NEW (run->stream, DV_F32, 4, n, half), host, one;
  float *data;

  for (int64_t kind = 0; kind < 2; kind++) {
    one = dv_slice (&all, 0, 2 * kind, 1);
    run->cosines[kind] = DV_RESHAPE (&one, n, half);
    one = dv_slice (&all, 0, 2 * kind + 1, 1);
    run->sines[kind] = DV_RESHAPE (&one, n, half);
  }
  if (!dv_stream_live (run->stream))
    return;
  data = malloc (4 * each * sizeof *data);
  if (!data) {
    dv_stream_fail (run->stream, DV_ERROR_MEMORY, "text",
        "no memory for the angles of %lld tokens", (long long)n);
    return;
  }
  fill_angles (data, data + each, n, c->head_dim, c->rope_local_base, 1.0);
  fill_angles (data + 2 * each, data + 3 * each, n, c->head_dim, c->rope_theta,
      c->rope_factor);
  host = DV_TENSOR (data, DV_F32, 4, n, half);
  dv_copy (run->stream, &all, &host);
  free (data);
}

/* ---- a layer ---- */

/* out = x / sqrt (mean (x^2) + eps) * (1 + w) [+ residual] */
static void
norm (Run *run, const DvTensor *out, const DvTensor *x, const DvTensor *w,
    const DvTensor *residual)
{
  dv_norm (run->stream, &(DvNorm){
                            .out = out,
                            .x = x,
                            .kind = DV_NORM_RMS,
                            .eps = run->gemma->config.eps,
                            .weight = w,
                            .one_plus = true,
                            .residual = residual,
                        });
}

static DvTensor
new_rows (Run *run, int64_t columns)
{
  return DV_NEW (run->stream, run->gemma->compute, run->n, columns);
}

static DvTensor
new_sums (Run *run, int64_t columns)
{
  return DV_NEW (run->stream, DV_F32, run->n, columns);
}

/* Heads of w y, each normed with @norm_w and rotated: q or k. */
static DvTensor
rotated (Run *run, const DvTensor *y, const DvLinear *linear, int64_t n_heads,
    const DvTensor *norm_w, bool global)
{
  int64_t d = run->gemma->config.head_dim;
  DvTensor out = DV_NEW (run->stream, run->gemma->compute, run->n, n_heads, d);
  size_t mark = dv_mark (run->stream);
  DvTensor sums = new_sums (run, n_heads * d), heads;

  dv_text_linear (run->stream, &sums, y, linear, DV_ACT_NONE, NULL);
  heads = dv_text_heads (&sums, d);
  dv_qk_norm (run->stream, &(DvQkNorm){
                               .out = &out,
                               .x = &heads,
                               .weight = norm_w,
                               .one_plus = true,
                               .eps = run->gemma->config.eps,
                               .rope = {.n_axes = 1,
                                   .cos = {&run->cosines[global]},
                                   .sin = {&run->sines[global]},
                                   .shared = true},
                           });
  dv_release (run->stream, mark);
  return out;
}

/* x += G (o_proj (attention (G (x)))) */
static void
attend (Run *run, const Layer *layer, bool global)
{
  const DvGemmaConfig *c = &run->gemma->config;
  DvStream *stream = run->stream;
  size_t mark = dv_mark (stream);
  DvTensor y = new_rows (run, c->hidden), q, k, v, seen, out;
  DvTensor v_heads, seen_heads;

  norm (run, &y, &run->x, &layer->before_attention, NULL);
  q = rotated (run, &y, &layer->q, c->heads, &layer->q_norm, global);
  k = rotated (run, &y, &layer->k, c->kv_heads, &layer->k_norm, global);
  v = new_rows (run, c->kv_heads * c->head_dim);
  dv_text_linear (stream, &v, &y, &layer->v, DV_ACT_NONE, NULL);
  seen = new_rows (run, c->heads * c->head_dim);
  v_heads = dv_text_heads (&v, c->head_dim);
  seen_heads = dv_text_heads (&seen, c->head_dim);
  dv_attention (
      stream, &(DvAttention){
                  .out = &seen_heads,
                  .q = &q,
                  .k = &k,
                  .v = &v_heads,
                  .scale = (float)(1.0 / sqrt (c->query_pre_attn_scalar)),
                  .causal = true,
                  .window = global ? 0 : c->sliding_window,
              });
  out = new_sums (run, c->hidden);
  dv_text_linear (stream, &out, &seen, &layer->o, DV_ACT_NONE, NULL);
  norm (run, &run->x, &out, &layer->after_attention, &run->x);
  dv_release (stream, mark);
}

/* x += G (down (gelu (gate (y)) * up (y))), y = G (x) */
static void
feed_forward (Run *run, const Layer *layer)
{
  const DvGemmaConfig *c = &run->gemma->config;
  DvStream *stream = run->stream;
  size_t mark = dv_mark (stream);
  DvTensor y = new_rows (run, c->hidden), product = new_rows (run, c->mlp);
  DvTensor gate = new_sums (run, c->mlp), up = new_sums (run, c->mlp);
  DvTensor out = new_sums (run, c->hidden);

  norm (run, &y, &run->x, &layer->before_mlp, NULL);
  dv_text_linear (stream, &gate, &y, &layer->gate, DV_ACT_GELU, NULL);
  dv_text_linear (stream, &up, &y, &layer->up, DV_ACT_NONE, NULL);
  dv_map (stream,
      &(DvMap){.out = &product, .x = &gate, .y = &up, .kind = DV_MAP_MUL});
  dv_text_linear (stream, &out, &product, &layer->down, DV_ACT_NONE, NULL);
  norm (run, &run->x, &out, &layer->after_mlp, &run->x);
  dv_release (stream, mark);
}

/* ---- the whole ---- */

static bool
fits (const DvGemma *gemma, int64_t n, const DvTensor *hidden)
{
  return n >= 1 && n <= MAX_TOKENS && hidden->n_dims == 3 &&
         hidden->shape[0] == gemma->config.layers + 1 &&
         hidden->shape[1] == n && hidden->shape[2] == gemma->config.hidden;
}

/* Where the table does not stand on the device: its rows of @ids, which are
 * then looked up by number. */
static DvTensor
bring_rows (Run *run, int32_t *ids)
{
  const DvTensor *table = &run->gemma->embed.data;
  const size_t row = (size_t)table->shape[1] * dv_dtype_size (table->dtype);
  DvTensor rows = DV_NEW (run->stream, table->dtype, run->n, table->shape[1]);
  DvTensor host;

  if (!dv_stream_live (run->stream))
    return rows;
  host = dv_tensor_new (table->dtype, 2, rows.shape);
  if (!host.data) {
    dv_stream_fail (run->stream, DV_ERROR_MEMORY, "text",
        "no memory for the rows of %lld tokens", (long long)run->n);
    return rows;
  }
  for (int64_t i = 0; i < run->n; i++) {
    memcpy ((uint8_t *)host.data + (size_t)i * row,
        (const uint8_t *)table->data + (size_t)ids[i] * row, row);
    ids[i] = (int32_t)i;
  }
  dv_copy (run->stream, &rows, &host);
  dv_tensor_clear (&host);
  return rows;
}

static bool
known_ids (Run *run, const int32_t *ids)
{
  const int64_t vocab = run->gemma->config.vocab;

  for (int64_t i = 0; i < run->n; i++)
    if (ids[i] < 0 || ids[i] >= vocab)
      dv_stream_fail (run->stream, DV_ERROR_ARGUMENT, "text",
          "token %d is not in the text encoder's vocabulary of %lld: the "
          "tokenizer belongs to another model",
          ids[i], (long long)vocab);
  return run->stream->status == DV_OK;
}

/* x = embed[id] sqrt (hidden) */
static void
embed (Run *run, const int32_t *ids)
{
  const DvGemmaConfig *c = &run->gemma->config;
  DvTensor id = DV_NEW (run->stream, DV_I32, run->n), host;
  DvTensor table = run->gemma->embed.data;
  int32_t *places = NULL;

  if (dv_stream_live (run->stream) && known_ids (run, ids)) {
    places = malloc ((size_t)run->n * sizeof *places);
    if (places)
      memcpy (places, ids, (size_t)run->n * sizeof *places);
    else
      dv_stream_fail (run->stream, DV_ERROR_MEMORY, "text",
          "no memory for %lld tokens", (long long)run->n);
  }
  if (run->gemma->device->discrete)
    table = bring_rows (run, places);
  if (dv_stream_live (run->stream)) {
    host = DV_TENSOR (places, DV_I32, run->n);
    dv_copy (run->stream, &id, &host);
  }
  free (places);
  dv_gather (run->stream, &(DvGather){
                              .out = &run->x,
                              .table = &table,
                              .id = &id,
                              .scale = (float)sqrt ((double)c->hidden),
                          });
}

/* The next layer behind @number that has to be brought. */
static const DvParcel *
next_parcel (const DvGemma *gemma, int64_t number)
{
  for (int64_t i = number + 1; i < gemma->config.layers; i++)
    if (gemma->layer[i].parcel.host)
      return &gemma->layer[i].parcel;
  return NULL;
}

static void
run_layer (Run *run, int64_t number)
{
  bool global = (number + 1) % run->gemma->config.sliding_pattern == 0;
  Layer here = run->gemma->layer[number];
  const DvParcel *next = next_parcel (run->gemma, number);
  bool brought = here.parcel.host && !run->stream->dry;
  DvWeight *matrices[MATRICES];
  void *slot;

  if (brought) {
    slot = dv_fetch_take (run->stream, &run->gemma->layer[number].parcel);
    if (!slot)
      return;
    matrices_of (&here, matrices);
    dv_parcel_lay (matrices, MATRICES, slot);
    if (next)
      dv_fetch_ahead (run->stream, next);
  }
  attend (run, &here, global);
  feed_forward (run, &here);
  if (brought)
    dv_fetch_done (run->stream);
}

/* hidden[l] = x */
static void
keep (Run *run, const DvTensor *hidden, int64_t l)
{
  DvTensor out = dv_index (hidden, l);

  dv_map (
      run->stream, &(DvMap){.out = &out, .x = &run->x, .kind = DV_MAP_COPY});
}

DvTensor
dv_gemma_hidden (const DvGemma *gemma, DvStream *stream, int64_t n)
{
  if (n < 1 || n > MAX_TOKENS) {
    dv_stream_fail (stream, DV_ERROR_ARGUMENT, "text",
        "a prompt of %lld tokens cannot be encoded", (long long)n);
    n = 0;
  }
  return DV_NEW (stream, gemma->compute, gemma->config.layers + 1, n,
      gemma->config.hidden);
}

void
dv_gemma_run (const DvGemma *gemma, DvStream *stream, const int32_t *ids,
    int64_t n, const DvTensor *hidden, const DvProbe *probe)
{
  const DvGemmaConfig *c = &gemma->config;
  size_t mark = dv_mark (stream);
  Run run = {gemma, stream, n};
  DvTensor last;

  if (!fits (gemma, n, hidden)) {
    dv_stream_fail (stream, DV_ERROR_ARGUMENT, "text",
        "hidden states of %lld tokens do not fit what is to take them",
        (long long)n);
    return;
  }
  run.x = DV_NEW (stream, DV_F32, n, c->hidden);
  if (next_parcel (gemma, -1))
    dv_fetch_ahead (stream, next_parcel (gemma, -1));
  make_angles (&run);
  embed (&run, ids);
  for (int64_t i = 0; i < c->layers; i++) {
    keep (&run, hidden, i);
    run_layer (&run, i);
  }
  last = dv_index (hidden, c->layers);
  norm (&run, &last, &run.x, &gemma->norm, NULL);
  dv_probe (probe, stream, "hidden_states", hidden);
  dv_release (stream, mark);
}
