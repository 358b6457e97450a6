/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reading values from a checkpoint's configuration, and comparing them with
 * its tensors (checkpoint-private.h). What the values mean is in config-*.c.
 */
#include "checkpoint-private.h"
#include "names.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json-stream.h"
#include "text-file.h"

#define MAX_CONFIG (16u << 20)

cJSON *
dv_config_parse (
    const char *text, size_t size, const char *where, DvError *error)
{
  DvJsonStream *json = dv_json_from_memory (where, text, size, 0, error);
  cJSON *tree;
  bool good;

  if (!json)
    return NULL;
  good = dv_json_skip (json) &&
         dv_json_expect (json, DV_JSON_END, "the configuration's end");
  dv_json_status (json, error);
  dv_json_close (json);
  if (!good)
    return NULL;
  tree = cJSON_ParseWithLength (text, size);
  if (!tree) {
    dv_fail (error, DV_ERROR_MEMORY, "open",
        "There is no memory left to read the configuration in %s.", where);
    return NULL;
  }
  if (!cJSON_IsObject (tree)) {
    dv_fail (error, DV_ERROR_FORMAT, "open",
        "The configuration in %s is no JSON object.", where);
    cJSON_Delete (tree);
    return NULL;
  }
  return tree;
}

cJSON *
dv_config_load (const char *path, DvError *error)
{
  char *text;
  size_t size;
  cJSON *tree;

  if (dv_text_file_read (path, MAX_CONFIG, &text, &size, error) != DV_OK)
    return NULL;
  tree = dv_config_parse (text, size, path, error);
  free (text);
  return tree;
}

void
dv_config_fail (DvConfigReader *reader, const char *format, ...)
{
  char text[320];
  va_list args;

  if (reader->status != DV_OK)
    return;
  va_start (args, format);
  vsnprintf (text, sizeof text, format, args);
  va_end (args);
  reader->status = dv_fail (
      reader->error, DV_ERROR_FORMAT, "open", "%s: %s", reader->where, text);
}

/* ---- values ---- */

const cJSON *
dv_config_find (const cJSON *json, const char *keys)
{
  char key[64];

  while (json && *keys) {
    size_t n = strcspn (keys, ",");
    const cJSON *item;

    snprintf (key, sizeof key, "%.*s", (int)n, keys);
    item = cJSON_GetObjectItemCaseSensitive (json, key);
    if (item && !cJSON_IsNull (item))
      return item;
    keys += n;
    keys += strspn (keys, ", ");
  }
  return NULL;
}

static bool
whole (const cJSON *item, int64_t low, int64_t high, int64_t *value)
{
  double v = cJSON_IsNumber (item) ? item->valuedouble : NAN;

  if (!(v >= (double)low && v <= (double)high) || v != floor (v))
    return false;
  *value = (int64_t)v;
  return true;
}

int64_t
dv_config_int (DvConfigReader *reader, const char *keys, int64_t fallback,
    int64_t low, int64_t high)
{
  const cJSON *item = dv_config_find (reader->json, keys);
  int64_t value = fallback;

  if (item && !whole (item, low, high, &value)) {
    dv_config_fail (reader, "%s should be a whole number from %lld to %lld.",
        item->string, (long long)low, (long long)high);
    return fallback;
  }
  return value;
}

double
dv_config_number (DvConfigReader *reader, const char *keys, double fallback,
    double low, double high)
{
  const cJSON *item = dv_config_find (reader->json, keys);

  if (!item)
    return fallback;
  if (!cJSON_IsNumber (item) ||
      !(item->valuedouble >= low && item->valuedouble <= high)) {
    dv_config_fail (reader, "%s should be a number from %g to %g.",
        item->string, low, high);
    return fallback;
  }
  return item->valuedouble;
}

bool
dv_config_bool (DvConfigReader *reader, const char *keys, bool fallback)
{
  const cJSON *item = dv_config_find (reader->json, keys);

  if (!item)
    return fallback;
  if (!cJSON_IsBool (item))
    dv_config_fail (reader, "%s should be true or false.", item->string);
  return cJSON_IsTrue (item);
}

const char *
dv_config_string (DvConfigReader *reader, const char *keys)
{
  const cJSON *item = dv_config_find (reader->json, keys);

  if (item && !cJSON_IsString (item))
    dv_config_fail (reader, "%s should be a string.", item->string);
  return item ? cJSON_GetStringValue (item) : NULL;
}

int
dv_config_list (DvConfigReader *reader, const char *keys, int64_t *out, int max,
    int64_t low, int64_t high)
{
  const cJSON *item = dv_config_find (reader->json, keys), *element;
  int n = 0;

  if (!item)
    return 0;
  if (cJSON_IsNumber (item)) {
    out[0] = dv_config_int (reader, keys, low, low, high);
    return 1;
  }
  cJSON_ArrayForEach (element, item)
  {
    if (n == max || !whole (element, low, high, &out[n])) {
      dv_config_fail (reader,
          "%s should be a list of at most %d whole numbers from %lld to %lld.",
          item->string, max, (long long)low, (long long)high);
      return 0;
    }
    n++;
  }
  if (n == 0)
    dv_config_fail (reader, "%s should be a list of numbers.", item->string);
  return n;
}

void
dv_config_demand (
    DvConfigReader *reader, bool holds, const char *keys, const char *instead)
{
  if (!holds)
    dv_config_fail (reader, "%s says another model than LTX-2: %s is needed.",
        keys, instead);
}

/* ---- tensors ---- */

const DvNamed *
dv_part_find (const DvPartTensors *part, const char *name)
{
  size_t low = 0, high = part->count;

  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = strcmp (name, part->named[middle].name);

    if (order == 0)
      return &part->named[middle];
    if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return NULL;
}

