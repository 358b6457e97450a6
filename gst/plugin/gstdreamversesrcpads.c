/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The two pads: each has a task that takes from its lane of the queue and
 * pushes, with its own pace, so that neither waits for the other.
 *
 * Threads: the loop runs on the pad's task; queries and events come from
 * anywhere downstream.
 */
#include "gstdreamverse.h"
#include "gstdreamversesrcprivate.h"

#define GST_CAT_DEFAULT gst_dreamverse_src_debug

GstStaticPadTemplate gst_dreamverse_src_video_template =
    GST_STATIC_PAD_TEMPLATE ("video", GST_PAD_SRC, GST_PAD_ALWAYS,
        GST_STATIC_CAPS ("video/x-raw, format = (string) I420, "
                         "width = (int) [ 1, MAX ], height = (int) [ 1, MAX ], "
                         "framerate = (fraction) [ 0/1, MAX ], "
                         "pixel-aspect-ratio = (fraction) 1/1, "
                         "interlace-mode = (string) progressive"));

GstStaticPadTemplate gst_dreamverse_src_audio_template =
    GST_STATIC_PAD_TEMPLATE ("audio", GST_PAD_SRC, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (
            "audio/x-raw, "
            "format = (string) { " GST_AUDIO_NE (F32) ", " GST_AUDIO_NE (
                S16) " }, "
                     "layout = (string) interleaved, "
                     "rate = (int) [ 1, MAX ], channels = (int) [ 1, 8 ]"));

static GstDreamverseLane
lane_of (GstDreamverseSrc *src, GstPad *pad)
{
  return pad == src->lane[GST_DREAMVERSE_LANE_VIDEO].pad
             ? GST_DREAMVERSE_LANE_VIDEO
             : GST_DREAMVERSE_LANE_AUDIO;
}

/* ---- before the first buffer ---- */

/* FALSE: flushing. */
static gboolean
wait_opened (GstDreamverseSrc *src, GstDreamverseSrcLane *lane)
{
  GstDreamverseRun *run = src->run;
  gboolean go;

  g_mutex_lock (&src->lock);
  while (!lane->flushing && !run->opened && !run->failed)
    gst_dreamverse_src_wait (src);
  go = !lane->flushing;
  g_mutex_unlock (&src->lock);
  return go;
}

static void
push_stream_start (GstDreamverseSrc *src, GstDreamverseSrcLane *lane)
{
  gchar *id = gst_pad_create_stream_id (
      lane->pad, GST_ELEMENT (src), GST_PAD_NAME (lane->pad));
  GstEvent *event = gst_event_new_stream_start (id);

  gst_event_set_group_id (event, src->run->group_id);
  gst_pad_push_event (lane->pad, event);
  g_free (id);
}

static void
push_segment (GstDreamverseSrc *src, GstDreamverseSrcLane *lane)
{
  GstSegment segment;
  GstEvent *event;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  g_mutex_lock (&src->lock);
  segment.start = segment.time = src->origin;
  g_mutex_unlock (&src->lock);
  event = gst_event_new_segment (&segment);
  /* Both pads say the same segment. */
  gst_event_set_seqnum (event, src->run->group_id);
  gst_pad_push_event (lane->pad, event);
}

/* FALSE: flushing. A failure was posted; the lane holds its end then. */
static gboolean
prepare (GstDreamverseSrc *src, GstDreamverseLane which)
{
  GstDreamverseSrcLane *lane = &src->lane[which];

  if (lane->need_start) {
    push_stream_start (src, lane);
    lane->need_start = FALSE;
  }
  if (lane->need_caps) {
    if (!wait_opened (src, lane))
      return FALSE;
    if (src->run->opened)
      gst_dreamverse_src_negotiate (src, which);
    lane->need_caps = FALSE;
  }
  if (lane->need_segment) {
    push_segment (src, lane);
    lane->need_segment = FALSE;
  }
  return TRUE;
}

/* ---- loop ---- */

/* The next object of the lane; NULL: flushing. */
static GstMiniObject *
take (GstDreamverseSrc *src, GstDreamverseLane which)
{
  GstMiniObject *object = NULL;

  g_mutex_lock (&src->lock);
  while (!src->lane[which].flushing &&
         !(object = gst_dreamverse_queue_pop (&src->run->queue, which)))
    gst_dreamverse_src_wait (src);
  /* Room for the generation thread. */
  g_cond_broadcast (&src->cond);
  g_mutex_unlock (&src->lock);
  return object;
}

