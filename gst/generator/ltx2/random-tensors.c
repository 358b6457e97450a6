/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The tensors of each part (random-tensors.h; sections 3, 5 and 9 to 12 of
 * docs/ltx2-model.md).
 */
#include "random-tensors.h"
#include "names.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct {
  DvTensorVisit visit;
  void *user;
} List;

#define SHAPE(...)                                                             \
  (int)(sizeof ((int64_t[]){__VA_ARGS__}) / sizeof (int64_t)), (int64_t[])     \
  {                                                                            \
    __VA_ARGS__                                                                \
  }

static void __attribute__ ((format (printf, 5, 6))) one (const List *list,
    DvFill fill, int n_dims, const int64_t *shape, const char *format, ...)
{
  char name[DV_MAX_NAME];
  va_list args;

  va_start (args, format);
  vsnprintf (name, sizeof name, format, args);
  va_end (args);
  list->visit (list->user, name, fill, n_dims, shape);
}

static void
linear (const List *list, const char *name, int64_t out, int64_t in, bool bias)
{
  one (list, DV_FILL_PRODUCT, SHAPE (out, in), "%s.weight", name);
  if (bias)
    one (list, DV_FILL_SMALL, SHAPE (out), "%s.bias", name);
}

/* A convolution: k = 3 is 3 x 3, or 3 x 3 x 3 for @n_axes 3. */
static void
conv (const List *list, const char *name, int64_t out, int64_t in, int64_t k,
    int n_axes, bool bias)
{
  one (list, DV_FILL_PRODUCT, 2 + n_axes, (int64_t[]){out, in, k, k, k},
      "%s.weight", name);
  if (bias)
    one (list, DV_FILL_SMALL, SHAPE (out), "%s.bias", name);
}

#define NAME(...)                                                              \
  (snprintf (name, sizeof name, __VA_ARGS__) < 0 ? "" : (const char *)name)

/* ---- text ---- */

static void
gemma (const List *list, const DvGemmaConfig *c)
{
  int64_t q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
  static const char *const norms[] = {"input_layernorm",
      "post_attention_layernorm", "pre_feedforward_layernorm",
      "post_feedforward_layernorm"};
  char name[128];

  one (list, DV_FILL_PRODUCT, SHAPE (c->vocab, c->hidden),
      "model.embed_tokens.weight");
  for (int i = 0; i < (int)c->layers; i++) {
    for (int j = 0; j < 4; j++)
      one (list, DV_FILL_SMALL, SHAPE (c->hidden), "model.layers.%d.%s.weight",
          i, norms[j]);
    linear (list, NAME ("model.layers.%d.self_attn.q_proj", i), q, c->hidden,
        false);
    linear (list, NAME ("model.layers.%d.self_attn.k_proj", i), kv, c->hidden,
        false);
    linear (list, NAME ("model.layers.%d.self_attn.v_proj", i), kv, c->hidden,
        false);
    linear (list, NAME ("model.layers.%d.self_attn.o_proj", i), c->hidden, q,
        false);
    one (list, DV_FILL_SMALL, SHAPE (c->head_dim),
        "model.layers.%d.self_attn.q_norm.weight", i);
    one (list, DV_FILL_SMALL, SHAPE (c->head_dim),
        "model.layers.%d.self_attn.k_norm.weight", i);
    linear (list, NAME ("model.layers.%d.mlp.gate_proj", i), c->mlp, c->hidden,
        false);
    linear (list, NAME ("model.layers.%d.mlp.up_proj", i), c->mlp, c->hidden,
        false);
    linear (list, NAME ("model.layers.%d.mlp.down_proj", i), c->hidden, c->mlp,
        false);
  }
  one (list, DV_FILL_SMALL, SHAPE (c->hidden), "model.norm.weight");
}

