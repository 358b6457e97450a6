/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Properties of dreamversesrc.
 *
 * Threads: any; what is set while a stream runs is looked at before the next
 * segment.
 */
#include "gstdreamverse.h"
#include "gstdreamversesrcprivate.h"

#define GST_CAT_DEFAULT gst_dreamverse_src_debug

#define DEFAULT_MODEL "procedural"
#define DEFAULT_DEVICE "auto"
#define DEFAULT_DTYPE "auto"
#define DEFAULT_MEMORY_BUDGET 0
#define DEFAULT_THREADS 0
#define MAX_THREADS 1024
#define DEFAULT_STEPS "5+2"
#define DEFAULT_ONE_STAGE FALSE
#define DEFAULT_IMAGE_STRENGTH 1.0
#define DEFAULT_PROMPT NULL
#define DEFAULT_SEGMENTS 0
#define DEFAULT_LOOP FALSE
#define DEFAULT_SEED 10
#define DEFAULT_WIDTH 1280
#define DEFAULT_HEIGHT 704
#define DEFAULT_FPS_N 24
#define DEFAULT_FPS_D 1
#define DEFAULT_IS_LIVE FALSE
#define DEFAULT_MAX_LEAD (10 * GST_SECOND)
#define DEFAULT_MAX_QUEUED_BYTES 0
#define DEFAULT_PAUSED FALSE
#define DEFAULT_PACE 0.0
#define DEFAULT_STAMP FALSE

enum {
  PROP_0,
  PROP_MODEL,
  PROP_DEVICE,
  PROP_DTYPE,
  PROP_MEMORY_BUDGET,
  PROP_THREADS,
  PROP_LORAS,
  PROP_STEPS,
  PROP_ONE_STAGE,
  PROP_IMAGE_STRENGTH,
  PROP_PROMPT,
  PROP_PROMPTS,
  PROP_SEGMENTS,
  PROP_LOOP,
  PROP_SEED,
  PROP_WIDTH,
  PROP_HEIGHT,
  PROP_FRAMERATE,
  PROP_FRAMES_PER_SEGMENT,
  PROP_OVERLAP_FRAMES,
  PROP_AUDIO_OVERLAP_FRAMES,
  PROP_START_IMAGE,
  PROP_IS_LIVE,
  PROP_MAX_LEAD,
  PROP_MAX_QUEUED_BYTES,
  PROP_PAUSED,
  PROP_STATS,
  PROP_PACE,
  PROP_STAMP
};

static gchar **
strings_from_value (const GValue *value)
{
  guint i, n = gst_value_array_get_size (value);
  gchar **strings = g_new0 (gchar *, n + 1);

  for (i = 0; i < n; i++) {
    const gchar *string =
        g_value_get_string (gst_value_array_get_value (value, i));

    strings[i] = g_strdup (string ? string : "");
  }
  return strings;
}

static void
strings_to_value (gchar **strings, GValue *value)
{
  for (; strings && *strings; strings++) {
    GValue string = G_VALUE_INIT;

    g_value_init (&string, G_TYPE_STRING);
    g_value_set_string (&string, *strings);
    gst_value_array_append_and_take_value (value, &string);
  }
}

static GPtrArray *
list_from_value (const GValue *value)
{
  GPtrArray *list = g_ptr_array_new_with_free_func (g_free);
  guint i, n = gst_value_array_get_size (value);

  for (i = 0; i < n; i++) {
    const gchar *prompt =
        g_value_get_string (gst_value_array_get_value (value, i));

    g_ptr_array_add (list, g_utf8_make_valid (prompt ? prompt : "", -1));
  }
  return list;
}

static void
list_to_value (const GPtrArray *list, GValue *value)
{
  guint i;

  for (i = 0; i < list->len; i++) {
    GValue prompt = G_VALUE_INIT;

    g_value_init (&prompt, G_TYPE_STRING);
    g_value_set_string (&prompt, g_ptr_array_index (list, i));
    gst_value_array_append_and_take_value (value, &prompt);
  }
}

