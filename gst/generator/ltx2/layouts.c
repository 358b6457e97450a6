/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where the files of a checkpoint are: the three layouts of sections 2.1 to
 * 2.3 of docs/ltx2-model.md.  Directories say where to look; which layout it
 * is, tensor names say.
 */
#include "layouts.h"
#include "names.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_PATH 4096

static bool
is_directory (const char *path)
{
  struct stat st;

  return stat (path, &st) == 0 && S_ISDIR (st.st_mode);
}

static bool
is_file (const char *path)
{
  struct stat st;

  return stat (path, &st) == 0 && S_ISREG (st.st_mode);
}

/* A/B into @out; false when it does not fit. */
static bool
join (char *out, const char *a, const char *b)
{
  return snprintf (out, MAX_PATH, "%s/%s", a, b) < MAX_PATH;
}

/* The file that holds a component's weights, or their index. */
static bool
find_weights (const char *directory, char *out)
{
  static const char *const names[] = {
      "diffusion_pytorch_model.safetensors.index.json",
      "diffusion_pytorch_model.safetensors", "model.safetensors.index.json",
      "model.safetensors"};

  for (int i = 0; i < 4; i++)
    if (join (out, directory, names[i]) && is_file (out))
      return true;
  return false;
}

static bool
has_name (const DvSafetensors *file, bool (*matches) (const char *name))
{
  const char *name;

  for (size_t i = 0; dv_safetensors_nth (file, i, &name); i++)
    if (matches (name))
      return true;
  return false;
}

static bool
is_whole_name (const char *name)
{
  return strncmp (name, "model.diffusion_model.", 22) == 0;
}

static bool
is_gemma_name (const char *name)
{
  char ignored[DV_MAX_NAME];

  return dv_name_gemma (name, ignored, sizeof ignored);
}

/* ---- configurations ---- */

/* Layout B and the original put a component's keys into a box of its name. */
static const cJSON *
unboxed (const cJSON *json, DvPart part)
{
  static const char *const boxes[DV_N_PARTS] = {
      [DV_PART_VIDEO_VAE] = "vae",
      [DV_PART_AUDIO_VAE] = "audio_vae",
      [DV_PART_VOCODER] = "vocoder",
      [DV_PART_DIT] = "transformer",
      [DV_PART_CONNECTORS] = "transformer",
  };
  const cJSON *box = boxes[part] ? dv_config_find (json, boxes[part]) : NULL;

  /* LTX-2.3's vocoder has a box "vocoder" inside its box, beside "bwe". */
  return cJSON_IsObject (box) && !dv_config_find (json, "bwe") ? box : json;
}

/* From DIRECTORY/config.json, else from the metadata of @file, else the
 * defaults. */
static DvStatus
configure (DvCheckpoint *checkpoint, DvPart part, const char *directory,
    const DvSafetensors *file, DvError *error)
{
  char path[MAX_PATH];
  const char *text = dv_safetensors_metadata (file, "config");
  const char *where = dv_safetensors_path (file);
  cJSON *json = NULL;
  DvError parse_error;
  DvStatus status;

  if (directory && join (path, directory, "config.json") && is_file (path)) {
    where = path;
    json = dv_config_load (path, &parse_error);
  } else if (text) {
    json = dv_config_parse (text, strlen (text), where, &parse_error);
  }
  if (!json && (where == path || text)) {
    if (error)
      *error = parse_error;
    return parse_error.code;
  }
  status = dv_checkpoint_configure (
      checkpoint, part, unboxed (json, part), where, error);
  cJSON_Delete (json);
  return status;
}

/* Adds a part and reads its configuration. */
static DvStatus
take_part (DvCheckpoint *checkpoint, DvPart part, const char *directory,
    const DvSafetensors *file, bool whole, DvError *error)
{
  DvStatus status =
      dv_checkpoint_add_part (checkpoint, part, file, whole, error);

  if (status != DV_OK)
    return status;
  if (checkpoint->part[part].count == 0)
    return dv_fail (error, DV_ERROR_NOT_FOUND, "open",
        "%s holds no tensors of the %s.", dv_safetensors_path (file),
        dv_part_name (part));
  return configure (checkpoint, part, directory, file, error);
}

