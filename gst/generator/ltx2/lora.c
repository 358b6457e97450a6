/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * LoRA files and their merging (lora.h, section 13 of docs/ltx2-model.md).
 */
#include "lora.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "safetensors.h"

typedef struct {
  char *weight; /* diffusers name */
  const DvTensor *a, *b;
  double alpha; /* 0: none */
  size_t file;
} Change;

typedef struct {
  DvSafetensors *file;
  double strength;
} File;

struct DvLoras {
  File *file;
  size_t n_files;
  Change *change;
  size_t n_changes, max_changes;
};

DvLoras *
dv_loras_new (DvError *error)
{
  DvLoras *loras = calloc (1, sizeof *loras);

  if (!loras)
    dv_fail (error, DV_ERROR_MEMORY, "load",
        "There is no memory left for a list of LoRAs.");
  return loras;
}

/* Forgets what the last file brought, from so many changes on. */
static void
drop (DvLoras *loras, size_t n_changes)
{
  while (loras->n_changes > n_changes)
    free (loras->change[--loras->n_changes].weight);
}

void
dv_loras_free (DvLoras *loras)
{
  if (!loras)
    return;
  drop (loras, 0);
  for (size_t i = 0; i < loras->n_files; i++)
    dv_safetensors_free (loras->file[i].file);
  free (loras->change);
  free (loras->file);
  free (loras);
}

size_t
dv_loras_count (const DvLoras *loras)
{
  return loras->n_files;
}

/* ---- reading a file ---- */

typedef enum { NOTHING, DOWN, UP, ALPHA } Role;

/* What a key is, and where its layer's name ends. */
static Role
role_of (const char *key, size_t *length)
{
  static const struct {
    const char *end;
    Role role;
  } ends[] = {{".lora_A.weight", DOWN}, {".lora_B.weight", UP},
      {".lora_A.default.weight", DOWN}, {".lora_B.default.weight", UP},
      {".lora_down.weight", DOWN}, {".lora_up.weight", UP},
      {".lora_alpha", ALPHA}, {".alpha", ALPHA}};
  size_t n = strlen (key);

  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    size_t m = strlen (ends[i].end);

    if (n > m && strcmp (key + n - m, ends[i].end) == 0) {
      *length = n - m;
      return ends[i].role;
    }
  }
  return NOTHING;
}

/* The diffusers name of the weight that a layer's key (of @length bytes)
 * means. */
static bool
weight_name (const char *key, size_t length, char *out, size_t size)
{
  static const char *const prefixes[] = {"model.diffusion_model.",
      "diffusion_model.", "base_model.model.", "transformer."};
  char layer[DV_MAX_NAME];
  int n;

  for (int i = 0; i < 4; i++) {
    size_t m = strlen (prefixes[i]);

    if (length > m && strncmp (key, prefixes[i], m) == 0) {
      key += m;
      length -= m;
    }
  }
  n = snprintf (layer, sizeof layer, "%.*s.weight", (int)length, key);
  if (n < 0 || (size_t)n >= sizeof layer)
    return false;
  /* A diffusers name has nothing that would be replaced. */
  return dv_name_to_diffusers (DV_PART_DIT, layer, out, size);
}

static bool
usable (const DvTensor *t)
{
  return t->dtype == DV_F32 || t->dtype == DV_BF16 || t->dtype == DV_F16;
}

/* At any address: files need not align what they hold. */
static float
value_at (const DvTensor *t, int64_t i)
{
  uint16_t half;
  float whole;

  if (t->dtype == DV_F32) {
    memcpy (&whole, (const uint8_t *)t->data + 4 * i, sizeof whole);
    return whole;
  }
  memcpy (&half, (const uint8_t *)t->data + 2 * i, sizeof half);
  return t->dtype == DV_BF16 ? dv_f32_from_bf16 (half) : dv_f32_from_f16 (half);
}

