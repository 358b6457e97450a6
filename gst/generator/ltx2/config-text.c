/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The configurations of Gemma 3 and of the connectors (sections 2.5 and 3 of
 * docs/ltx2-model.md).
 */
#include "checkpoint-private.h"

#include <string.h>

#define MAX_WIDTH (1 << 20)
#define MAX_LAYERS 1000

/* ---- Gemma 3 ---- */

/* Newer configurations keep the rotary bases by the kind of layer. */
static void
gemma_rope (DvConfigReader *reader, DvGemmaConfig *config)
{
  const cJSON *text = reader->json, *kinds, *scaling;
  DvConfigReader r = *reader;
  const char *type;

  config->rope_theta = dv_config_number (&r, "rope_theta", 1e6, 1.0, 1e12);
  config->rope_local_base =
      dv_config_number (&r, "rope_local_base_freq", 1e4, 1.0, 1e12);
  scaling = dv_config_find (text, "rope_scaling");
  kinds = dv_config_find (text, "rope_parameters");
  if (cJSON_IsObject (kinds)) {
    r.json = dv_config_find (kinds, "sliding_attention");
    config->rope_local_base =
        dv_config_number (&r, "rope_theta", config->rope_local_base, 1.0, 1e12);
    r.json = scaling = dv_config_find (kinds, "full_attention");
    config->rope_theta =
        dv_config_number (&r, "rope_theta", config->rope_theta, 1.0, 1e12);
  }
  r.json = scaling;
  config->rope_factor = dv_config_number (&r, "factor", 8.0, 1.0, 1e6);
  type = dv_config_string (&r, "rope_type, type");
  dv_config_demand (&r, !type || strcmp (type, "linear") == 0, "rope_scaling",
      "linear scaling");
  reader->status = r.status;
}

/* What the tensors say, where there are any. */
static int64_t
either (int64_t tensors, int64_t usual)
{
  return tensors ? tensors : usual;
}

static void
check_gemma (DvConfigReader *r, const DvGemmaConfig *c)
{
  int64_t q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;

  if (c->heads % c->kv_heads || c->head_dim % 2)
    dv_config_fail (r, "%lld heads of %lld cannot share %lld key heads.",
        (long long)c->heads, (long long)c->head_dim, (long long)c->kv_heads);
  dv_config_expect (
      r, DV_CONFIG_SHAPE (c->vocab, c->hidden), "model.embed_tokens.weight");
  dv_config_expect (r, DV_CONFIG_SHAPE (q, c->hidden),
      "model.layers.0.self_attn.q_proj.weight");
  dv_config_expect (r, DV_CONFIG_SHAPE (kv, c->hidden),
      "model.layers.0.self_attn.k_proj.weight");
  dv_config_expect (r, DV_CONFIG_SHAPE (c->mlp, c->hidden),
      "model.layers.0.mlp.gate_proj.weight");
  if (r->tensors && dv_config_counted (r, "model.layers.") != c->layers)
    dv_config_fail (r,
        "num_hidden_layers is %lld, but there are weights of %lld layers.",
        (long long)c->layers,
        (long long)dv_config_counted (r, "model.layers."));
}

void
dv_config_gemma (DvConfigReader *reader, DvGemmaConfig *config)
{
  DvConfigReader r = *reader;
  const cJSON *text = dv_config_find (r.json, "text_config");
  const char *activation;

  if (cJSON_IsObject (text))
    r.json = text;
  config->hidden = dv_config_int (&r, "hidden_size",
      either (dv_config_dim (&r, 1, "model.embed_tokens.weight"), 3840), 1,
      MAX_WIDTH);
  config->mlp = dv_config_int (&r, "intermediate_size",
      either (
          dv_config_dim (&r, 0, "model.layers.0.mlp.gate_proj.weight"), 15360),
      1, MAX_WIDTH);
  config->layers = dv_config_int (&r, "num_hidden_layers",
      either (dv_config_counted (&r, "model.layers."), 48), 1, MAX_LAYERS);
  config->head_dim = dv_config_int (&r, "head_dim", 256, 1, 4096);
  config->heads = dv_config_int (&r, "num_attention_heads", 16, 1, 4096);
  config->kv_heads = dv_config_int (&r, "num_key_value_heads", 8, 1, 4096);
  config->vocab = dv_config_int (&r, "vocab_size",
      either (dv_config_dim (&r, 0, "model.embed_tokens.weight"), 262208), 1,
      1 << 24);
  config->query_pre_attn_scalar =
      dv_config_number (&r, "query_pre_attn_scalar", 256.0, 1e-3, 1e6);
  config->sliding_window =
      dv_config_int (&r, "sliding_window", 1024, 1, 1 << 30);
  config->sliding_pattern = dv_config_int (
      &r, "sliding_window_pattern, _sliding_window_pattern", 6, 1, MAX_LAYERS);
  config->eps = (float)dv_config_number (&r, "rms_norm_eps", 1e-6, 1e-12, 1.0);
  gemma_rope (&r, config);
  activation = dv_config_string (&r, "hidden_activation");
  dv_config_demand (&r,
      !activation || strcmp (activation, "gelu_pytorch_tanh") == 0,
      "hidden_activation", "gelu_pytorch_tanh");
  dv_config_demand (&r, !dv_config_find (r.json, "attn_logit_softcapping"),
      "attn_logit_softcapping", "none");
  dv_config_demand (&r, !dv_config_bool (&r, "attention_bias", false),
      "attention_bias", "false");
  if (r.status == DV_OK)
    check_gemma (&r, config);
  reader->status = r.status;
}