/* ---- layouts A and B: a directory a component ---- */

/* Opens PATH/NAME's weights; NULL with DV_OK in *@status when there are
 * none. */
static DvSafetensors *
component_file (DvCheckpoint *checkpoint, const char *name, char *directory,
    DvStatus *status, DvError *error)
{
  char path[MAX_PATH];
  DvError local = {DV_OK};
  DvSafetensors *file;

  *status = DV_OK;
  if (!join (directory, checkpoint->path, name) ||
      !find_weights (directory, path))
    return NULL;
  file = dv_checkpoint_add_file (checkpoint, path, &local);
  if (!file) {
    *status = local.code;
    if (error)
      *error = local;
  }
  return file;
}

/* The first of the directories (NULL ends them) that has weights. */
static DvStatus
take_component (DvCheckpoint *checkpoint, DvPart part,
    const char *const *directories, DvError *error)
{
  char directory[MAX_PATH];
  DvStatus status = DV_OK;
  DvSafetensors *file = NULL;

  for (; *directories && !file && status == DV_OK; directories++)
    file = component_file (checkpoint, *directories, directory, &status, error);
  if (!file)
    return status;
  return take_part (checkpoint, part, directory, file, false, error);
}

/* Gemma's directory: text_encoder itself, or one inside it. */
static DvStatus
take_gemma (DvCheckpoint *checkpoint, const char *directory, DvError *error)
{
  char path[MAX_PATH];
  DvSafetensors *file;

  if (!find_weights (directory, path))
    return DV_OK;
  file = dv_checkpoint_add_file (checkpoint, path, error);
  if (!file)
    return error ? error->code : DV_ERROR_FORMAT;
  if (!has_name (file, is_gemma_name))
    return DV_OK;
  return take_part (checkpoint, DV_PART_GEMMA, directory, file, false, error);
}

/* text_encoder holds Gemma (A), or the connectors with Gemma below (B). */
static DvStatus
take_text (DvCheckpoint *checkpoint, DvError *error)
{
  static const char *const connectors[] = {
      "connectors", "text_embedding_projection", NULL};
  char directory[MAX_PATH], below[MAX_PATH];
  DvStatus status;
  DvSafetensors *file =
      component_file (checkpoint, "text_encoder", directory, &status, error);

  if (status != DV_OK)
    return status;
  if (file && has_name (file, is_gemma_name)) {
    status =
        take_part (checkpoint, DV_PART_GEMMA, directory, file, false, error);
  } else if (join (below, checkpoint->path, "text_encoder/gemma")) {
    status = take_gemma (checkpoint, below, error);
  }
  if (status != DV_OK)
    return status;
  if (file && has_name (file, dv_name_is_connector))
    return take_part (
        checkpoint, DV_PART_CONNECTORS, directory, file, false, error);
  return take_component (checkpoint, DV_PART_CONNECTORS, connectors, error);
}

static DvStatus
open_tree (DvCheckpoint *checkpoint, DvError *error)
{
  static const struct {
    DvPart part;
    const char *directories[4];
  } components[] = {
      {DV_PART_DIT, {"transformer"}},
      {DV_PART_VIDEO_VAE, {"vae"}},
      {DV_PART_AUDIO_VAE, {"audio_vae"}},
      {DV_PART_VOCODER, {"vocoder"}},
      {DV_PART_UPSAMPLER,
          {"latent_upsampler", "spatial_upsampler", "spatial_upscaler"}},
  };
  DvStatus status = take_text (checkpoint, error);

  for (size_t i = 0;
       status == DV_OK && i < sizeof components / sizeof *components; i++)
    status = take_component (
        checkpoint, components[i].part, components[i].directories, error);
  return status;
}

