/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The command line.
 */
#include "options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_WIDTH 1280
#define DEFAULT_HEIGHT 704
#define DEFAULT_FPS 24
#define DEFAULT_FRAMES 121
#define DEFAULT_OVERLAP 9
#define DEFAULT_AUDIO_OVERLAP 49
#define DEFAULT_SEED 10
#define DEFAULT_RUNS 3
#define MAX_COUNT 1000000
#define UNSET UINT32_MAX

enum {
  OPT_MODEL = 1000, /* apart from the characters that getopt returns */
  OPT_DEVICE,
  OPT_DTYPE,
  OPT_THREADS,
  OPT_MEMORY,
  OPT_LORA,
  OPT_PROMPT,
  OPT_PROMPTS,
  OPT_SEGMENTS,
  OPT_SIZE,
  OPT_FPS,
  OPT_FRAMES,
  OPT_OVERLAP,
  OPT_AUDIO_OVERLAP,
  OPT_SEED,
  OPT_STEPS,
  OPT_ONE_STAGE,
  OPT_IMAGE,
  OPT_IMAGE_STRENGTH,
  OPT_STATE_IN,
  OPT_STATE_OUT,
  OPT_OUTPUT,
  OPT_WAV,
  OPT_QUIET,
  OPT_VERBOSE,
  OPT_PLAN,
  OPT_BENCH,
  OPT_MAKE_RANDOM,
  OPT_LAYOUT,
  OPT_TOKENIZER,
  OPT_SPARSE,
  OPT_HELP,
  OPT_VERSION
};

static const struct option table[] = {
    {"model", required_argument, NULL, OPT_MODEL},
    {"device", required_argument, NULL, OPT_DEVICE},
    {"dtype", required_argument, NULL, OPT_DTYPE},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"memory", required_argument, NULL, OPT_MEMORY},
    {"lora", required_argument, NULL, OPT_LORA},
    {"prompt", required_argument, NULL, OPT_PROMPT},
    {"prompts", required_argument, NULL, OPT_PROMPTS},
    {"segments", required_argument, NULL, OPT_SEGMENTS},
    {"size", required_argument, NULL, OPT_SIZE},
    {"fps", required_argument, NULL, OPT_FPS},
    {"frames", required_argument, NULL, OPT_FRAMES},
    {"overlap", required_argument, NULL, OPT_OVERLAP},
    {"audio-overlap", required_argument, NULL, OPT_AUDIO_OVERLAP},
    {"seed", required_argument, NULL, OPT_SEED},
    {"steps", required_argument, NULL, OPT_STEPS},
    {"one-stage", no_argument, NULL, OPT_ONE_STAGE},
    {"image", required_argument, NULL, OPT_IMAGE},
    {"image-strength", required_argument, NULL, OPT_IMAGE_STRENGTH},
    {"state-in", required_argument, NULL, OPT_STATE_IN},
    {"state-out", required_argument, NULL, OPT_STATE_OUT},
    {"output", required_argument, NULL, OPT_OUTPUT},
    {"wav", required_argument, NULL, OPT_WAV},
    {"quiet", no_argument, NULL, OPT_QUIET},
    {"verbose", no_argument, NULL, OPT_VERBOSE},
    {"plan", no_argument, NULL, OPT_PLAN},
    {"bench", optional_argument, NULL, OPT_BENCH},
    {"make-random", required_argument, NULL, OPT_MAKE_RANDOM},
    {"layout", required_argument, NULL, OPT_LAYOUT},
    {"tokenizer", no_argument, NULL, OPT_TOKENIZER},
    {"sparse", no_argument, NULL, OPT_SPARSE},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

static DvStatus
wrong (DvError *error, const char *sentence)
{
  return dv_fail (error, DV_ERROR_ARGUMENT, "options", "%s", sentence);
}

static DvStatus
set_action (Options *self, Action action, DvError *error)
{
  if (self->action != ACTION_GENERATE && self->action != action)
    return wrong (
        error, "--plan, --bench and --make-random are three things: name one");
  self->action = action;
  return DV_OK;
}

static DvStatus
add_lora (Options *self, const char *text, DvError *error)
{
  DvLoraSpec *more =
      realloc (self->loras, (self->n_loras + 1) * sizeof *self->loras);
  DvStatus status;

  if (!more)
    return dv_fail (
        error, DV_ERROR_MEMORY, "options", "no memory for the options");
  self->loras = more;
  status = value_lora (text, &self->loras[self->n_loras], error);
  if (status == DV_OK)
    self->n_loras++;
  return status;
}

