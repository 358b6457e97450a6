/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which encoders a worker takes: see encoders.h.
 *
 * Threads: see encoders.h.
 */
#include "encoders.h"

#include <gst/gst.h>

/* A keyframe at least so often, beside that of each segment. */
#define GOP_SECONDS 2

static gboolean
have (const gchar *name)
{
  GstElementFactory *factory = gst_element_factory_find (name);

  if (!factory)
    return FALSE;
  gst_object_unref (factory);
  return TRUE;
}

gchar *
dvs_video_encoder (const gchar *wanted, guint fps, GError **error)
{
  guint gop = GOP_SECONDS * fps;

  if (wanted)
    return g_strdup (wanted);
  if (have ("nvh264enc"))
    return g_strdup_printf ("nvh264enc preset=low-latency-hq rc-mode=constqp "
                            "qp-const=23 bframes=0 gop-size=%u ! h264parse",
        gop);
  if (have ("x264enc"))
    return g_strdup_printf (
        "x264enc tune=zerolatency speed-preset=ultrafast pass=qual "
        "quantizer=23 "
        "vbv-buf-capacity=0 bframes=0 key-int-max=%u byte-stream=false",
        gop);
  if (have ("openh264enc"))
    return g_strdup_printf ("openh264enc complexity=low rate-control=bitrate "
                            "bitrate=8000000 gop-size=%u ! h264parse",
        gop);
  g_set_error_literal (error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
      "There is no H.264 encoder: install gstreamer1.0-plugins-ugly (x264enc) "
      "or gstreamer1.0-plugins-bad (openh264enc).");
  return NULL;
}

gchar *
dvs_audio_encoder (const gchar *wanted, GError **error)
{
  if (wanted)
    return g_strdup (wanted);
  if (have ("voaacenc"))
    return g_strdup ("voaacenc bitrate=128000");
  if (have ("avenc_aac"))
    return g_strdup ("avenc_aac bitrate=128000");
  g_set_error_literal (error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
      "There is no AAC encoder: install gstreamer1.0-plugins-bad (voaacenc) or "
      "gstreamer1.0-libav (avenc_aac).");
  return NULL;
}
