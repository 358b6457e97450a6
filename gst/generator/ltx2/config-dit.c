/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The transformer's configuration (sections 2.5, 4 and 5 of
 * docs/ltx2-model.md).
 */
#include "checkpoint-private.h"

#include <string.h>

#define MAX_WIDTH (1 << 20)
#define MAX_LAYERS 1000

static void
read_sizes (DvConfigReader *r, DvDitConfig *c)
{
  DvDitModality *v = &c->video, *a = &c->audio;

  v->in = dv_config_int (r, "in_channels", 128, 1, MAX_WIDTH);
  v->out = dv_config_int (r, "out_channels", 128, 1, MAX_WIDTH);
  v->heads = dv_config_int (r, "num_attention_heads", 32, 1, 4096);
  v->head_dim = dv_config_int (r, "attention_head_dim", 128, 1, 4096);
  v->cross_dim = dv_config_int (r, "cross_attention_dim", 4096, 1, MAX_WIDTH);
  a->in = dv_config_int (r, "audio_in_channels", 128, 1, MAX_WIDTH);
  a->out = dv_config_int (r, "audio_out_channels", 128, 1, MAX_WIDTH);
  a->heads = dv_config_int (r, "audio_num_attention_heads", 32, 1, 4096);
  a->head_dim = dv_config_int (r, "audio_attention_head_dim", 64, 1, 4096);
  a->cross_dim =
      dv_config_int (r, "audio_cross_attention_dim", 2048, 1, MAX_WIDTH);
  c->layers = dv_config_int (r, "num_layers", 48, 1, MAX_LAYERS);
  c->caption = dv_config_int (r, "caption_channels", 3840, 1, MAX_WIDTH);
  c->eps = (float)dv_config_number (r, "norm_eps", 1e-6, 1e-12, 1.0);
}

static void
read_rope (DvConfigReader *r, DvDitConfig *c)
{
  int64_t max[3] = {20, 2048, 2048}, audio_max = 20;
  const char *type, *precision;

  c->rope_theta = dv_config_number (
      r, "rope_theta, positional_embedding_theta", 1e4, 1.0, 1e12);
  c->rope_double =
      dv_config_bool (r, "rope_double_precision, double_precision_rope", true);
  precision = dv_config_string (r, "frequencies_precision");
  if (precision)
    c->rope_double = strcmp (precision, "float64") == 0;
  type = dv_config_string (r, "rope_type");
  c->rope_interleaved = type && strcmp (type, "interleaved") == 0;
  dv_config_demand (r,
      !type || c->rope_interleaved || strcmp (type, "split") == 0, "rope_type",
      "split");
  if (dv_config_list (r, "positional_embedding_max_pos", max, 3, 1, 1 << 24) ==
      0) {
    max[0] = dv_config_int (r, "pos_embed_max_pos", 20, 1, 1 << 24);
    max[1] = dv_config_int (r, "base_height", 2048, 1, 1 << 24);
    max[2] = dv_config_int (r, "base_width", 2048, 1, 1 << 24);
  }
  dv_config_list (r,
      "audio_pos_embed_max_pos, audio_positional_embedding_max_pos", &audio_max,
      1, 1, 1 << 24);
  c->max_t = (double)max[0];
  c->max_y = (double)max[1];
  c->max_x = (double)max[2];
  c->audio_max = (double)audio_max;
}

