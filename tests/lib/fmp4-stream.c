/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A fragmented MP4 stream for tests: see fmp4-stream.h.
 */
#include "fmp4-stream.h"

#include <gst/app/gstappsink.h>

#include "wsmedia.h"

static gboolean
take_event (WsEvent *event, gpointer user_data)
{
  TestStream *stream = user_data;

  if (event->type == WS_EVENT_INIT) {
    stream->init = g_bytes_ref (event->bytes);
  } else {
    g_ptr_array_add (stream->fragments, g_bytes_ref (event->bytes));
    g_array_append_val (stream->keys, event->key);
  }
  ws_event_free (event);
  return TRUE;
}

TestStream *
test_stream_new (guint frames, guint size, gboolean sound)
{
  TestStream *stream = g_new0 (TestStream, 1);
  WsMediaReader reader;
  GstElement *pipeline, *sink;
  GstSample *sample;
  gchar *launch;

  stream->fragments =
      g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
  stream->keys = g_array_new (FALSE, FALSE, sizeof (gboolean));
  launch = g_strdup_printf (
      "videotestsrc pattern=snow num-buffers=%u ! "
      "video/x-raw,format=I420,width=%u,height=%u,framerate=24/1 ! "
      "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=12 "
      "bitrate=4000 ! queue max-size-time=0 max-size-bytes=0 "
      "max-size-buffers=0 ! mp4mux name=m fragment-duration=125 "
      "streamable=true ! appsink name=sink sync=false %s",
      frames, size, size,
      sound
          ? "audiotestsrc num-buffers=200 ! audio/x-raw,rate=48000,channels=2 "
            "! avenc_aac ! queue max-size-time=0 max-size-bytes=0 "
            "max-size-buffers=0 ! m."
          : "");
  pipeline = gst_parse_launch (launch, NULL);
  g_free (launch);
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  ws_media_reader_init (&reader);
  while ((sample = gst_app_sink_pull_sample (GST_APP_SINK (sink)))) {
    GstBuffer *buffer = gst_sample_get_buffer (sample);
    gsize bytes_size = gst_buffer_get_size (buffer);
    gpointer data = g_malloc (bytes_size);
    GBytes *bytes = g_bytes_new_take (data, bytes_size);
    Fmp4Error error;

    gst_buffer_extract (buffer, 0, data, bytes_size);
    if (ws_media_reader_push (&reader, bytes, take_event, stream, &error) !=
        WS_MEDIA_OK)
      g_error ("%s", error.detail);
    g_bytes_unref (bytes);
    gst_sample_unref (sample);
  }
  ws_media_reader_clear (&reader);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (sink);
  gst_object_unref (pipeline);
  g_assert (stream->init && stream->fragments->len > 1);
  return stream;
}

void
test_stream_free (TestStream *stream)
{
  g_bytes_unref (stream->init);
  g_ptr_array_unref (stream->fragments);
  g_array_unref (stream->keys);
  g_free (stream);
}

GBytes *
test_stream_fragment (const TestStream *stream, guint n)
{
  return g_ptr_array_index (stream->fragments, n % stream->fragments->len);
}

gboolean
test_stream_is_key (const TestStream *stream, guint n)
{
  return g_array_index (stream->keys, gboolean, n % stream->keys->len);
}

GstBuffer *
test_stream_buffer (GBytes *bytes)
{
  return gst_buffer_new_wrapped_bytes (bytes);
}
