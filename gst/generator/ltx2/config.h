/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a checkpoint's configuration says, in one form for all layouts: the
 * values of section 2.5 of the model specification (docs/ltx2-model.md).
 * Counts that no configuration states were read from the weights' shapes.
 */
#ifndef DV_LTX2_CONFIG_H
#define DV_LTX2_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#define DV_MAX_BLOCKS 16 /* of a VAE's list of blocks */
#define DV_MAX_RATES 8   /* of a vocoder's stages */

typedef struct {
  int64_t hidden, mlp, layers, heads, kv_heads, head_dim, vocab;
  double query_pre_attn_scalar;
  double rope_theta, rope_local_base, rope_factor;
  int64_t sliding_window, sliding_pattern;
  float eps;
} DvGemmaConfig;

/* One modality's connector. */
typedef struct {
  int64_t heads, head_dim, layers, registers;
  bool gated;
} DvConnectorConfig;

typedef struct {
  int64_t text_len;      /* rows of the context: 1024 */
  int64_t caption;       /* channels of a hidden state */
  int64_t hidden_states; /* text_proj_in_factor: 49 */
  bool per_modality;     /* [2.3] a projection a modality */
  bool proj_bias;
  DvConnectorConfig video, audio;
  double rope_theta;
  int64_t rope_base_len; /* 4096 */
  bool rope_double;
} DvTextConfig;

typedef struct {
  int64_t in, out, heads, head_dim; /* width = heads * head_dim */
  int64_t cross_dim;                /* of this modality's context, projected */
} DvDitModality;

typedef struct {
  DvDitModality video, audio;
  int64_t layers, caption;
  bool gated;              /* [2.3] gated attention */
  bool cross_mod;          /* [2.3] modulated text attention, 9 rows */
  bool caption_projection; /* LTX-2: in the transformer */
  double rope_theta;
  bool rope_double, rope_interleaved;
  double max_t, max_y, max_x, audio_max;       /* 20, 2048, 2048, 20 */
  double timestep_scale, cross_timestep_scale; /* 1000 */
  float eps;
} DvDitConfig;

typedef enum { DV_VAE_RES, DV_VAE_DOWN, DV_VAE_UP } DvVaeBlockKind;

typedef struct {
  DvVaeBlockKind kind;
  int64_t channels; /* after the block */
  int layers;       /* RES */
  int factor[3];    /* DOWN, UP: time, y, x */
  bool residual;    /* UP: with the skip */
  char name[64];    /* diffusers prefix: "decoder.up_blocks.0.upsamplers.0" */
} DvVaeBlock;

typedef struct {
  int64_t latent;                 /* channels: 128 */
  int patch;                      /* 4 */
  int64_t encoder_in, decoder_in; /* channels after conv_in */
  DvVaeBlock encoder[DV_MAX_BLOCKS], decoder[DV_MAX_BLOCKS]; /* running order */
  int n_encoder, n_decoder; /* 0: the part is not in the file */
  bool decoder_reflect;     /* spatial padding: reflect, else zeros */
  bool decoder_causal, encoder_causal;
} DvVideoVaeConfig;

typedef struct {
  int64_t base, latent, mel_bins;
  int64_t mult[8];
  int n_mult, res_blocks;
  int sample_rate, hop; /* 16000, 160 */
  bool has_encoder, has_decoder;
} DvAudioVaeConfig;

typedef struct {
  int64_t in, hidden, out;
  int rates[DV_MAX_RATES], kernels[DV_MAX_RATES], n_rates;
  int res_kernels[DV_MAX_RATES], n_res;
  int dilations[3];
  float slope; /* of the leaky ReLUs */
  bool snake;  /* [2.3] */
  bool final_bias, final_tanh;
} DvGanConfig;

typedef struct {
  DvGanConfig main;
  bool extended; /* [2.3] with bandwidth extension */
  DvGanConfig bwe;
  int input_rate, output_rate; /* Hz; input_rate of the main generator */
  int stft, hop, mel_bins;     /* [2.3] 512, 80, 64 */
} DvVocoderConfig;

typedef struct {
  int64_t in, mid;
  int blocks;
  bool rational; /* names upsampler.conv, else upsampler.0 */
} DvUpsamplerConfig;

typedef struct {
  bool v23;      /* LTX-2.3 */
  char name[64]; /* "LTX-2 19B distilled", for people */
  DvGemmaConfig gemma;
  DvTextConfig text;
  DvDitConfig dit;
  DvVideoVaeConfig video_vae;
  DvAudioVaeConfig audio_vae;
  DvVocoderConfig vocoder;
  DvUpsamplerConfig upsampler;
  bool has_upsampler, has_gemma, has_tokenizer;
} DvLtx2Config;

#endif