/* Waits until the buffer is due. FALSE: flushing. */
static gboolean
pace (GstDreamverseSrc *src, GstDreamverseLane which, GstBuffer *buffer)
{
  GstDreamverseRun *run = src->run;
  gboolean go = FALSE;

  g_mutex_lock (&src->lock);
  while (!src->lane[which].flushing) {
    if (run->settings.is_live && !src->playing) {
      gst_dreamverse_src_wait (src);
      continue;
    }
    if (run->draining || gst_dreamverse_src_within_lead (src,
                             (GstDreamverseWait)which, GST_BUFFER_PTS (buffer),
                             run->settings.is_live ? 0 : src->max_lead)) {
      go = TRUE;
      break;
    }
  }
  g_mutex_unlock (&src->lock);
  return go;
}

/* Announces a segment, its times in running time, and asks for a keyframe. */
static void
push_announcement (
    GstDreamverseSrc *src, GstDreamverseLane which, GstEvent *event)
{
  GstDreamverseSrcLane *lane = &src->lane[which];
  GstDreamverseSegment segment;
  GstClockTime origin;

  /* A boundary: here downstream may change its mind. */
  if (gst_pad_needs_reconfigure (lane->pad))
    gst_dreamverse_src_negotiate (src, which);
  g_mutex_lock (&src->lock);
  origin = src->origin;
  g_mutex_unlock (&src->lock);
  event = gst_event_make_writable (event);
  gst_dreamverse_parse_segment (gst_event_get_structure (event), &segment);
  gst_dreamverse_structure_to_running (
      gst_event_writable_structure (event), origin);
  GST_INFO_OBJECT (lane->pad, "announcing %" GST_PTR_FORMAT, event);
  gst_pad_push_event (lane->pad, event);
  /* The first frame is a keyframe anyway. To ask for it would do harm:
   * x264enc notes the request at a time 1000 hours later, the offset of its
   * timestamps, and then takes all others for too early. */
  if (which == GST_DREAMVERSE_LANE_VIDEO && segment.start > 0)
    gst_pad_push_event (
        lane->pad, gst_video_event_new_downstream_force_key_unit (segment.start,
                       segment.start, MAX (segment.start, origin) - origin,
                       TRUE, (guint)segment.sequence));
}

static void
push_event (GstDreamverseSrc *src, GstDreamverseLane which, GstEvent *event)
{
  GstDreamverseSrcLane *lane = &src->lane[which];
  gboolean eos = GST_EVENT_TYPE (event) == GST_EVENT_EOS;

  if (gst_event_has_name (event, GST_DREAMVERSE_EVENT_SEGMENT)) {
    push_announcement (src, which, event);
    return;
  }
  gst_pad_push_event (lane->pad, event);
  if (!eos)
    return;
  GST_INFO_OBJECT (lane->pad, "end of stream");
  g_mutex_lock (&src->lock);
  gst_dreamverse_queue_close (&src->run->queue, which);
  gst_dreamverse_src_wake (src);
  gst_dreamverse_src_unlock (src, src->run);
  gst_pad_pause_task (lane->pad);
}

/* What a push returned, for this pad and for both together. */
static void
handle_flow (GstDreamverseSrc *src, GstDreamverseLane which, GstFlowReturn flow)
{
  GstDreamverseSrcLane *lane = &src->lane[which];
  GstDreamverseRun *run = src->run;
  GstFlowReturn combined;

  g_mutex_lock (&src->lock);
  combined = gst_flow_combiner_update_pad_flow (src->flow, lane->pad, flow);
  g_mutex_unlock (&src->lock);
  if (flow == GST_FLOW_OK)
    return;
  if (flow == GST_FLOW_FLUSHING) {
    lane->discont = TRUE;
    gst_pad_pause_task (lane->pad);
    return;
  }
  if (combined == GST_FLOW_EOS) { /* nobody wants more */
    g_mutex_lock (&src->lock);
    run->eos = TRUE;
    g_atomic_int_set (&run->abort_step, 1);
    gst_dreamverse_src_wake (src);
    g_mutex_unlock (&src->lock);
  }
  if (flow == GST_FLOW_NOT_LINKED && combined != GST_FLOW_NOT_LINKED)
    return; /* the other pad goes on; this one's data is dropped */
  if (flow == GST_FLOW_EOS) {
    GST_INFO_OBJECT (lane->pad, "downstream has enough");
    g_mutex_lock (&src->lock);
    gst_dreamverse_queue_close (&run->queue, which);
    gst_dreamverse_src_wake (src);
    gst_dreamverse_src_unlock (src, run);
    gst_pad_pause_task (lane->pad);
    return;
  }
  GST_DEBUG_OBJECT (lane->pad, "downstream says %s, both pads %s",
      gst_flow_get_name (flow), gst_flow_get_name (combined));
  if (flow == GST_FLOW_NOT_NEGOTIATED)
    gst_dreamverse_src_refused (src, which);
  else if (gst_dreamverse_src_fail (src, run))
    GST_ELEMENT_FLOW_ERROR (src, flow);
}