/* Attention of queries [., query] to keys [., source], of so many heads. */
static void
attention (const List *list, const char *prefix, int64_t query, int64_t source,
    int64_t width, int64_t heads, bool gated)
{
  char name[160];

  linear (list, NAME ("%s.to_q", prefix), width, query, true);
  linear (list, NAME ("%s.to_k", prefix), width, source, true);
  linear (list, NAME ("%s.to_v", prefix), width, source, true);
  linear (list, NAME ("%s.to_out.0", prefix), query, width, true);
  one (list, DV_FILL_ONE, SHAPE (width), "%s.norm_q.weight", prefix);
  one (list, DV_FILL_ONE, SHAPE (width), "%s.norm_k.weight", prefix);
  if (gated)
    linear (list, NAME ("%s.to_gate_logits", prefix), heads, query, true);
}

static void
feed_forward (const List *list, const char *prefix, int64_t width)
{
  char name[160];

  linear (list, NAME ("%s.net.0.proj", prefix), 4 * width, width, true);
  linear (list, NAME ("%s.net.2", prefix), width, 4 * width, true);
}

static void
connector (const List *list, const char *modality, const DvConnectorConfig *c)
{
  int64_t width = c->heads * c->head_dim;
  char name[128];

  one (list, DV_FILL_UNIT, SHAPE (c->registers, width),
      "%s_connector.learnable_registers", modality);
  for (int i = 0; i < (int)c->layers; i++) {
    attention (list,
        NAME ("%s_connector.transformer_blocks.%d.attn1", modality, i), width,
        width, width, c->heads, c->gated);
    feed_forward (list,
        NAME ("%s_connector.transformer_blocks.%d.ff", modality, i), width);
  }
}

static void
connectors (const List *list, const DvTextConfig *c)
{
  int64_t flat = c->caption * c->hidden_states;

  if (c->per_modality) {
    linear (list, "video_text_proj_in", c->video.heads * c->video.head_dim,
        flat, c->proj_bias);
    linear (list, "audio_text_proj_in", c->audio.heads * c->audio.head_dim,
        flat, c->proj_bias);
  } else {
    linear (list, "text_proj_in", c->caption, flat, c->proj_bias);
  }
  connector (list, "video", &c->video);
  connector (list, "audio", &c->audio);
}

/* ---- transformer ---- */

static void
adaln (const List *list, const char *prefix, int64_t width, int64_t rows)
{
  char name[128];

  linear (list, NAME ("%s.emb.timestep_embedder.linear_1", prefix), width, 256,
      true);
  linear (list, NAME ("%s.emb.timestep_embedder.linear_2", prefix), width,
      width, true);
  linear (list, NAME ("%s.linear", prefix), rows * width, width, true);
}

/* What stands before the blocks, of one modality; @p: "" or "audio_". */
static void
dit_side (const List *list, const DvDitConfig *c, const DvDitModality *m,
    const char *p, const char *shifts, const char *gates)
{
  int64_t width = m->heads * m->head_dim, rows = c->cross_mod ? 9 : 6;
  char name[128];

  linear (list, NAME ("%sproj_in", p), width, m->in, true);
  linear (list, NAME ("%sproj_out", p), m->out, width, true);
  adaln (list, NAME ("%stime_embed", p), width, rows);
  adaln (list, shifts, width, 4);
  adaln (list, gates, width, 1);
  if (c->cross_mod)
    adaln (list, NAME ("%sprompt_adaln", p), width, 2);
  one (list, DV_FILL_SMALL, SHAPE (2, width), "%sscale_shift_table", p);
  if (!c->caption_projection)
    return;
  linear (
      list, NAME ("%scaption_projection.linear_1", p), width, c->caption, true);
  linear (list, NAME ("%scaption_projection.linear_2", p), width, width, true);
}

