/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How far ahead of the clock the source may be.
 *
 * Threads: pad tasks and the generation thread wait here, each in a place of
 * its own; gst_dreamverse_src_wake() ends every wait.
 */
#include "gstdreamversesrcprivate.h"

#define GST_CAT_DEFAULT gst_dreamverse_src_debug

void
gst_dreamverse_src_wait (GstDreamverseSrc *src)
{
  g_cond_wait_until (&src->cond, &src->lock,
      g_get_monotonic_time () + GST_DREAMVERSE_WAIT_BOUND);
}

GstClockTime
gst_dreamverse_src_running_time (GstDreamverseSrc *src)
{
  GstClockTime now;

  if (!src->playing)
    return src->paused_time;
  if (!src->clock)
    return GST_CLOCK_TIME_NONE;
  now = gst_clock_get_time (src->clock);
  return now > src->base_time ? now - src->base_time : 0;
}

void
gst_dreamverse_src_set_playing (GstDreamverseSrc *src, gboolean playing)
{
  GstClock *clock = playing ? gst_element_get_clock (GST_ELEMENT (src)) : NULL;
  GstClockTime base_time = gst_element_get_base_time (GST_ELEMENT (src));
  GstClock *old;

  g_mutex_lock (&src->lock);
  if (!playing && src->playing) {
    GstClockTime time = gst_dreamverse_src_running_time (src);

    src->paused_time = GST_CLOCK_TIME_IS_VALID (time) ? time : 0;
  }
  old = src->clock;
  src->playing = playing;
  src->clock = clock;
  src->base_time = base_time;
  gst_dreamverse_src_wake (src);
  g_mutex_unlock (&src->lock);
  gst_clear_object (&old);
}

gboolean
gst_dreamverse_src_within_lead (GstDreamverseSrc *src, GstDreamverseWait wait,
    GstClockTime time, GstClockTime lead)
{
  GstClockTime now = gst_dreamverse_src_running_time (src);
  GstClockTimeDiff ahead;
  GstClockID id;

  /* A lead of centuries is none; it would also overflow below. */
  if (lead > G_MAXINT64 / 2 || !GST_CLOCK_TIME_IS_VALID (now))
    return TRUE;
  ahead = GST_CLOCK_DIFF (now, time) - GST_CLOCK_DIFF (0, src->origin) +
          src->slip - (GstClockTimeDiff)lead;
  if (ahead <= 0)
    return TRUE;
  if (!src->playing) {
    gst_dreamverse_src_wait (src);
    return FALSE;
  }
  id = gst_clock_new_single_shot_id (src->clock, src->base_time + now + ahead);
  src->wait[wait] = id;
  g_mutex_unlock (&src->lock);
  gst_clock_id_wait (id, NULL);
  g_mutex_lock (&src->lock);
  src->wait[wait] = NULL;
  gst_clock_id_unref (id);
  return FALSE;
}