/* Outside of the lock: a property's notify handlers are not held up by it. */
static void
set_prompt_property (GstDreamverseSrc *src, const gchar *prompt)
{
  gchar *valid = prompt ? g_utf8_make_valid (prompt, -1) : NULL;
  gchar *problem = gst_dreamverse_steering_check_prompt (valid);

  if (problem)
    GST_ELEMENT_WARNING (src, STREAM, WRONG_TYPE,
        ("The prompt is not used: %s", problem), (NULL));
  else {
    g_mutex_lock (&src->lock);
    gst_dreamverse_steering_set_prompt (&src->steering, valid);
    g_mutex_unlock (&src->lock);
  }
  g_free (problem);
  g_free (valid);
}

/* Takes @list. */
static void
set_prompts_property (GstDreamverseSrc *src, GPtrArray *list)
{
  gchar *problem = NULL;
  guint i;

  for (i = 0; i < list->len && !problem; i++)
    problem =
        gst_dreamverse_steering_check_prompt (g_ptr_array_index (list, i));
  if (problem) {
    GST_ELEMENT_WARNING (src, STREAM, WRONG_TYPE,
        ("The list of prompts is not used: %s (number %u)", problem, i),
        (NULL));
    g_ptr_array_unref (list);
    g_free (problem);
    return;
  }
  g_mutex_lock (&src->lock);
  gst_dreamverse_steering_set_list (&src->steering, list);
  g_mutex_unlock (&src->lock);
}

/* What makes a live source wait for a whole segment changes its latency. */
static void
set_pace (GstDreamverseSrc *src, gdouble pace)
{
  gboolean tell;

  g_mutex_lock (&src->lock);
  tell =
      src->run && src->run->settings.is_live && (pace > 0) != (src->pace > 0);
  src->pace = pace;
  g_mutex_unlock (&src->lock);
  if (tell)
    gst_element_post_message (
        GST_ELEMENT (src), gst_message_new_latency (GST_OBJECT (src)));
}

