/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Opening the model of dreamversesrc: what the properties say of it, progress,
 * and what is told when it fails.
 *
 * Threads: the generation thread, but for gst_dreamverse_src_end_opening().
 */
#include "gstdreamverse.h"
#include "gstdreamversesrcworker.h"

#include <stdlib.h>
#include <string.h>

#define GST_CAT_DEFAULT gst_dreamverse_src_debug

#define OPEN_CODE "open" /* of the progress messages */

/* ---- progress ---- */

/* Opening is the only progress in GStreamer's sense: whoever sees one begin,
 * gst-launch for one, waits for its end before it plays, and a step may take
 * longer than anybody should wait. Steps have element messages. */
static void
start_opening (GstDreamverseWorker *w)
{
  gboolean go;

  g_mutex_lock (&w->src->lock);
  go = !g_atomic_int_get (&w->run->cancelled);
  w->run->opening = go;
  g_mutex_unlock (&w->src->lock);
  if (go)
    gst_element_post_message (GST_ELEMENT (w->src),
        gst_message_new_progress (GST_OBJECT (w->src), GST_PROGRESS_TYPE_START,
            OPEN_CODE, "Opening the model"));
}

static gboolean
take_opening (GstDreamverseSrc *src, GstDreamverseRun *run)
{
  gboolean opening;

  g_mutex_lock (&src->lock);
  opening = run->opening;
  run->opening = FALSE;
  g_mutex_unlock (&src->lock);
  return opening;
}

void
gst_dreamverse_src_end_opening (GstDreamverseSrc *src, GstDreamverseRun *run,
    GstProgressType type, const gchar *text)
{
  if (take_opening (src, run))
    gst_element_post_message (GST_ELEMENT (src),
        gst_message_new_progress (GST_OBJECT (src), type, OPEN_CODE, text));
}

/* A PROGRESS message with a field more than its kind has. */
static void
post_progress (GstDreamverseSrc *src, GstProgressType type, const gchar *text,
    gdouble fraction, const DvModelInfo *info)
{
  GstMessage *message =
      gst_message_new_progress (GST_OBJECT (src), type, OPEN_CODE, text);
  GstStructure *s = gst_message_writable_structure (message);

  gst_structure_set (
      s, GST_DREAMVERSE_FIELD_FRACTION, G_TYPE_DOUBLE, fraction, NULL);
  if (info)
    gst_dreamverse_structure_set_model (s, info);
  gst_element_post_message (GST_ELEMENT (src), message);
}

static void
report_load (void *user, uint64_t done, uint64_t total)
{
  GstDreamverseWorker *w = user;
  guint percent = total ? (guint)(done * 100.0 / total) : 0;
  gchar *text;

  if (total == 0 || percent <= w->loaded ||
      g_atomic_int_get (&w->run->cancelled))
    return;
  w->loaded = percent;
  text = g_strdup_printf ("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                          " bytes loaded",
      (guint64)done, (guint64)total);
  post_progress (w->src, GST_PROGRESS_TYPE_CONTINUE, text,
      (gdouble)done / (gdouble)total, NULL);
  g_free (text);
}

static void
say (void *user, const char *sentence)
{
  GstDreamverseWorker *w = user;

  GST_INFO_OBJECT (w->src, "%s", sentence);
}

/* A large model takes minutes: whoever stops does not wait for it. */
static bool
opening_is_over (void *user)
{
  GstDreamverseWorker *w = user;
  bool over;

  g_mutex_lock (&w->src->lock);
  over = g_atomic_int_get (&w->run->cancelled) || w->run->failed || w->run->eos;
  g_mutex_unlock (&w->src->lock);
  return over;
}

/* ---- failing ---- */

