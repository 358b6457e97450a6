/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dreamversesrc: properties, signals, commands and states. The pads are in
 * gstdreamversesrcpads.c, generation is in gstdreamversesrcworker.c.
 *
 * Threads: properties and signals from any thread, states as GStreamer says.
 */

/**
 * SECTION:element-dreamversesrc
 * @title: dreamversesrc
 * @short_description: a generator of moving pictures and sound as a source
 *
 * Turns prompts into an endless stream of segments, each about five seconds
 * long, that join without a seam: raw video on the pad "video", raw audio on
 * the pad "audio". Either pad may stay unlinked.
 *
 * Without a model it draws: the procedural generator needs no weights.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 dreamversesrc prompt="a beach at sunset" ! autovideosink
 * ]|
 * Shows a beach for as long as you like.
 * |[
 * gst-launch-1.0 dreamversesrc name=s prompts="<forest,night>" \
 *     s.video ! queue ! videoconvert ! autovideosink \
 *     s.audio ! queue ! audioconvert ! audioresample ! autoaudiosink
 * ]|
 * Plays two segments, the first melting into the second, and ends. Prompts with
 * spaces need their quotes past the shell and past gst-launch:
 * `'prompts="<\"a forest in the rain\",\"the same at night\">"'`.
 */
#include "gstdreamversesrc.h"

#include <string.h>

#include "gstdreamverse.h"
#include "gstdreamversesrcprivate.h"

GST_DEBUG_CATEGORY (gst_dreamverse_src_debug);
#define GST_CAT_DEFAULT gst_dreamverse_src_debug

#define DEFAULT_MODEL "procedural"
#define DEFAULT_DEVICE "auto"
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

/* A step that does not end within this is left to end by itself. */
#define STOP_TIMEOUT (80 * G_TIME_SPAN_MILLISECOND)

