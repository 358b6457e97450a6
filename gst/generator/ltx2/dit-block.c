/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One block of the diffusion transformer (sections 5.3 and 5.4 of
 * docs/ltx2-model.md).
 *
 * The residual streams stay F32; what goes into a product is in the model's
 * compute type.  Of a modality's size no more than four tensors are alive at
 * a time beside its residual stream.
 */
#include <math.h>

#include "dit-private.h"

/* Rows of a block's modulation, and of its cross-modal table. */
enum { SHIFT, SCALE, GATE, FF_SHIFT, FF_SCALE, FF_GATE };
enum { TEXT_SHIFT = 6, TEXT_SCALE, TEXT_GATE };
enum { ASK_SCALE, ASK_SHIFT, TELL_SCALE, TELL_SHIFT };

/* Tokens whose hidden layer of the feed-forward is held whole. */
#define FF_WHOLE 512

/* A modality's own sub-layers, where the other's names differ. */
static const char *const own_prefix[DV_N_SIDES] = {"", "audio_"};
static const char *const cross_name[DV_N_SIDES] = {
    "audio_to_video_attn", "video_to_audio_attn"};

static DvRows
row_of (const DvDitMod *mod, int row)
{
  return mod ? (DvRows){&mod->row[row], mod->index} : (DvRows){0};
}

/* out = rms (x) (1 + scale) + shift, without a mod rms (x). */
static void
modulate (DvDitRun *run, const DvTensor *out, const DvTensor *x,
    const DvDitMod *mod, int scale, int shift)
{
  dv_norm (run->stream, &(DvNorm){
                            .out = out,
                            .x = x,
                            .kind = DV_NORM_RMS,
                            .eps = run->dit->config.eps,
                            .scale = row_of (mod, scale),
                            .shift = row_of (mod, shift),
                        });
}

static DvTensor
new_like (DvDitRun *run, int64_t rows, int64_t columns)
{
  return DV_NEW (run->stream, run->dit->compute, rows, columns);
}

/* [M, heads head_dim] as heads; the memory of @t may be larger. */
static DvTensor
as_heads (const DvTensor *t, int64_t rows, const DvDitAttention *a)
{
  DvTensor view = DV_TENSOR (t->data, t->dtype, rows, a->heads, a->head_dim);

  view.device = t->device;
  return view;
}

/* ---- attention ---- */

/* k = rope (rms (to_k source) norm_k), v = to_v source; @k and @v are
 * [S, heads, head_dim]. */
static void
make_keys (DvDitRun *run, const DvDitAttention *a, const DvTensor *source,
    const DvRope *rope, const DvTensor *k, const DvTensor *v)
{
  DvTensor flat_k = DV_RESHAPE (k, k->shape[0], a->heads * a->head_dim);
  DvTensor flat_v = DV_RESHAPE (v, v->shape[0], a->heads * a->head_dim);

  dv_dit_linear (run->stream, &flat_k, source, &a->k, DV_ACT_NONE);
  dv_dit_linear (run->stream, &flat_v, source, &a->v, DV_ACT_NONE);
  dv_qk_norm (run->stream, &(DvQkNorm){
                               .out = k,
                               .x = k,
                               .weight = &a->norm_k,
                               .eps = run->dit->config.eps,
                               .rope = rope ? *rope : (DvRope){0},
                           });
}

/* One attention from its normalised query input on. */
typedef struct {
  const DvDitAttention *w;
  const DvTensor *input; /* [M, C]: overwritten */
  const DvTensor *k, *v; /* [S, heads, head_dim] */
  const DvRope *rope;    /* of the query */
  const DvTensor *bias;  /* [S], or NULL */
  bool values_only;      /* v in place of the attention's output */
  DvDitLane *lane;       /* whose residual stream takes it */
  DvRows gate;
  const char *name; /* for a probe */
  int64_t block;
} Attend;

/* out *= 2 sigmoid (logit) = 1 + tanh (logit / 2), by heads. */
static void
gate_heads (DvDitRun *run, const DvTensor *out, const DvTensor *logits)
{
  DvStream *stream = run->stream;
  size_t mark = dv_mark (stream);
  DvTensor tanhs = DV_NEW (stream, DV_F32, logits->shape[0], logits->shape[1]);
  DvTensor gated =
      DV_NEW (stream, DV_F32, out->shape[0], out->shape[1], out->shape[2]);
  DvTensor wide = tanhs;

  wide.n_dims = 3;
  wide.shape[2] = out->shape[2];
  wide.stride[2] = 0;
  dv_map (stream,
      &(DvMap){.out = &tanhs, .x = logits, .kind = DV_MAP_SCALE, .p = 0.5f});
  dv_map (stream, &(DvMap){.out = &tanhs, .x = &tanhs, .kind = DV_MAP_TANH});
  dv_map (stream,
      &(DvMap){.out = &gated, .x = out, .y = &wide, .kind = DV_MAP_MUL});
  dv_map (
      stream, &(DvMap){.out = out, .x = out, .y = &gated, .kind = DV_MAP_ADD});
  dv_release (stream, mark);
}

