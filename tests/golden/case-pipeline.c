/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Golden cases of whole segments: a complete small model in up to three
 * layouts, token ids and noise in, pictures and sound out.
 */
#include <cjson/cJSON.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "golden-private.h"
#include "ltx2/ltx2-private.h"

#define EXPECTED "expected.safetensors"
#define INPUTS "inputs.safetensors"
#define MAX_SIGMAS 64
#define EXACT_PART 0.999 /* of the values, within 1 */
#define LEAST_PSNR 35.0  /* dB, where products are in bf16 */

static const GoldenLimit latent_limit = {2e-4, 2e-3, 5e-2};
static const GoldenLimit wave_limit = {1e-3, 2e-3, 5e-2};

/* One run of one layout. */
typedef struct {
  Golden *golden;
  const cJSON *spec;
  const char *name;   /* of the run */
  const char *layout; /* what the results are called after */
  DvSession *session;
  int64_t width, height, frames;
  uint8_t *rgb;  /* [frames, height, width, 3] */
  float *values; /* the same in [0, 1] */
} Run;

/* ---- what the model shows ---- */

static void
keep_frame (Run *run, const DvTensor *pixels)
{
  int64_t size = run->height * run->width * 3;
  const float *from = pixels->data;

  if (run->frames * size == 0)
    return;
  for (int64_t i = 0; i < size; i++) {
    float x = (from[i] + 1) / 2;

    x = x < 0 ? 0 : x > 1 ? 1 : x;
    run->values[i] = x;
    run->rgb[i] = (uint8_t)(255 * x);
  }
  run->values += size;
  run->rgb += size;
}

/* @tensor in host memory. */
static void
see_host (Run *run, const char *name, const DvTensor *tensor)
{
  Golden *golden = run->golden;
  const cJSON *prompt = cJSON_GetObjectItem (run->spec, "prompt");
  const DvTensor *expected;
  int order[DV_MAX_DIMS] = {tensor->n_dims - 1};
  DvTensor view = *tensor;
  char full[96], label[160];

  if (strcmp (name, "frame") == 0) {
    keep_frame (run, tensor);
    return;
  }
  if (strstr (name, "_context")) {
    snprintf (full, sizeof full, "prompt_%s.%s", prompt->valuestring, name);
  } else {
    snprintf (full, sizeof full, "%s.%s", run->name, name);
    for (int i = 1; i < tensor->n_dims; i++)
      order[i] = i - 1;
    view = dv_permute (tensor, order);
  }
  expected = golden_find (golden, EXPECTED, "%s", full);
  if (!expected)
    return;
  snprintf (label, sizeof label, "%s: %s", run->layout, full);
  golden_compare (golden, label, &view, expected,
      strcmp (name, "wave") == 0 ? wave_limit : latent_limit);
}

static void
see (void *user, DvStream *stream, const char *name, const DvTensor *tensor)
{
  Run *run = user;
  DvTensor host, dense = *tensor;
  int order[DV_MAX_DIMS], back[DV_MAX_DIMS];

  /* What is shown permuted is dense in memory all the same. */
  for (int i = 0; i < tensor->n_dims; i++) {
    int at = i;

    for (; at > 0 && tensor->stride[order[at - 1]] < tensor->stride[i]; at--)
      order[at] = order[at - 1];
    order[at] = i;
  }
  for (int i = 0; i < tensor->n_dims; i++)
    back[order[i]] = i;
  dense = dv_permute (tensor, order);
  host = dv_tensor_new (tensor->dtype, dense.n_dims, dense.shape);
  if (!host.data) {
    golden_fail (run->golden, "no memory for %s", name);
    return;
  }
  dv_copy (stream, &host, &dense);
  if (dv_stream_status (stream, NULL) == DV_OK) {
    DvTensor view = dv_permute (&host, back);

    see_host (run, name, &view);
  }
  dv_tensor_clear (&host);
}

/* ---- pictures ---- */

