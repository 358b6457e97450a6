/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Negotiation: what a pad could send, what it agrees on with its peer, and the
 * buffer pool for it.
 *
 * Threads: the pad's task, but for gst_dreamverse_src_possible_caps().
 */
#include "gstdreamverse.h"
#include "gstdreamversepool.h"
#include "gstdreamversesrcprivate.h"

#define GST_CAT_DEFAULT gst_dreamverse_src_debug

#define DEFAULT_WIDTH 1280
#define DEFAULT_HEIGHT 704
#define DEFAULT_FPS_N 24
#define DEFAULT_FPS_D 1
#define DEFAULT_RATE 24000
#define DEFAULT_CHANNELS 2

static void
set_side (
    GstStructure *s, const gchar *field, gint side, const DvModelInfo *info)
{
  GValue range = G_VALUE_INIT;
  gint step = info ? MAX (1, (gint)info->size_step) : 1;

  if (side) {
    gst_structure_set (s, field, G_TYPE_INT, side, NULL);
    return;
  }
  g_value_init (&range, GST_TYPE_INT_RANGE);
  if (info)
    gst_value_set_int_range_step (&range,
        ((gint)info->min_size + step - 1) / step * step,
        (gint)info->max_size / step * step, step);
  else
    gst_value_set_int_range (&range, 1, G_MAXINT);
  gst_structure_take_value (s, field, &range);
}

static GstCaps *
possible_video (const GstDreamverseSettings *settings, const DvModelInfo *info)
{
  GstStructure *s = gst_structure_new ("video/x-raw", "format", G_TYPE_STRING,
      "I420", "pixel-aspect-ratio", GST_TYPE_FRACTION, 1, 1, "interlace-mode",
      G_TYPE_STRING, "progressive", "colorimetry", G_TYPE_STRING,
      GST_VIDEO_COLORIMETRY_BT709, NULL);
  GstCaps *caps = gst_caps_new_empty ();

  set_side (s, "width", settings->width, info);
  set_side (s, "height", settings->height, info);
  if (settings->fps_n)
    gst_structure_set (s, "framerate", GST_TYPE_FRACTION, settings->fps_n,
        settings->fps_d, NULL);
  else
    gst_structure_set (
        s, "framerate", GST_TYPE_FRACTION_RANGE, 1, G_MAXINT, 1000, 1, NULL);
  gst_caps_append_structure (caps, s);
  return caps;
}

static GstCaps *
possible_audio (const DvModelInfo *info)
{
  gint channels = info ? (gint)info->channels : DEFAULT_CHANNELS;
  gint rate = info ? (gint)info->sample_rate : DEFAULT_RATE;
  guint64 mask =
      channels > 1 ? gst_audio_channel_get_fallback_mask (channels) : 0;
  GstCaps *caps = gst_caps_new_empty ();
  const GstAudioFormat formats[] = {GST_AUDIO_FORMAT_F32, GST_AUDIO_FORMAT_S16};
  guint i;

  for (i = 0; i < G_N_ELEMENTS (formats); i++) {
    GstStructure *s = gst_structure_new ("audio/x-raw", "format", G_TYPE_STRING,
        gst_audio_format_to_string (formats[i]), "layout", G_TYPE_STRING,
        "interleaved", "rate", G_TYPE_INT, rate, "channels", G_TYPE_INT,
        channels, NULL);

    if (channels > 1)
      gst_structure_set (s, "channel-mask", GST_TYPE_BITMASK, mask, NULL);
    gst_caps_append_structure (caps, s);
  }
  return caps;
}

GstCaps *
gst_dreamverse_src_possible_caps (GstDreamverseSrc *src, GstDreamverseLane lane)
{
  GstDreamverseSettings settings;
  const DvModelInfo *info = NULL;
  DvModel *model = NULL;
  GstCaps *caps;

  g_mutex_lock (&src->lock);
  settings = src->run ? src->run->settings : src->settings;
  if (src->run && src->run->opened) {
    model = dv_model_ref (src->run->model);
    info = src->run->info;
  }
  g_mutex_unlock (&src->lock);
  caps = lane == GST_DREAMVERSE_LANE_VIDEO ? possible_video (&settings, info)
                                           : possible_audio (info);
  if (model)
    dv_model_unref (model);
  return caps;
}