static void
gst_dreamverse_src_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstDreamverseSrc *src = GST_DREAMVERSE_SRC (object);
  GstDreamverseSettings *settings = &src->settings;

  if (id == PROP_PROMPT) {
    set_prompt_property (src, g_value_get_string (value));
    return;
  }
  if (id == PROP_PROMPTS) {
    set_prompts_property (src, list_from_value (value));
    return;
  }
  if (id == PROP_PACE) {
    set_pace (src, g_value_get_double (value));
    return;
  }
  if (id == PROP_PAUSED) {
    gboolean changed;

    g_mutex_lock (&src->lock);
    changed = src->steering.paused != g_value_get_boolean (value);
    src->steering.paused = g_value_get_boolean (value);
    gst_dreamverse_src_wake (src);
    g_mutex_unlock (&src->lock);
    if (changed)
      gst_dreamverse_src_post_paused (src, "", g_value_get_boolean (value));
    return;
  }
  g_mutex_lock (&src->lock);
  switch (id) {
    case PROP_MODEL:
      g_free (settings->model);
      settings->model = g_value_dup_string (value);
      break;
    case PROP_DEVICE:
      g_free (settings->device);
      settings->device = g_value_dup_string (value);
      break;
    case PROP_DTYPE:
      g_free (settings->dtype);
      settings->dtype = g_value_dup_string (value);
      break;
    case PROP_MEMORY_BUDGET:
      settings->memory_budget = g_value_get_uint64 (value);
      break;
    case PROP_THREADS:
      settings->threads = g_value_get_int (value);
      break;
    case PROP_LORAS:
      g_strfreev (settings->loras);
      settings->loras = strings_from_value (value);
      break;
    case PROP_STEPS:
      g_free (settings->steps);
      settings->steps = g_value_dup_string (value);
      break;
    case PROP_ONE_STAGE:
      settings->one_stage = g_value_get_boolean (value);
      break;
    case PROP_IMAGE_STRENGTH:
      settings->image_strength = g_value_get_float (value);
      break;
    case PROP_SEGMENTS:
      src->segments = g_value_get_uint (value);
      break;
    case PROP_LOOP:
      src->loop = g_value_get_boolean (value);
      break;
    case PROP_SEED:
      src->seed = g_value_get_uint64 (value);
      break;
    case PROP_WIDTH:
      settings->width = g_value_get_int (value);
      break;
    case PROP_HEIGHT:
      settings->height = g_value_get_int (value);
      break;
    case PROP_FRAMERATE:
      settings->fps_n = gst_value_get_fraction_numerator (value);
      settings->fps_d = gst_value_get_fraction_denominator (value);
      break;
    case PROP_FRAMES_PER_SEGMENT:
      settings->frames = g_value_get_uint (value);
      break;
    case PROP_OVERLAP_FRAMES:
      settings->overlap = g_value_get_uint (value);
      break;
    case PROP_AUDIO_OVERLAP_FRAMES:
      settings->audio_overlap = g_value_get_uint (value);
      break;
    case PROP_START_IMAGE:
      g_free (settings->start_image);
      settings->start_image = g_value_dup_string (value);
      break;
    case PROP_IS_LIVE:
      settings->is_live = g_value_get_boolean (value);
      break;
    case PROP_MAX_LEAD:
      src->max_lead = g_value_get_uint64 (value);
      break;
    case PROP_MAX_QUEUED_BYTES:
      settings->max_queued_bytes = g_value_get_uint64 (value);
      break;
    case PROP_STAMP:
      src->stamp = g_value_get_boolean (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  gst_dreamverse_src_wake (src);
  g_mutex_unlock (&src->lock);
}

static void
gst_dreamverse_src_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstDreamverseSrc *src = GST_DREAMVERSE_SRC (object);
  const GstDreamverseSettings *settings = &src->settings;

  g_mutex_lock (&src->lock);
  switch (id) {
    case PROP_MODEL:
      g_value_set_string (value, settings->model);
      break;
    case PROP_DEVICE:
      g_value_set_string (value, settings->device);
      break;
    case PROP_DTYPE:
      g_value_set_string (value, settings->dtype);
      break;
    case PROP_MEMORY_BUDGET:
      g_value_set_uint64 (value, settings->memory_budget);
      break;
    case PROP_THREADS:
      g_value_set_int (value, settings->threads);
      break;
    case PROP_LORAS:
      strings_to_value (settings->loras, value);
      break;
    case PROP_STEPS:
      g_value_set_string (value, settings->steps);
      break;
    case PROP_ONE_STAGE:
      g_value_set_boolean (value, settings->one_stage);
      break;
    case PROP_IMAGE_STRENGTH:
      g_value_set_float (value, settings->image_strength);
      break;
    case PROP_PROMPT:
      g_value_set_string (value, src->steering.prompt);
      break;
    case PROP_PROMPTS:
      list_to_value (src->steering.list, value);
      break;
    case PROP_SEGMENTS:
      g_value_set_uint (value, src->segments);
      break;
    case PROP_LOOP:
      g_value_set_boolean (value, src->loop);
      break;
    case PROP_SEED:
      g_value_set_uint64 (value, src->seed);
      break;
    case PROP_WIDTH:
      g_value_set_int (
          value, settings->width ? settings->width : DEFAULT_WIDTH);
      break;
    case PROP_HEIGHT:
      g_value_set_int (
          value, settings->height ? settings->height : DEFAULT_HEIGHT);
      break;
    case PROP_FRAMERATE:
      if (settings->fps_n)
        gst_value_set_fraction (value, settings->fps_n, settings->fps_d);
      else
        gst_value_set_fraction (value, DEFAULT_FPS_N, DEFAULT_FPS_D);
      break;
    case PROP_FRAMES_PER_SEGMENT:
      g_value_set_uint (value, settings->frames);
      break;
    case PROP_OVERLAP_FRAMES:
      g_value_set_uint (value, settings->overlap);
      break;
    case PROP_AUDIO_OVERLAP_FRAMES:
      g_value_set_uint (value, settings->audio_overlap);
      break;
    case PROP_START_IMAGE:
      g_value_set_string (value, settings->start_image);
      break;
    case PROP_IS_LIVE:
      g_value_set_boolean (value, settings->is_live);
      break;
    case PROP_MAX_LEAD:
      g_value_set_uint64 (value, src->max_lead);
      break;
    case PROP_MAX_QUEUED_BYTES:
      g_value_set_uint64 (value, settings->max_queued_bytes);
      break;
    case PROP_PAUSED:
      g_value_set_boolean (value, src->steering.paused);
      break;
    case PROP_STATS: {
      GstStructure *stats = gst_dreamverse_stats_structure (&src->stats);

      gst_structure_set (stats, "queued-segments", G_TYPE_UINT,
          src->run ? gst_dreamverse_queue_segments (&src->run->queue) : 0,
          "queued-bytes", G_TYPE_UINT64,
          src->run ? gst_dreamverse_queue_bytes (&src->run->queue)
                   : G_GUINT64_CONSTANT (0),
          "queued-prompts", G_TYPE_UINT,
          gst_dreamverse_steering_depth (&src->steering), NULL);
      g_value_take_boxed (value, stats);
      break;
    }
    case PROP_PACE:
      g_value_set_double (value, src->pace);
      break;
    case PROP_STAMP:
      g_value_set_boolean (value, src->stamp);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  g_mutex_unlock (&src->lock);
}

/* ---- installing ---- */

void
gst_dreamverse_src_init_settings (GstDreamverseSrc *src)
{
  src->settings.model = g_strdup (DEFAULT_MODEL);
  src->settings.device = g_strdup (DEFAULT_DEVICE);
  src->settings.dtype = g_strdup (DEFAULT_DTYPE);
  src->settings.memory_budget = DEFAULT_MEMORY_BUDGET;
  src->settings.threads = DEFAULT_THREADS;
  src->settings.steps = g_strdup (DEFAULT_STEPS);
  src->settings.one_stage = DEFAULT_ONE_STAGE;
  src->settings.image_strength = DEFAULT_IMAGE_STRENGTH;
  src->settings.frames = DV_DEFAULT_FRAMES;
  src->settings.overlap = DV_DEFAULT_OVERLAP;
  src->settings.audio_overlap = DV_DEFAULT_AUDIO_OVERLAP;
  src->settings.max_queued_bytes = DEFAULT_MAX_QUEUED_BYTES;
  src->settings.is_live = DEFAULT_IS_LIVE;
  src->segments = DEFAULT_SEGMENTS;
  src->loop = DEFAULT_LOOP;
  src->seed = DEFAULT_SEED;
  src->max_lead = DEFAULT_MAX_LEAD;
  src->pace = DEFAULT_PACE;
  src->stamp = DEFAULT_STAMP;
}

#define READY                                                                  \
  (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)
#define PLAYING                                                                \
  (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)

static void
install_model_properties (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_MODEL,
      g_param_spec_string ("model", "Model",
          "Directory or file of an LTX-2 model, or \"procedural\" for drawings "
          "that need no weights.",
          DEFAULT_MODEL, READY));
  g_object_class_install_property (klass, PROP_DEVICE,
      g_param_spec_string ("device", "Device",
          "Device that generates: \"auto\", \"cpu\" or \"cuda:N\".",
          DEFAULT_DEVICE, READY));
  g_object_class_install_property (klass, PROP_SEED,
      g_param_spec_uint64 ("seed", "Seed",
          "Seed of what is left to chance; the same prompts and seed make the "
          "same frames.",
          0, G_MAXUINT64, DEFAULT_SEED, PLAYING));
  g_object_class_install_property (klass, PROP_START_IMAGE,
      g_param_spec_string ("start-image", "Start image",
          "File of a picture, PNG, JPEG or WebP, at most 64 MiB and 8192 "
          "pixels "
          "a side, that the first segment of a stream starts from.",
          NULL, READY));
  g_object_class_install_property (klass, PROP_PACE,
      g_param_spec_double ("pace", "Pace",
          "Seconds that a segment takes to generate at least, to imitate a "
          "slower model (procedural generator only).",
          0.0, 3600.0, DEFAULT_PACE, PLAYING));
  g_object_class_install_property (klass, PROP_STAMP,
      g_param_spec_boolean ("stamp", "Stamp",
          "Whether each frame carries a strip of blocks that says which it is "
          "and each second a click (procedural generator only).",
          DEFAULT_STAMP, PLAYING));
}