static void
compare_pictures (Run *run, const uint8_t *got)
{
  const DvTensor *expected =
      golden_find (run->golden, EXPECTED, "%s.frames_u8", run->name);
  int64_t n = run->frames * run->height * run->width * 3, off = 0, far = 0;
  double squares = 0, psnr;
  const uint8_t *want;

  if (!expected || dv_tensor_count (expected) != n) {
    golden_fail (run->golden, "%s: %s: frames of another size are expected",
        run->layout, run->name);
    return;
  }
  want = expected->data;
  for (int64_t i = 0; i < n; i++) {
    int d = abs ((int)got[i] - (int)want[i]);

    off += d > 1;
    far += d > 2;
    squares += d * d;
  }
  run->golden->compared++;
  psnr = squares > 0 ? 10 * log10 (255.0 * 255 * (double)n / squares) : 99;
  if (golden_dtype (run->golden) == DV_BF16
          ? psnr < LEAST_PSNR
          : far > 0 || (double)off > (1 - EXACT_PART) * (double)n)
    golden_fail (run->golden,
        "%s: %s: of %lld values %lld are off by more than 1, %lld by more than "
        "2; %.1f dB",
        run->layout, run->name, (long long)n, (long long)off, (long long)far,
        psnr);
  else if (run->golden->verbose)
    printf ("  %s: %s: pictures %.1f dB, %lld values off by more than 1\n",
        run->layout, run->name, psnr, (long long)off);
}

/* Every fourth row and column. */
static void
compare_values (Run *run, const float *got)
{
  const DvTensor *expected =
      golden_find (run->golden, EXPECTED, "%s.video_s4", run->name);
  DvTensor view =
      DV_TENSOR (got, DV_F32, run->frames, run->height, run->width, 3);
  static const int order[] = {3, 0, 1, 2};
  char label[160];

  if (!expected)
    return;
  for (int i = 1; i < 3; i++) {
    view.shape[i] = (view.shape[i] + 3) / 4;
    view.stride[i] *= 4;
  }
  view = dv_permute (&view, order);
  snprintf (label, sizeof label, "%s: %s.video_s4", run->layout, run->name);
  golden_compare (run->golden, label, &view, expected, latent_limit);
}

/* ---- the sink: the probe has already seen everything ---- */

static bool
acquire (void *user, uint32_t n, DvFrame *frame)
{
  Run *run = user;
  static uint8_t planes[3][4096 * 64];

  if (run->width * run->height > (int64_t)sizeof planes[0])
    return false;
  for (int i = 0; i < 3; i++) {
    frame->plane[i] = planes[i];
    frame->stride[i] = (uint32_t)(i ? run->width / 2 : run->width);
  }
  return true;
}

static bool
commit (void *user, uint32_t n)
{
  return true;
}

static bool
commit_audio (void *user, const float *samples, size_t count)
{
  return true;
}

/* ---- a run ---- */

static double
number (const cJSON *spec, const char *name, double otherwise)
{
  const cJSON *item = cJSON_GetObjectItem (spec, name);

  return cJSON_IsNumber (item) ? item->valuedouble : otherwise;
}

static unsigned
list (const cJSON *spec, const char *name, float *values)
{
  const cJSON *item;
  unsigned n = 0;

  cJSON_ArrayForEach (
      item, cJSON_GetObjectItem (spec, name)) if (n < MAX_SIGMAS) values[n++] =
      (float)item->valuedouble;
  return n;
}

/* The ids of a padded row that the mask calls real. */
static size_t
real_ids (Golden *golden, const char *prompt, int32_t *ids, size_t max)
{
  const DvTensor *all =
      golden_find (golden, INPUTS, "prompt_%s.input_ids", prompt);
  const DvTensor *mask =
      golden_find (golden, INPUTS, "prompt_%s.attention_mask", prompt);
  size_t n = 0;

  if (!all || !mask)
    return 0;
  for (int64_t i = 0; i < dv_tensor_count (all); i++)
    if (((const int64_t *)mask->data)[i] && n < max)
      ids[n++] = (int32_t)((const int64_t *)all->data)[i];
  return n;
}

/* Noise in token order; the second stage's pictures are kept as [C, tokens]. */
static float *
noise (Run *run, const char *name, bool turned, size_t *count)
{
  const DvTensor *t =
      golden_find (run->golden, INPUTS, "%s.%s", run->name, name);
  int64_t n, c;
  float *out;

  if (!t)
    return NULL;
  n = dv_tensor_count (t);
  c = turned ? t->shape[1] : 1;
  out = malloc ((size_t)n * sizeof *out);
  if (!out)
    return NULL;
  for (int64_t i = 0; i < n; i++)
    out[i % (n / c) * c + i / (n / c)] = ((const float *)t->data)[i];
  *count = (size_t)n;
  return out;
}