static void
dit_block_side (const List *list, const DvDitConfig *c, const DvDitModality *m,
    const char *p, const char *modality, int block)
{
  int64_t width = m->heads * m->head_dim, rows = c->cross_mod ? 9 : 6;
  char b[64], name[128];

  snprintf (b, sizeof b, "transformer_blocks.%d", block);
  attention (
      list, NAME ("%s.%sattn1", b, p), width, width, width, m->heads, c->gated);
  attention (list, NAME ("%s.%sattn2", b, p), width, m->cross_dim, width,
      m->heads, c->gated);
  feed_forward (list, NAME ("%s.%sff", b, p), width);
  one (
      list, DV_FILL_SMALL, SHAPE (rows, width), "%s.%sscale_shift_table", b, p);
  one (list, DV_FILL_SMALL, SHAPE (5, width),
      "%s.%s_a2v_cross_attn_scale_shift_table", b, modality);
  if (c->cross_mod)
    one (list, DV_FILL_SMALL, SHAPE (2, width), "%s.%sprompt_scale_shift_table",
        b, p);
}

static void
dit (const List *list, const DvDitConfig *c)
{
  int64_t video = c->video.heads * c->video.head_dim;
  int64_t audio = c->audio.heads * c->audio.head_dim;
  char name[128];

  dit_side (list, c, &c->video, "", "av_cross_attn_video_scale_shift",
      "av_cross_attn_video_a2v_gate");
  dit_side (list, c, &c->audio, "audio_", "av_cross_attn_audio_scale_shift",
      "av_cross_attn_audio_v2a_gate");
  for (int i = 0; i < (int)c->layers; i++) {
    dit_block_side (list, c, &c->video, "", "video", i);
    dit_block_side (list, c, &c->audio, "audio_", "audio", i);
    attention (list, NAME ("transformer_blocks.%d.audio_to_video_attn", i),
        video, audio, audio, c->audio.heads, c->gated);
    attention (list, NAME ("transformer_blocks.%d.video_to_audio_attn", i),
        audio, video, audio, c->audio.heads, c->gated);
  }
}

/* ---- VAEs ---- */

static void
vae_blocks (const List *list, const DvVaeBlock *block, int n, int64_t channels)
{
  char name[128];

  for (int i = 0; i < n; i++, block++) {
    int64_t p = (int64_t)block->factor[0] * block->factor[1] * block->factor[2];

    for (int j = 0; j < block->layers; j++) {
      conv (list, NAME ("%s.resnets.%d.conv1.conv", block->name, j), channels,
          channels, 3, 3, true);
      conv (list, NAME ("%s.resnets.%d.conv2.conv", block->name, j), channels,
          channels, 3, 3, true);
    }
    if (block->kind == DV_VAE_RES)
      continue;
    conv (list, NAME ("%s.conv.conv", block->name),
        block->kind == DV_VAE_UP ? block->channels * p : block->channels / p,
        channels, 3, 3, true);
    channels = block->channels;
  }
}

static void
video_vae (const List *list, const DvVideoVaeConfig *c)
{
  int64_t pixels = 3 * (int64_t)c->patch * c->patch;

  one (list, DV_FILL_SMALL, SHAPE (c->latent), "latents_mean");
  one (list, DV_FILL_ONE, SHAPE (c->latent), "latents_std");
  if (c->n_encoder > 0) {
    conv (list, "encoder.conv_in.conv", c->encoder_in, pixels, 3, 3, true);
    vae_blocks (list, c->encoder, c->n_encoder, c->encoder_in);
    conv (list, "encoder.conv_out.conv", c->latent + 1,
        c->encoder[c->n_encoder - 1].channels, 3, 3, true);
  }
  if (c->n_decoder > 0) {
    conv (list, "decoder.conv_in.conv", c->decoder_in, c->latent, 3, 3, true);
    vae_blocks (list, c->decoder, c->n_decoder, c->decoder_in);
    conv (list, "decoder.conv_out.conv", pixels,
        c->decoder[c->n_decoder - 1].channels, 3, 3, true);
  }
}