static void
post_open_error (GstDreamverseSrc *src, const DvError *error)
{
  const gchar *stage = error->stage;

  switch (error->code) {
    case DV_ERROR_NOT_FOUND:
      GST_ELEMENT_ERROR (
          src, RESOURCE, NOT_FOUND, ("%s", error->detail), ("stage %s", stage));
      break;
    case DV_ERROR_FORMAT:
      GST_ELEMENT_ERROR (
          src, RESOURCE, READ, ("%s", error->detail), ("stage %s", stage));
      break;
    case DV_ERROR_MEMORY:
      GST_ELEMENT_ERROR (src, RESOURCE, NO_SPACE_LEFT, ("%s", error->detail),
          ("stage %s", stage));
      break;
    default:
      GST_ELEMENT_ERROR (
          src, LIBRARY, INIT, ("%s", error->detail), ("stage %s", stage));
      break;
  }
}

/* The end that was asked for while the model was opened is no failure. */
static gboolean
fail_open (GstDreamverseWorker *w, const DvError *error)
{
  GstDreamverseSrc *src = w->src;

  gst_dreamverse_src_end_opening (src, w->run,
      error->code == DV_CANCELLED ? GST_PROGRESS_TYPE_CANCELED
                                  : GST_PROGRESS_TYPE_ERROR,
      error->detail);
  if (gst_dreamverse_src_fail (src, w->run) && error->code != DV_CANCELLED)
    post_open_error (src, error);
  return FALSE;
}

/* ---- what the properties say ---- */

/* The frame rate comes with the caps, the sample rate with the model: others
 * stand in for them in this check. */
static DvStatus
check_segments (GstDreamverseRun *run, DvError *error)
{
  run->spec.frames = run->settings.frames;
  run->spec.overlap = run->settings.overlap;
  run->spec.audio_overlap = run->settings.audio_overlap;
  run->spec.rate = run->spec.fps_n = run->spec.fps_d = 1;
  return dv_segment_check (&run->spec, error);
}

/* @loras becomes a DvLoraSpec for each string. */
static DvStatus
read_loras (gchar **strings, GArray *loras, DvError *error)
{
  DvStatus status = DV_OK;

  for (; strings && *strings && status == DV_OK; strings++) {
    DvLoraSpec lora;

    status = dv_lora_parse (*strings, &lora, error);
    if (status == DV_OK)
      g_array_append_val (loras, lora);
  }
  return status;
}

static void
lora_clear (gpointer lora)
{
  free ((char *)((DvLoraSpec *)lora)->path);
}

/* ---- the model of an earlier run ---- */

static gboolean
same_loras (gchar **a, gchar **b)
{
  static gchar *none[] = {NULL};

  return g_strv_equal ((const gchar *const *)(a ? a : none),
      (const gchar *const *)(b ? b : none));
}

/* Whether these settings would open what is kept. */
static gboolean
is_kept (const GstDreamverseKept *kept, const GstDreamverseSettings *settings,
    const DvModelSpec *spec)
{
  return kept->model && kept->width == spec->width &&
         kept->height == spec->height &&
         kept->settings.frames == settings->frames &&
         kept->settings.threads == settings->threads &&
         kept->settings.memory_budget == settings->memory_budget &&
         g_strcmp0 (kept->settings.model, settings->model) == 0 &&
         g_strcmp0 (kept->settings.device, settings->device) == 0 &&
         g_strcmp0 (kept->settings.dtype, settings->dtype) == 0 &&
         same_loras (kept->settings.loras, settings->loras);
}

/* What is kept of another model goes before the next is opened: there may be
 * no room for both. */
static DvModel *
take_kept (GstDreamverseSrc *src, const GstDreamverseSettings *settings,
    const DvModelSpec *spec)
{
  DvModel *model = NULL;

  g_mutex_lock (&src->lock);
  if (is_kept (&src->kept, settings, spec))
    model = dv_model_ref (src->kept.model);
  g_mutex_unlock (&src->lock);
  if (!model)
    gst_dreamverse_src_forget_model (src);
  return model;
}