/* What a linear layer gives by itself, for a probe. */
static void
show_linear (DvDitRun *run, const DvTensor *input, const DvLinear *linear,
    int64_t width, int64_t block, const char *name)
{
  size_t mark = dv_mark (run->stream);
  DvTensor out;

  if (!dv_dit_probed (run))
    return;
  out = DV_NEW (run->stream, DV_F32, input->shape[0], width);
  dv_dit_linear (run->stream, &out, input, linear, DV_ACT_NONE);
  dv_dit_show (run, &out, "block%lld.%s", (long long)block, name);
  dv_release (run->stream, mark);
}

/* x += gate * to_out (attention (rope (rms (to_q input)), k, v)) */
static void
attend (DvDitRun *run, const Attend *at)
{
  const DvDitAttention *a = at->w;
  DvStream *stream = run->stream;
  size_t mark = dv_mark (stream);
  int64_t m = at->input->shape[0], inner = a->heads * a->head_dim;
  DvTensor q = new_like (run, m, inner), logits, heads, out, flat;

  dv_dit_linear (stream, &q, at->input, &a->q, DV_ACT_NONE);
  if (a->gated) {
    logits = DV_NEW (stream, DV_F32, m, a->heads);
    dv_dit_linear (stream, &logits, at->input, &a->gate, DV_ACT_NONE);
  }
  heads = as_heads (&q, m, a);
  /* The input was needed for q and the gate; its memory takes the output. */
  out = inner <= at->input->shape[1] ? *at->input : new_like (run, m, inner);
  out = as_heads (&out, m, a);
  if (at->values_only) {
    dv_map (stream, &(DvMap){.out = &out, .x = at->v, .kind = DV_MAP_COPY});
    if (a->gated)
      gate_heads (run, &out, &logits);
  } else {
    dv_qk_norm (stream, &(DvQkNorm){
                            .out = &heads,
                            .x = &heads,
                            .weight = &a->norm_q,
                            .eps = run->dit->config.eps,
                            .rope = at->rope ? *at->rope : (DvRope){0},
                        });
    dv_attention (stream, &(DvAttention){
                              .out = &out,
                              .q = &heads,
                              .k = at->k,
                              .v = at->v,
                              .scale = 1.0f / sqrtf ((float)a->head_dim),
                              .bias = at->bias,
                              .gate = a->gated ? &logits : NULL,
                          });
  }
  flat = DV_RESHAPE (&out, m, inner);
  show_linear (run, &flat, &a->out, at->lane->w->width, at->block, at->name);
  dv_matmul (stream, &(DvMatmul){
                         .out = &at->lane->x,
                         .a = &flat,
                         .w = &a->out.w,
                         .bias = a->out.bias.data ? &a->out.bias : NULL,
                         .gate = at->gate,
                         .residual = &at->lane->x,
                     });
  dv_release (stream, mark);
}

/* 1: x += gate2 * attn1 (mod (x, s1, b0)) */
static void
attend_to_itself (DvDitRun *run, int64_t number, int side, const DvDitMod *mod)
{
  DvDitLane *lane = &run->lane[side];
  const DvDitAttention *a = &run->block->side[side].attn1;
  size_t mark = dv_mark (run->stream);
  DvTensor input = new_like (run, lane->m, lane->w->width);
  DvTensor k = new_like (run, lane->m, lane->w->width);
  DvTensor v = new_like (run, lane->m, lane->w->width);

  k = as_heads (&k, lane->m, a);
  v = as_heads (&v, lane->m, a);
  modulate (run, &input, &lane->x, mod, SCALE, SHIFT);
  make_keys (run, a, &input, lane->self_rope, &k, &v);
  attend (run, &(Attend){
                   .w = a,
                   .input = &input,
                   .k = &k,
                   .v = &v,
                   .rope = lane->self_rope,
                   .values_only = run->forward->skip_attention == number,
                   .lane = lane,
                   .gate = row_of (mod, GATE),
                   .name = side == DV_VIDEO ? "attn1" : "audio_attn1",
                   .block = number,
               });
  dv_release (run->stream, mark);
}

