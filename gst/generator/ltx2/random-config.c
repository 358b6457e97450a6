/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The configuration of a random model: from a preset or a JSON file, read by
 * the readers that read a checkpoint's (make-random.h).
 */
#include "checkpoint-private.h"
#include "make-random.h"

#include <stdio.h>
#include <string.h>

/* Small enough for tests: a step takes a fraction of a second. */
#define TINY                                                                   \
  "{\"text_encoder\":{\"hidden_size\":32,\"intermediate_size\":80,"            \
  "\"num_hidden_layers\":6,\"num_attention_heads\":4,"                         \
  "\"num_key_value_heads\":2,\"head_dim\":8,\"query_pre_attn_scalar\":8,"      \
  "\"sliding_window\":64,\"vocab_size\":512},"                                 \
  "\"connectors\":{\"caption_channels\":32,\"text_proj_in_factor\":7,"         \
  "\"video_connector_num_attention_heads\":2,"                                 \
  "\"video_connector_attention_head_dim\":16,"                                 \
  "\"video_connector_num_learnable_registers\":8},"                            \
  "\"transformer\":{\"num_attention_heads\":2,\"attention_head_dim\":16,"      \
  "\"num_layers\":2,\"cross_attention_dim\":32,\"caption_channels\":32,"       \
  "\"in_channels\":8,\"out_channels\":8,\"audio_num_attention_heads\":2,"      \
  "\"audio_attention_head_dim\":8,\"audio_in_channels\":32,"                   \
  "\"audio_out_channels\":32,\"audio_cross_attention_dim\":16},"               \
  "\"vae\":{\"latent_channels\":8,\"block_out_channels\":[16,32,32,64],"       \
  "\"layers_per_block\":[1,1,1,1,1],"                                          \
  "\"decoder_block_out_channels\":[16,32,64],"                                 \
  "\"decoder_layers_per_block\":[1,1,1,1]},"                                   \
  "\"audio_vae\":{\"base_channels\":32,\"ch_mult\":[1,1,1],"                   \
  "\"num_res_blocks\":1,\"latent_channels\":2},"                               \
  "\"vocoder\":{\"hidden_channels\":64},"                                      \
  "\"latent_upsampler\":{\"in_channels\":8,\"mid_channels\":32,"               \
  "\"num_blocks_per_stage\":1}}"

/* The same of LTX-2.3. */
#define TINY2_3                                                                \
  "{\"text_encoder\":{\"hidden_size\":32,\"intermediate_size\":80,\"num_h"     \
  "idden_layers\":2,\"num_attention_heads\":4,\"num_key_value_heads\":2,"      \
  "\"head_dim\":8,\"vocab_size\":512},\"connectors\":{\"text_proj_in_fact"     \
  "or\":3,\"video_connector_num_attention_heads\":2,\"video_connector_att"     \
  "ention_head_dim\":16,\"audio_connector_num_attention_heads\":2,\"audio"     \
  "_connector_attention_head_dim\":8,\"audio_connector_num_layers\":3,\"v"     \
  "ideo_connector_num_learnable_registers\":8,\"video_gated_attn\":true,"      \
  "\"per_modality_projections\":true,\"proj_bias\":true},\"transformer\":"     \
  "{\"num_attention_heads\":2,\"attention_head_dim\":16,\"num_layers\":2,"     \
  "\"cross_attention_dim\":32,\"caption_channels\":32,\"in_channels\":8,"      \
  "\"out_channels\":8,\"audio_num_attention_heads\":2,\"audio_attention_h"     \
  "ead_dim\":8,\"audio_in_channels\":32,\"audio_out_channels\":32,\"audio"     \
  "_cross_attention_dim\":16,\"gated_attn\":true,\"cross_attn_mod\":true,"     \
  "\"use_prompt_embeddings\":false},\"vae\":{\"latent_channels\":8,\"bloc"     \
  "k_out_channels\":[16,32,64,64],\"layers_per_block\":[1,1,2,1,1],\"deco"     \
  "der_block_out_channels\":[8,16,16,32],\"decoder_layers_per_block\":[1,"     \
  "1,1,2,1],\"upsample_residual\":false,\"upsample_type\":[\"spatiotempor"     \
  "al\",\"spatiotemporal\",\"temporal\",\"spatial\"],\"upsample_factor\":"     \
  "[2,2,1,2],\"decoder_spatial_padding_mode\":\"zeros\"},\"audio_vae\":{"      \
  "\"base_channels\":32,\"ch_mult\":[1,1,2],\"num_res_blocks\":1,\"latent"     \
  "_channels\":2},\"vocoder\":{\"act_fn\":\"snakebeta\",\"bwe_act_fn\":\""     \
  "snakebeta\",\"final_act_fn\":null,\"bwe_final_act_fn\":null,\"final_bi"     \
  "as\":false,\"bwe_final_bias\":false,\"hidden_channels\":64,\"bwe_hidde"     \
  "n_channels\":32},\"latent_upsampler\":{\"in_channels\":8,\"mid_channel"     \
  "s\":32,\"num_blocks_per_stage\":2,\"use_rational_resampler\":false}}"

