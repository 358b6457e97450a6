/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fuzzes the readers of configurations. The first byte says which part, and
 * whether it is compared with the tensors of an LTX-2, an LTX-2.3 or none;
 * the rest is the JSON. What is accepted must be within the bounds that the
 * modules count on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ltx2/checkpoint-private.h"
#include "ltx2/make-random.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);
int LLVMFuzzerInitialize (int *argc, char ***argv);

#define EXPECT(condition)                                                      \
  do {                                                                         \
    if (!(condition))                                                          \
      abort ();                                                                \
  } while (0)

static char directory[64];
static DvCheckpoint *models[2];

static void
tidy (void)
{
  char command[96];

  for (int i = 0; i < 2; i++)
    dv_checkpoint_free (models[i]);
  snprintf (command, sizeof command, "rm -rf %s", directory);
  EXPECT (system (command) == 0);
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  DvRandomSpec spec = {.layout = DV_LAYOUT_DIFFUSERS};
  char path[96];
  DvError error;

  strcpy (directory, "/tmp/dv-fuzz-XXXXXX");
  EXPECT (mkdtemp (directory));
  for (int i = 0; i < 2; i++) {
    spec.config = i ? "tiny2.3" : "tiny";
    snprintf (path, sizeof path, "%s/%d", directory, i);
    EXPECT (dv_make_random (&spec, path, &error) == DV_OK);
    models[i] = dv_checkpoint_open (path, &error);
    EXPECT (models[i]);
  }
  atexit (tidy);
  return 0;
}

static void
check_vae (const DvVideoVaeConfig *c)
{
  EXPECT (c->n_encoder >= 0 && c->n_encoder <= DV_MAX_BLOCKS);
  EXPECT (c->n_decoder >= 0 && c->n_decoder <= DV_MAX_BLOCKS);
  for (int i = 0; i < c->n_encoder + c->n_decoder; i++) {
    const DvVaeBlock *b =
        i < c->n_encoder ? &c->encoder[i] : &c->decoder[i - c->n_encoder];

    EXPECT (memchr (b->name, 0, sizeof b->name) && b->channels > 0);
    EXPECT (b->layers >= 0);
    EXPECT (b->kind == DV_VAE_RES || b->factor[0] * b->factor[1] > 1);
  }
}

static void
check_gan (const DvGanConfig *c)
{
  EXPECT (c->n_rates > 0 && c->n_rates <= DV_MAX_RATES);
  EXPECT (c->n_res > 0 && c->n_res <= DV_MAX_RATES);
  for (int i = 0; i < c->n_rates; i++)
    EXPECT (c->rates[i] > 0 && c->kernels[i] > 0);
  for (int i = 0; i < 3; i++)
    EXPECT (c->dilations[i] > 0);
}

static DvStatus
read_part (DvConfigReader *r, DvPart part, DvLtx2Config *c)
{
  switch (part) {
    case DV_PART_GEMMA:
      dv_config_gemma (r, &c->gemma);
      EXPECT (r->status != DV_OK || c->gemma.heads % c->gemma.kv_heads == 0 ||
              !r->tensors);
      break;
    case DV_PART_CONNECTORS:
      dv_config_connectors (r, &c->text);
      break;
    case DV_PART_DIT:
      dv_config_dit (r, &c->dit);
      EXPECT (r->status != DV_OK || c->dit.layers > 0);
      break;
    case DV_PART_VIDEO_VAE:
      dv_config_video_vae (r, &c->video_vae);
      if (r->status == DV_OK)
        check_vae (&c->video_vae);
      break;
    case DV_PART_AUDIO_VAE:
      dv_config_audio_vae (r, &c->audio_vae);
      EXPECT (r->status != DV_OK ||
              (c->audio_vae.n_mult > 0 && c->audio_vae.n_mult <= 8));
      break;
    case DV_PART_VOCODER:
      dv_config_vocoder (r, &c->vocoder);
      if (r->status == DV_OK)
        check_gan (&c->vocoder.main);
      break;
    default:
      dv_config_upsampler (r, &c->upsampler);
      break;
  }
  return r->status;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  DvLtx2Config config = {0};
  DvError error = {DV_OK};
  DvConfigReader reader = {.where = "input", .error = &error};
  DvPart part;
  cJSON *json;

  if (size == 0)
    return 0;
  part = (DvPart)(data[0] % DV_N_PARTS);
  if (data[0] / DV_N_PARTS % 3 < 2)
    reader.tensors = &models[data[0] / DV_N_PARTS % 3]->part[part];
  json = dv_config_parse ((const char *)data + 1, size - 1, "input", &error);
  EXPECT (json || error.code == DV_ERROR_FORMAT);
  if (!json)
    return 0;
  reader.json = json;
  EXPECT (read_part (&reader, part, &config) == error.code);
  cJSON_Delete (json);
  return 0;
}