/* [2.3] The context as this block and step see it: c (1 + scale) + shift. */
static DvTensor
modulated_context (DvDitRun *run, int64_t number, int side)
{
  DvStream *stream = run->stream;
  DvDitLane *lane = &run->lane[side];
  const DvTensor *c = &lane->context;
  DvTensor out = new_like (run, c->shape[0], c->shape[1]);
  size_t mark = dv_mark (stream);
  DvDitMod mod = dv_dit_modulation (
      stream, &lane->prompt, &run->block->side[side].prompt_table, 2, NULL);
  DvTensor moved = DV_NEW (stream, DV_F32, c->shape[0], c->shape[1]);
  DvTensor shift = DV_RESHAPE (&mod.row[0], c->shape[1]);
  DvTensor scale = DV_RESHAPE (&mod.row[1], c->shape[1]);

  dv_map (stream, &(DvMap){.out = &moved,
                      .x = c,
                      .s = &scale,
                      .b = &shift,
                      .kind = DV_MAP_AFFINE});
  dv_map (
      stream, &(DvMap){.out = &out, .x = &moved, .y = c, .kind = DV_MAP_ADD});
  dv_release (stream, mark);
  return out;
}

/* 2: the text. LTX-2: x += attn2 (rms (x), c); [2.3] modulated and gated. */
static void
attend_to_text (DvDitRun *run, int64_t number, int side, const DvDitMod *mod)
{
  DvDitLane *lane = &run->lane[side];
  const DvDitAttention *a = &run->block->side[side].attn2;
  bool modulated = run->dit->config.cross_mod, filled = false;
  size_t mark = dv_mark (run->stream);
  int64_t rows = lane->context.shape[0];
  DvTensor input, k, v, context = lane->context;

  if (modulated)
    context = modulated_context (run, number, side);
  if (modulated || !dv_dit_cache_text (run, number, side, &k, &v, &filled)) {
    k = new_like (run, rows, a->heads * a->head_dim);
    v = new_like (run, rows, a->heads * a->head_dim);
  }
  k = as_heads (&k, rows, a);
  v = as_heads (&v, rows, a);
  if (!filled)
    make_keys (run, a, &context, NULL, &k, &v);
  input = new_like (run, lane->m, lane->w->width);
  modulate (
      run, &input, &lane->x, modulated ? mod : NULL, TEXT_SCALE, TEXT_SHIFT);
  attend (run, &(Attend){
                   .w = a,
                   .input = &input,
                   .k = &k,
                   .v = &v,
                   .bias = run->forward->context_bias,
                   .lane = lane,
                   .gate = row_of (modulated ? mod : NULL, TEXT_GATE),
                   .name = side == DV_VIDEO ? "attn2" : "audio_attn2",
                   .block = number,
               });
  dv_release (run->stream, mark);
}

/* ---- between the modalities ---- */

/* A side's rows for both directions: row 4, the gate, is a table of its own
 * since it may see another timestep. */
typedef struct {
  DvDitMod rows, gate;
} CrossMod;

static CrossMod
cross_modulation (DvDitRun *run, int64_t number, int side)
{
  DvDitLane *lane = &run->lane[side];
  const DvTensor *table = &run->block->side[side].cross_table;
  DvTensor first = dv_slice (table, 0, 0, 4), last = dv_slice (table, 0, 4, 1);

  return (CrossMod){
      .rows = dv_dit_modulation (
          run->stream, &lane->cross, &first, 4, lane->row_index),
      .gate = dv_dit_modulation (
          run->stream, &lane->cross_gate, &last, 1, lane->gate_index),
  };
}

/* Keys and values that @from offers to the other side, in the arena. */
static void
offer_keys (DvDitRun *run, int64_t number, int from, const DvDitMod *mod,
    int scale, int shift, DvTensor *k, DvTensor *v)
{
  DvDitLane *lane = &run->lane[from];
  const DvDitAttention *a = &run->block->cross[!from];
  DvTensor input;
  size_t mark;

  *k = new_like (run, lane->m, a->heads * a->head_dim);
  *v = new_like (run, lane->m, a->heads * a->head_dim);
  *k = as_heads (k, lane->m, a);
  *v = as_heads (v, lane->m, a);
  mark = dv_mark (run->stream);
  input = new_like (run, lane->m, lane->w->width);
  modulate (run, &input, &lane->x, mod, scale, shift);
  make_keys (run, a, &input, lane->cross_rope, k, v);
  dv_release (run->stream, mark);
}

/* The side @to asks the other's keys and values. */
static void
ask_other (DvDitRun *run, int64_t number, int to, const CrossMod *mod,
    int scale, int shift, const DvTensor *k, const DvTensor *v)
{
  DvDitLane *lane = &run->lane[to];
  size_t mark = dv_mark (run->stream);
  DvTensor input = new_like (run, lane->m, lane->w->width);

  modulate (run, &input, &lane->x, &mod->rows, scale, shift);
  attend (run, &(Attend){
                   .w = &run->block->cross[to],
                   .input = &input,
                   .k = k,
                   .v = v,
                   .rope = lane->cross_rope,
                   .lane = lane,
                   .gate = row_of (&mod->gate, 0),
                   .name = cross_name[to],
                   .block = number,
               });
  dv_release (run->stream, mark);
}

