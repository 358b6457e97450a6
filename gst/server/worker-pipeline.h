/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A worker's pipeline: dreamversesrc, encoders, dreamversemux and
 * soupwebsocketsink.  The source stays, with its model open; all the rest is
 * made anew for each run, so that nothing of one is left in the next.
 *
 * Threads: the main thread alone; a run is taken down by a thread of its own,
 * since an encoder may take its time.
 */
#ifndef DVS_WORKER_PIPELINE_H
#define DVS_WORKER_PIPELINE_H

#include <gio/gio.h>
#include <json-glib/json-glib.h>

typedef struct DvsPipeline DvsPipeline;

/* From the main loop. */
typedef struct {
  void (*loading) (gpointer user, gdouble fraction);
  void (*opened) (gpointer user, const gchar *model, gboolean procedural);
  /* See dvs_pipeline_generate(), _end() and _reset(). @resets of this run. */
  void (*need_prompt) (gpointer user, guint epoch, guint index, guint resets);
  void (*step) (gpointer user, gboolean running);
  /* The run is over and taken down. @error NULL: at its end, or stopped.
   * @broken: the model itself has failed. */
  void (*over) (gpointer user, const gchar *error, gboolean broken);
} DvsPipelineEvents;

/* @setup is what setup.h says. */
DvsPipeline *dvs_pipeline_new (JsonObject *setup,
    const DvsPipelineEvents *events, gpointer user, GError **error);
/* While no run is on. */
void dvs_pipeline_free (DvsPipeline *pipeline);

/* Starts a run. @link: a socket, taken, on which the sink is to speak; -1: what
 * is made goes nowhere. @start_image may be NULL. */
gboolean dvs_pipeline_start (DvsPipeline *pipeline, guint segments,
    const gchar *start_image, int link, GError **error);
/* Until over() has been told. */
gboolean dvs_pipeline_is_running (const DvsPipeline *pipeline);
/* Answer what need_prompt() asked; other answers are ignored. */
void dvs_pipeline_generate (
    DvsPipeline *pipeline, guint epoch, guint index, const gchar *prompt);
/* What the next answer will probably be. */
void dvs_pipeline_prepare (DvsPipeline *pipeline, const gchar *prompt);
void dvs_pipeline_end (DvsPipeline *pipeline, guint epoch, guint index);
/* A new epoch. */
void dvs_pipeline_reset (DvsPipeline *pipeline);
/* Gives the run up. */
void dvs_pipeline_stop (DvsPipeline *pipeline);

#endif
