/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Packages one segment the way this project does: I420 frames and float
 * samples that are already in memory go through x264enc, voaacenc and
 * dreamversemux. Prints one line of JSON with what it cost this process, from
 * the first raw frame to the first whole fragment and to the last.
 *
 *   packaging-ours FRAMES.i420 WIDTH HEIGHT AUDIO.f32 RATE [OUT.mp4]
 */
#include <gst/app/app.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "gstdreamverse.h"

#define FPS 24

typedef struct {
  GstElement *pipeline;
  GstElement *video, *audio, *sink;
  GMappedFile *frames, *samples;
  gsize frame_size, n_frames;
  guint rate;
  gint64 started;     /* monotonic, us; when the first frame was pushed */
  gint64 first, last; /* us after that: fragments out */
  guint64 bytes;
  guint fragments;
  FILE *out;
} Bench;

static gdouble
cpu_ms (void)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec * 1e3 + usage.ru_utime.tv_usec / 1e3 +
         usage.ru_stime.tv_sec * 1e3 + usage.ru_stime.tv_usec / 1e3;
}

static GstFlowReturn
new_sample (GstAppSink *sink, gpointer user_data)
{
  Bench *bench = user_data;
  GstSample *sample = gst_app_sink_pull_sample (sink);
  GstBuffer *buffer = gst_sample_get_buffer (sample);
  GstMapInfo map;

  bench->bytes += gst_buffer_get_size (buffer);
  if (!GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_HEADER)) {
    bench->last = g_get_monotonic_time () - bench->started;
    if (bench->fragments++ == 0)
      bench->first = bench->last;
  }
  if (bench->out && gst_buffer_map (buffer, &map, GST_MAP_READ)) {
    fwrite (map.data, 1, map.size, bench->out);
    gst_buffer_unmap (buffer, &map);
  }
  gst_sample_unref (sample);
  return GST_FLOW_OK;
}

/* The event that tells dreamversemux where the segment ends. */
static GstEvent *
segment_event (Bench *bench)
{
  GstClockTime end = gst_util_uint64_scale (bench->n_frames, GST_SECOND, FPS);

  return gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
      gst_structure_new (GST_DREAMVERSE_EVENT_SEGMENT,
          GST_DREAMVERSE_FIELD_EPOCH, G_TYPE_UINT, 1,
          GST_DREAMVERSE_FIELD_INDEX, G_TYPE_UINT, 1,
          GST_DREAMVERSE_FIELD_SEQUENCE, G_TYPE_UINT64, G_GUINT64_CONSTANT (1),
          GST_DREAMVERSE_FIELD_STREAM_ID, G_TYPE_STRING, "seg001-00000001",
          GST_DREAMVERSE_FIELD_PROMPT, G_TYPE_STRING, "bench",
          GST_DREAMVERSE_FIELD_START, G_TYPE_UINT64, G_GUINT64_CONSTANT (0),
          GST_DREAMVERSE_FIELD_END, G_TYPE_UINT64, end,
          GST_DREAMVERSE_FIELD_FRAMES, G_TYPE_UINT, (guint)bench->n_frames,
          GST_DREAMVERSE_FIELD_SAMPLES, G_TYPE_UINT64,
          gst_util_uint64_scale (bench->n_frames, bench->rate, FPS), NULL));
}

/* Puts the segment event in front of the first buffer of a branch. */
static GstPadProbeReturn
announce (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  gst_pad_push_event (pad, segment_event (user_data));
  return GST_PAD_PROBE_REMOVE;
}

static void
announce_on (GstElement *source, Bench *bench)
{
  GstPad *pad = gst_element_get_static_pad (source, "src");

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, announce, bench, NULL);
  gst_object_unref (pad);
}

static void
push (GstElement *source, GMappedFile *file, gsize offset, gsize size,
    GstClockTime pts, GstClockTime duration)
{
  gchar *data = g_mapped_file_get_contents (file) + offset;
  GstBuffer *buffer =
      gst_buffer_new_wrapped_full (GST_MEMORY_FLAG_READONLY, data, size, 0,
          size, g_mapped_file_ref (file), (GDestroyNotify)g_mapped_file_unref);

  GST_BUFFER_PTS (buffer) = pts;
  GST_BUFFER_DURATION (buffer) = duration;
  gst_app_src_push_buffer (GST_APP_SRC (source), buffer);
}

static gpointer
feed_audio (gpointer user_data)
{
  Bench *bench = user_data;
  gsize frame = 2 * sizeof (gfloat), chunk = 1000, done = 0;
  gsize total = g_mapped_file_get_length (bench->samples) / frame;

  while (done < total) {
    gsize count = MIN (chunk, total - done);

    push (bench->audio, bench->samples, done * frame, count * frame,
        gst_util_uint64_scale (done, GST_SECOND, bench->rate),
        gst_util_uint64_scale (count, GST_SECOND, bench->rate));
    done += count;
  }
  gst_app_src_end_of_stream (GST_APP_SRC (bench->audio));
  return NULL;
}