/* 4: both see the other as it was before either was added to.  So what audio
 * offers is made first; then audio asks video, which has not changed; and
 * only then video asks audio. */
static void
attend_to_each_other (DvDitRun *run, int64_t number)
{
  size_t mark = dv_mark (run->stream), inner;
  CrossMod video = cross_modulation (run, number, DV_VIDEO);
  CrossMod audio = cross_modulation (run, number, DV_AUDIO);
  DvTensor audio_k, audio_v, video_k, video_v;

  offer_keys (run, number, DV_AUDIO, &audio.rows, ASK_SCALE, ASK_SHIFT,
      &audio_k, &audio_v);
  inner = dv_mark (run->stream);
  offer_keys (run, number, DV_VIDEO, &video.rows, TELL_SCALE, TELL_SHIFT,
      &video_k, &video_v);
  ask_other (run, number, DV_AUDIO, &audio, TELL_SCALE, TELL_SHIFT, &video_k,
      &video_v);
  dv_release (run->stream, inner);
  ask_other (
      run, number, DV_VIDEO, &video, ASK_SCALE, ASK_SHIFT, &audio_k, &audio_v);
  dv_release (run->stream, mark);
}

/* ---- feed-forward ---- */

/* 5: x += gate5 * ff (mod (x, s4, b3)), in two halves when there are many
 * tokens: the hidden layer is four times as wide as they are. */
static void
feed_forward (DvDitRun *run, int64_t number, int side, const DvDitMod *mod)
{
  DvStream *stream = run->stream;
  DvDitLane *lane = &run->lane[side];
  const DvDitBlockSide *b = &run->block->side[side];
  int64_t m = lane->m, width = lane->w->width;
  int64_t rows = m <= FF_WHOLE ? m : ((m + 1) / 2 + 63) / 64 * 64;
  size_t mark = dv_mark (stream);
  DvTensor seen = {0}, input = new_like (run, rows, width);
  DvTensor hidden = new_like (run, rows, 4 * width);

  if (dv_dit_probed (run))
    seen = DV_NEW (stream, DV_F32, m, width);
  for (int64_t at = 0; at < m; at += rows) {
    int64_t n = m - at < rows ? m - at : rows;
    DvTensor x = dv_slice (&lane->x, 0, at, n);
    DvTensor in = dv_slice (&input, 0, 0, n), h = dv_slice (&hidden, 0, 0, n);
    DvTensor index, out;
    DvDitMod part = *mod;

    if (mod->index) {
      index = dv_slice (mod->index, 0, at, n);
      part.index = &index;
    }
    modulate (run, &in, &x, &part, FF_SCALE, FF_SHIFT);
    dv_dit_linear (stream, &h, &in, &b->ff1, DV_ACT_GELU);
    if (dv_dit_probed (run)) {
      out = dv_slice (&seen, 0, at, n);
      dv_dit_linear (stream, &out, &h, &b->ff2, DV_ACT_NONE);
    }
    dv_matmul (stream, &(DvMatmul){
                           .out = &x,
                           .a = &h,
                           .w = &b->ff2.w,
                           .bias = b->ff2.bias.data ? &b->ff2.bias : NULL,
                           .gate = row_of (&part, FF_GATE),
                           .residual = &x,
                       });
  }
  if (dv_dit_probed (run))
    dv_dit_show (
        run, &seen, "block%lld.%sff", (long long)number, own_prefix[side]);
  dv_release (stream, mark);
}

void
dv_dit_block (DvDitRun *run, int64_t number)
{
  size_t mark = dv_mark (run->stream);
  DvDitMod mod[DV_N_SIDES];

  for (int side = 0; side < DV_N_SIDES; side++) {
    DvDitLane *lane = &run->lane[side];

    mod[side] = dv_dit_modulation (run->stream, &lane->y,
        &run->block->side[side].table, run->dit->rows, lane->row_index);
    attend_to_itself (run, number, side, &mod[side]);
    attend_to_text (run, number, side, &mod[side]);
  }
  if (!run->forward->isolate)
    attend_to_each_other (run, number);
  for (int side = 0; side < DV_N_SIDES; side++) {
    feed_forward (run, number, side, &mod[side]);
    dv_dit_show (run, &run->lane[side].x, "block%lld.%s", (long long)number,
        side == DV_VIDEO ? "video" : "audio");
  }
  dv_release (run->stream, mark);
}