/* What the procedural generator has no use for. */
static void
install_neural_properties (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_DTYPE,
      g_param_spec_string ("dtype", "Number type",
          "Numbers the model calculates with: \"f32\", \"bf16\", or \"auto\": "
          "bf16 where the processor is made for it, else f32.",
          DEFAULT_DTYPE, READY));
  g_object_class_install_property (klass, PROP_MEMORY_BUDGET,
      g_param_spec_uint64 ("memory-budget", "Memory budget",
          "Bytes that the model may take beside its files; what does not fit "
          "is "
          "refused, with the plan. 0: what the machine has free.",
          0, G_MAXUINT64, DEFAULT_MEMORY_BUDGET, READY));
  g_object_class_install_property (klass, PROP_THREADS,
      g_param_spec_int ("threads", "Threads",
          "Threads the model calculates with; the result is the same with any "
          "number. 0: as many as there are processors to run on.",
          0, MAX_THREADS, DEFAULT_THREADS, READY));
  g_object_class_install_property (klass, PROP_LORAS,
      gst_param_spec_array ("loras", "LoRAs",
          "Changes of the model's weights, each FILE or FILE:STRENGTH.",
          g_param_spec_string ("lora", "LoRA", "One change.", NULL,
              G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS),
          READY));
  g_object_class_install_property (klass, PROP_STEPS,
      g_param_spec_string ("steps", "Steps",
          "Denoise steps of both stages, such as 5+2 or 8+3, or their noise "
          "levels, such as 1,0.9,0.5,0+0.9,0.5,0.",
          DEFAULT_STEPS, READY));
  g_object_class_install_property (klass, PROP_ONE_STAGE,
      g_param_spec_boolean ("one-stage", "One stage",
          "Whether to denoise at full size at once, rather than at half the "
          "size first.",
          DEFAULT_ONE_STAGE, READY));
  g_object_class_install_property (klass, PROP_IMAGE_STRENGTH,
      g_param_spec_float ("image-strength", "Image strength",
          "How firmly the first frame is the start image, from 0 (not at all) "
          "to 1.",
          0.0f, 1.0f, (gfloat)DEFAULT_IMAGE_STRENGTH, READY));
}