/* Options whose value is a string of their own. NULL: it is none of them. */
static const char **
string_of (Options *self, int option)
{
  switch (option) {
    case OPT_MODEL:
      return &self->model;
    case OPT_DEVICE:
      return &self->device;
    case OPT_DTYPE:
      return &self->dtype;
    case OPT_IMAGE:
      return &self->image;
    case OPT_STATE_IN:
      return &self->state_in;
    case OPT_STATE_OUT:
      return &self->state_out;
    case OPT_OUTPUT:
      return &self->output;
    case OPT_WAV:
      return &self->wav;
    case OPT_LAYOUT:
      return &self->random_layout;
    default:
      return NULL;
  }
}

/* Options without a value of their own, and what --bench and --make-random
 * take. */
static DvStatus
set_switch (Options *self, int option, const char *value, DvError *error)
{
  uint32_t runs = DEFAULT_RUNS;
  DvStatus status;

  switch (option) {
    case OPT_ONE_STAGE:
      self->one_stage = true;
      return DV_OK;
    case OPT_QUIET:
      self->verbosity = QUIET;
      return DV_OK;
    case OPT_VERBOSE:
      self->verbosity = VERBOSE;
      return DV_OK;
    case OPT_PLAN:
      return set_action (self, ACTION_PLAN, error);
    case OPT_BENCH:
      if (value && (status = value_count (
                        "--bench", value, 1, 1000, &runs, error)) != DV_OK)
        return status;
      self->runs = runs;
      return set_action (self, ACTION_BENCH, error);
    case OPT_MAKE_RANDOM:
      self->random_config = value;
      return set_action (self, ACTION_MAKE_RANDOM, error);
    case OPT_TOKENIZER:
      self->random_tokenizer = true;
      return DV_OK;
    case OPT_SPARSE:
      self->random_sparse = true;
      return DV_OK;
    case OPT_HELP:
      self->action = ACTION_HELP;
      return DV_OK;
    default:
      self->action = ACTION_VERSION;
      return DV_OK;
  }
}

static DvStatus
set_option (Options *self, int option, const char *value, DvError *error)
{
  const char **string = string_of (self, option);
  uint32_t threads = 0;
  DvStatus status;

  if (string) {
    *string = value;
    return *value ? DV_OK : wrong (error, "an option's value is empty");
  }
  switch (option) {
    case OPT_THREADS:
      status = value_count ("--threads", value, 1, 1024, &threads, error);
      self->threads = (int)threads;
      return status;
    case OPT_MEMORY:
      return value_bytes ("--memory", value, &self->memory, error);
    case OPT_LORA:
      return add_lora (self, value, error);
    case OPT_PROMPT:
      return prompts_add (&self->prompts, value, error);
    case OPT_PROMPTS:
      return prompts_read (&self->prompts, value, error);
    case OPT_SEGMENTS:
      return value_count (
          "--segments", value, 1, MAX_COUNT, &self->segments, error);
    case OPT_SIZE:
      return value_size (value, &self->width, &self->height, error);
    case OPT_FPS:
      return value_rate (value, &self->fps_n, &self->fps_d, error);
    case OPT_FRAMES:
      return value_count (
          "--frames", value, 1, MAX_COUNT, &self->frames, error);
    case OPT_OVERLAP:
      return value_count (
          "--overlap", value, 0, MAX_COUNT, &self->overlap, error);
    case OPT_AUDIO_OVERLAP:
      return value_count (
          "--audio-overlap", value, 0, MAX_COUNT, &self->audio_overlap, error);
    case OPT_SEED:
      return value_number ("--seed", value, 0, UINT64_MAX, &self->seed, error);
    case OPT_STEPS:
      return value_steps (value, &self->steps, error);
    case OPT_IMAGE_STRENGTH:
      return value_real (
          "--image-strength", value, 0.001, 1, &self->image_strength, error);
    default:
      return set_switch (self, option, value, error);
  }
}