/* ---- layout C: one file, its upsampler and Gemma beside it ---- */

static bool
ends (const char *name, const char *end)
{
  size_t n = strlen (name), m = strlen (end);

  return n > m && strcmp (name + n - m, end) == 0;
}

static int
by_text (const void *a, const void *b)
{
  return strcmp (*(char *const *)a, *(char *const *)b);
}

/* The names in a directory but for hidden ones, sorted; each, and the list, is
 * to be freed. */
static DvStatus
list_directory (const char *directory, char ***names, size_t *n, DvError *error)
{
  DIR *dir = opendir (directory);
  struct dirent *entry;
  size_t max = 0;
  char **grown;

  *names = NULL;
  *n = 0;
  if (!dir)
    return dv_fail (error, DV_ERROR_NOT_FOUND, "open",
        "%s cannot be listed: %s.", directory, strerror (errno));
  while ((entry = readdir (dir))) {
    if (entry->d_name[0] == '.')
      continue;
    if (*n == max) {
      max = max ? 2 * max : 32;
      grown = realloc (*names, max * sizeof *grown);
      if (!grown)
        goto no_memory;
      *names = grown;
    }
    (*names)[*n] = strdup (entry->d_name);
    if (!(*names)[*n])
      goto no_memory;
    (*n)++;
  }
  closedir (dir);
  if (*n > 1)
    qsort (*names, *n, sizeof **names, by_text);
  return DV_OK;

no_memory:
  closedir (dir);
  return dv_fail (error, DV_ERROR_MEMORY, "open",
      "There is no memory left to list %s.", directory);
}

/* Calls @visit for each entry of a directory, in the order of their names,
 * until it returns something else than DV_OK. */
static DvStatus
each_entry (const char *directory,
    DvStatus (*visit) (void *user, const char *path, DvError *error),
    void *user, DvError *error)
{
  char **names, path[MAX_PATH];
  size_t n;
  DvStatus status = list_directory (directory, &names, &n, error);

  for (size_t i = 0; i < n; i++) {
    if (status == DV_OK && join (path, directory, names[i]))
      status = visit (user, path, error);
    free (names[i]);
  }
  free (names);
  return status;
}

typedef struct {
  DvCheckpoint *checkpoint;
  DvSafetensors *main, *upsampler;
  const char *main_path; /* that the caller named; NULL: to be found */
} Search;

static DvStatus
look_at_file (Search *search, const char *path, DvError *error)
{
  DvCheckpoint *checkpoint = search->checkpoint;
  DvError local = {DV_OK};
  DvSafetensors *file = dv_safetensors_open (path, &local);
  bool wanted = false;

  if (!file) {
    /* What is beside a file that was named may be broken. */
    if (search->main_path && local.code != DV_ERROR_MEMORY)
      return DV_OK;
    if (error)
      *error = local;
    return local.code;
  }
  if (!search->main_path && has_name (file, is_whole_name)) {
    if (search->main) {
      dv_safetensors_free (file);
      return dv_fail (error, DV_ERROR_ARGUMENT, "open",
          "%s holds several models, %s and %s: name the file.",
          checkpoint->path, dv_safetensors_path (search->main), path);
    }
    search->main = file;
    wanted = true;
  } else if (!search->upsampler &&
             dv_safetensors_find (file, "initial_conv.weight")) {
    search->upsampler = file;
    wanted = true;
  }
  if (!wanted || checkpoint->n_files == DV_MAX_FILES) {
    dv_safetensors_free (file);
    if (!wanted)
      return DV_OK;
    return dv_fail (error, DV_ERROR_FORMAT, "open", "%s has too many files.",
        checkpoint->path);
  }
  checkpoint->file[checkpoint->n_files++] = file;
  return DV_OK;
}