/* The state that the golden's own run before this one left. */
static bool
give_state (Run *run, const DvModel *model, const char *before)
{
  const DvTensor *frames =
      golden_find (run->golden, EXPECTED, "%s.frames_u8", before);
  const DvTensor *audio =
      golden_find (run->golden, EXPECTED, "%s.stage2.audio_latent", before);
  int64_t keep = (int64_t)number (run->spec, "cond_frames", 9), picture, c, t,
          m;
  DvState state = {0};
  DvError error = {0};
  uint8_t *bytes = NULL;
  size_t size;
  bool good = false;

  if (!frames || !audio) {
    golden_fail (
        run->golden, "%s: there is no result of %s", run->name, before);
    return false;
  }
  c = audio->shape[1];
  t = audio->shape[2];
  m = audio->shape[3];
  if (dv_state_size (&state, (uint32_t)frames->shape[2],
          (uint32_t)frames->shape[1], (uint32_t)keep, (uint32_t)t,
          (uint32_t)(c * m), &error) != DV_OK)
    goto out;
  picture = frames->shape[1] * frames->shape[2] * 3;
  memcpy (state.rgb,
      (const uint8_t *)frames->data + (frames->shape[0] - keep) * picture,
      (size_t)(keep * picture));
  for (int64_t i = 0; i < c * t * m; i++)
    state.audio[i / m % t * c * m + i / (t * m) * m + i % m] =
        ((const float *)audio->data)[i];
  if (dv_state_save (&state, ((const DvLtx2 *)model)->fingerprint, &bytes,
          &size, &error) == DV_OK)
    good = dv_session_load (run->session, bytes, size, &error) == DV_OK;

out:
  if (!good)
    golden_fail (run->golden, "%s: %s", run->name, error.detail);
  free (bytes);
  dv_state_clear (&state);
  return good;
}

static void
run_one (Golden *golden, DvModel *model, const char *layout, const cJSON *spec,
    int64_t text_len)
{
  Run run = {
      .golden = golden, .spec = spec, .name = spec->string, .layout = layout};
  const cJSON *prompt = cJSON_GetObjectItem (spec, "prompt");
  const cJSON *before = cJSON_GetObjectItem (spec, "continue");
  const DvTensor *image = golden_find (golden, INPUTS, "%s.image", run.name);
  float sigmas[2][MAX_SIGMAS];
  int32_t ids[1024];
  DvTestInput test = {.ids = ids, .text_len = (size_t)text_len};
  DvImage start = {0};
  DvProbe probe = {see, &run};
  DvSink sink = {.user = &run,
      .acquire_frame = acquire,
      .commit_frame = commit,
      .commit_audio = commit_audio};
  DvRequest request = {.index = before ? 2 : 1,
      .fps_n = (uint32_t)number (spec, "fps", 24),
      .fps_d = 1,
      .test = &test};
  DvError error = {0};
  uint8_t *rgb;
  float *values;

  run.width = request.width = (uint32_t)number (spec, "width", 0);
  run.height = request.height = (uint32_t)number (spec, "height", 0);
  run.frames = request.frames = (uint32_t)number (spec, "frames", 0);
  request.overlap = before ? (uint32_t)number (spec, "head_trim_frames", 9) : 0;
  request.audio_overlap =
      before ? (uint32_t)number (spec, "head_trim_audio_frames", 49) : 0;
  request.sigmas[0] = sigmas[0];
  request.n_sigmas[0] = list (spec, "sigmas", sigmas[0]);
  request.n_sigmas[1] = list (spec, "sigmas2", sigmas[1]);
  request.sigmas[1] = request.n_sigmas[1] ? sigmas[1] : NULL;
  request.one_stage = request.n_sigmas[1] == 0;
  request.image_strength = (float)number (spec, "strength", 1);
  if (image) {
    start = (DvImage){.pixels = image->data,
        .width = (uint32_t)image->shape[1],
        .height = (uint32_t)image->shape[0],
        .stride = (size_t)image->shape[1] * 3};
    request.start_image = &start;
  }
  test.n_ids = real_ids (golden, prompt->valuestring, ids, 1024);
  test.noise[0] = noise (&run, "video_noise", false, &test.n_noise[0]);
  test.noise[1] = noise (&run, "audio_noise", false, &test.n_noise[1]);
  test.noise[2] = noise (&run, "stage2.video_noise", true, &test.n_noise[2]);
  test.noise[3] = noise (&run, "stage2.audio_noise", false, &test.n_noise[3]);

  rgb = run.rgb = calloc (
      (size_t)(run.frames * run.height * run.width), 3 * sizeof *run.rgb);
  values = run.values = calloc (
      (size_t)(run.frames * run.height * run.width), 3 * sizeof *run.values);
  run.session = dv_session_new (model, &error);
  if (!run.session || !rgb || !values) {
    golden_fail (golden, "%s: no memory", run.name);
    goto out;
  }
  if (before && !give_state (&run, model, before->valuestring))
    goto out;
  dv_ltx2_session_probe (run.session, &probe);
  if (dv_session_step (run.session, &request, &sink, NULL, &error) != DV_OK) {
    golden_fail (
        golden, "%s: %s: %s: %s", layout, run.name, error.stage, error.detail);
    goto out;
  }
  compare_pictures (&run, rgb);
  compare_values (&run, values);

out:
  dv_session_free (run.session);
  free (rgb);
  free (values);
  for (int i = 0; i < 4; i++)
    free ((float *)test.noise[i]);
}