static void
audio_block (const List *list, const char *prefix, int64_t out, int64_t in)
{
  char name[128];

  conv (list, NAME ("%s.conv1.conv", prefix), out, in, 3, 2, true);
  conv (list, NAME ("%s.conv2.conv", prefix), out, out, 3, 2, true);
  if (out != in)
    conv (list, NAME ("%s.nin_shortcut.conv", prefix), out, in, 1, 2, true);
}

static void
audio_vae (const List *list, const DvAudioVaeConfig *c)
{
  int64_t bins = c->mel_bins >> (c->n_mult - 1);
  int64_t top = c->base * c->mult[c->n_mult - 1], in = c->base;
  char name[128];

  one (list, DV_FILL_SMALL, SHAPE (c->latent * bins), "latents_mean");
  one (list, DV_FILL_ONE, SHAPE (c->latent * bins), "latents_std");
  conv (list, "encoder.conv_in.conv", c->base, 2, 3, 2, true);
  for (int i = 0; i < c->n_mult; i++) {
    for (int j = 0; j < c->res_blocks; j++) {
      audio_block (list, NAME ("encoder.down.%d.block.%d", i, j),
          c->base * c->mult[i], in);
      in = c->base * c->mult[i];
    }
    if (i < c->n_mult - 1)
      conv (list, NAME ("encoder.down.%d.downsample.conv", i), in, in, 3, 2,
          true);
  }
  for (int j = 1; j <= 2; j++) {
    audio_block (list, NAME ("encoder.mid.block_%d", j), top, top);
    audio_block (list, NAME ("decoder.mid.block_%d", j), top, top);
  }
  conv (list, "encoder.conv_out.conv", 2 * c->latent, top, 3, 2, true);
  conv (list, "decoder.conv_in.conv", top, c->latent, 3, 2, true);
  for (int i = c->n_mult; i-- > 0;) {
    for (int j = 0; j <= c->res_blocks; j++) {
      audio_block (list, NAME ("decoder.up.%d.block.%d", i, j),
          c->base * c->mult[i], in);
      in = c->base * c->mult[i];
    }
    if (i > 0)
      conv (list, NAME ("decoder.up.%d.upsample.conv.conv", i), in, in, 3, 2,
          true);
  }
  conv (list, "decoder.conv_out.conv", 2, in, 3, 2, true);
}

/* ---- vocoder ---- */

static void
snake (const List *list, const char *prefix, int64_t channels)
{
  one (list, DV_FILL_SMALL, SHAPE (channels), "%s.act.alpha", prefix);
  one (list, DV_FILL_SMALL, SHAPE (channels), "%s.act.beta", prefix);
  one (list, DV_FILL_SINC, SHAPE (1, 1, 12), "%s.upsample.filter", prefix);
  one (list, DV_FILL_SINC, SHAPE (1, 1, 12), "%s.downsample.filter", prefix);
}

static void
gan_resnet (const List *list, const DvGanConfig *c, const char *prefix,
    int64_t channels, int64_t k)
{
  char name[160];

  for (int i = 0; i < 3; i++) {
    conv (
        list, NAME ("%s.convs1.%d", prefix, i), channels, channels, k, 1, true);
    one (list, c->snake ? DV_FILL_BRANCH : DV_FILL_PRODUCT,
        SHAPE (channels, channels, k), "%s.convs2.%d.weight", prefix, i);
    one (list, DV_FILL_SMALL, SHAPE (channels), "%s.convs2.%d.bias", prefix, i);
    if (c->snake) {
      snake (list, NAME ("%s.acts1.%d", prefix, i), channels);
      snake (list, NAME ("%s.acts2.%d", prefix, i), channels);
    }
  }
}