static DvStatus
visit_file (void *user, const char *path, DvError *error)
{
  Search *search = user;

  if (!ends (path, ".safetensors") || !is_file (path) ||
      (search->main_path && strcmp (path, search->main_path) == 0))
    return DV_OK;
  return look_at_file (search, path, error);
}

/* A directory whose config.json is a Gemma 3's. */
static DvStatus
visit_gemma (void *user, const char *path, DvError *error)
{
  DvCheckpoint *checkpoint = user;
  char config[MAX_PATH];
  cJSON *json;
  const char *type;
  bool gemma;
  DvError local = {DV_OK};

  if (checkpoint->part[DV_PART_GEMMA].count || !is_directory (path) ||
      !join (config, path, "config.json") || !is_file (config))
    return DV_OK;
  json = dv_config_load (config, &local);
  if (!json && local.code == DV_ERROR_MEMORY) {
    if (error)
      *error = local;
    return local.code;
  }
  type = cJSON_GetStringValue (dv_config_find (json, "model_type"));
  gemma = type && strncmp (type, "gemma3", 6) == 0;
  cJSON_Delete (json);
  return gemma ? take_gemma (checkpoint, path, error) : DV_OK;
}

static DvStatus
open_single (DvCheckpoint *checkpoint, const char *directory,
    const char *main_path, DvError *error)
{
  static const DvPart parts[] = {DV_PART_CONNECTORS, DV_PART_DIT,
      DV_PART_VIDEO_VAE, DV_PART_AUDIO_VAE, DV_PART_VOCODER};
  Search search = {.checkpoint = checkpoint, .main_path = main_path};
  DvStatus status;

  if (main_path) {
    search.main = dv_checkpoint_add_file (checkpoint, main_path, error);
    if (!search.main)
      return error ? error->code : DV_ERROR_FORMAT;
    if (!has_name (search.main, is_whole_name))
      return dv_fail (error, DV_ERROR_FORMAT, "open",
          "%s is no LTX-2 checkpoint: it has no tensor of "
          "model.diffusion_model.",
          main_path);
  }
  status = each_entry (directory, visit_file, &search, error);
  if (status == DV_OK && !search.main)
    return dv_fail (error, DV_ERROR_NOT_FOUND, "open",
        "%s holds no model: neither a directory transformer nor a file with "
        "tensors of model.diffusion_model.",
        directory);
  if (status == DV_OK)
    status = each_entry (directory, visit_gemma, checkpoint, error);
  for (size_t i = 0; status == DV_OK && i < sizeof parts / sizeof *parts; i++)
    status = take_part (checkpoint, parts[i], NULL, search.main, true, error);
  if (status == DV_OK && search.upsampler)
    status = take_part (
        checkpoint, DV_PART_UPSAMPLER, NULL, search.upsampler, false, error);
  return status;
}

/* ---- the whole ---- */

static DvStatus
check_complete (const DvCheckpoint *checkpoint, DvError *error)
{
  static const DvPart needed[] = {DV_PART_CONNECTORS, DV_PART_DIT,
      DV_PART_VIDEO_VAE, DV_PART_AUDIO_VAE, DV_PART_VOCODER};

  for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
    if (checkpoint->part[needed[i]].count == 0)
      return dv_fail (error, DV_ERROR_NOT_FOUND, "open",
          "%s has no %s: the model is not complete.", checkpoint->path,
          dv_part_name (needed[i]));
  return dv_config_check_joints (&checkpoint->config, checkpoint->path, error);
}