static void
push_buffer (GstDreamverseSrc *src, GstDreamverseLane which, GstBuffer *buffer)
{
  GstDreamverseSrcLane *lane = &src->lane[which];

  if (lane->discont) {
    buffer = gst_buffer_make_writable (buffer);
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
    lane->discont = FALSE;
  }
  g_mutex_lock (&src->lock);
  lane->position = GST_BUFFER_PTS (buffer);
  g_mutex_unlock (&src->lock);
  GST_LOG_OBJECT (lane->pad, "pushing %" GST_PTR_FORMAT, buffer);
  handle_flow (src, which, gst_pad_push (lane->pad, buffer));
}

static void
gst_dreamverse_src_loop (gpointer data)
{
  GstPad *pad = data;
  GstDreamverseSrc *src = GST_DREAMVERSE_SRC (GST_PAD_PARENT (pad));
  GstDreamverseLane which = lane_of (src, pad);
  GstMiniObject *object;

  if (!prepare (src, which))
    goto flushing;
  object = take (src, which);
  if (!object)
    goto flushing;
  if (GST_IS_EVENT (object)) {
    push_event (src, which, GST_EVENT_CAST (object));
    return;
  }
  if (!pace (src, which, GST_BUFFER_CAST (object))) {
    gst_mini_object_unref (object);
    src->lane[which].discont = TRUE;
    goto flushing;
  }
  push_buffer (src, which, GST_BUFFER_CAST (object));
  return;

flushing:
  GST_DEBUG_OBJECT (pad, "flushing");
  gst_pad_pause_task (pad);
}

/* ---- activation and flushes ---- */

static void
set_flushing (GstDreamverseSrc *src, GstDreamverseLane which, gboolean flushing)
{
  g_mutex_lock (&src->lock);
  src->lane[which].flushing = flushing;
  gst_dreamverse_src_wake (src);
  g_mutex_unlock (&src->lock);
}