static void
keep (GstDreamverseWorker *w, DvModel *model, const DvModelSpec *spec)
{
  GstDreamverseSrc *src = w->src;

  g_mutex_lock (&src->lock);
  /* One whose run is over would be kept by an element in NULL. */
  if (!src->kept.model && src->run == w->run) {
    src->kept.model = dv_model_ref (model);
    src->kept.width = spec->width;
    src->kept.height = spec->height;
    gst_dreamverse_settings_copy (&src->kept.settings, &w->run->settings);
  }
  g_mutex_unlock (&src->lock);
}

void
gst_dreamverse_src_forget_model (GstDreamverseSrc *src)
{
  GstDreamverseKept kept;

  g_mutex_lock (&src->lock);
  kept = src->kept;
  memset (&src->kept, 0, sizeof src->kept);
  g_mutex_unlock (&src->lock);
  g_clear_pointer (&kept.model, dv_model_unref);
  gst_dreamverse_settings_clear (&kept.settings);
}

/* A step that was left behind ends first: the next would need its memory. */
static gboolean
wait_alone (GstDreamverseWorker *w)
{
  GstDreamverseSrc *src = w->src;

  g_mutex_lock (&src->lock);
  while (src->generating && !g_atomic_int_get (&w->run->cancelled))
    gst_dreamverse_src_wait (src);
  w->alone = !src->generating;
  src->generating |= w->alone;
  g_mutex_unlock (&src->lock);
  return w->alone;
}

static DvModel *
open_model (GstDreamverseWorker *w, DvError *error)
{
  const GstDreamverseSettings *settings = &w->run->settings;
  GArray *loras = g_array_new (FALSE, FALSE, sizeof (DvLoraSpec));
  DvModelSpec spec = {.model = settings->model,
      .device = settings->device,
      .dtype = settings->dtype,
      .memory_budget = settings->memory_budget,
      .progress = report_load,
      .say = say,
      .cancelled = opening_is_over,
      .user = w,
      .frames = settings->frames,
      .threads = settings->threads,
      .prompts = true};
  DvModel *model = NULL;

  g_array_set_clear_func (loras, lora_clear);
  gst_dreamverse_src_likely_size (w->src, w->run, &spec.width, &spec.height);
  if (check_segments (w->run, error) == DV_OK &&
      dv_steps_parse (settings->steps, &w->steps, error) == DV_OK &&
      read_loras (settings->loras, loras, error) == DV_OK) {
    spec.loras = (const DvLoraSpec *)loras->data;
    spec.n_loras = loras->len;
    model = take_kept (w->src, settings, &spec);
    if (!model)
      model = dv_model_open (&spec, error);
    if (model)
      keep (w, model, &spec);
  }
  g_array_unref (loras);
  return model;
}

/* ---- opening ---- */

gboolean
gst_dreamverse_worker_open (GstDreamverseWorker *w)
{
  GstDreamverseRun *run = w->run;
  DvError error = {0};
  DvModel *model;

  if (!wait_alone (w))
    return FALSE;
  start_opening (w);
  model = open_model (w, &error);
  if (!model)
    return fail_open (w, &error);
  run->info = dv_model_info (model);
  run->spec.rate = run->info->sample_rate;
  w->session = dv_session_new (model, &error);
  if (!w->session) {
    dv_model_unref (model);
    run->info = NULL;
    return fail_open (w, &error);
  }
  GST_INFO_OBJECT (
      w->src, "model \"%s\" on %s is open", run->info->name, run->info->device);
  if (take_opening (w->src, run))
    post_progress (w->src, GST_PROGRESS_TYPE_COMPLETE, "The model is open", 1.0,
        run->info);
  g_mutex_lock (&w->src->lock);
  run->model = model;
  run->opened = TRUE;
  gst_dreamverse_src_wake (w->src);
  g_mutex_unlock (&w->src->lock);
  return TRUE;
}