enum {
  PROP_0,
  PROP_MODEL,
  PROP_DEVICE,
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

enum {
  SIGNAL_NEED_PROMPT,
  SIGNAL_APPEND_PROMPT,
  SIGNAL_RESET,
  SIGNAL_PAUSE,
  SIGNAL_RESUME,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

G_DEFINE_TYPE (GstDreamverseSrc, gst_dreamverse_src, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE (
    dreamversesrc, "dreamversesrc", GST_RANK_NONE, GST_TYPE_DREAMVERSE_SRC)

/* ---- settings and runs ---- */

static void
settings_copy (GstDreamverseSettings *to, const GstDreamverseSettings *from)
{
  *to = *from;
  to->model = g_strdup (from->model);
  to->device = g_strdup (from->device);
  to->start_image = g_strdup (from->start_image);
}

static void
settings_clear (GstDreamverseSettings *settings)
{
  g_clear_pointer (&settings->model, g_free);
  g_clear_pointer (&settings->device, g_free);
  g_clear_pointer (&settings->start_image, g_free);
}

static GstDreamverseRun *
run_new (const GstDreamverseSettings *settings)
{
  GstDreamverseRun *run = g_new0 (GstDreamverseRun, 1);

  run->refcount = 1;
  settings_copy (&run->settings, settings);
  run->group_id = gst_util_group_id_next ();
  gst_dreamverse_queue_init (&run->queue);
  return run;
}

GstDreamverseRun *
gst_dreamverse_run_ref (GstDreamverseRun *run)
{
  g_atomic_int_inc (&run->refcount);
  return run;
}

void
gst_dreamverse_run_unref (GstDreamverseRun *run)
{
  if (!g_atomic_int_dec_and_test (&run->refcount))
    return;
  gst_dreamverse_queue_clear (&run->queue);
  if (run->pool)
    gst_buffer_pool_set_active (run->pool, FALSE);
  gst_clear_object (&run->pool);
  g_clear_pointer (&run->model, dv_model_unref);
  g_free (run->progress);
  settings_clear (&run->settings);
  g_free (run);
}

void
gst_dreamverse_src_wake (GstDreamverseSrc *src)
{
  guint i;

  for (i = 0; i < GST_DREAMVERSE_N_WAITS; i++)
    if (src->wait[i])
      gst_clock_id_unschedule (src->wait[i]);
  g_cond_broadcast (&src->cond);
}

void
gst_dreamverse_src_post (GstDreamverseSrc *src, GstStructure *structure)
{
  gst_element_post_message (
      GST_ELEMENT (src), gst_message_new_element (GST_OBJECT (src), structure));
}

/* The caller posts its error after this, and the pads end after that: they
 * find the end of the stream in their lanes. */
gboolean
gst_dreamverse_src_fail (GstDreamverseSrc *src, GstDreamverseRun *run)
{
  gboolean first;

  g_mutex_lock (&src->lock);
  first = !run->failed && !g_atomic_int_get (&run->cancelled);
  if (first) {
    run->failed = run->draining = TRUE;
    g_atomic_int_set (&run->abort_step, 1);
    gst_dreamverse_queue_drop (&run->queue);
    gst_dreamverse_queue_push (
        &run->queue, GST_DREAMVERSE_LANE_VIDEO, gst_event_new_eos ());
    gst_dreamverse_queue_push (
        &run->queue, GST_DREAMVERSE_LANE_AUDIO, gst_event_new_eos ());
    gst_dreamverse_src_wake (src);
  }
  g_mutex_unlock (&src->lock);
  return first;
}

/* ---- steering ---- */

static void
post_paused (GstDreamverseSrc *src, const gchar *id, gboolean paused)
{
  gst_dreamverse_src_post (
      src, gst_structure_new (GST_DREAMVERSE_MESSAGE_PAUSED,
               GST_DREAMVERSE_FIELD_ID, G_TYPE_STRING, id,
               GST_DREAMVERSE_FIELD_PAUSED, G_TYPE_BOOLEAN, paused, NULL));
}

static void
set_paused (GstDreamverseSrc *src, const gchar *id, gboolean paused)
{
  gboolean changed;

  g_mutex_lock (&src->lock);
  changed = src->steering.paused != paused;
  src->steering.paused = paused;
  gst_dreamverse_src_wake (src);
  g_mutex_unlock (&src->lock);
  if (changed)
    g_object_notify (G_OBJECT (src), "paused");
  post_paused (src, id, paused);
}

static gboolean
append_prompt (GstDreamverseSrc *src, const gchar *id, const gchar *prompt,
    const gchar *prompt_id)
{
  gchar *problem = gst_dreamverse_steering_check_prompt (prompt);
  guint depth = 0;

  if (!problem && prompt_id && strlen (prompt_id) > GST_DREAMVERSE_MAX_ID_BYTES)
    problem = g_strdup_printf (
        "The prompt's id has more than %d bytes", GST_DREAMVERSE_MAX_ID_BYTES);
  if (!problem) {
    g_mutex_lock (&src->lock);
    problem =
        gst_dreamverse_steering_append (&src->steering, prompt, prompt_id);
    depth = gst_dreamverse_steering_depth (&src->steering);
    g_mutex_unlock (&src->lock);
  }
  if (problem) {
    GST_WARNING_OBJECT (src, "prompt refused: %s", problem);
    gst_dreamverse_src_post (
        src, gst_structure_new (GST_DREAMVERSE_MESSAGE_PROMPT_REFUSED,
                 GST_DREAMVERSE_FIELD_ID, G_TYPE_STRING, id,
                 GST_DREAMVERSE_FIELD_MESSAGE, G_TYPE_STRING, problem, NULL));
    g_free (problem);
    return FALSE;
  }
  gst_dreamverse_src_post (
      src, gst_structure_new (GST_DREAMVERSE_MESSAGE_PROMPT_RECEIVED,
               GST_DREAMVERSE_FIELD_ID, G_TYPE_STRING, id,
               GST_DREAMVERSE_FIELD_PROMPT, G_TYPE_STRING, prompt ? prompt : "",
               GST_DREAMVERSE_FIELD_PROMPT_ID, G_TYPE_STRING,
               prompt_id ? prompt_id : "", GST_DREAMVERSE_FIELD_QUEUE_DEPTH,
               G_TYPE_UINT, depth, NULL));
  return TRUE;
}

static void
request_reset (GstDreamverseSrc *src, const gchar *id)
{
  g_mutex_lock (&src->lock);
  gst_dreamverse_steering_reset (&src->steering, id);
  if (src->run)
    g_atomic_int_set (&src->run->abort_step, 1);
  else /* what starts is new anyway */
    gst_dreamverse_steering_rewind (&src->steering);
  gst_dreamverse_src_wake (src);
  g_mutex_unlock (&src->lock);
}

gboolean
gst_dreamverse_src_control (
    GstDreamverseSrc *src, const GstStructure *structure)
{
  const gchar *command, *id;
  gboolean fresh;

  if (!structure ||
      !gst_structure_has_name (structure, GST_DREAMVERSE_EVENT_CONTROL))
    return FALSE;
  command = gst_structure_get_string (structure, GST_DREAMVERSE_FIELD_COMMAND);
  id = gst_structure_get_string (structure, GST_DREAMVERSE_FIELD_ID);
  if (!command || !id || !*id || strlen (id) > GST_DREAMVERSE_MAX_ID_BYTES) {
    GST_WARNING_OBJECT (src, "a command without name, or with an id that is "
                             "missing or too long, is ignored");
    return FALSE;
  }
  g_mutex_lock (&src->lock);
  fresh = gst_dreamverse_steering_take_id (&src->steering, id);
  g_mutex_unlock (&src->lock);
  if (!fresh)
    return TRUE;
  GST_INFO_OBJECT (src, "command %s, id %s", command, id);
  if (strcmp (command, GST_DREAMVERSE_COMMAND_PROMPT) == 0)
    append_prompt (src, id,
        gst_structure_get_string (structure, GST_DREAMVERSE_FIELD_PROMPT),
        gst_structure_get_string (structure, GST_DREAMVERSE_FIELD_PROMPT_ID));
  else if (strcmp (command, GST_DREAMVERSE_COMMAND_PAUSE) == 0)
    set_paused (src, id, TRUE);
  else if (strcmp (command, GST_DREAMVERSE_COMMAND_RESUME) == 0)
    set_paused (src, id, FALSE);
  else if (strcmp (command, GST_DREAMVERSE_COMMAND_RESET) == 0)
    request_reset (src, id);
  else {
    GST_WARNING_OBJECT (src, "there is no command \"%s\"", command);
    return FALSE;
  }
  return TRUE;
}

static gboolean
gst_dreamverse_src_append_prompt (
    GstDreamverseSrc *src, const gchar *prompt, const gchar *prompt_id)
{
  return append_prompt (src, "", prompt, prompt_id);
}

static void
gst_dreamverse_src_reset (GstDreamverseSrc *src)
{
  request_reset (src, "");
}

static void
gst_dreamverse_src_pause (GstDreamverseSrc *src)
{
  set_paused (src, "", TRUE);
}

static void
gst_dreamverse_src_resume (GstDreamverseSrc *src)
{
  set_paused (src, "", FALSE);
}

/* need-prompt: the first handler that returns a prompt ends the emission. */
static gboolean
first_prompt (GSignalInvocationHint *hint, GValue *result,
    const GValue *returned, gpointer data)
{
  const gchar *prompt = g_value_get_string (returned);

  if (!prompt)
    return TRUE;
  g_value_set_string (result, prompt);
  return FALSE;
}

/* ---- events of the application ---- */

static gboolean
request_eos (GstDreamverseSrc *src)
{
  gboolean running;

  g_mutex_lock (&src->lock);
  running = src->run != NULL;
  if (running) {
    GST_INFO_OBJECT (src, "end of stream asked for");
    src->run->eos = src->run->draining = TRUE;
    g_atomic_int_set (&src->run->abort_step, 1);
    gst_dreamverse_src_wake (src);
  }
  g_mutex_unlock (&src->lock);
  return running;
}

static gboolean
gst_dreamverse_src_send_event (GstElement *element, GstEvent *event)
{
  GstDreamverseSrc *src = GST_DREAMVERSE_SRC (element);
  gboolean taken = FALSE, reset_time, running;
  guint i;

  g_mutex_lock (&src->lock);
  running = src->run != NULL;
  g_mutex_unlock (&src->lock);
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_EOS:
      taken = request_eos (src);
      break;
    case GST_EVENT_FLUSH_START:
      taken = running && gst_dreamverse_src_flush_start (src);
      break;
    case GST_EVENT_FLUSH_STOP:
      gst_event_parse_flush_stop (event, &reset_time);
      taken = running && gst_dreamverse_src_flush_stop (src, reset_time);
      break;
    case GST_EVENT_CUSTOM_UPSTREAM:
      taken = gst_dreamverse_src_control (src, gst_event_get_structure (event));
      break;
    case GST_EVENT_CUSTOM_DOWNSTREAM:
    case GST_EVENT_CUSTOM_DOWNSTREAM_STICKY:
    case GST_EVENT_TAG:
      /* In its place among the data, on both pads. */
      g_mutex_lock (&src->lock);
      for (i = 0; src->run && i < GST_DREAMVERSE_N_LANES; i++)
        gst_dreamverse_queue_push (&src->run->queue, i, gst_event_ref (event));
      taken = src->run != NULL;
      gst_dreamverse_src_wake (src);
      g_mutex_unlock (&src->lock);
      break;
    case GST_EVENT_CUSTOM_DOWNSTREAM_OOB:
      for (i = 0; i < GST_DREAMVERSE_N_LANES; i++)
        taken |= gst_pad_push_event (src->lane[i].pad, gst_event_ref (event));
      break;
    case GST_EVENT_LATENCY:
    case GST_EVENT_RECONFIGURE:
    case GST_EVENT_QOS:
      taken = TRUE;
      break;
    default: /* seeks above all */
      break;
  }
  gst_event_unref (event);
  return taken;
}

/* ---- states ---- */

static void
start (GstDreamverseSrc *src)
{
  GstDreamverseWorkerArgs *args = g_new0 (GstDreamverseWorkerArgs, 1);
  GstDreamverseRun *run;

  g_mutex_lock (&src->lock);
  run = src->run = run_new (&src->settings);
  gst_dreamverse_steering_rewind (&src->steering);
  gst_dreamverse_stats_reset (&src->stats);
  gst_flow_combiner_reset (src->flow);
  src->slip = 0;
  src->origin = 0;
  src->paused_time = 0;
  g_mutex_unlock (&src->lock);
  args->src = gst_object_ref (src);
  args->run = gst_dreamverse_run_ref (run);
  src->thread =
      g_thread_new ("dreamverse-gen", gst_dreamverse_src_worker, args);
}

/* Asks everything to stop; waits for nothing. */
static void
cancel (GstDreamverseSrc *src)
{
  guint i;

  g_mutex_lock (&src->lock);
  if (src->run)
    g_atomic_int_set (&src->run->cancelled, 1);
  for (i = 0; i < GST_DREAMVERSE_N_LANES; i++)
    src->lane[i].flushing = TRUE;
  gst_dreamverse_src_wake (src);
  g_mutex_unlock (&src->lock);
}

/* The pads are inactive. Gives the generation thread a moment to end; one that
 * is in the middle of something long keeps what it needs and ends later. */
static void
stop (GstDreamverseSrc *src)
{
  gint64 deadline = g_get_monotonic_time () + STOP_TIMEOUT;
  gboolean own = src->thread == g_thread_self ();
  GstDreamverseRun *run;
  gboolean finished;

  g_mutex_lock (&src->lock);
  run = src->run;
  while (!own && !run->finished &&
         g_cond_wait_until (&src->cond, &src->lock, deadline))
    ;
  finished = run->finished;
  src->run = NULL;
  gst_dreamverse_queue_drop (&run->queue);
  g_mutex_unlock (&src->lock);
  gst_dreamverse_src_end_progress (src, run, GST_PROGRESS_TYPE_CANCELED, NULL);
  if (finished)
    g_thread_join (src->thread);
  else {
    GST_INFO_OBJECT (src, "the running step ends by itself");
    g_thread_unref (src->thread);
  }
  src->thread = NULL;
  gst_dreamverse_run_unref (run);
}

static GstStateChangeReturn
gst_dreamverse_src_change_state (GstElement *element, GstStateChange transition)
{
  GstDreamverseSrc *src = GST_DREAMVERSE_SRC (element);
  GstStateChangeReturn ret;
  gboolean live;

  switch (transition) {
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      start (src);
      break;
    case GST_STATE_CHANGE_PAUSED_TO_PLAYING:
      gst_dreamverse_src_set_playing (src, TRUE);
      break;
    case GST_STATE_CHANGE_PLAYING_TO_PAUSED:
      gst_dreamverse_src_set_playing (src, FALSE);
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      cancel (src);
      break;
    default:
      break;
  }
  ret = GST_ELEMENT_CLASS (gst_dreamverse_src_parent_class)
            ->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY ||
      (transition == GST_STATE_CHANGE_READY_TO_PAUSED &&
          ret == GST_STATE_CHANGE_FAILURE)) {
    cancel (src);
    if (src->run)
      stop (src);
  }
  g_mutex_lock (&src->lock);
  live = src->settings.is_live;
  g_mutex_unlock (&src->lock);
  if (live && ret != GST_STATE_CHANGE_FAILURE &&
      (transition == GST_STATE_CHANGE_READY_TO_PAUSED ||
          transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED))
    ret = GST_STATE_CHANGE_NO_PREROLL;
  return ret;
}

/* ---- properties ---- */

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
  if (id == PROP_PAUSED) {
    gboolean changed;

    g_mutex_lock (&src->lock);
    changed = src->steering.paused != g_value_get_boolean (value);
    src->steering.paused = g_value_get_boolean (value);
    gst_dreamverse_src_wake (src);
    g_mutex_unlock (&src->lock);
    if (changed)
      post_paused (src, "", g_value_get_boolean (value));
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
    case PROP_PROMPTS:
      gst_dreamverse_steering_set_list (
          &src->steering, list_from_value (value));
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
    case PROP_PACE:
      src->pace = g_value_get_double (value);
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

/* ---- object ---- */

static void
gst_dreamverse_src_init (GstDreamverseSrc *src)
{
  g_mutex_init (&src->lock);
  g_cond_init (&src->cond);
  gst_dreamverse_steering_init (&src->steering);
  src->settings.model = g_strdup (DEFAULT_MODEL);
  src->settings.device = g_strdup (DEFAULT_DEVICE);
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
  src->flow = gst_flow_combiner_new ();
  gst_dreamverse_src_add_pad (
      src, GST_DREAMVERSE_LANE_VIDEO, &gst_dreamverse_src_video_template);
  gst_dreamverse_src_add_pad (
      src, GST_DREAMVERSE_LANE_AUDIO, &gst_dreamverse_src_audio_template);
  GST_OBJECT_FLAG_SET (src, GST_ELEMENT_FLAG_SOURCE);
}

static void
gst_dreamverse_src_finalize (GObject *object)
{
  GstDreamverseSrc *src = GST_DREAMVERSE_SRC (object);
  guint i;

  for (i = 0; i < GST_DREAMVERSE_N_LANES; i++)
    gst_caps_replace (&src->lane[i].caps, NULL);
  gst_flow_combiner_free (src->flow);
  gst_clear_object (&src->clock);
  gst_dreamverse_steering_clear (&src->steering);
  settings_clear (&src->settings);
  g_cond_clear (&src->cond);
  g_mutex_clear (&src->lock);
  G_OBJECT_CLASS (gst_dreamverse_src_parent_class)->finalize (object);
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
          "Path of the model, or \"procedural\" for drawings that need no "
          "weights.",
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
          "File of a picture that the first segment of a stream starts from.",
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
          "Segments, frames, samples and bytes so far, and the timings in "
          "milliseconds of the last 16 segments.",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

static void
install_signals (GstDreamverseSrcClass *klass)
{
  GType type = G_TYPE_FROM_CLASS (klass);
  GSignalFlags action = G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION;

  /**
   * GstDreamverseSrc::need-prompt:
   * @src: the source
   * @epoch: counts resets, from 1
   * @index: the segment's number within the epoch, from 1
   *
   * Emitted on the generation thread before each segment for which no prompt
   * was appended. The first handler that returns a prompt decides this
   * segment's. A handler may instead set properties, append prompts or return
   * %NULL to leave it to them. Generation waits for the handler; what was
   * generated is sent meanwhile.
   *
   * Returns: (nullable) (transfer full): the prompt
   */
  signals[SIGNAL_NEED_PROMPT] =
      g_signal_new ("need-prompt", type, G_SIGNAL_RUN_LAST, 0, first_prompt,
          NULL, NULL, G_TYPE_STRING, 2, G_TYPE_UINT, G_TYPE_UINT);
  /**
   * GstDreamverseSrc::append-prompt:
   * @src: the source
   * @prompt: what is shown, in words
   * @id: (nullable): what the caller calls the prompt
   *
   * Queues a prompt for the next segment that has none. Without a list of
   * prompts it stays in force until the next one or a reset.
   *
   * Returns: %FALSE if it was refused; a message says why
   */
  signals[SIGNAL_APPEND_PROMPT] = g_signal_new_class_handler ("append-prompt",
      type, action, G_CALLBACK (gst_dreamverse_src_append_prompt), NULL, NULL,
      NULL, G_TYPE_BOOLEAN, 2, G_TYPE_STRING, G_TYPE_STRING);
  /**
   * GstDreamverseSrc::reset:
   * @src: the source
   *
   * Gives up the running segment, forgets appended prompts and what the scene
   * was, and starts with the first prompt again.
   */
  signals[SIGNAL_RESET] = g_signal_new_class_handler ("reset", type, action,
      G_CALLBACK (gst_dreamverse_src_reset), NULL, NULL, NULL, G_TYPE_NONE, 0);
  /**
   * GstDreamverseSrc::pause:
   * @src: the source
   *
   * Holds generation before the next segment.
   */
  signals[SIGNAL_PAUSE] = g_signal_new_class_handler ("pause", type, action,
      G_CALLBACK (gst_dreamverse_src_pause), NULL, NULL, NULL, G_TYPE_NONE, 0);
  /**
   * GstDreamverseSrc::resume:
   * @src: the source
   *
   * Lets generation go on.
   */
  signals[SIGNAL_RESUME] = g_signal_new_class_handler ("resume", type, action,
      G_CALLBACK (gst_dreamverse_src_resume), NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
gst_dreamverse_src_class_init (GstDreamverseSrcClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (
      gst_dreamverse_src_debug, "dreamversesrc", 0, "dreamverse source");
  object_class->set_property = gst_dreamverse_src_set_property;
  object_class->get_property = gst_dreamverse_src_get_property;
  object_class->finalize = gst_dreamverse_src_finalize;
  element_class->change_state = gst_dreamverse_src_change_state;
  element_class->send_event = gst_dreamverse_src_send_event;

  install_model_properties (object_class);
  install_steering_properties (object_class);
  install_media_properties (object_class);
  install_flow_properties (object_class);
  install_signals (klass);
  gst_element_class_add_static_pad_template (
      element_class, &gst_dreamverse_src_video_template);
  gst_element_class_add_static_pad_template (
      element_class, &gst_dreamverse_src_audio_template);
  gst_element_class_set_static_metadata (element_class, "Dreamverse source",
      "Source/Audio/Video",
      "Generates an endless, steerable stream of pictures and sound from "
      "prompts",
      "gst-dreamverse");
}