/* Remembers the first tokenizer.json there is. */
static DvStatus
find_tokenizer (DvCheckpoint *checkpoint, const char *directory, DvError *error)
{
  static const char *const places[] = {"tokenizer/tokenizer.json",
      "text_encoder/gemma/tokenizer.json", "text_encoder/tokenizer.json",
      "gemma/tokenizer.json", "tokenizer.json"};
  const char *gemma = checkpoint->part[DV_PART_GEMMA].where;
  const char *slash = gemma ? strrchr (gemma, '/') : NULL;
  char path[MAX_PATH];
  bool found = slash &&
               snprintf (path, sizeof path, "%.*s/tokenizer.json",
                   (int)(slash - gemma), gemma) < MAX_PATH &&
               is_file (path);

  for (size_t i = 0; !found && i < sizeof places / sizeof *places; i++)
    found = join (path, directory, places[i]) && is_file (path);
  if (!found)
    return DV_OK;
  checkpoint->tokenizer = strdup (path);
  checkpoint->config.has_tokenizer = checkpoint->tokenizer != NULL;
  if (!checkpoint->tokenizer)
    return dv_fail (error, DV_ERROR_MEMORY, "open",
        "There is no memory left to open %s.", checkpoint->path);
  return DV_OK;
}

static void
name_model (DvCheckpoint *checkpoint)
{
  DvLtx2Config *c = &checkpoint->config;
  double weights = 0;

  for (size_t i = 0; i < checkpoint->part[DV_PART_DIT].count; i++)
    weights +=
        (double)dv_tensor_count (checkpoint->part[DV_PART_DIT].named[i].tensor);
  c->v23 = !c->dit.caption_projection;
  snprintf (c->name, sizeof c->name, "%s, %.4g %s weights",
      c->v23 ? "LTX-2.3" : "LTX-2", weights / (weights < 1e9 ? 1e6 : 1e9),
      weights < 1e9 ? "million" : "billion");
}

DvCheckpoint *
dv_checkpoint_open (const char *path, DvError *error)
{
  DvCheckpoint *checkpoint = dv_checkpoint_new (path, error);
  char directory[MAX_PATH], transformer[MAX_PATH];
  const char *slash = strrchr (path, '/');
  DvError local = {DV_OK};
  DvStatus status;
  bool single = is_file (path);

  if (!checkpoint)
    return NULL;
  if (single)
    snprintf (directory, sizeof directory, "%.*s",
        slash > path ? (int)(slash - path) : 1, slash ? path : ".");
  else
    snprintf (directory, sizeof directory, "%s", path);
  if (strlen (path) >= MAX_PATH - 256)
    status = dv_fail (&local, DV_ERROR_ARGUMENT, "open",
        "The path of the model is longer than %d bytes.", MAX_PATH - 257);
  else if (!single && !is_directory (path))
    status = dv_fail (
        &local, DV_ERROR_NOT_FOUND, "open", "There is no model at %s.", path);
  else if (single)
    status = open_single (checkpoint, directory, path, &local);
  else if (join (transformer, path, "transformer") &&
           is_directory (transformer))
    status = open_tree (checkpoint, &local);
  else
    status = open_single (checkpoint, directory, NULL, &local);

  if (status == DV_OK)
    status = check_complete (checkpoint, &local);
  if (status == DV_OK)
    status = find_tokenizer (checkpoint, directory, &local);
  if (status != DV_OK) {
    if (error)
      *error = local;
    dv_checkpoint_free (checkpoint);
    return NULL;
  }
  name_model (checkpoint);
  return checkpoint;
}

DvCheckpoint *
dv_checkpoint_open_part (DvPart part, const char *path, DvError *error)
{
  DvCheckpoint *checkpoint = dv_checkpoint_new (path, error);
  char weights[MAX_PATH];
  DvSafetensors *file;
  bool single = is_file (path);

  if (!checkpoint)
    return NULL;
  if (!single && !find_weights (path, weights)) {
    dv_fail (error, DV_ERROR_NOT_FOUND, "open",
        "There are no weights in %s (diffusion_pytorch_model.safetensors or "
        "model.safetensors).",
        path);
    goto failed;
  }
  file = dv_checkpoint_add_file (checkpoint, single ? path : weights, error);
  if (!file || take_part (checkpoint, part, single ? NULL : path, file,
                   has_name (file, is_whole_name), error) != DV_OK)
    goto failed;
  return checkpoint;

failed:
  dv_checkpoint_free (checkpoint);
  return NULL;
}