/* ---- a case ---- */

static cJSON *
read_runs (Golden *golden)
{
  const char *path = golden_path (golden, "runs.json");
  FILE *file = path ? fopen (path, "rb") : NULL;
  char *text = calloc (1, 65537);
  cJSON *runs = NULL;

  if (file && text && fread (text, 1, 65536, file) > 0)
    runs = cJSON_Parse (text);
  if (file)
    fclose (file);
  free (text);
  if (!runs)
    golden_fail (golden, "runs.json cannot be read");
  return runs;
}

static void
say (void *user, const char *sentence)
{
  if (((Golden *)user)->verbose)
    printf ("  %s\n", sentence);
}

static void
run_layout (
    Golden *golden, const char *path, const char *layout, const cJSON *runs)
{
  DvModelSpec spec = {.model = path,
      .device = golden->device->ops->name,
      .dtype = golden->dtype == DV_BF16 ? "bf16" : "f32",
      .width = 128,
      .height = 64,
      .frames = 17,
      .say = say,
      .user = golden,
      .threads =
          golden->device->pool ? dv_pool_threads (golden->device->pool) : 1};
  DvError error = {0};
  DvModel *model = dv_model_open (&spec, &error);
  const cJSON *run;

  if (!model) {
    golden_fail (golden, "%s: %s: %s", layout, error.stage, error.detail);
    return;
  }
  cJSON_ArrayForEach (run, cJSON_GetObjectItem (runs, "runs")) run_one (
      golden, model, layout, run, (int64_t)number (runs, "text_len", 0));
  dv_model_unref (model);
}

/* A folder is a model; of a folder of single files, the one that holds more
 * than an upscaler. */
static void
find_single (char *path, size_t size)
{
  DIR *folder = opendir (path);
  const struct dirent *entry;
  char found[256] = "";

  while (folder && (entry = readdir (folder)))
    if (strstr (entry->d_name, ".safetensors") &&
        !strstr (entry->d_name, "upscaler"))
      snprintf (found, sizeof found, "%s", entry->d_name);
  if (folder)
    closedir (folder);
  if (found[0])
    snprintf (path + strlen (path), size - strlen (path), "/%s", found);
}

static void
pipeline (Golden *golden)
{
  static const char *const layouts[] = {
      "model", "model-fastvideo", "model-single"};
  cJSON *runs = read_runs (golden);
  struct stat info;
  char path[1024];

  for (size_t i = 0; runs && i < sizeof layouts / sizeof *layouts; i++) {
    snprintf (
        path, sizeof path, "%s/%s", golden_directory (golden), layouts[i]);
    if (stat (path, &info) != 0)
      continue;
    if (strcmp (layouts[i], "model-single") == 0)
      find_single (path, sizeof path);
    run_layout (golden, path, layouts[i], runs);
  }
  cJSON_Delete (runs);
}

const GoldenKind golden_pipeline_kinds[] = {
    {"pipeline", pipeline},
    {NULL, NULL},
};