static gboolean
gst_dreamverse_src_activate_mode (
    GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
{
  GstDreamverseSrc *src = GST_DREAMVERSE_SRC (parent);
  GstDreamverseLane which = lane_of (src, pad);
  GstDreamverseSrcLane *lane = &src->lane[which];

  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  if (!active) {
    set_flushing (src, which, TRUE);
    return gst_pad_stop_task (pad);
  }
  if (!src->run)
    return FALSE;
  lane->need_start = lane->need_caps = lane->need_segment = TRUE;
  lane->discont = TRUE;
  lane->position = GST_CLOCK_TIME_NONE;
  gst_caps_replace (&lane->caps, NULL);
  set_flushing (src, which, FALSE);
  return gst_pad_start_task (pad, gst_dreamverse_src_loop, pad, NULL);
}

gboolean
gst_dreamverse_src_flush_start (GstDreamverseSrc *src)
{
  guint i;

  for (i = 0; i < GST_DREAMVERSE_N_LANES; i++) {
    gst_pad_push_event (src->lane[i].pad, gst_event_new_flush_start ());
    set_flushing (src, i, TRUE);
    gst_pad_pause_task (src->lane[i].pad);
  }
  return TRUE;
}

/* What waits in the queue was not flushed: it comes after the flush, and so
 * does the end, if it had come. */
gboolean
gst_dreamverse_src_flush_stop (GstDreamverseSrc *src, gboolean reset_time)
{
  GstClockTime next = GST_CLOCK_TIME_NONE;
  gboolean flushing;
  guint i;

  g_mutex_lock (&src->lock);
  flushing = src->lane[0].flushing;
  g_mutex_unlock (&src->lock);
  if (!flushing) /* no start: the tasks run, and may wait for long */
    return FALSE;
  /* The tasks have been paused: here they are out of the way. */
  for (i = 0; i < GST_DREAMVERSE_N_LANES; i++) {
    GST_PAD_STREAM_LOCK (src->lane[i].pad);
    GST_PAD_STREAM_UNLOCK (src->lane[i].pad);
  }
  g_mutex_lock (&src->lock);
  for (i = 0; i < GST_DREAMVERSE_N_LANES; i++)
    if (GST_CLOCK_TIME_IS_VALID (src->lane[i].position))
      next = GST_CLOCK_TIME_IS_VALID (next) ? MIN (next, src->lane[i].position)
                                            : src->lane[i].position;
  if (reset_time) {
    if (GST_CLOCK_TIME_IS_VALID (next))
      src->origin = next;
    src->slip = 0;
    src->paused_time = 0;
  }
  for (i = 0; i < GST_DREAMVERSE_N_LANES; i++)
    if (gst_dreamverse_queue_reopen (&src->run->queue, i) &&
        src->run->eos_queued)
      gst_dreamverse_queue_push (&src->run->queue, i, gst_event_new_eos ());
  gst_flow_combiner_reset (src->flow);
  g_mutex_unlock (&src->lock);
  for (i = 0; i < GST_DREAMVERSE_N_LANES; i++) {
    GstDreamverseSrcLane *lane = &src->lane[i];

    gst_pad_push_event (lane->pad, gst_event_new_flush_stop (reset_time));
    lane->need_segment = TRUE;
    lane->discont = TRUE;
    set_flushing (src, i, FALSE);
    gst_pad_start_task (lane->pad, gst_dreamverse_src_loop, lane->pad, NULL);
  }
  return TRUE;
}

/* ---- queries and events from downstream ---- */

static void
answer_latency (GstDreamverseSrc *src, GstQuery *query)
{
  const GstDreamverseSettings *settings;
  GstClockTime latency = 0;
  gboolean live;

  g_mutex_lock (&src->lock);
  settings = src->run ? &src->run->settings : &src->settings;
  live = settings->is_live;
  if (live) {
    guint frames = 1;
    gint fps_n = settings->fps_n ? settings->fps_n : 24;
    gint fps_d = settings->fps_n ? settings->fps_d : 1;

    if (src->run && src->run->ready[GST_DREAMVERSE_LANE_VIDEO]) {
      fps_n = src->run->spec.fps_n;
      fps_d = src->run->spec.fps_d;
    }
    /* A model that takes its time gives nothing before it has a segment. */
    if (src->pace > 0 ||
        (src->run && src->run->opened && !src->run->info->procedural))
      frames = settings->frames;
    latency = gst_util_uint64_scale (frames, GST_SECOND * fps_d, fps_n);
  }
  g_mutex_unlock (&src->lock);
  gst_query_set_latency (query, live, latency, GST_CLOCK_TIME_NONE);
}

static gboolean
answer_position (
    GstDreamverseSrc *src, GstDreamverseLane which, GstQuery *query)
{
  GstFormat format;
  GstClockTime position;

  gst_query_parse_position (query, &format, NULL);
  if (format != GST_FORMAT_TIME)
    return FALSE;
  g_mutex_lock (&src->lock);
  position = src->lane[which].position;
  g_mutex_unlock (&src->lock);
  gst_query_set_position (
      query, format, GST_CLOCK_TIME_IS_VALID (position) ? position : 0);
  return TRUE;
}

static gboolean
gst_dreamverse_src_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstDreamverseSrc *src = GST_DREAMVERSE_SRC (parent);
  GstFormat format;
  GstCaps *caps, *filter;

  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_LATENCY:
      answer_latency (src, query);
      return TRUE;
    case GST_QUERY_SEEKING:
      gst_query_parse_seeking (query, &format, NULL, NULL, NULL);
      gst_query_set_seeking (query, format, FALSE, 0, -1);
      return TRUE;
    case GST_QUERY_POSITION:
      return answer_position (src, lane_of (src, pad), query);
    case GST_QUERY_DURATION:
      return FALSE;
    case GST_QUERY_CAPS:
      caps = gst_pad_get_current_caps (pad);
      if (!caps)
        caps = gst_dreamverse_src_possible_caps (src, lane_of (src, pad));
      gst_query_parse_caps (query, &filter);
      if (filter) {
        GstCaps *some =
            gst_caps_intersect_full (filter, caps, GST_CAPS_INTERSECT_FIRST);

        gst_caps_unref (caps);
        caps = some;
      }
      gst_query_set_caps_result (query, caps);
      gst_caps_unref (caps);
      return TRUE;
    default:
      return gst_pad_query_default (pad, parent, query);
  }
}

static gboolean
gst_dreamverse_src_pad_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  gboolean taken = FALSE;

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_CUSTOM_UPSTREAM:
      taken = gst_dreamverse_src_control (
          GST_DREAMVERSE_SRC (parent), gst_event_get_structure (event));
      break;
    case GST_EVENT_LATENCY:
    case GST_EVENT_RECONFIGURE:
    case GST_EVENT_QOS: /* generation is too dear to drop */
      taken = TRUE;
      break;
    default: /* no seeks, nothing to navigate */
      break;
  }
  gst_event_unref (event);
  return taken;
}

void
gst_dreamverse_src_add_pad (
    GstDreamverseSrc *src, GstDreamverseLane lane, GstStaticPadTemplate *templ)
{
  GstPad *pad = gst_pad_new_from_static_template (templ, templ->name_template);

  gst_pad_set_activatemode_function (pad, gst_dreamverse_src_activate_mode);
  gst_pad_set_query_function (pad, gst_dreamverse_src_query);
  gst_pad_set_event_function (pad, gst_dreamverse_src_pad_event);
  src->lane[lane].pad = pad;
  src->lane[lane].flushing = TRUE;
  src->lane[lane].position = GST_CLOCK_TIME_NONE;
  gst_flow_combiner_add_pad (src->flow, pad);
  gst_element_add_pad (GST_ELEMENT (src), pad);
}
