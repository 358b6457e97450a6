/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dreamversemux: how fast it is, how exact over many segments, and that
 * picture and sound stay together after decoding.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <gst/check/gstcheck.h>

#include "gstdreamverse.h"
#include "mux-rig.h"

#define AAC_FRAME (1024.0 / 48000)
#define RESAMPLED "audioresample ! audio/x-raw,rate=48000 ! "

static gint
compare_double (gconstpointer a, gconstpointer b)
{
  gdouble x = *(const gdouble *)a, y = *(const gdouble *)b;

  return x < y ? -1 : x > y;
}

/* ---- the tail leaves at once ---- */

static const struct {
  const gchar *encoder;
  guint rate;
} tails[] = {
    {"voaacenc", 48000},
    {RESAMPLED "voaacenc", 24000},
    {"avenc_aac", 48000},
    {RESAMPLED "avenc_aac", 24000},
};

/* A test machine may be busy; the figure is printed, the limit generous. */
#define TAIL_LIMIT_MS 250

GST_START_TEST (test_tail_leaves_in_a_pause)
{
  MuxRig rig;
  gdouble worst = 0, sum = 0;
  guint i, segments = 4;

  mux_rig_init (&rig, RIG_X264, tails[__i__].encoder);
  rig.source.rate = tails[__i__].rate;
  rig.source.width = 640;
  rig.source.height = 352;
  rig.source.segments = segments;
  rig.source.frames = 13;
  rig.source.paced = TRUE;
  rig.source.pause_ms = 400;
  rig.source.eos = rig.source.closing = rig.source.known = FALSE;
  mux_rig_start (&rig);
  fail_unless (fragment_collector_wait_completed (&rig.out, segments, 30),
      "%u of %u segments completed although all was sent", rig.out.completed,
      segments);
  segment_source_join (&rig.source, FALSE);
  for (i = 0; i < segments; i++) {
    gdouble ms = (g_array_index (rig.out.last_fragment_us, gint64, i) -
                     rig.source.last_us[i + 1]) /
                 1000.0;

    worst = MAX (worst, ms);
    sum += ms;
  }
  g_print ("%s at %u: last raw data in -> last fragment out: mean %.1f ms, "
           "worst %.1f ms\n",
      tails[__i__].encoder, tails[__i__].rate, sum / segments, worst);
  fail_unless (worst < TAIL_LIMIT_MS);
  mux_rig_check_clean (&rig);
  fail_unless_equals_int (rig.media_error, 0);
  mux_rig_clear (&rig);
}

GST_END_TEST;

/* ---- many segments ---- */

static gulong
resident_kb (void)
{
  gchar *text = NULL;
  gulong pages = 0;

  if (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL))
    sscanf (text, "%*u %lu", &pages);
  g_free (text);
  return pages * (sysconf (_SC_PAGESIZE) / 1024);
}

GST_START_TEST (test_a_thousand_segments)
{
  MuxRig rig;
  guint segments = 1000, frames = 6;
  const gchar *many = g_getenv ("MUX_SEGMENTS");
  gulong before, after;
  gdouble *reset, end;
  guint n;

  if (many)
    segments = atoi (many);
  mux_rig_init (&rig, RIG_X264, "voaacenc");
  rig.source.width = 32;
  rig.source.height = 32;
  rig.source.segments = segments;
  rig.source.frames = frames;
  mux_rig_start (&rig);
  fail_unless (fragment_collector_wait_completed (&rig.out, segments / 5, 300));
  before = resident_kb ();
  fail_unless (fragment_collector_wait_completed (
      &rig.out, segments - segments / 20, 600));
  after = resident_kb ();
  fail_unless (fragment_collector_wait_eos (&rig.out, 60));

  mux_rig_check_clean (&rig);
  fail_unless_equals_int (rig.media_error, 0);
  fail_unless_equals_int (rig.out.completed, segments);
  fail_unless_equals_int (rig.out.track[0].samples, segments * frames);
  end = (gdouble)segments * frames / rig.source.fps;
  fail_unless (ABS (fragment_collector_end (&rig.out, 0) - end) < 0.001);
  fail_unless (ABS (fragment_collector_end (&rig.out, 1) - end) < AAC_FRAME);

  reset = (gdouble *)rig.out.reset_ms->data;
  n = rig.out.reset_ms->len;
  qsort (reset, n, sizeof *reset, compare_double);
  g_print ("%u resets: median %.2f ms, 99th percentile %.2f ms, worst %.2f "
           "ms; memory %lu -> %lu kB\n",
      n, reset[n / 2], reset[n * 99 / 100], reset[n - 1], before, after);
  fail_unless (reset[n * 99 / 100] < 50);
#ifndef __SANITIZE_ADDRESS__
  fail_unless (
      after < before + 4096, "memory grew from %lu to %lu kB", before, after);
#endif
  mux_rig_clear (&rig);
}

