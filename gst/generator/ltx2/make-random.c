/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Writing a model of random weights (make-random.h): files and directories of
 * the three layouts (sections 2.1 to 2.3 of docs/ltx2-model.md).
 */
#include "make-random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "names.h"
#include "random-fill.h"
#include "random-json.h"
#include "random-tokenizer.h"
#include "safetensors-write.h"

#define MAX_PATH 4096
#define PIECE (1 << 18) /* elements at a time */

/* Sticky, as its writers are. */
typedef struct {
  const DvRandomSpec *spec;
  const char *directory;
  DvLtx2Config config;
  uint64_t done, total;
  uint16_t *piece;
  DvStatus status;
  DvError error;
} Job;

/* One walk over a part's tensors. */
typedef struct {
  Job *job;
  DvPart part;
  DvSafetensorsWriter *writer;
  bool data;    /* write data, else announce */
  int shard;    /* only this one's; -1: all */
  int at_shard; /* where the walk is */
  uint64_t in_shard;
  FILE *index; /* or list names for an index */
  const char *file_of_shard;
  int n_shards;
} Walk;

static bool
failed (const Job *job)
{
  return job->status != DV_OK;
}

static void
path_to (const Job *job, char *path, const char *name)
{
  snprintf (path, MAX_PATH, "%s/%s", job->directory, name);
}

static void
make_directory (Job *job, const char *name)
{
  char path[MAX_PATH];

  path_to (job, path, name);
  if (!failed (job) && mkdir (path, 0777) != 0 && errno != EEXIST)
    job->status = dv_fail (&job->error, DV_ERROR_ARGUMENT, "write",
        "%s cannot be made: %s.", path, strerror (errno));
}

/* ---- text files ---- */

static void
write_text (Job *job, const char *name, const char *text)
{
  char path[MAX_PATH];
  FILE *file;

  if (failed (job))
    return;
  path_to (job, path, name);
  file = fopen (path, "w");
  if (file && fputs (text, file) >= 0 && fclose (file) == 0)
    return;
  job->status = dv_fail (&job->error, DV_ERROR_ARGUMENT, "write",
      "%s cannot be written: %s.", path, strerror (errno));
}

/* The text of @json, which is freed; NULL after a failure. */
static char *
print (Job *job, cJSON *json)
{
  char *text = json ? cJSON_PrintUnformatted (json) : NULL;

  cJSON_Delete (json);
  if (!text && !failed (job))
    job->status = dv_fail (&job->error, DV_ERROR_MEMORY, "write",
        "There is no memory left to write a configuration.");
  return text;
}

static void
write_json (Job *job, const char *name, cJSON *json)
{
  char *text = print (job, json);

  if (text)
    write_text (job, name, text);
  cJSON_free (text);
}

/* ---- tensors ---- */

/* A tensor's name in the file. */
static void
disk_name (const Job *job, DvPart part, const char *name, char *out)
{
  char original[DV_MAX_NAME];

  if (part == DV_PART_GEMMA) {
    snprintf (out, DV_MAX_NAME + 32, "language_model.%s", name);
    return;
  }
  if (job->spec->layout == DV_LAYOUT_DIFFUSERS || part == DV_PART_UPSAMPLER ||
      !dv_name_to_original (part, name, original, sizeof original)) {
    snprintf (out, DV_MAX_NAME + 32, "%s", name);
    return;
  }
  if (job->spec->layout == DV_LAYOUT_SINGLE)
    snprintf (
        out, DV_MAX_NAME + 32, "%s%s", dv_name_prefix (part, name), original);
  else /* whose video connector has no "video_" */
    snprintf (out, DV_MAX_NAME + 32, "%s",
        strncmp (original, "video_embeddings_connector.", 27) == 0
            ? original + 6
            : original);
}

static int64_t
count_of (int n_dims, const int64_t *shape)
{
  int64_t count = 1;

  for (int i = 0; i < n_dims; i++)
    count *= shape[i];
  return count;
}

