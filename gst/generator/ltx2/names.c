/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tensor names: the table of section 2.4 of docs/ltx2-model.md, and its
 * application: at each place of a name the longest entry that fits there.
 */
#include "names.h"

#include <stdio.h>
#include <string.h>

/* Where an entry applies. */
typedef enum {
  ANYWHERE,
  START,  /* of the name */
  SEGMENT /* after a dot, or at the start */
} Where;

typedef struct {
  const char *original, *diffusers;
  Where where;
} Rename;

/* Each list has longer originals before shorter ones that they contain, and
 * the same of the diffusers names. */
static const Rename dit[] = {
    {"scale_shift_table_a2v_ca_video", "video_a2v_cross_attn_scale_shift_table",
        SEGMENT},
    {"scale_shift_table_a2v_ca_audio", "audio_a2v_cross_attn_scale_shift_table",
        SEGMENT},
    {"av_ca_video_scale_shift_adaln_single", "av_cross_attn_video_scale_shift",
        START},
    {"av_ca_audio_scale_shift_adaln_single", "av_cross_attn_audio_scale_shift",
        START},
    {"av_ca_a2v_gate_adaln_single", "av_cross_attn_video_a2v_gate", START},
    {"av_ca_v2a_gate_adaln_single", "av_cross_attn_audio_v2a_gate", START},
    {"audio_prompt_adaln_single.", "audio_prompt_adaln.", START},
    {"prompt_adaln_single.", "prompt_adaln.", START},
    {"audio_adaln_single.", "audio_time_embed.", START},
    {"adaln_single.", "time_embed.", START},
    {"audio_patchify_proj.", "audio_proj_in.", START},
    {"patchify_proj.", "proj_in.", START},
    {"q_norm.", "norm_q.", SEGMENT},
    {"k_norm.", "norm_k.", SEGMENT},
    {0},
};

static const Rename connectors[] = {
    {"video_embeddings_connector.", "video_connector.", START},
    {"audio_embeddings_connector.", "audio_connector.", START},
    {"embeddings_connector.", "video_connector.", START}, /* layout B's */
    {"video_aggregate_embed.", "video_text_proj_in.", START},
    {"audio_aggregate_embed.", "audio_text_proj_in.", START},
    {"aggregate_embed.", "text_proj_in.", START},
    {"transformer_1d_blocks.", "transformer_blocks.", SEGMENT},
    {"q_norm.", "norm_q.", SEGMENT},
    {"k_norm.", "norm_k.", SEGMENT},
    {0},
};

static const Rename video_vae[] = {
    {"per_channel_statistics.mean-of-means", "latents_mean", START},
    {"per_channel_statistics.std-of-means", "latents_std", START},
    {"encoder.down_blocks.0.", "encoder.down_blocks.0.", START},
    {"encoder.down_blocks.1.", "encoder.down_blocks.0.downsamplers.0.", START},
    {"encoder.down_blocks.2.", "encoder.down_blocks.1.", START},
    {"encoder.down_blocks.3.", "encoder.down_blocks.1.downsamplers.0.", START},
    {"encoder.down_blocks.4.", "encoder.down_blocks.2.", START},
    {"encoder.down_blocks.5.", "encoder.down_blocks.2.downsamplers.0.", START},
    {"encoder.down_blocks.6.", "encoder.down_blocks.3.", START},
    {"encoder.down_blocks.7.", "encoder.down_blocks.3.downsamplers.0.", START},
    {"encoder.down_blocks.8.", "encoder.mid_block.", START},
    {"decoder.up_blocks.0.", "decoder.mid_block.", START},
    {"decoder.up_blocks.1.", "decoder.up_blocks.0.upsamplers.0.", START},
    {"decoder.up_blocks.2.", "decoder.up_blocks.0.", START},
    {"decoder.up_blocks.3.", "decoder.up_blocks.1.upsamplers.0.", START},
    {"decoder.up_blocks.4.", "decoder.up_blocks.1.", START},
    {"decoder.up_blocks.5.", "decoder.up_blocks.2.upsamplers.0.", START},
    {"decoder.up_blocks.6.", "decoder.up_blocks.2.", START},
    {"decoder.up_blocks.7.", "decoder.up_blocks.3.upsamplers.0.", START},
    {"decoder.up_blocks.8.", "decoder.up_blocks.3.", START},
    {"res_blocks.", "resnets.", SEGMENT},
    {0},
};

static const Rename audio_vae[] = {
    {"per_channel_statistics.mean-of-means", "latents_mean", START},
    {"per_channel_statistics.std-of-means", "latents_std", START},
    {0},
};

static const Rename vocoder[] = {
    {"conv_pre.", "conv_in.", SEGMENT},
    {"conv_post.", "conv_out.", SEGMENT},
    {"ups.", "upsamplers.", SEGMENT},
    {"resblocks.", "resnets.", SEGMENT},
    {"act_post.", "act_out.", SEGMENT},
    {"downsample.lowpass.", "downsample.", SEGMENT},
    {0},
};

static const Rename none[] = {{0}};

static const Rename *
renames (DvPart part)
{
  switch (part) {
    case DV_PART_DIT:
      return dit;
    case DV_PART_CONNECTORS:
      return connectors;
    case DV_PART_VIDEO_VAE:
      return video_vae;
    case DV_PART_AUDIO_VAE:
      return audio_vae;
    case DV_PART_VOCODER:
      return vocoder;
    default:
      return none;
  }
}

/* ---- recognising ---- */