/* ---- buffers ---- */

/* Downstream's pool, if it may grow as large as the queue can. */
static GstBufferPool *
configure_peer_pool (GstDreamverseSrc *src, GstQuery *query, GstCaps *caps,
    const GstVideoInfo *info, guint most, gboolean meta)
{
  GstBufferPool *pool = NULL;
  GstStructure *config;
  guint size, min, max;

  if (gst_query_get_n_allocation_pools (query) == 0)
    return NULL;
  gst_query_parse_nth_allocation_pool (query, 0, &pool, &size, &min, &max);
  if (!pool)
    return NULL;
  if (max != 0 && max < most)
    goto unfit;
  config = gst_buffer_pool_get_config (pool);
  gst_buffer_pool_config_set_params (
      config, caps, MAX (size, info->size), min, max);
  if (meta &&
      gst_buffer_pool_has_option (pool, GST_BUFFER_POOL_OPTION_VIDEO_META))
    gst_buffer_pool_config_add_option (
        config, GST_BUFFER_POOL_OPTION_VIDEO_META);
  if (!gst_buffer_pool_set_config (pool, config) ||
      !gst_buffer_pool_set_active (pool, TRUE))
    goto unfit;
  return pool;

unfit:
  GST_INFO_OBJECT (src,
      "downstream's pool %" GST_PTR_FORMAT
      " does not fit (at most %u buffers): using our own",
      pool, max);
  gst_object_unref (pool);
  return NULL;
}

static gboolean
settle_pool (
    GstDreamverseSrc *src, GstPad *pad, GstCaps *caps, const GstVideoInfo *info)
{
  GstDreamverseRun *run = src->run;
  GstQuery *query = gst_query_new_allocation (caps, TRUE);
  GstBufferPool *pool, *old;
  gboolean meta = FALSE;

  if (gst_pad_peer_query (pad, query))
    meta =
        gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  pool = configure_peer_pool (
      src, query, caps, info, 2 * run->settings.frames, meta);
  if (!pool)
    pool = gst_dreamverse_pool_new (run->model, caps, info, meta);
  gst_query_unref (query);
  if (!pool)
    return FALSE;
  g_mutex_lock (&src->lock);
  old = run->pool;
  run->pool = pool;
  g_mutex_unlock (&src->lock);
  /* Not set inactive: a running step may still take from it. The last
   * reference frees it. */
  gst_clear_object (&old);
  return TRUE;
}

/* ---- negotiation ---- */

static GstCaps *
fixate (GstDreamverseLane lane, GstCaps *caps)
{
  caps = gst_caps_truncate (gst_caps_make_writable (caps));
  if (lane == GST_DREAMVERSE_LANE_VIDEO) {
    GstStructure *s = gst_caps_get_structure (caps, 0);

    gst_structure_fixate_field_nearest_int (s, "width", DEFAULT_WIDTH);
    gst_structure_fixate_field_nearest_int (s, "height", DEFAULT_HEIGHT);
    gst_structure_fixate_field_nearest_fraction (
        s, "framerate", DEFAULT_FPS_N, DEFAULT_FPS_D);
  }
  return gst_caps_fixate (caps);
}

void
gst_dreamverse_src_likely_size (GstDreamverseSrc *src,
    const GstDreamverseRun *run, guint32 *width, guint32 *height)
{
  GstCaps *ours = possible_video (&run->settings, NULL);
  GstCaps *caps =
      gst_pad_peer_query_caps (src->lane[GST_DREAMVERSE_LANE_VIDEO].pad, ours);
  gint w = DEFAULT_WIDTH, h = DEFAULT_HEIGHT;
  GstStructure *s;

  /* What nobody agrees on fails later. */
  if (gst_caps_is_empty (caps))
    gst_caps_replace (&caps, ours);
  caps = fixate (GST_DREAMVERSE_LANE_VIDEO, caps);
  s = gst_caps_get_structure (caps, 0);
  gst_structure_get_int (s, "width", &w);
  gst_structure_get_int (s, "height", &h);
  gst_caps_unref (ours);
  gst_caps_unref (caps);
  *width = w;
  *height = h;
}