/* ---- connectors ---- */

static void
check_connector (
    DvConfigReader *r, const DvConnectorConfig *c, const char *modality)
{
  int64_t width = c->heads * c->head_dim;
  int64_t counted =
      dv_config_counted (r, "%s_connector.transformer_blocks.", modality);

  dv_config_expect (r, DV_CONFIG_SHAPE (c->registers, width),
      "%s_connector.learnable_registers", modality);
  if (r->tensors && counted != c->layers)
    dv_config_fail (r,
        "the %s connector should have %lld layers, but there are weights of "
        "%lld.",
        modality, (long long)c->layers, (long long)counted);
  if (c->layers > 0)
    dv_config_expect (r, DV_CONFIG_SHAPE (width, width),
        "%s_connector.transformer_blocks.0.attn1.to_q.weight", modality);
  if (c->head_dim % 2)
    dv_config_fail (r, "the %s connector's heads have an odd size.", modality);
}

static void
check_connectors (DvConfigReader *r, const DvTextConfig *c)
{
  int64_t flat = c->caption * c->hidden_states;
  int64_t video = c->video.heads * c->video.head_dim;
  int64_t audio = c->audio.heads * c->audio.head_dim;

  check_connector (r, &c->video, "video");
  check_connector (r, &c->audio, "audio");
  if (c->per_modality) {
    dv_config_expect (
        r, DV_CONFIG_SHAPE (video, flat), "video_text_proj_in.weight");
    dv_config_expect (
        r, DV_CONFIG_SHAPE (audio, flat), "audio_text_proj_in.weight");
  } else {
    dv_config_expect (
        r, DV_CONFIG_SHAPE (c->caption, flat), "text_proj_in.weight");
    if (video != c->caption || audio != c->caption)
      dv_config_fail (r,
          "connectors of widths %lld and %lld cannot share a projection of "
          "%lld.",
          (long long)video, (long long)audio, (long long)c->caption);
  }
}

#define VIDEO_GATE                                                             \
  "video_connector.transformer_blocks.0.attn1.to_gate_logits.weight"
#define AUDIO_GATE                                                             \
  "audio_connector.transformer_blocks.0.attn1.to_gate_logits.weight"

void
dv_config_connectors (DvConfigReader *r, DvTextConfig *c)
{
  int64_t caption = c->caption ? c->caption : 3840, columns;
  const char *projection, *type, *precision;

  /* What the tensors say, for keys that are not there. */
  c->per_modality = dv_config_switch (
      r, "per_modality_projections", false, "video_text_proj_in.weight");
  projection = c->per_modality ? "video_text_proj_in" : "text_proj_in";
  c->proj_bias =
      dv_config_switch (r, "proj_bias", false, "%s.bias", projection);
  columns = dv_config_dim (r, 1, "%s.weight", projection);
  if (!c->per_modality && columns)
    caption = dv_config_dim (r, 0, "%s.weight", projection);
  c->caption =
      dv_config_int (r, "caption_channels, hidden_size", caption, 1, MAX_WIDTH);
  c->hidden_states = dv_config_int (r, "text_proj_in_factor",
      columns ? columns / c->caption : 49, 1, MAX_LAYERS + 1);
  c->text_len = dv_config_int (r, "text_len", 1024, 1, 1 << 20);

  c->video.heads = dv_config_int (r,
      "video_connector_num_attention_heads, connector_num_attention_heads", 30,
      1, 4096);
  c->video.head_dim = dv_config_int (r,
      "video_connector_attention_head_dim, connector_attention_head_dim", 128,
      1, 4096);
  c->video.layers = dv_config_int (
      r, "video_connector_num_layers, connector_num_layers", 2, 0, MAX_LAYERS);
  c->video.registers = dv_config_int (r,
      "video_connector_num_learnable_registers, "
      "connector_num_learnable_registers",
      128, 1, 1 << 20);
  c->video.gated = dv_config_switch (r,
      "video_gated_attn, connector_apply_gated_attention, "
      "apply_gated_attention",
      false, "%s", VIDEO_GATE);
  c->audio.heads = dv_config_int (
      r, "audio_connector_num_attention_heads", c->video.heads, 1, 4096);
  c->audio.head_dim = dv_config_int (
      r, "audio_connector_attention_head_dim", c->video.head_dim, 1, 4096);
  c->audio.layers = dv_config_int (
      r, "audio_connector_num_layers", c->video.layers, 0, MAX_LAYERS);
  c->audio.registers =
      dv_config_int (r, "audio_connector_num_learnable_registers",
          c->video.registers, 1, 1 << 20);
  c->audio.gated = dv_config_switch (
      r, "audio_gated_attn", c->video.gated, "%s", AUDIO_GATE);

  c->rope_theta = dv_config_number (
      r, "rope_theta, connector_positional_embedding_theta", 1e4, 1.0, 1e12);
  c->rope_base_len = 4096;
  dv_config_list (r,
      "connector_rope_base_seq_len, connector_positional_embedding_max_pos",
      &c->rope_base_len, 1, 1, 1 << 24);
  c->rope_double = dv_config_bool (
      r, "rope_double_precision, connector_double_precision_rope", true);
  precision = dv_config_string (r, "frequencies_precision");
  if (precision)
    c->rope_double = strcmp (precision, "float64") == 0;
  type = dv_config_string (r, "rope_type, connector_rope_type");
  dv_config_demand (
      r, !type || strcmp (type, "split") == 0, "rope_type", "split");
  if (r->status == DV_OK)
    check_connectors (r, c);
}