/* The usual overlaps, or what a shorter segment has room for. */
static void
choose_overlaps (Options *self)
{
  if (self->overlap == UNSET) {
    self->overlap = DEFAULT_OVERLAP;
    if (self->overlap >= self->frames)
      self->overlap = self->frames > 1 ? 1 : 0;
  }
  if (self->audio_overlap == UNSET)
    self->audio_overlap = self->overlap > DEFAULT_AUDIO_OVERLAP
                              ? self->overlap
                              : DEFAULT_AUDIO_OVERLAP;
}

static DvStatus
check_random (const Options *self, DvError *error)
{
  if (self->action == ACTION_MAKE_RANDOM)
    return self->random_folder
               ? DV_OK
               : wrong (error, "--make-random needs the folder to write into: "
                               "--make-random tiny FOLDER");
  if (self->random_layout || self->random_tokenizer || self->random_sparse)
    return wrong (
        error, "--layout, --tokenizer and --sparse belong to --make-random");
  return DV_OK;
}

static DvStatus
check_generate (const Options *self, DvError *error)
{
  if (self->prompts.n == 0)
    return wrong (error,
        "there is no prompt: name one with --prompt, or a file of them with "
        "--prompts");
  if (self->overlap >= self->frames)
    return dv_fail (error, DV_ERROR_ARGUMENT, "options",
        "--overlap %u leaves nothing of a segment of %u frames", self->overlap,
        self->frames);
  if (self->audio_overlap < self->overlap)
    return dv_fail (error, DV_ERROR_ARGUMENT, "options",
        "--audio-overlap %u is below the --overlap of %u frames",
        self->audio_overlap, self->overlap);
  if (self->one_stage && self->steps.n[1])
    return wrong (error,
        "--one-stage walks one list of noise levels and --steps names two");
  if (self->image_strength > 0 && !self->image)
    return wrong (error, "--image-strength belongs to --image");
  if (self->image && self->state_in)
    return wrong (error,
        "--image is where a new stream begins, and --state-in continues one");
  if (self->action == ACTION_BENCH) {
    if (self->output || self->wav || self->state_out)
      return wrong (error,
          "--bench writes nothing: leave out --output, --wav and --state-out");
  } else if (!self->output && !self->wav)
    return wrong (error,
        "nothing is to be written: name --output, --wav or both "
        "(see --help)");
  return DV_OK;
}

static DvStatus
finish (Options *self, DvError *error)
{
  DvStatus status;

  choose_overlaps (self);
  if (self->segments == 0)
    self->segments = self->prompts.n ? (uint32_t)self->prompts.n : 1;
  if (self->action == ACTION_HELP || self->action == ACTION_VERSION)
    return DV_OK;
  status = check_random (self, error);
  if (status == DV_OK &&
      (self->action == ACTION_GENERATE || self->action == ACTION_BENCH))
    status = check_generate (self, error);
  return status;
}

DvStatus
options_parse (Options *self, int argc, char **argv, DvError *error)
{
  DvStatus status;
  int option;

  *self = (Options){.model = "procedural",
      .width = DEFAULT_WIDTH,
      .height = DEFAULT_HEIGHT,
      .fps_n = DEFAULT_FPS,
      .fps_d = 1,
      .frames = DEFAULT_FRAMES,
      .overlap = UNSET,
      .audio_overlap = UNSET,
      .seed = DEFAULT_SEED};
  optind = 1;
  while ((option = getopt_long (argc, argv, ":", table, NULL)) != -1) {
    if (option == ':')
      return dv_fail (error, DV_ERROR_ARGUMENT, "options",
          "%.80s needs a value", argv[optind - 1]);
    if (option == '?')
      return dv_fail (error, DV_ERROR_ARGUMENT, "options",
          optopt ? "%.80s takes no value" : "there is no option %.80s",
          argv[optind - 1]);
    status = set_option (self, option, optarg, error);
    if (status != DV_OK)
      return status;
    if (self->action == ACTION_HELP || self->action == ACTION_VERSION)
      return DV_OK;
  }
  if (self->action == ACTION_MAKE_RANDOM && optind < argc)
    self->random_folder = argv[optind++];
  if (optind < argc)
    return dv_fail (error, DV_ERROR_ARGUMENT, "options",
        "\"%.80s\" belongs to no option", argv[optind]);
  return finish (self, error);
}

void
options_clear (Options *self)
{
  prompts_clear (&self->prompts);
  for (size_t i = 0; i < self->n_loras; i++)
    free ((char *)self->loras[i].path);
  free (self->loras);
}