static gboolean
negotiation_failed (GstDreamverseSrc *src, GstDreamverseSrcLane *lane,
    GstCaps *ours, GstCaps *theirs)
{
  gchar *offered, *accepted;

  g_mutex_lock (&src->lock);
  if (lane->flushing) {
    g_mutex_unlock (&src->lock);
    return FALSE;
  }
  g_mutex_unlock (&src->lock);
  offered = ours ? gst_caps_to_string (ours) : NULL;
  accepted = theirs ? gst_caps_to_string (theirs) : NULL;
  if (gst_dreamverse_src_fail (src, src->run))
    GST_ELEMENT_ERROR (src, CORE, NEGOTIATION,
        ("The peer of pad \"%s\" does not accept what dreamversesrc sends. "
         "It accepts %s; offered was %s.",
            GST_PAD_NAME (lane->pad), accepted ? accepted : "something else",
            offered),
        (NULL));
  g_free (offered);
  g_free (accepted);
  return FALSE;
}

void
gst_dreamverse_src_refused (GstDreamverseSrc *src, GstDreamverseLane which)
{
  GstDreamverseSrcLane *lane = &src->lane[which];
  GstCaps *accepted = gst_pad_peer_query_caps (lane->pad, NULL);

  negotiation_failed (src, lane, lane->caps, accepted);
  gst_caps_unref (accepted);
}

/* A caps event also fails where downstream stops, flushes, has ended or is
 * being linked anew. It is sent again before the next buffer, and if it is the
 * caps that are not wanted, that buffer says so. */
static gboolean
peer_refuses (GstDreamverseSrcLane *lane, GstCaps *caps)
{
  GstPad *peer = gst_pad_get_peer (lane->pad);
  gboolean refuses = peer && !gst_pad_query_accept_caps (peer, caps);

  gst_clear_object (&peer);
  return refuses;
}

static gboolean
size_fits (const DvModelInfo *info, gint side)
{
  return side >= (gint)info->min_size && side <= (gint)info->max_size &&
         side % (gint)MAX (1, info->size_step) == 0;
}

static gboolean
check_size (GstDreamverseSrc *src, gint width, gint height)
{
  const DvModelInfo *info = src->run->info;
  gint step = MAX (1, (gint)info->size_step);

  if (size_fits (info, width) && size_fits (info, height))
    return TRUE;
  if (gst_dreamverse_src_fail (src, src->run))
    GST_ELEMENT_ERROR (src, LIBRARY, SETTINGS,
        ("Size %dx%d cannot be made by model \"%s\": width and height must be "
         "multiples of %d from %u to %u. Set width and height, for example, to "
         "%d and %d.",
            width, height, info->name, step, info->min_size, info->max_size,
            CLAMP ((width + step / 2) / step * step, (gint)info->min_size,
                (gint)info->max_size),
            CLAMP ((height + step / 2) / step * step, (gint)info->min_size,
                (gint)info->max_size)),
        (NULL));
  return FALSE;
}