static void
write_values (
    Walk *walk, const char *name, DvFill fill, int n_dims, const int64_t *shape)
{
  Job *job = walk->job;
  int64_t count = count_of (n_dims, shape);
  uint64_t key = dv_random_key (job->spec->seed, name);

  if (job->spec->sparse) {
    dv_safetensors_write_hole (walk->writer, 2 * (uint64_t)count);
    job->done += 2 * (uint64_t)count;
    return;
  }

  for (int64_t i = 0; i < count && !failed (job); i += PIECE) {
    int64_t n = count - i < PIECE ? count - i : PIECE;

    dv_random_fill (fill, n_dims, shape, key, i, n, job->piece);
    dv_safetensors_write_data (walk->writer, job->piece, (size_t)n * 2);
    job->done += (uint64_t)n * 2;
    if (job->spec->progress &&
        !job->spec->progress (job->spec->user, job->done, job->total))
      job->status = dv_fail (
          &job->error, DV_CANCELLED, "write", "Writing the model was stopped.");
  }
}

static void
visit (
    void *user, const char *name, DvFill fill, int n_dims, const int64_t *shape)
{
  Walk *walk = user;
  Job *job = walk->job;
  char disk[DV_MAX_NAME + 32];
  uint64_t bytes = 2 * (uint64_t)count_of (n_dims, shape);
  uint64_t most = job->spec->shard_bytes ? job->spec->shard_bytes : 5000000000u;

  if (walk->in_shard > 0 && walk->in_shard + bytes > most) {
    walk->at_shard++;
    walk->in_shard = 0;
  }
  walk->in_shard += bytes;
  disk_name (job, walk->part, name, disk);
  if (walk->index)
    fprintf (walk->index, "%s\n\"%s\":\"%s-%05d-of-%05d.safetensors\"",
        walk->at_shard || walk->in_shard > bytes ? "," : "", disk,
        walk->file_of_shard, walk->at_shard + 1, walk->n_shards);
  if (!walk->writer) {
    if (!walk->index)
      job->total += bytes;
    return;
  }
  if (walk->shard >= 0 && walk->shard != walk->at_shard)
    return;
  if (walk->data)
    write_values (walk, name, fill, n_dims, shape);
  else
    dv_safetensors_write_tensor (walk->writer, disk, DV_BF16, n_dims, shape);
}

/* How many shards the part has; its bytes are added to the total. */
static int
measure (Job *job, DvPart part)
{
  Walk walk = {.job = job, .part = part, .shard = -1};

  dv_random_tensors (&job->config, part, visit, &walk);
  return walk.at_shard + 1;
}

static void
end_file (Job *job, DvSafetensorsWriter *writer)
{
  DvError error;
  DvStatus status = dv_safetensors_write_end (writer, &error);

  if (status != DV_OK && !failed (job)) {
    job->status = status;
    job->error = error;
  }
}

/* One file with the tensors of several parts, or one shard of one. */
static void
write_file (Job *job, const char *name, const DvPart *parts, int n, int shard,
    const char *config)
{
  char path[MAX_PATH];
  DvSafetensorsWriter *writer;

  if (failed (job))
    return;
  path_to (job, path, name);
  writer = dv_safetensors_write (path, &job->error);
  if (!writer) {
    job->status = job->error.code;
    return;
  }
  dv_safetensors_write_metadata (writer, "format", "pt");
  if (config) {
    dv_safetensors_write_metadata (writer, "config", config);
    dv_safetensors_write_metadata (
        writer, "model_version", job->config.v23 ? "2.3.0" : "2.0.0");
  }
  for (int data = 0; data < 2; data++)
    for (int i = 0; i < n; i++) {
      Walk walk = {.job = job,
          .part = parts[i],
          .writer = writer,
          .data = data == 1,
          .shard = shard};

      dv_random_tensors (&job->config, parts[i], visit, &walk);
    }
  end_file (job, writer);
}