static void
install_steering_properties (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_PROMPT,
      g_param_spec_string ("prompt", "Prompt",
          "What is shown, in words, at most 8192 bytes. Taken up at the next "
          "segment, and repeated while nothing else is asked for.",
          DEFAULT_PROMPT, PLAYING));
  g_object_class_install_property (klass, PROP_PROMPTS,
      gst_param_spec_array ("prompts", "Prompts",
          "Prompts of one segment each. After the last the prompt property "
          "goes on, or, if that is empty, the stream ends.",
          g_param_spec_string ("prompt", "Prompt", "One prompt.", NULL,
              G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS),
          PLAYING));
  g_object_class_install_property (klass, PROP_SEGMENTS,
      g_param_spec_uint ("segments", "Segments",
          "Segments after which the stream ends, counted from the last reset; "
          "0: none.",
          0, G_MAXUINT, DEFAULT_SEGMENTS, PLAYING));
  g_object_class_install_property (klass, PROP_LOOP,
      g_param_spec_boolean ("loop", "Loop",
          "Whether the list of prompts starts again after its last.",
          DEFAULT_LOOP, PLAYING));
  g_object_class_install_property (klass, PROP_PAUSED,
      g_param_spec_boolean ("paused", "Paused",
          "Whether generation is held before the next segment; what was "
          "generated is still sent.",
          DEFAULT_PAUSED, PLAYING));
}