bool
dv_name_is_original (DvPart part, const char *name)
{
  /* Of the table, what diffusers names never hold. */
  static const char *const marks[DV_N_PARTS][4] = {
      [DV_PART_DIT] = {"patchify_proj.", "adaln_single.", ".q_norm.",
          "_a2v_ca_"},
      [DV_PART_CONNECTORS] = {"embeddings_connector.", "aggregate_embed.",
          "transformer_1d_blocks."},
      [DV_PART_VIDEO_VAE] = {".res_blocks.", "per_channel_statistics."},
      [DV_PART_AUDIO_VAE] = {"per_channel_statistics."},
      [DV_PART_VOCODER] = {"conv_pre.", "conv_post.", "resblocks."},
  };

  for (int i = 0; i < 4 && marks[part][i]; i++)
    if (strstr (name, marks[part][i]))
      return true;
  return false;
}

bool
dv_name_is_connector (const char *name)
{
  static const char *const starts[] = {"video_connector.", "audio_connector.",
      "text_proj_in.", "video_text_proj_in.", "audio_text_proj_in.",
      "embeddings_connector.", "video_embeddings_connector.",
      "audio_embeddings_connector.", "aggregate_embed.",
      "video_aggregate_embed.", "audio_aggregate_embed."};

  for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
    if (strncmp (name, starts[i], strlen (starts[i])) == 0)
      return true;
  return false;
}

/* ---- renaming ---- */

/* The entry for the text at @at of @name, or NULL. */
static const Rename *
entry_at (const Rename *list, bool forward, const char *name, size_t at)
{
  const Rename *best = NULL;
  size_t best_length = 0;

  for (; list->original; list++) {
    const char *from = forward ? list->original : list->diffusers;
    size_t n = strlen (from);

    if (n <= best_length || strncmp (name + at, from, n) != 0 ||
        (list->where == START && at > 0) ||
        (list->where == SEGMENT && at > 0 && name[at - 1] != '.'))
      continue;
    best = list;
    best_length = n;
  }
  return best;
}

static bool
rename_all (
    const Rename *list, bool forward, const char *name, char *out, size_t size)
{
  size_t used = 0;

  for (size_t at = 0; name[at];) {
    const Rename *entry = entry_at (list, forward, name, at);
    const char *to = name + at;
    size_t n = 1;

    if (entry) {
      to = forward ? entry->diffusers : entry->original;
      n = strlen (to);
      at += strlen (forward ? entry->original : entry->diffusers);
    } else {
      at++;
    }
    if (n >= size - used)
      return false;
    memcpy (out + used, to, n);
    used += n;
  }
  out[used] = 0;
  return true;
}

bool
dv_name_to_diffusers (
    DvPart part, const char *original, char *name, size_t size)
{
  return rename_all (renames (part), true, original, name, size);
}

bool
dv_name_to_original (
    DvPart part, const char *diffusers, char *name, size_t size)
{
  return rename_all (renames (part), false, diffusers, name, size);
}

/* ---- prefixes ---- */

static bool
begins (const char *name, const char *prefix, const char **rest)
{
  size_t n = strlen (prefix);

  if (strncmp (name, prefix, n) != 0)
    return false;
  *rest = name + n;
  return true;
}

bool
dv_name_split (const char *name, DvPart *part, const char **rest)
{
  static const struct {
    const char *prefix;
    DvPart part;
  } parts[] = {
      {"text_embedding_projection.", DV_PART_CONNECTORS},
      {"vae.", DV_PART_VIDEO_VAE},
      {"audio_vae.", DV_PART_AUDIO_VAE},
      {"vocoder.", DV_PART_VOCODER},
  };
  const char *ignored;

  if (begins (name, "model.diffusion_model.", rest)) {
    *part = begins (*rest, "video_embeddings_connector.", &ignored) ||
                    begins (*rest, "audio_embeddings_connector.", &ignored)
                ? DV_PART_CONNECTORS
                : DV_PART_DIT;
    return true;
  }
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (begins (name, parts[i].prefix, rest)) {
      *part = parts[i].part;
      return true;
    }
  return false;
}

const char *
dv_name_prefix (DvPart part, const char *diffusers)
{
  switch (part) {
    case DV_PART_DIT:
      return "model.diffusion_model.";
    case DV_PART_CONNECTORS:
      return strstr (diffusers, "text_proj_in") ? "text_embedding_projection."
                                                : "model.diffusion_model.";
    case DV_PART_VIDEO_VAE:
      return "vae.";
    case DV_PART_AUDIO_VAE:
      return "audio_vae.";
    case DV_PART_VOCODER:
      return "vocoder.";
    default:
      return "";
  }
}

bool
dv_name_gemma (const char *name, char *out, size_t size)
{
  static const char *const prefixes[] = {
      "language_model.model.", "model.language_model.", "model."};
  static const char *const kept[] = {"embed_tokens.", "layers.", "norm."};
  const char *rest, *ignored;

  for (int i = 0; i < 3; i++) {
    if (!begins (name, prefixes[i], &rest))
      continue;
    for (int j = 0; j < 3; j++)
      if (begins (rest, kept[j], &ignored))
        return (size_t)snprintf (out, size, "model.%s", rest) < size;
  }
  return false;
}

bool
dv_name_ignored (DvPart part, const char *name)
{
  static const char *const ignored[] = {"per_channel_statistics.channel",
      "per_channel_statistics.mean-of-stds",
      "per_channel_statistics.mean-of-stds_over_std-of-means",
      "mel_stft.stft_fn.inverse_basis", "upsampler.blur_down.kernel"};

  for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
    if (strcmp (name, ignored[i]) == 0)
      return true;
  return part == DV_PART_GEMMA && strstr (name, "rotary_emb.") != NULL;
}
