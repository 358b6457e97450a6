/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The prompt of the next segment, prepared while this one is made, as soon as
 * it can be told. That it becomes another, or cannot be prepared, is no harm:
 * the step then does the work itself, and says why if that fails.
 *
 * Threads: one of its own, from the generation thread's first wait to its last;
 * it never outlives the session.
 */
#include "gstdreamversesrcworker.h"

#define GST_CAT_DEFAULT gst_dreamverse_src_debug

static bool
is_over (void *user)
{
  GstDreamverseWorker *w = user;

  return g_atomic_int_get (&w->ahead_over) ||
         g_atomic_int_get (&w->run->cancelled);
}

/* The prompt that will be wanted next, once it is another than @last; NULL:
 * nothing will be. */
static gchar *
wait_prompt (GstDreamverseWorker *w, const gchar *last)
{
  GstDreamverseSrc *src = w->src;
  gchar *prompt = NULL;
  const gchar *next;

  g_mutex_lock (&src->lock);
  while (!prompt && !is_over (w)) {
    next = gst_dreamverse_steering_peek (&src->steering, src->loop);
    if (next && g_strcmp0 (next, last) != 0)
      prompt = g_strdup (next);
    else
      gst_dreamverse_src_wait (src);
  }
  g_mutex_unlock (&src->lock);
  return prompt;
}

static gpointer
look_ahead (gpointer data)
{
  GstDreamverseWorker *w = data;
  gchar *last = NULL, *prompt;

  while ((prompt = wait_prompt (w, last))) {
    DvError error = {0};

    if (dv_session_prepare (w->session, prompt, is_over, w, &error) != DV_OK &&
        !is_over (w))
      GST_INFO_OBJECT (
          w->src, "the next prompt is not prepared: %s", error.detail);
    g_free (last);
    last = prompt;
  }
  g_free (last);
  return NULL;
}

void
gst_dreamverse_worker_look_ahead (GstDreamverseWorker *w)
{
  if (w->run->info->prepares)
    w->ahead = g_thread_new ("dreamverse-ahead", look_ahead, w);
}

void
gst_dreamverse_worker_stop_ahead (GstDreamverseWorker *w)
{
  if (!w->ahead)
    return;
  g_mutex_lock (&w->src->lock);
  g_atomic_int_set (&w->ahead_over, 1);
  g_cond_broadcast (&w->src->cond);
  g_mutex_unlock (&w->src->lock);
  g_thread_join (g_steal_pointer (&w->ahead));
}