/* The change of @weight that file @file brings, made if it is new. */
static Change *
change_of (DvLoras *loras, size_t file, size_t first, const char *weight,
    DvError *error)
{
  Change *change;

  for (size_t i = loras->n_changes; i-- > first;)
    if (strcmp (loras->change[i].weight, weight) == 0)
      return &loras->change[i];
  if (loras->n_changes == loras->max_changes) {
    size_t max = loras->max_changes ? 2 * loras->max_changes : 64;
    Change *grown = realloc (loras->change, max * sizeof *grown);

    if (!grown)
      goto no_memory;
    loras->change = grown;
    loras->max_changes = max;
  }
  change = &loras->change[loras->n_changes];
  *change = (Change){.weight = strdup (weight), .file = file};
  if (!change->weight)
    goto no_memory;
  loras->n_changes++;
  return change;

no_memory:
  dv_fail (error, DV_ERROR_MEMORY, "load",
      "There is no memory left to read a LoRA.");
  return NULL;
}

static DvStatus
read_key (DvLoras *loras, const DvSafetensors *file, size_t first,
    const char *key, const DvTensor *tensor, DvError *error)
{
  const char *path = dv_safetensors_path (file);
  char weight[DV_MAX_NAME];
  size_t length;
  Role role = role_of (key, &length);
  Change *change;

  if (role == NOTHING || !weight_name (key, length, weight, sizeof weight))
    return dv_fail (error, DV_ERROR_FORMAT, "load",
        "%s is no LoRA for LTX-2: its tensor %.128s is neither lora_A nor "
        "lora_B nor an alpha of a layer.",
        path, key);
  if (!usable (tensor) ||
      (role == ALPHA ? dv_tensor_count (tensor) != 1 : tensor->n_dims != 2))
    return dv_fail (error, DV_ERROR_FORMAT, "load",
        "%s: the tensor %.128s is no matrix of F32, BF16 or F16.", path, key);
  change = change_of (loras, loras->n_files, first, weight, error);
  if (!change)
    return DV_ERROR_MEMORY;
  if ((role == DOWN && change->a) || (role == UP && change->b) ||
      (role == ALPHA && change->alpha != 0.0))
    return dv_fail (error, DV_ERROR_FORMAT, "load", "%s changes %.128s twice.",
        path, weight);
  if (role == DOWN)
    change->a = tensor;
  else if (role == UP)
    change->b = tensor;
  else
    change->alpha = (double)value_at (tensor, 0);
  return role == ALPHA && !(fabs (change->alpha) <= 1e9 && change->alpha != 0.0)
             ? dv_fail (error, DV_ERROR_FORMAT, "load",
                   "%s: the alpha %.128s is no number to scale by.", path, key)
             : DV_OK;
}

static bool
all_finite (const DvTensor *t)
{
  int64_t count = dv_tensor_count (t);

  for (int64_t i = 0; i < count; i++)
    if (!isfinite (value_at (t, i)))
      return false;
  return true;
}

static DvStatus
check_changes (
    const DvLoras *loras, size_t first, const char *path, DvError *error)
{
  for (size_t i = first; i < loras->n_changes; i++) {
    const Change *c = &loras->change[i];

    if (!c->a || !c->b)
      return dv_fail (error, DV_ERROR_FORMAT, "load",
          "%s: %.128s lacks its %s.", path, c->weight,
          c->a ? "lora_B" : "lora_A");
    if (c->a->shape[0] != c->b->shape[1] || c->a->shape[0] < 1)
      return dv_fail (error, DV_ERROR_FORMAT, "load",
          "%s: the ranks of lora_A and lora_B of %.128s are %lld and %lld.",
          path, c->weight, (long long)c->a->shape[0],
          (long long)c->b->shape[1]);
    if (!all_finite (c->a) || !all_finite (c->b))
      return dv_fail (error, DV_ERROR_FORMAT, "load",
          "%s: the LoRA of %.128s holds NaN or infinity.", path, c->weight);
  }
  if (loras->n_changes == first)
    return dv_fail (
        error, DV_ERROR_FORMAT, "load", "%s changes nothing.", path);
  return DV_OK;
}