static void
install_media_properties (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_WIDTH,
      g_param_spec_int ("width", "Width",
          "Width of the frames in pixels. If it is not set, downstream may "
          "choose another.",
          1, G_MAXINT, DEFAULT_WIDTH, READY));
  g_object_class_install_property (klass, PROP_HEIGHT,
      g_param_spec_int ("height", "Height",
          "Height of the frames in pixels. If it is not set, downstream may "
          "choose another.",
          1, G_MAXINT, DEFAULT_HEIGHT, READY));
  g_object_class_install_property (klass, PROP_FRAMERATE,
      gst_param_spec_fraction ("framerate", "Frame rate",
          "Frames a second. If it is not set, downstream may choose another.",
          1, 1000, 1000, 1, DEFAULT_FPS_N, DEFAULT_FPS_D, READY));
  g_object_class_install_property (klass, PROP_FRAMES_PER_SEGMENT,
      g_param_spec_uint ("frames-per-segment", "Frames per segment",
          "Frames that the model makes for a segment, overlap included.", 1,
          100000, DV_DEFAULT_FRAMES, READY));
  g_object_class_install_property (klass, PROP_OVERLAP_FRAMES,
      g_param_spec_uint ("overlap-frames", "Overlap frames",
          "Frames at the head of a segment that repeat the end of the last and "
          "are cut off.",
          0, 100000, DV_DEFAULT_OVERLAP, READY));
  g_object_class_install_property (klass, PROP_AUDIO_OVERLAP_FRAMES,
      g_param_spec_uint ("audio-overlap-frames", "Audio overlap frames",
          "Sound at the head of a segment, in video frames, that repeats the "
          "end of the last and is cut off; at least overlap-frames.",
          0, 100000, DV_DEFAULT_AUDIO_OVERLAP, READY));
}

static void
install_flow_properties (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_IS_LIVE,
      g_param_spec_boolean ("is-live", "Is live",
          "Whether to behave as a live source, with no lead over the clock.",
          DEFAULT_IS_LIVE, READY));
  g_object_class_install_property (klass, PROP_MAX_LEAD,
      g_param_spec_uint64 ("max-lead", "Maximum lead",
          "How far what is sent may be ahead of the clock, in nanoseconds; "
          "18446744073709551615: any distance.",
          0, G_MAXUINT64, DEFAULT_MAX_LEAD, PLAYING));
  g_object_class_install_property (klass, PROP_MAX_QUEUED_BYTES,
      g_param_spec_uint64 ("max-queued-bytes", "Maximum queued bytes",
          "Bytes of raw media that may wait to be sent; at least one "
          "segment's; "
          "0: two segments', but at most half of the memory.",
          0, G_MAXUINT64, DEFAULT_MAX_QUEUED_BYTES, READY));
  g_object_class_install_property (klass, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Segments, frames and samples so far, segments, bytes and prompts "
          "that wait, and the timings in milliseconds of the last 16 "
          "segments.",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

void
gst_dreamverse_src_install_properties (GObjectClass *klass)
{
  klass->set_property = gst_dreamverse_src_set_property;
  klass->get_property = gst_dreamverse_src_get_property;
  install_model_properties (klass);
  install_neural_properties (klass);
  install_steering_properties (klass);
  install_media_properties (klass);
  install_flow_properties (klass);
}