/* Some 300 million weights: what a laptop streams. */
#define SMALL                                                                  \
  "{\"text_encoder\":{\"hidden_size\":512,\"intermediate_size\":2048,"         \
  "\"num_hidden_layers\":12,\"num_attention_heads\":4,"                        \
  "\"num_key_value_heads\":2,\"head_dim\":128,\"query_pre_attn_scalar\":128,"  \
  "\"vocab_size\":4096},"                                                      \
  "\"connectors\":{\"caption_channels\":512,\"text_proj_in_factor\":13,"       \
  "\"video_connector_num_attention_heads\":8,"                                 \
  "\"video_connector_attention_head_dim\":64},"                                \
  "\"transformer\":{\"num_attention_heads\":8,\"attention_head_dim\":128,"     \
  "\"num_layers\":6,\"cross_attention_dim\":1024,\"caption_channels\":512,"    \
  "\"in_channels\":64,\"out_channels\":64,\"audio_num_attention_heads\":8,"    \
  "\"audio_attention_head_dim\":64,\"audio_in_channels\":64,"                  \
  "\"audio_out_channels\":64,\"audio_cross_attention_dim\":512},"              \
  "\"vae\":{\"latent_channels\":64,\"block_out_channels\":[64,128,256,512],"   \
  "\"layers_per_block\":[2,2,2,2,2],"                                          \
  "\"decoder_block_out_channels\":[64,128,256],"                               \
  "\"decoder_layers_per_block\":[2,2,2,2]},"                                   \
  "\"audio_vae\":{\"base_channels\":32,\"latent_channels\":4},"                \
  "\"vocoder\":{\"hidden_channels\":256},"                                     \
  "\"latent_upsampler\":{\"in_channels\":64,\"mid_channels\":256,"             \
  "\"num_blocks_per_stage\":2}}"

/* LTX-2.3 in its published sizes (section 2.5). */
#define LTX2_3                                                                 \
  "{\"connectors\":{\"video_connector_num_attention_heads\":32,"               \
  "\"video_connector_num_layers\":8,\"audio_connector_num_attention_heads\":"  \
  "32,\"audio_connector_attention_head_dim\":64,"                              \
  "\"audio_connector_num_layers\":8,\"video_gated_attn\":true,"                \
  "\"audio_gated_attn\":true,\"per_modality_projections\":true,"               \
  "\"proj_bias\":true},"                                                       \
  "\"transformer\":{\"gated_attn\":true,\"audio_gated_attn\":true,"            \
  "\"cross_attn_mod\":true,\"audio_cross_attn_mod\":true,"                     \
  "\"use_prompt_embeddings\":false},"                                          \
  "\"vae\":{\"block_out_channels\":[256,512,1024,1024],"                       \
  "\"layers_per_block\":[4,6,4,2,2],"                                          \
  "\"decoder_block_out_channels\":[256,512,512,1024],"                         \
  "\"decoder_layers_per_block\":[4,6,4,2,2],"                                  \
  "\"upsample_type\":[\"spatiotemporal\",\"spatiotemporal\",\"temporal\","     \
  "\"spatial\"],\"upsample_factor\":[2,2,1,2],\"upsample_residual\":false,"    \
  "\"decoder_spatial_padding_mode\":\"zeros\"},"                               \
  "\"vocoder\":{\"act_fn\":\"snakebeta\",\"bwe_act_fn\":\"snakebeta\","        \
  "\"final_act_fn\":null,\"bwe_final_act_fn\":null,\"final_bias\":false,"      \
  "\"bwe_final_bias\":false,\"hidden_channels\":1536,"                         \
  "\"bwe_hidden_channels\":512},"                                              \
  "\"latent_upsampler\":{\"use_rational_resampler\":false}}"

static const char *
preset (const char *name)
{
  static const struct {
    const char *name, *json;
  } presets[] = {{"tiny", TINY}, {"tiny2.3", TINY2_3}, {"small", SMALL},
      {"ltx2", "{}"}, {"ltx2.3", LTX2_3}};

  for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
    if (strcmp (name, presets[i].name) == 0)
      return presets[i].json;
  return NULL;
}

static void
read_part (DvConfigReader *r, DvPart part, DvLtx2Config *c)
{
  switch (part) {
    case DV_PART_GEMMA:
      dv_config_gemma (r, &c->gemma);
      break;
    case DV_PART_CONNECTORS:
      c->text.caption = c->gemma.hidden;
      dv_config_connectors (r, &c->text);
      break;
    case DV_PART_DIT:
      dv_config_dit (r, &c->dit);
      break;
    case DV_PART_VIDEO_VAE:
      dv_config_video_vae (r, &c->video_vae);
      break;
    case DV_PART_AUDIO_VAE:
      dv_config_audio_vae (r, &c->audio_vae);
      break;
    case DV_PART_VOCODER:
      dv_config_vocoder (r, &c->vocoder);
      break;
    default:
      dv_config_upsampler (r, &c->upsampler);
      break;
  }
}

DvStatus
dv_make_random_config (const char *config, DvLtx2Config *out, DvError *error)
{
  const char *text = preset (config);
  DvError local = {DV_OK};
  DvStatus status = DV_OK;
  cJSON *json = text ? dv_config_parse (text, strlen (text), config, &local)
                     : dv_config_load (config, &local);

  memset (out, 0, sizeof *out);
  if (!json) {
    if (local.code == DV_ERROR_NOT_FOUND)
      dv_fail (&local, DV_ERROR_NOT_FOUND, "write",
          "There is no configuration %s: name tiny, tiny2.3, small, ltx2, "
          "ltx2.3 "
          "or a "
          "JSON file.",
          config);
    if (error)
      *error = local;
    return local.code;
  }
  for (int part = 0; part < DV_N_PARTS && status == DV_OK; part++) {
    DvConfigReader reader = {
        .json = dv_config_find (json, dv_part_name ((DvPart)part)),
        .where = config,
        .error = error};

    read_part (&reader, (DvPart)part, out);
    status = reader.status;
  }
  cJSON_Delete (json);
  out->v23 = !out->dit.caption_projection;
  out->has_gemma = out->has_upsampler = true;
  if (status == DV_OK)
    status = dv_config_check_joints (out, config, error);
  return status;
}