static void
write_index (Job *job, const char *directory, const char *base, DvPart part,
    int n_shards)
{
  char name[256], path[MAX_PATH];
  Walk walk = {.job = job,
      .part = part,
      .shard = -1,
      .file_of_shard = base,
      .n_shards = n_shards};

  if (failed (job))
    return;
  snprintf (name, sizeof name, "%s/%s.safetensors.index.json", directory, base);
  path_to (job, path, name);
  walk.index = fopen (path, "w");
  if (walk.index) {
    fputs ("{\"metadata\":{},\"weight_map\":{", walk.index);
    dv_random_tensors (&job->config, part, visit, &walk);
    fputs ("}}\n", walk.index);
  }
  if (!walk.index || ferror (walk.index) | fclose (walk.index))
    job->status = dv_fail (&job->error, DV_ERROR_ARGUMENT, "write",
        "%s cannot be written: %s.", path, strerror (errno));
}

/* A component's directory: configuration and weights, in shards if they are
 * large and the layout has them. */
static void
write_component (Job *job, const char *directory, const char *base, DvPart part,
    cJSON *config)
{
  uint64_t total = job->total;
  int n_shards =
      job->spec->layout == DV_LAYOUT_DIFFUSERS || part == DV_PART_GEMMA
          ? measure (job, part)
          : 1;
  char name[256];

  job->total = total;
  make_directory (job, directory);
  snprintf (name, sizeof name, "%s/config.json", directory);
  write_json (job, name, config);
  if (n_shards == 1) {
    snprintf (name, sizeof name, "%s/%s.safetensors", directory, base);
    write_file (job, name, &part, 1, -1, NULL);
    return;
  }
  for (int i = 0; i < n_shards; i++) {
    snprintf (name, sizeof name, "%s/%s-%05d-of-%05d.safetensors", directory,
        base, i + 1, n_shards);
    write_file (job, name, &part, 1, i, NULL);
  }
  write_index (job, directory, base, part, n_shards);
}

static void
write_tokenizer (Job *job, const char *directory)
{
  char name[256], path[MAX_PATH];

  if (!job->spec->tokenizer || failed (job))
    return;
  make_directory (job, directory);
  snprintf (name, sizeof name, "%s/tokenizer.json", directory);
  path_to (job, path, name);
  if (!failed (job))
    job->status =
        dv_random_tokenizer (path, job->config.gemma.vocab, &job->error);
}

/* ---- layouts ---- */

static void
write_tree (Job *job)
{
  static const char *const directories[DV_N_PARTS] = {"text_encoder",
      "connectors", "transformer", "vae", "audio_vae", "vocoder",
      "latent_upsampler"};

  for (int part = 0; part < DV_N_PARTS; part++)
    write_component (job, directories[part],
        part == DV_PART_GEMMA ? "model" : "diffusion_pytorch_model",
        (DvPart)part, dv_random_json (&job->config, (DvPart)part, false));
  write_tokenizer (job, "tokenizer");
  write_text (job, "model_index.json",
      "{\"_class_name\":\"LTX2Pipeline\","
      "\"audio_vae\":[\"diffusers\",\"AutoencoderKLLTX2Audio\"],"
      "\"connectors\":[\"ltx2\",\"LTX2TextConnectors\"],"
      "\"text_encoder\":[\"transformers\",\"Gemma3ForConditionalGeneration\"],"
      "\"tokenizer\":[\"transformers\",\"GemmaTokenizerFast\"],"
      "\"transformer\":[\"diffusers\",\"LTX2VideoTransformer3DModel\"],"
      "\"vae\":[\"diffusers\",\"AutoencoderKLLTX2Video\"],"
      "\"vocoder\":[\"ltx2\",\"LTX2Vocoder\"]}\n");
}

/* A component's configuration in a box of its name. */
static cJSON *
boxed (Job *job, DvPart part, const char *box)
{
  cJSON *json = cJSON_CreateObject ();
  cJSON *inner = dv_random_json (&job->config, part, true);

  if (json && inner && cJSON_AddItemToObject (json, box, inner))
    return json;
  cJSON_Delete (inner);
  cJSON_Delete (json);
  return NULL;
}