GST_END_TEST;

/* ---- fragment-duration ---- */

GST_START_TEST (test_fragment_duration)
{
  static const guint ms[] = {40, 125, 500};
  MuxRig rig;
  guint got;

  mux_rig_init (&rig, RIG_X264 " key-int-max=1000", "voaacenc");
  g_object_set (rig.mux, "fragment-duration", ms[__i__], NULL);
  gst_child_proxy_get (
      GST_CHILD_PROXY (rig.mux), "mp4mux::fragment-duration", &got, NULL);
  fail_unless_equals_int (got, ms[__i__]);
  rig.source.frames = 48;
  mux_rig_run (&rig, 30);
  mux_rig_check_clean (&rig);
  /* up to a frame longer, or two frames */
  fail_unless (rig.out.track[0].longest * 1000 / rig.out.track[0].timescale <=
               MAX (ms[__i__] + 42, 84));
  fail_unless (rig.out.track[0].fragments >= 3 * 2000 / (ms[__i__] + 42));
  fail_unless (rig.out.track[0].fragments <= 3 * (2000 / ms[__i__] + 2));
  mux_rig_clear (&rig);
}

GST_END_TEST;

/* ---- sound and picture after decoding ---- */

typedef struct {
  GArray *flashes; /* gdouble, s */
  gdouble second_peak[64];
  gdouble second_time[64];
  guint pictures;
} Decoded;

static void
on_sound (GstElement *sink, GstBuffer *buffer, GstPad *pad, Decoded *decoded)
{
  GstMapInfo map;
  const gfloat *samples;
  gsize i;

  gst_buffer_map (buffer, &map, GST_MAP_READ);
  samples = (const gfloat *)map.data;
  for (i = 0; i < map.size / 4; i++) {
    gdouble time =
        (gdouble)GST_BUFFER_PTS (buffer) / GST_SECOND + (gdouble)i / 48000;
    guint second = (guint)(time + 0.5);
    gdouble level = ABS (samples[i]);

    if (second < 64 && level > decoded->second_peak[second]) {
      decoded->second_peak[second] = level;
      decoded->second_time[second] = time;
    }
  }
  gst_buffer_unmap (buffer, &map);
}

static void
on_picture (GstElement *sink, GstBuffer *buffer, GstPad *pad, Decoded *decoded)
{
  GstMapInfo map;
  gdouble time = (gdouble)GST_BUFFER_PTS (buffer) / GST_SECOND;

  gst_buffer_map (buffer, &map, GST_MAP_READ);
  decoded->pictures++;
  if (map.data[map.size / 3] > 128)
    g_array_append_val (decoded->flashes, time);
  gst_buffer_unmap (buffer, &map);
}