/* Remembers what was agreed for the generation thread. */
static gboolean
settle (GstDreamverseSrc *src, GstDreamverseSrcLane *lane,
    GstDreamverseLane which, GstCaps *caps)
{
  GstDreamverseRun *run = src->run;
  GstVideoInfo video;
  GstAudioInfo audio;

  if (which == GST_DREAMVERSE_LANE_AUDIO) {
    if (!gst_audio_info_from_caps (&audio, caps))
      return negotiation_failed (src, lane, caps, NULL);
    g_mutex_lock (&src->lock);
    if (!run->ready[which])
      run->audio_info = audio;
    goto ready;
  }
  if (!gst_video_info_from_caps (&video, caps))
    return negotiation_failed (src, lane, caps, NULL);
  if (!check_size (
          src, GST_VIDEO_INFO_WIDTH (&video), GST_VIDEO_INFO_HEIGHT (&video)))
    return FALSE;
  if (!settle_pool (src, lane->pad, caps, &video)) {
    if (gst_dreamverse_src_fail (src, run))
      GST_ELEMENT_ERROR (src, RESOURCE, NO_SPACE_LEFT,
          ("There is no memory for frames of %" G_GSIZE_FORMAT " bytes.",
              video.size),
          (NULL));
    return FALSE;
  }
  g_mutex_lock (&src->lock);
  /* Agreed once: from then on the generation thread reads it. */
  if (run->ready[which])
    goto ready;
  run->video_info = video;
  run->width = GST_VIDEO_INFO_WIDTH (&video);
  run->height = GST_VIDEO_INFO_HEIGHT (&video);
  run->spec.fps_n = GST_VIDEO_INFO_FPS_N (&video);
  run->spec.fps_d = GST_VIDEO_INFO_FPS_D (&video);

ready:
  run->ready[which] = TRUE;
  gst_dreamverse_src_wake (src);
  g_mutex_unlock (&src->lock);
  return TRUE;
}

gboolean
gst_dreamverse_src_negotiate (GstDreamverseSrc *src, GstDreamverseLane which)
{
  GstDreamverseSrcLane *lane = &src->lane[which];
  GstCaps *ours, *theirs, *caps;
  gboolean ok;

  gst_pad_check_reconfigure (lane->pad);
  /* What waits in the queue has been made: the caps are agreed once and
   * afterwards only confirmed. */
  ours = lane->caps ? gst_caps_ref (lane->caps)
                    : gst_dreamverse_src_possible_caps (src, which);
  if (which == GST_DREAMVERSE_LANE_VIDEO && !lane->caps) {
    GstStructure *s = gst_caps_get_structure (ours, 0);
    gint width, height;

    /* Wrong settings are not the peer's fault. */
    if (gst_structure_get_int (s, "width", &width) &&
        gst_structure_get_int (s, "height", &height) &&
        !check_size (src, width, height)) {
      gst_caps_unref (ours);
      return FALSE;
    }
  }
  theirs = gst_pad_peer_query_caps (lane->pad, NULL);
  caps = gst_caps_intersect_full (ours, theirs, GST_CAPS_INTERSECT_FIRST);
  if (gst_caps_is_empty (caps)) {
    negotiation_failed (src, lane, ours, theirs);
    gst_caps_unref (caps);
    gst_caps_unref (ours);
    gst_caps_unref (theirs);
    return FALSE;
  }
  gst_caps_unref (ours);
  gst_caps_unref (theirs);
  if (lane->caps)
    gst_caps_replace (&caps, lane->caps);
  else
    caps = fixate (which, caps);
  GST_INFO_OBJECT (lane->pad, "sending %" GST_PTR_FORMAT, caps);
  /* The element takes part in the check of the size before the caps leave. */
  ok = TRUE;
  if (which == GST_DREAMVERSE_LANE_VIDEO) {
    GstStructure *s = gst_caps_get_structure (caps, 0);
    gint width = 0, height = 0;

    gst_structure_get_int (s, "width", &width);
    gst_structure_get_int (s, "height", &height);
    ok = check_size (src, width, height);
  }
  if (ok && !gst_pad_push_event (lane->pad, gst_event_new_caps (caps)) &&
      peer_refuses (lane, caps)) {
    GstCaps *accepted = gst_pad_peer_query_caps (lane->pad, NULL);

    ok = negotiation_failed (src, lane, caps, accepted);
    gst_caps_unref (accepted);
  }
  ok = ok && settle (src, lane, which, caps);
  if (ok)
    gst_caps_replace (&lane->caps, caps);
  gst_caps_unref (caps);
  return ok;
}