static void
gan (const List *list, const DvGanConfig *c, const char *p)
{
  /* Nothing in LTX-2.3's makes loud sums quiet again. */
  DvFill fill = c->snake ? DV_FILL_BRANCH : DV_FILL_PRODUCT;
  int64_t channels = c->hidden;
  char name[128];

  one (list, fill, SHAPE (c->hidden, c->in, 7), "%sconv_in.weight", p);
  one (list, DV_FILL_SMALL, SHAPE (c->hidden), "%sconv_in.bias", p);
  for (int i = 0; i < c->n_rates; i++) {
    one (list, DV_FILL_UP1, SHAPE (channels, channels / 2, c->kernels[i]),
        "%supsamplers.%d.weight", p, i);
    channels /= 2;
    one (list, DV_FILL_SMALL, SHAPE (channels), "%supsamplers.%d.bias", p, i);
    for (int j = 0; j < c->n_res; j++)
      gan_resnet (list, c, NAME ("%sresnets.%d", p, i * c->n_res + j), channels,
          c->res_kernels[j]);
  }
  if (c->snake)
    snake (list, NAME ("%sact_out", p), channels);
  one (list, fill, SHAPE (c->out, channels, 7), "%sconv_out.weight", p);
  if (c->final_bias)
    one (list, DV_FILL_SMALL, SHAPE (c->out), "%sconv_out.bias", p);
}

static void
vocoder (const List *list, const DvVocoderConfig *c)
{
  gan (list, &c->main, c->extended ? "vocoder." : "");
  if (!c->extended)
    return;
  gan (list, &c->bwe, "bwe_generator.");
  one (list, DV_FILL_STFT, SHAPE (c->stft + 2, 1, c->stft),
      "mel_stft.stft_fn.forward_basis");
  one (list, DV_FILL_BANDS, SHAPE (c->mel_bins, c->stft / 2 + 1),
      "mel_stft.mel_basis");
}

/* ---- upsampler ---- */

static void
group_norm (const List *list, const char *name, int64_t channels)
{
  one (list, DV_FILL_ONE, SHAPE (channels), "%s.weight", name);
  one (list, DV_FILL_SMALL, SHAPE (channels), "%s.bias", name);
}

static void
upsampler (const List *list, const DvUpsamplerConfig *c)
{
  static const char *const stages[] = {
      "res_blocks", "post_upsample_res_blocks"};
  char name[128];

  conv (list, "initial_conv", c->mid, c->in, 3, 3, true);
  group_norm (list, "initial_norm", c->mid);
  for (int s = 0; s < 2; s++)
    for (int i = 0; i < c->blocks; i++)
      for (int j = 1; j <= 2; j++) {
        conv (list, NAME ("%s.%d.conv%d", stages[s], i, j), c->mid, c->mid, 3,
            3, true);
        group_norm (list, NAME ("%s.%d.norm%d", stages[s], i, j), c->mid);
      }
  conv (list, c->rational ? "upsampler.conv" : "upsampler.0", 4 * c->mid,
      c->mid, 3, 2, true);
  if (c->rational)
    one (list, DV_FILL_BLUR, SHAPE (1, 1, 5, 5), "upsampler.blur_down.kernel");
  conv (list, "final_conv", c->in, c->mid, 3, 3, true);
}

void
dv_random_tensors (
    const DvLtx2Config *config, DvPart part, DvTensorVisit visit, void *user)
{
  const List list = {visit, user};

  switch (part) {
    case DV_PART_GEMMA:
      gemma (&list, &config->gemma);
      break;
    case DV_PART_CONNECTORS:
      connectors (&list, &config->text);
      break;
    case DV_PART_DIT:
      dit (&list, &config->dit);
      break;
    case DV_PART_VIDEO_VAE:
      video_vae (&list, &config->video_vae);
      break;
    case DV_PART_AUDIO_VAE:
      audio_vae (&list, &config->audio_vae);
      break;
    case DV_PART_VOCODER:
      vocoder (&list, &config->vocoder);
      break;
    default:
      upsampler (&list, &config->upsampler);
      break;
  }
}