static void
decode (const gchar *path, Decoded *decoded)
{
  gchar *line = g_strdup_printf (
      "filesrc location=%s ! qtdemux name=d "
      "d.audio_0 ! queue max-size-time=0 max-size-buffers=0 ! avdec_aac ! "
      "audioconvert ! audioresample ! "
      "audio/x-raw,format=F32LE,channels=1,rate=48000 ! "
      "fakesink name=a signal-handoffs=true "
      "d.video_0 ! queue max-size-time=0 max-size-buffers=0 ! avdec_h264 ! "
      "fakesink name=v signal-handoffs=true",
      path);
  GstElement *pipeline = gst_parse_launch (line, NULL);
  GstElement *sound = gst_bin_get_by_name (GST_BIN (pipeline), "a");
  GstElement *picture = gst_bin_get_by_name (GST_BIN (pipeline), "v");
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message;

  memset (decoded, 0, sizeof *decoded);
  decoded->flashes = g_array_new (FALSE, FALSE, sizeof (gdouble));
  g_signal_connect (sound, "handoff", G_CALLBACK (on_sound), decoded);
  g_signal_connect (picture, "handoff", G_CALLBACK (on_picture), decoded);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (
      bus, 60 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  fail_unless (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS,
      "the output does not decode");
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (sound);
  gst_object_unref (picture);
  gst_object_unref (pipeline);
  g_free (line);
}

static void
check_with_ffmpeg (const gchar *path)
{
  gchar *argv[] = {(gchar *)"ffmpeg", (gchar *)"-v", (gchar *)"error",
      (gchar *)"-i", (gchar *)path, (gchar *)"-f", (gchar *)"null",
      (gchar *)"-", NULL};
  gchar *said = NULL;
  gint status;

  if (!g_spawn_sync (NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
          &said, &status, NULL))
    return; /* not installed */
  fail_unless (status == 0 && !*said, "ffmpeg: %s", said);
  g_free (said);
}

static const struct {
  const gchar *video, *audio;
  guint rate;
  gdouble shift; /* of both tracks, s */
} joints[] = {
    {RIG_X264, "voaacenc", 48000, 0},
    {RIG_X264, "avenc_aac", 48000, 0},
    {RIG_X264, RESAMPLED "voaacenc", 24000, 0},
    {RIG_X264, RESAMPLED "avenc_aac", 24000, 0},
    {RIG_X264, "voaacenc", 24000, 0},
    {RIG_X264, "avenc_aac", 24000, 0},
    {"x264enc bframes=2 b-adapt=false speed-preset=veryfast", "voaacenc", 48000,
        2 / 24.0},
};

/* Impulses in the raw sound and white raw pictures, once a second, are where
 * they were after encode, mux, demux and decode, over many boundaries. */
GST_START_TEST (test_clicks_meet_their_pictures)
{
  gdouble shift = joints[__i__].shift;
  MuxRig rig;
  Decoded decoded;
  gchar *path;
  guint i, seconds = 12;
  gint fd = g_file_open_tmp ("dreamversemux-XXXXXX.mp4", &path, NULL);

  fail_unless (fd >= 0);
  mux_rig_init (&rig, joints[__i__].video, joints[__i__].audio);
  rig.out.file = fdopen (fd, "wb");
  rig.source.rate = joints[__i__].rate;
  rig.source.clicks = TRUE;
  rig.source.frames = 18;
  rig.source.segments = seconds * 24 / 18;
  mux_rig_run (&rig, 60);
  mux_rig_check_clean (&rig);
  fclose (rig.out.file);
  fail_unless_equals_int (rig.out.completed, rig.source.segments);
  fail_unless_equals_int (rig.media_error, 0);
  mux_rig_clear (&rig);

  decode (path, &decoded);
  check_with_ffmpeg (path);
  fail_unless_equals_int (decoded.pictures, seconds * 24);
  fail_unless_equals_int (decoded.flashes->len, seconds);
  for (i = 0; i < seconds; i++) {
    gdouble flash = g_array_index (decoded.flashes, gdouble, i) - shift;
    gdouble click = decoded.second_time[i] - shift;

    fail_unless (ABS (flash - i) < 0.001, "flash %u is at %f", i, flash);
    if (i == 0)
      continue; /* lost in the encoder's priming */
    if (i == 1)
      g_print ("%s at %u: click is %+.2f ms off\n", joints[__i__].audio,
          joints[__i__].rate, (click - i) * 1000);
    fail_unless (ABS (click - i) < 0.002, "click %u is at %f", i, click);
  }
  g_array_unref (decoded.flashes);
  g_unlink (path);
  g_free (path);
}

GST_END_TEST;

static Suite *
dreamversemux_timing_suite (void)
{
  Suite *s = suite_create ("dreamversemux-timing");
  TCase *tc = tcase_create ("timing");

  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 600);
  tcase_add_loop_test (
      tc, test_tail_leaves_in_a_pause, 0, G_N_ELEMENTS (tails));
  tcase_add_test (tc, test_a_thousand_segments);
  tcase_add_loop_test (tc, test_fragment_duration, 0, 3);
  tcase_add_loop_test (
      tc, test_clicks_meet_their_pictures, 0, G_N_ELEMENTS (joints));
  return s;
}

GST_CHECK_MAIN (dreamversemux_timing);