static const DvTensor *
find (const DvConfigReader *reader, const char *name)
{
  const DvNamed *named =
      reader->tensors ? dv_part_find (reader->tensors, name) : NULL;

  return named ? named->tensor : NULL;
}

/* Fills name[] from the format. */
#define FORMAT_NAME(name, format)                                              \
  do {                                                                         \
    va_list args_;                                                             \
    va_start (args_, format);                                                  \
    vsnprintf (name, sizeof name, format, args_);                              \
    va_end (args_);                                                            \
  } while (0)

const DvTensor *
dv_config_tensor (const DvConfigReader *reader, const char *format, ...)
{
  char name[DV_MAX_NAME];

  FORMAT_NAME (name, format);
  return find (reader, name);
}

bool
dv_config_has (const DvConfigReader *reader, const char *format, ...)
{
  char name[DV_MAX_NAME];

  FORMAT_NAME (name, format);
  return find (reader, name) != NULL;
}

bool
dv_config_switch (DvConfigReader *reader, const char *keys, bool fallback,
    const char *format, ...)
{
  char name[DV_MAX_NAME];
  bool there, told = dv_config_bool (reader, keys, fallback);

  if (!reader->tensors)
    return told;
  FORMAT_NAME (name, format);
  there = find (reader, name) != NULL;
  if (dv_config_find (reader->json, keys) && told != there)
    dv_config_fail (reader, "%s contradicts the tensors: %.128s is %s.", keys,
        name, there ? "there" : "missing");
  return there;
}

int64_t
dv_config_dim (const DvConfigReader *reader, int dim, const char *format, ...)
{
  char name[DV_MAX_NAME];
  const DvTensor *tensor;

  FORMAT_NAME (name, format);
  tensor = find (reader, name);
  return tensor && dim < tensor->n_dims ? tensor->shape[dim] : 0;
}

void
dv_config_expect (DvConfigReader *reader, int n_dims, const int64_t *shape,
    const char *format, ...)
{
  char name[DV_MAX_NAME], have[96], want[96];
  const DvTensor *tensor;
  DvTensor expected;

  FORMAT_NAME (name, format);
  if (reader->status != DV_OK || !reader->tensors)
    return;
  tensor = find (reader, name);
  if (!tensor) {
    dv_config_fail (reader, "the tensor %.128s is missing.", name);
    return;
  }
  expected = dv_tensor (NULL, tensor->dtype, n_dims, shape);
  if (!dv_tensor_same_shape (tensor, &expected))
    dv_config_fail (reader,
        "the configuration contradicts the tensor %.128s, which is %s and "
        "should be %s.",
        name, dv_tensor_describe (tensor, have, sizeof have),
        dv_tensor_describe (&expected, want, sizeof want));
}

/* Whether a name of the part begins with @prefix. */
static bool
any_begins (const DvPartTensors *part, const char *prefix)
{
  size_t low = 0, high = part->count, n = strlen (prefix);

  while (low < high) {
    size_t middle = low + (high - low) / 2;

    if (strcmp (part->named[middle].name, prefix) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low < part->count && strncmp (part->named[low].name, prefix, n) == 0;
}

int64_t
dv_config_counted (const DvConfigReader *reader, const char *format, ...)
{
  char prefix[DV_MAX_NAME], name[DV_MAX_NAME + 32];
  int64_t n = 0;

  FORMAT_NAME (prefix, format);
  if (!reader->tensors)
    return 0;
  for (;; n++) {
    snprintf (name, sizeof name, "%s%lld.", prefix, (long long)n);
    if (!any_begins (reader->tensors, name))
      return n;
  }
}

/* ---- the whole ---- */

DvStatus
dv_config_check_joints (
    const DvLtx2Config *c, const char *where, DvError *error)
{
  int64_t video = c->text.video.heads * c->text.video.head_dim;
  int64_t audio = c->text.audio.heads * c->text.audio.head_dim;
  int64_t bins = c->audio_vae.mel_bins >> (c->audio_vae.n_mult - 1);
  const struct {
    const char *what;
    int64_t a, b;
  } joints[] = {
      {"Gemma's hidden size and the connectors' captions",
          c->has_gemma ? c->gemma.hidden : c->text.caption, c->text.caption},
      {"Gemma's hidden states and the connectors'",
          c->has_gemma ? c->gemma.layers + 1 : c->text.hidden_states,
          c->text.hidden_states},
      {"the video connector's width and the transformer's context", video,
          c->dit.caption_projection ? c->dit.caption : c->dit.video.cross_dim},
      {"the audio connector's width and the transformer's context", audio,
          c->dit.caption_projection ? c->dit.caption : c->dit.audio.cross_dim},
      {"the transformer's and the video VAE's latent channels", c->dit.video.in,
          c->video_vae.latent},
      {"the transformer's and the audio VAE's latent features", c->dit.audio.in,
          c->audio_vae.latent * bins},
      {"the audio VAE's mel bins, twice, and the vocoder's channels",
          2 * c->audio_vae.mel_bins, c->vocoder.main.in},
      {"the upsampler's and the video VAE's latent channels",
          c->has_upsampler ? c->upsampler.in : c->video_vae.latent,
          c->video_vae.latent},
  };

  for (size_t i = 0; i < sizeof joints / sizeof *joints; i++)
    if (joints[i].a != joints[i].b)
      return dv_fail (error, DV_ERROR_FORMAT, "open",
          "The parts of %s do not belong together: %s are %lld and %lld.",
          where, joints[i].what, (long long)joints[i].a,
          (long long)joints[i].b);
  return DV_OK;
}