/* What an LTX-2 transformer is fixed to. */
static void
check_fixed (DvConfigReader *r)
{
  int64_t factors[3] = {8, 32, 32};
  const char *text;

  dv_config_list (r, "vae_scale_factors", factors, 3, 1, 1024);
  dv_config_demand (r, factors[0] == 8 && factors[1] == 32 && factors[2] == 32,
      "vae_scale_factors", "[8, 32, 32]");
  dv_config_demand (
      r, dv_config_int (r, "patch_size", 1, 1, 64) == 1, "patch_size", "1");
  dv_config_demand (
      r, dv_config_int (r, "patch_size_t", 1, 1, 64) == 1, "patch_size_t", "1");
  dv_config_demand (r, dv_config_int (r, "causal_offset", 1, 0, 64) == 1,
      "causal_offset", "1");
  dv_config_demand (r,
      dv_config_int (r, "audio_sampling_rate", 16000, 1, 1 << 20) == 16000,
      "audio_sampling_rate", "16000");
  dv_config_demand (r,
      dv_config_int (r, "audio_hop_length", 160, 1, 1 << 20) == 160,
      "audio_hop_length", "160");
  dv_config_demand (r,
      dv_config_int (r, "audio_scale_factor", 4, 1, 1 << 20) == 4,
      "audio_scale_factor", "4");
  dv_config_demand (r, !dv_config_bool (r, "norm_elementwise_affine", false),
      "norm_elementwise_affine", "false");
  dv_config_demand (
      r, dv_config_bool (r, "attention_bias", true), "attention_bias", "true");
  dv_config_demand (r, dv_config_bool (r, "use_middle_indices_grid", true),
      "use_middle_indices_grid", "true");
  dv_config_demand (r, dv_config_bool (r, "causal_temporal_positioning", true),
      "causal_temporal_positioning", "true");
  text = dv_config_string (r, "activation_fn");
  dv_config_demand (r, !text || strcmp (text, "gelu-approximate") == 0,
      "activation_fn", "gelu-approximate");
  text = dv_config_string (r, "qk_norm");
  dv_config_demand (
      r, !text || strncmp (text, "rms_norm", 8) == 0, "qk_norm", "rms_norm");
}

#define GATE "transformer_blocks.0.attn1.to_gate_logits.weight"

static void
read_switches (DvConfigReader *r, DvDitConfig *c)
{
  bool late = dv_config_bool (r, "caption_proj_before_connector", false);

  c->gated = dv_config_switch (
      r, "gated_attn, apply_gated_attention", false, "%s", GATE);
  dv_config_switch (r, "audio_gated_attn", c->gated, "%s", GATE);
  c->cross_mod = dv_config_switch (r, "cross_attn_mod, cross_attention_adaln",
      false, "prompt_adaln.linear.weight");
  dv_config_switch (
      r, "audio_cross_attn_mod", c->cross_mod, "prompt_adaln.linear.weight");
  c->caption_projection = dv_config_switch (
      r, "use_prompt_embeddings", !late, "caption_projection.linear_1.weight");
  if (late && c->caption_projection)
    dv_config_fail (r, "caption_proj_before_connector contradicts the tensors: "
                       "caption_projection is there.");
}

static void
check_modality (DvConfigReader *r, const DvDitConfig *c, const DvDitModality *m,
    const char *prefix)
{
  int64_t width = m->heads * m->head_dim;

  dv_config_expect (
      r, DV_CONFIG_SHAPE (width, m->in), "%sproj_in.weight", prefix);
  dv_config_expect (
      r, DV_CONFIG_SHAPE (m->out, width), "%sproj_out.weight", prefix);
  dv_config_expect (r, DV_CONFIG_SHAPE (width, width),
      "transformer_blocks.0.%sattn1.to_q.weight", prefix);
  dv_config_expect (r, DV_CONFIG_SHAPE (width, m->cross_dim),
      "transformer_blocks.0.%sattn2.to_k.weight", prefix);
  dv_config_expect (r, DV_CONFIG_SHAPE (c->cross_mod ? 9 : 6, width),
      "transformer_blocks.0.%sscale_shift_table", prefix);
  if (c->caption_projection)
    dv_config_expect (r, DV_CONFIG_SHAPE (width, c->caption),
        "%scaption_projection.linear_1.weight", prefix);
  if (m->head_dim % 2)
    dv_config_fail (r, "heads have an odd size, %lld.", (long long)m->head_dim);
}

void
dv_config_dit (DvConfigReader *r, DvDitConfig *c)
{
  int64_t counted = dv_config_counted (r, "transformer_blocks.");

  read_sizes (r, c);
  read_rope (r, c);
  c->timestep_scale =
      dv_config_number (r, "timestep_scale_multiplier", 1000.0, 1e-3, 1e6);
  c->cross_timestep_scale = dv_config_number (r,
      "cross_attn_timestep_scale_multiplier, av_ca_timestep_scale_multiplier",
      1000.0, 1e-3, 1e6);
  read_switches (r, c);
  check_fixed (r);
  if (r->status != DV_OK)
    return;
  check_modality (r, c, &c->video, "");
  check_modality (r, c, &c->audio, "audio_");
  if (r->tensors && counted != c->layers)
    dv_config_fail (r,
        "num_layers is %lld, but there are weights of %lld blocks.",
        (long long)c->layers, (long long)counted);
}