static void
feed_video (Bench *bench)
{
  bench->started = g_get_monotonic_time ();
  for (gsize n = 0; n < bench->n_frames; n++)
    push (bench->video, bench->frames, n * bench->frame_size, bench->frame_size,
        gst_util_uint64_scale (n, GST_SECOND, FPS), GST_SECOND / FPS);
  gst_app_src_end_of_stream (GST_APP_SRC (bench->video));
}

static gboolean
run (Bench *bench)
{
  GstBus *bus = gst_element_get_bus (bench->pipeline);
  GThread *audio;
  GstMessage *message;
  gboolean ok;

  gst_element_set_state (bench->pipeline, GST_STATE_PLAYING);
  audio = g_thread_new ("audio", feed_audio, bench);
  feed_video (bench);
  message = gst_bus_timed_pop_filtered (
      bus, 120 * GST_SECOND, GST_MESSAGE_ERROR | GST_MESSAGE_EOS);
  ok = message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
  if (!ok)
    g_printerr ("packaging-ours: %s\n",
        message ? "the pipeline failed" : "no end of stream in 120 s");
  g_clear_pointer (&message, gst_message_unref);
  gst_element_set_state (bench->pipeline, GST_STATE_NULL);
  g_thread_join (audio);
  gst_object_unref (bus);
  return ok;
}

int
main (int argc, char **argv)
{
  Bench bench = {0};
  GError *error = NULL;
  gdouble before, cpu;
  gchar *launch;
  guint width, height;
  GstAppSinkCallbacks callbacks = {.new_sample = new_sample};
  gint64 loaded;
  gboolean ok;

  gst_init (&argc, &argv);
  if (argc < 6) {
    g_printerr (
        "usage: %s FRAMES.i420 WIDTH HEIGHT AUDIO.f32 RATE [OUT]\n", argv[0]);
    return 2;
  }
  width = atoi (argv[2]);
  height = atoi (argv[3]);
  bench.rate = atoi (argv[5]);
  bench.frames = g_mapped_file_new (argv[1], FALSE, &error);
  bench.samples = error ? NULL : g_mapped_file_new (argv[4], FALSE, &error);
  if (argc > 6)
    bench.out = fopen (argv[6], "wb");
  launch = g_strdup_printf (
      "appsrc name=video format=time block=true max-buffers=3 max-bytes=0 "
      "caps=video/x-raw,format=I420,width=%u,height=%u,framerate=%d/1 "
      "! x264enc tune=zerolatency speed-preset=ultrafast pass=qual "
      "quantizer=23 vbv-buf-capacity=0 bframes=0 key-int-max=12 "
      "option-string=keyint-min=12:scenecut=0 byte-stream=false "
      "! video/x-h264,profile=baseline ! queue ! mux.video "
      "appsrc name=audio format=time block=true max-buffers=8 max-bytes=0 "
      "caps=audio/x-raw,format=F32LE,layout=interleaved,channels=2,rate=%u "
      "! audioconvert ! audioresample ! audio/x-raw,rate=48000 "
      "! voaacenc bitrate=128000 ! queue ! mux.audio "
      "dreamversemux name=mux ! appsink name=sink sync=false "
      "emit-signals=false",
      width, height, FPS, bench.rate);
  if (!error)
    bench.pipeline = gst_parse_launch (launch, &error);
  g_free (launch);
  if (error) {
    g_printerr ("packaging-ours: %s\n", error->message);
    g_clear_error (&error);
    return 1;
  }
  bench.frame_size = (gsize)width * height * 3 / 2;
  bench.n_frames = g_mapped_file_get_length (bench.frames) / bench.frame_size;
  bench.video = gst_bin_get_by_name (GST_BIN (bench.pipeline), "video");
  bench.audio = gst_bin_get_by_name (GST_BIN (bench.pipeline), "audio");
  bench.sink = gst_bin_get_by_name (GST_BIN (bench.pipeline), "sink");
  gst_app_sink_set_callbacks (
      GST_APP_SINK (bench.sink), &callbacks, &bench, NULL);
  announce_on (bench.video, &bench);
  announce_on (bench.audio, &bench);

  loaded = g_get_monotonic_time ();
  before = cpu_ms ();
  ok = run (&bench);
  cpu = cpu_ms () - before;
  printf ("{\"frames\": %zu, \"bytes\": %" G_GUINT64_FORMAT
          ", \"fragments\": %u, \"cpu_ms\": %.1f, \"first_ms\": %.1f, "
          "\"wall_ms\": %.1f, \"start_ms\": %.1f}\n",
      bench.n_frames, bench.bytes, bench.fragments, cpu, bench.first / 1e3,
      bench.last / 1e3, (bench.started - loaded) / 1e3);

  if (bench.out)
    fclose (bench.out);
  gst_object_unref (bench.video);
  gst_object_unref (bench.audio);
  gst_object_unref (bench.sink);
  gst_object_unref (bench.pipeline);
  g_mapped_file_unref (bench.frames);
  g_mapped_file_unref (bench.samples);
  return ok ? 0 : 1;
}