DvStatus
dv_loras_add (DvLoras *loras, const char *path, double strength, DvError *error)
{
  size_t first = loras->n_changes;
  DvError local = {DV_OK};
  DvSafetensors *file;
  const DvTensor *tensor;
  const char *key;
  File *grown;
  DvStatus status = DV_OK;

  if (!isfinite (strength) || fabs (strength) > 1e3)
    return dv_fail (error, DV_ERROR_ARGUMENT, "load",
        "A LoRA's strength should be between -1000 and 1000.");
  file = dv_safetensors_open (path, &local);
  if (!file) {
    status = local.code;
    goto failed;
  }
  for (size_t i = 0;
       status == DV_OK && (tensor = dv_safetensors_nth (file, i, &key)); i++)
    status = read_key (loras, file, first, key, tensor, &local);
  if (status == DV_OK)
    status = check_changes (loras, first, path, &local);
  if (status != DV_OK)
    goto failed;
  grown = realloc (loras->file, (loras->n_files + 1) * sizeof *grown);
  if (!grown) {
    status = dv_fail (&local, DV_ERROR_MEMORY, "load",
        "There is no memory left to read a LoRA.");
    goto failed;
  }
  loras->file = grown;
  loras->file[loras->n_files++] = (File){file, strength};
  return DV_OK;

failed:
  drop (loras, first);
  dv_safetensors_free (file);
  if (error)
    *error = local;
  return status;
}

/* ---- use ---- */

const char *
dv_loras_target (const DvLoras *loras, size_t i, const char **path)
{
  if (i >= loras->n_changes)
    return NULL;
  if (path)
    *path = dv_safetensors_path (loras->file[loras->change[i].file].file);
  return loras->change[i].weight;
}

bool
dv_loras_touch (const DvLoras *loras, const char *weight)
{
  for (size_t i = 0; i < loras->n_changes; i++)
    if (strcmp (loras->change[i].weight, weight) == 0)
      return true;
  return false;
}

/* Of a safetensors file, in the arena: aligned, and where ops reach it. */
static DvTensor
brought (DvStream *stream, const DvTensor *from)
{
  DvTensor to = dv_new (stream, from->dtype, from->n_dims, from->shape);

  dv_copy (stream, &to, from);
  return to;
}

static DvStatus
check_shapes (const DvLoras *loras, const Change *change, int64_t out,
    int64_t in, DvError *error)
{
  if (change->b->shape[0] == out && change->a->shape[1] == in)
    return DV_OK;
  return dv_fail (error, DV_ERROR_FORMAT, "load",
      "The LoRA %s is made for another model: its change of %.128s is "
      "[%lld, %lld], the weight is [%lld, %lld].",
      dv_safetensors_path (loras->file[change->file].file), change->weight,
      (long long)change->b->shape[0], (long long)change->a->shape[1],
      (long long)out, (long long)in);
}

static float
scale_of (const DvLoras *loras, const Change *change)
{
  double scale = loras->file[change->file].strength;

  if (change->alpha != 0.0)
    scale *= change->alpha / (double)change->a->shape[0];
  return (float)scale;
}

/* A change's factors where the op reads them. */
typedef struct {
  DvTensor b, a;
} Factors;

DvStatus
dv_loras_merge (const DvLoras *loras, DvStream *stream, const char *weight,
    const DvTensor *from, const DvTensor *out, DvError *error)
{
  size_t mark = dv_mark (stream);
  Factors *all = calloc (loras->n_changes + 1, sizeof *all);
  DvChange *changes = calloc (loras->n_changes + 1, sizeof *changes);
  DvStatus status = DV_OK;
  DvTensor x;
  int n = 0;

  if (!all || !changes) {
    status = dv_fail (error, DV_ERROR_MEMORY, "load",
        "There is no memory left to merge a LoRA.");
    goto out;
  }
  for (size_t i = 0; i < loras->n_changes && status == DV_OK; i++)
    if (strcmp (loras->change[i].weight, weight) == 0)
      status = check_shapes (
          loras, &loras->change[i], from->shape[0], from->shape[1], error);
  if (status != DV_OK)
    goto out;
  x = brought (stream, from);
  for (size_t i = 0; i < loras->n_changes; i++) {
    const Change *change = &loras->change[i];

    if (strcmp (change->weight, weight) != 0)
      continue;
    all[n].b = brought (stream, change->b);
    all[n].a = brought (stream, change->a);
    changes[n] = (DvChange){&all[n].b, &all[n].a, scale_of (loras, change)};
    n++;
  }
  dv_merge (stream,
      &(DvMerge){.out = out, .x = &x, .changes = changes, .n_changes = n});
  dv_release (stream, mark);
  status = dv_stream_status (stream, error);

out:
  free (changes);
  free (all);
  return status;
}