static void
write_fastvideo (Job *job)
{
  write_component (job, "text_encoder", "model", DV_PART_CONNECTORS,
      dv_random_json_text_encoder (&job->config));
  write_component (job, "text_encoder/gemma", "model", DV_PART_GEMMA,
      dv_random_json (&job->config, DV_PART_GEMMA, false));
  write_component (job, "transformer", "model", DV_PART_DIT,
      dv_random_json (&job->config, DV_PART_DIT, true));
  write_component (job, "vae", "model", DV_PART_VIDEO_VAE,
      boxed (job, DV_PART_VIDEO_VAE, "vae"));
  write_component (job, "audio_vae", "model", DV_PART_AUDIO_VAE,
      boxed (job, DV_PART_AUDIO_VAE, "audio_vae"));
  write_component (job, "vocoder", "model", DV_PART_VOCODER,
      boxed (job, DV_PART_VOCODER, "vocoder"));
  write_component (job, "spatial_upscaler", "model", DV_PART_UPSAMPLER,
      dv_random_json (&job->config, DV_PART_UPSAMPLER, true));
  write_tokenizer (job, "tokenizer");
  write_text (job, "model_index.json",
      "{\"_class_name\":\"LTX2Pipeline\","
      "\"transformer\":[\"diffusers\",\"LTX2Transformer3DModel\"],"
      "\"vae\":[\"diffusers\",\"CausalVideoAutoencoder\"],"
      "\"text_encoder\":[\"transformers\",\"LTX2GemmaTextEncoderModel\"],"
      "\"tokenizer\":[\"transformers\",\"AutoTokenizer\"],"
      "\"audio_vae\":[\"diffusers\",\"LTX2AudioDecoder\"],"
      "\"vocoder\":[\"diffusers\",\"LTX2Vocoder\"]}\n");
}

static void
write_single (Job *job)
{
  static const DvPart parts[] = {DV_PART_DIT, DV_PART_CONNECTORS,
      DV_PART_VIDEO_VAE, DV_PART_AUDIO_VAE, DV_PART_VOCODER};
  static const DvPart upsampler = DV_PART_UPSAMPLER;
  char *whole = print (job, dv_random_json_whole (&job->config));
  char *own =
      print (job, dv_random_json (&job->config, DV_PART_UPSAMPLER, true));

  write_file (job, "ltx-2-random.safetensors", parts,
      (int)(sizeof parts / sizeof *parts), -1, whole);
  write_file (job, "ltx-2-random-spatial-upscaler-x2.safetensors", &upsampler,
      1, -1, own);
  write_component (job, "gemma", "model", DV_PART_GEMMA,
      dv_random_json (&job->config, DV_PART_GEMMA, false));
  write_tokenizer (job, "gemma");
  cJSON_free (whole);
  cJSON_free (own);
}

DvStatus
dv_make_random (const DvRandomSpec *spec, const char *directory, DvError *error)
{
  Job job = {.spec = spec, .directory = directory};

  if (strlen (directory) > MAX_PATH - 256)
    return dv_fail (error, DV_ERROR_ARGUMENT, "write",
        "The path of the model is longer than %d bytes.", MAX_PATH - 256);
  job.status = dv_make_random_config (spec->config, &job.config, &job.error);
  for (int part = 0; part < DV_N_PARTS && !failed (&job); part++)
    measure (&job, (DvPart)part);
  job.piece = malloc (PIECE * sizeof *job.piece);
  if (!job.piece && !failed (&job))
    job.status = dv_fail (&job.error, DV_ERROR_MEMORY, "write",
        "There is no memory left to make weights.");
  make_directory (&job, "");
  if (!failed (&job)) {
    switch (spec->layout) {
      case DV_LAYOUT_DIFFUSERS:
        write_tree (&job);
        break;
      case DV_LAYOUT_FASTVIDEO:
        write_fastvideo (&job);
        break;
      default:
        write_single (&job);
        break;
    }
  }
  free (job.piece);
  if (failed (&job) && error)
    *error = job.error;
  return job.status;
}
