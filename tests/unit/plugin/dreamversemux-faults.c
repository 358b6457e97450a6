/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dreamversemux: what does not go as announced. Every segment still ends, a
 * message names it, and nothing hangs.
 */
#include <string.h>

#include <gst/check/gstcheck.h>

#include "gstdreamverse.h"
#include "mux-rig.h"

#define BOUND 20

static gboolean
wait_media_error (MuxRig *rig)
{
  gint64 until = g_get_monotonic_time () + BOUND * G_USEC_PER_SEC;
  gboolean ok = TRUE;

  g_mutex_lock (&rig->out.lock);
  while (ok && !rig->media_error)
    ok = g_cond_wait_until (&rig->out.cond, &rig->out.lock, until);
  g_mutex_unlock (&rig->out.lock);
  return ok;
}

static GstEvent *
make_abort (MuxRig *rig, guint segment, guint frames)
{
  GstStructure *s = segment_source_structure (
      &rig->source, GST_DREAMVERSE_EVENT_SEGMENT_ABORTED, segment);

  gst_structure_set (s, GST_DREAMVERSE_FIELD_END, G_TYPE_UINT64,
      gst_util_uint64_scale (frames, GST_SECOND, rig->source.fps), NULL);
  return gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_OOB, s);
}

/* ---- lengths that are not as announced ---- */

GST_START_TEST (test_audio_of_other_lengths)
{
  static const gint errors[] = {
      0, 500, -500, 5000, -5000, 24000, -24000, 0, 0, -500, -500, 500};
  MuxRig rig;

  mux_rig_init (&rig, RIG_X264, __i__ ? "avenc_aac" : "voaacenc");
  rig.source.audio_error = errors;
  rig.source.n_audio_error = G_N_ELEMENTS (errors);
  rig.source.segments = 2 * G_N_ELEMENTS (errors);
  mux_rig_run (&rig, 60);
  fail_unless (rig.out.errors == 0, "%s", rig.out.first_error);
  fail_unless_equals_int (rig.errors, 0);
  fail_unless_equals_int (rig.out.bad_order, 0);
  fail_unless_equals_int (rig.out.completed, rig.source.segments);
  fail_unless_equals_int (
      rig.out.track[0].samples, rig.source.segments * rig.source.frames);
  fail_unless_equals_int (rig.out.track[0].gaps, 0);
  fail_unless_equals_int (rig.out.track[0].overlaps, 0);
  /* never backwards, and no more missing than was missing at the source */
  fail_unless_equals_int (rig.out.track[1].overlaps, 0);
  fail_unless (rig.out.track[1].longest_gap < 26000);
  mux_rig_clear (&rig);
}

GST_END_TEST;

GST_START_TEST (test_short_audio_is_named)
{
  static const gint errors[] = {0, -24000, 0};
  MuxRig rig;

  mux_rig_init (&rig, RIG_X264, "voaacenc");
  rig.source.audio_error = errors;
  rig.source.n_audio_error = 3;
  mux_rig_run (&rig, 30);
  fail_unless_equals_int (rig.media_error, 1);
  fail_unless_equals_string (rig.code, "audio-short");
  fail_unless_equals_string (rig.stage, "encode");
  fail_unless_equals_string (rig.id, "seg002-00000000");
  fail_unless_equals_int (rig.out.completed, 3);
  fail_unless_equals_int (rig.out.aborted, 1);
  fail_unless_equals_int (rig.errors, 0);
  mux_rig_clear (&rig);
}

GST_END_TEST;

GST_START_TEST (test_video_that_ends_early_is_named)
{
  MuxRig rig;

  mux_rig_init (&rig, RIG_X264, "voaacenc");
  rig.source.stop_video_after = 36;
  rig.source.segments = 2;
  mux_rig_run (&rig, 30);
  fail_unless_equals_int (rig.media_error, 1);
  fail_unless_equals_string (rig.code, "video-short");
  fail_unless_equals_string (rig.id, "seg002-00000000");
  fail_unless (strstr (rig.text, "500 ms") != NULL, "%s", rig.text);
  fail_unless_equals_int (rig.out.completed, 2);
  fail_unless_equals_int (rig.out.aborted, 1);
  fail_unless_equals_int (rig.out.track[0].samples, 36);
  mux_rig_clear (&rig);
}

GST_END_TEST;

GST_START_TEST (test_encoder_that_fails_mid_segment)
{
  MuxRig rig;

  mux_rig_init (&rig, "identity error-after=30 ! " RIG_X264, "voaacenc");
  mux_rig_run (&rig, 30);
  fail_unless (wait_media_error (&rig));
  fail_unless (rig.errors >= 1);
  fail_unless_equals_string (rig.code, "encoder-failed");
  /* What was being encoded, though the other track is still in the first
   * segment: frame 30, of 24 a segment. */
  fail_unless_equals_string (rig.id, "seg002-00000000");
  fail_unless_equals_string (rig.stage, "encode");
  mux_rig_check_named_first (&rig);
  fail_unless_equals_int (rig.out.completed, rig.out.announced);
  fail_unless (rig.out.aborted >= 1);
  fail_unless (rig.out.errors == 0, "%s", rig.out.first_error);
  mux_rig_clear (&rig);
}

GST_END_TEST;

/* The encoder gives nothing at all. */
GST_START_TEST (test_segment_without_media_is_named)
{
  MuxRig rig;

  /* of one track: there is no writing a track that has no format */
  mux_rig_init (&rig, "identity drop-probability=1 ! " RIG_X264, "voaacenc");
  mux_rig_start (&rig);
  fail_unless (wait_media_error (&rig));
  fail_unless_equals_string (rig.code, "no-media");
  fail_unless_equals_string (rig.stage, "encode");
  fail_unless_equals_string (rig.id, "seg001-00000000");
  mux_rig_check_named_first (&rig);
  mux_rig_clear (&rig);

  /* of both: there is nothing to write */
  mux_rig_init (&rig, "identity drop-probability=1 ! " RIG_X264,
      "identity drop-probability=1 ! voaacenc");
  rig.source.segments = 1;
  rig.source.closing = FALSE;
  mux_rig_run (&rig, 30);
  fail_unless_equals_int (rig.out.fragments, 0);
  fail_unless_equals_int (rig.errors, 0);
  mux_rig_clear (&rig);
}

GST_END_TEST;

/* ---- aborts ---- */

/* __i__: 0 before anything, 1 at any moment, 2 when all was sent */
GST_START_TEST (test_aborted_segment_ends)
{
  MuxRig rig;
  gboolean aborted = FALSE;
  guint64 end = 0;

  mux_rig_init (&rig, RIG_X264, "voaacenc");
  rig.source.segments = 1;
  rig.source.announced_frames = 48;
  rig.source.eos = rig.source.closing = rig.source.known = FALSE;
  segment_source_link (&rig.source, rig.venc, rig.aenc);
  gst_element_set_state (rig.pipeline, GST_STATE_PLAYING);
  if (__i__ == 0) {
    GstPad *pad = gst_element_get_static_pad (rig.mux, "video");

    gst_pad_send_event (pad, make_abort (&rig, 1, 24));
    gst_object_unref (pad);
  }
  segment_source_start (&rig.source);
  if (__i__ == 2)
    segment_source_join (&rig.source, FALSE);
  if (__i__ >= 1)
    segment_source_push_event (&rig.source, make_abort (&rig, 1, 24));
  fail_unless (fragment_collector_wait_completed (&rig.out, 1, BOUND));
  segment_source_join (&rig.source, FALSE);

  gst_structure_get_boolean (
      rig.out.last_completion, GST_DREAMVERSE_FIELD_ABORTED, &aborted);
  gst_structure_get_uint64 (
      rig.out.last_completion, GST_DREAMVERSE_FIELD_END, &end);
  fail_unless (aborted);
  fail_unless_equals_uint64 (end, GST_SECOND);
  fail_unless_equals_int (rig.out.track[0].samples, 24);
  fail_unless_equals_int (rig.media_error, 0);
  mux_rig_check_clean (&rig);

  /* the next one goes on right there */
  rig.source.round++;
  rig.source.offset_frames = 24;
  rig.source.announced_frames = 0;
  rig.source.segments = 2;
  rig.source.eos = rig.source.closing = rig.source.known = TRUE;
  segment_source_start (&rig.source);
  fail_unless (fragment_collector_wait_eos (&rig.out, BOUND));
  fail_unless_equals_int (rig.out.completed, 3);
  fail_unless_equals_int (rig.out.aborted, 1);
  fail_unless_equals_int (rig.out.track[0].samples, 72);
  mux_rig_check_clean (&rig);
  mux_rig_clear (&rig);
}

GST_END_TEST;

/* ---- flushes, stops, events at any moment ---- */

GST_START_TEST (test_flush_ends_the_segment_and_goes_on)
{
  MuxRig rig;
  guint round;

  mux_rig_init (&rig, RIG_X264, "voaacenc");
  rig.source.announced_frames = 48;
  rig.source.segments = 1;
  rig.source.eos = rig.source.closing = rig.source.known = FALSE;
  mux_rig_start (&rig);
  for (round = 1; round <= 8; round++) {
    if (round % 2)
      segment_source_join (&rig.source, FALSE);
    segment_source_push_event (&rig.source, gst_event_new_flush_start ());
    segment_source_join (&rig.source, TRUE);
    segment_source_push_event (&rig.source, gst_event_new_flush_stop (TRUE));
    rig.source.round = round;
    if (round == 8) {
      rig.source.announced_frames = 0;
      rig.source.segments = 3;
      rig.source.eos = rig.source.closing = rig.source.known = TRUE;
    }
    segment_source_start (&rig.source);
  }
  fail_unless (fragment_collector_wait_eos (&rig.out, BOUND));
  fail_unless (rig.out.errors == 0, "%s", rig.out.first_error);
  fail_unless_equals_int (rig.errors, 0);
  fail_unless_equals_int (rig.out.bad_order, 0);
  fail_unless_equals_int (rig.out.completed, rig.out.announced);
  /* An encoder may send an announcement that it held over the flush. */
  fail_unless (rig.out.completed - rig.out.aborted >= 2);
  fail_unless_equals_int (rig.out.track[0].overlaps, 0);
  fail_unless_equals_int (rig.out.track[1].overlaps, 0);
  mux_rig_clear (&rig);
}

GST_END_TEST;

/* A link that is cut for a moment may let only the end of a flush through. */
GST_START_TEST (test_a_flush_of_which_only_the_end_comes)
{
  MuxRig rig;

  mux_rig_init (&rig, RIG_X264, "voaacenc");
  rig.source.segments = 1;
  rig.source.eos = rig.source.closing = rig.source.known = FALSE;
  mux_rig_start (&rig);
  fail_unless (fragment_collector_wait_completed (&rig.out, 1, BOUND));
  segment_source_join (&rig.source, FALSE);
  segment_source_push_event (&rig.source, gst_event_new_flush_stop (TRUE));
  rig.source.round++;
  rig.source.eos = rig.source.closing = rig.source.known = TRUE;
  segment_source_start (&rig.source);
  fail_unless (fragment_collector_wait_eos (&rig.out, BOUND));
  fail_unless_equals_int (rig.errors, 0);
  fail_unless_equals_int (rig.out.completed - rig.out.aborted, 2);
  mux_rig_clear (&rig);
}

GST_END_TEST;

static gint asked;

/* Whoever owns the memory may do anything when it comes back. */
static void
ask_mux (gpointer mux)
{
  g_object_set (mux, "audio-delay", G_GINT64_CONSTANT (0), NULL);
  g_atomic_int_inc (&asked);
}

/* To free a buffer is a call out. */
GST_START_TEST (test_what_is_dropped_is_freed_without_a_lock)
{
  static guint8 bytes[16];
  GstElement *mux = gst_element_factory_make ("dreamversemux", NULL);
  GstPad *sink = gst_element_request_pad_simple (mux, "audio");
  GstPad *pad = gst_pad_new ("src", GST_PAD_SRC);
  GstSegment segment;
  guint i;

  g_atomic_int_set (&asked, 0); /* all rounds may share a process */
  gst_pad_set_active (pad, TRUE);
  fail_unless_equals_int (gst_pad_link (pad, sink), GST_PAD_LINK_OK);
  gst_element_set_state (mux, GST_STATE_PLAYING);
  gst_pad_push_event (pad, gst_event_new_stream_start ("s"));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (pad, gst_event_new_segment (&segment));
  for (i = 0; i < 2; i++) {
    GstBuffer *buffer = gst_buffer_new_wrapped_full (
        0, bytes, sizeof bytes, 0, sizeof bytes, mux, ask_mux);

    /* the first waits for more, the second has no time */
    if (i == 0)
      GST_BUFFER_PTS (buffer) = 0;
    fail_unless_equals_int (gst_pad_push (pad, buffer), GST_FLOW_OK);
  }
  if (__i__ == 0)
    gst_pad_push_event (pad, gst_event_new_flush_start ());
  gst_element_set_state (mux, GST_STATE_NULL);
  fail_unless_equals_int (g_atomic_int_get (&asked), 2);
  gst_pad_set_active (pad, FALSE);
  gst_object_unref (pad);
  gst_object_unref (sink);
  gst_object_unref (mux);
}

GST_END_TEST;

/* Before any segment, and after one that counts bytes. */
GST_START_TEST (test_data_without_a_segment_is_refused)
{
  GstElement *mux = gst_element_factory_make ("dreamversemux", NULL);
  GstBus *bus = gst_bus_new ();
  GstPad *sink = gst_element_request_pad_simple (mux, "audio");
  GstPad *pad = gst_pad_new ("src", GST_PAD_SRC);
  GstFlowReturn flow = GST_FLOW_OK;
  GstMessage *message;
  GError *error = NULL;
  GstSegment segment;

  gst_element_set_bus (mux, bus);
  gst_pad_set_active (pad, TRUE);
  fail_unless_equals_int (gst_pad_link (pad, sink), GST_PAD_LINK_OK);
  gst_element_set_state (mux, GST_STATE_PLAYING);
  gst_pad_push_event (pad, gst_event_new_stream_start ("s"));
  if (__i__ == 0) {
    /* GStreamer itself complains, too. */
    ASSERT_WARNING (flow = gst_pad_push (pad, gst_buffer_new ()));
  } else {
    gst_segment_init (&segment, GST_FORMAT_BYTES);
    gst_pad_push_event (pad, gst_event_new_segment (&segment));
    flow = gst_pad_push (pad, gst_buffer_new ());
  }
  fail_unless_equals_int (flow, GST_FLOW_ERROR);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  fail_unless (message != NULL);
  gst_message_parse_error (message, &error, NULL);
  fail_unless (
      g_error_matches (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT));
  fail_unless (strstr (error->message, "The audio came without a segment"),
      "%s", error->message);
  g_error_free (error);
  gst_message_unref (message);
  /* once */
  fail_unless_equals_int (
      gst_pad_push (pad, gst_buffer_new ()), GST_FLOW_ERROR);
  fail_if (gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR));
  gst_element_set_state (mux, GST_STATE_NULL);
  gst_element_set_bus (mux, NULL);
  gst_object_unref (bus);
  gst_pad_set_active (pad, FALSE);
  gst_object_unref (pad);
  gst_object_unref (sink);
  gst_object_unref (mux);
}

GST_END_TEST;

/* Who flushes here takes the segment away, and nobody sends it again. */
GST_START_TEST (test_flush_in_the_middle_of_a_pipeline_is_an_error)
{
  MuxRig rig;
  GstPad *pad;

  mux_rig_init (&rig, RIG_X264, "voaacenc");
  rig.source.segments = 1;
  rig.source.eos = rig.source.closing = rig.source.known = FALSE;
  mux_rig_start (&rig);
  fail_unless (fragment_collector_wait_completed (&rig.out, 1, BOUND));
  segment_source_join (&rig.source, FALSE);
  pad = gst_element_get_static_pad (rig.mux, "video");
  gst_pad_send_event (pad, gst_event_new_flush_start ());
  gst_pad_send_event (pad, gst_event_new_flush_stop (TRUE));
  gst_object_unref (pad);
  rig.source.round++;
  rig.source.offset_frames = 24;
  /* GStreamer itself complains, too; the message is what counts. */
  _gst_check_expecting_log = TRUE;
  segment_source_start (&rig.source);
  fail_unless (wait_media_error (&rig));
  segment_source_join (&rig.source, FALSE);
  _gst_check_expecting_log = FALSE;
  fail_unless_equals_string (rig.code, "no-segment");
  fail_unless_equals_string (rig.stage, "mux");
  fail_unless_equals_string (rig.id, "seg001-00000001");
  mux_rig_check_named_first (&rig);
  fail_unless_equals_int (rig.source.flow[0], GST_FLOW_ERROR);
  mux_rig_clear (&rig);
}

GST_END_TEST;

/* At a boundary the format may change: then the init segment does. */
GST_START_TEST (test_size_changes_between_segments)
{
  MuxRig rig;

  mux_rig_init (&rig, RIG_X264, "voaacenc");
  rig.source.segments = 2;
  rig.source.eos = rig.source.closing = rig.source.known = FALSE;
  mux_rig_start (&rig);
  fail_unless (fragment_collector_wait_completed (&rig.out, 2, BOUND));
  segment_source_join (&rig.source, FALSE);
  fail_unless_equals_int (rig.out.parsed.track[0].width, 160);

  rig.source.round++;
  rig.source.width = 192;
  rig.source.offset_frames = 48;
  rig.source.eos = rig.source.closing = rig.source.known = TRUE;
  segment_source_start (&rig.source);
  fail_unless (fragment_collector_wait_eos (&rig.out, BOUND));
  fail_unless (rig.out.errors == 0, "%s", rig.out.first_error);
  fail_unless_equals_int (rig.out.completed, 4);
  fail_unless_equals_int (rig.out.aborted, 0);
  fail_unless_equals_int (rig.out.different_inits, 1);
  fail_unless_equals_int (rig.out.parsed.track[0].width, 192);
  fail_unless_equals_int (rig.out.track[0].samples, 96);
  fail_unless_equals_int (rig.out.track[0].gaps, 0);
  fail_unless_equals_int (rig.out.track[0].overlaps, 0);
  mux_rig_clear (&rig);
}

GST_END_TEST;

GST_START_TEST (test_control_passes_during_resets)
{
  MuxRig rig;
  GstPad *src;
  gint sent = 0;

  mux_rig_init (&rig, RIG_X264, "voaacenc");
  rig.source.width = rig.source.height = 32;
  rig.source.frames = 3;
  rig.source.segments = 200;
  mux_rig_start (&rig);
  src = gst_element_get_static_pad (rig.mux, "src");
  while (sent < 1000) {
    gchar *id = g_strdup_printf ("c%d", sent++);

    gst_pad_send_event (src, gst_dreamverse_control_event_new (
                                 GST_DREAMVERSE_COMMAND_PAUSE, id, NULL, NULL));
    g_free (id);
    /* spread over all resets */
    fail_unless (fragment_collector_wait_completed (&rig.out, sent / 5, BOUND));
  }
  fail_unless (fragment_collector_wait_eos (&rig.out, BOUND));
  fail_unless_equals_int (g_atomic_int_get (&rig.source.controls[0]), sent);
  fail_unless_equals_int (g_atomic_int_get (&rig.source.controls[1]), sent);
  gst_object_unref (src);
  mux_rig_check_clean (&rig);
  mux_rig_clear (&rig);
}

GST_END_TEST;

GST_START_TEST (test_stops_at_any_moment)
{
  GRand *random = g_rand_new_with_seed (7);
  guint i;

  for (i = 0; i < 40; i++) {
    MuxRig rig;
    guint changes = g_rand_int_range (random, 0, 4);

    mux_rig_init (&rig, RIG_X264, i % 2 ? "avenc_aac" : "voaacenc");
    rig.source.width = rig.source.height = 32;
    rig.source.frames = 4;
    rig.source.segments = 100000;
    mux_rig_start (&rig);
    while (changes--) {
      fail_unless (fragment_collector_wait_completed (
          &rig.out, rig.out.completed + 1, BOUND));
      gst_element_set_state (rig.pipeline,
          g_rand_boolean (random) ? GST_STATE_PAUSED : GST_STATE_PLAYING);
    }
    g_usleep (g_rand_int_range (random, 0, 5000));
    if (i % 3 == 0) {
      /* down and up again */
      gst_element_set_state (rig.pipeline, GST_STATE_READY);
      segment_source_join (&rig.source, TRUE);
      gst_element_set_state (rig.pipeline, GST_STATE_PLAYING);
    }
    fail_unless (rig.out.errors == 0, "%s", rig.out.first_error);
    mux_rig_clear (&rig);
  }
  g_rand_free (random);
}

GST_END_TEST;

typedef struct {
  GstElement *mux;
  GstPad *pad;
  GMutex lock;
  GCond cond;
  gboolean held, go;
  GstFlowReturn flow;
} Stop;

/* Downstream takes its time, so that stopping takes as long. */
static GstPadProbeReturn
hold_output (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Stop *stop = data;
  gint64 until = g_get_monotonic_time () + BOUND * G_USEC_PER_SEC;

  g_mutex_lock (&stop->lock);
  stop->held = TRUE;
  g_cond_broadcast (&stop->cond);
  while (!stop->go && g_cond_wait_until (&stop->cond, &stop->lock, until))
    ;
  g_mutex_unlock (&stop->lock);
  return GST_PAD_PROBE_OK;
}

static GstBuffer *
make_sound (guint n)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 64, NULL);

  gst_buffer_memset (buffer, 0, 0, 64);
  GST_BUFFER_PTS (buffer) = gst_util_uint64_scale (n, 1024 * GST_SECOND, 48000);
  GST_BUFFER_DTS (buffer) = GST_BUFFER_PTS (buffer);
  GST_BUFFER_DURATION (buffer) = GST_SECOND * 1024 / 48000;
  return buffer;
}

static gpointer
push_sound (gpointer data)
{
  Stop *stop = data;
  guint n;

  for (n = 0; stop->flow == GST_FLOW_OK; n++)
    stop->flow = gst_pad_push (stop->pad, make_sound (n));
  return NULL;
}

static gpointer
stop_mux (gpointer data)
{
  gst_element_set_state (((Stop *)data)->mux, GST_STATE_READY);
  return NULL;
}

/* What is sent while it is being stopped comes back as flushing: an error
 * would be upstream's, and on the bus. */
GST_START_TEST (test_stopping_is_no_error_upstream)
{
  Stop stop = {gst_element_factory_make ("dreamversemux", NULL)};
  gint64 until = g_get_monotonic_time () + BOUND * G_USEC_PER_SEC;
  GstPad *src = gst_element_get_static_pad (stop.mux, "src");
  GstPad *sink = gst_element_request_pad_simple (stop.mux, "audio");
  GThread *pushing, *stopping;
  GstSegment segment;
  GstCaps *caps;

  stop.pad = gst_pad_new ("src", GST_PAD_SRC);
  g_mutex_init (&stop.lock);
  g_cond_init (&stop.cond);
  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_BUFFER, hold_output, &stop, NULL);
  gst_pad_set_active (stop.pad, TRUE);
  fail_unless_equals_int (gst_pad_link (stop.pad, sink), GST_PAD_LINK_OK);
  gst_element_set_state (stop.mux, GST_STATE_PLAYING);
  gst_pad_push_event (stop.pad, gst_event_new_stream_start ("s"));
  caps = gst_caps_from_string (
      "audio/mpeg, mpegversion=4, stream-format=raw, rate=48000, channels=2, "
      "codec_data=(buffer)1190");
  gst_pad_push_event (stop.pad, gst_event_new_caps (caps));
  gst_caps_unref (caps);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (stop.pad, gst_event_new_segment (&segment));
  pushing = g_thread_new ("push", push_sound, &stop);
  g_mutex_lock (&stop.lock);
  while (!stop.held)
    fail_unless (g_cond_wait_until (&stop.cond, &stop.lock, until));
  g_mutex_unlock (&stop.lock);
  stopping = g_thread_new ("stop", stop_mux, &stop);
  g_thread_join (pushing);
  fail_unless_equals_int (stop.flow, GST_FLOW_FLUSHING);
  segment.base = GST_SECOND;
  gst_pad_push_event (stop.pad, gst_event_new_segment (&segment));
  fail_unless_equals_int (
      gst_pad_push (stop.pad, make_sound (0)), GST_FLOW_FLUSHING);
  g_mutex_lock (&stop.lock);
  stop.go = TRUE;
  g_cond_broadcast (&stop.cond);
  g_mutex_unlock (&stop.lock);
  g_thread_join (stopping);
  gst_element_set_state (stop.mux, GST_STATE_NULL);
  gst_pad_set_active (stop.pad, FALSE);
  gst_object_unref (stop.pad);
  gst_object_unref (sink);
  gst_object_unref (src);
  gst_object_unref (stop.mux);
  g_mutex_clear (&stop.lock);
  g_cond_clear (&stop.cond);
}

GST_END_TEST;

/* ---- pads ---- */

GST_START_TEST (test_latency_is_said)
{
  MuxRig rig;
  GstPad *src;
  GstQuery *query = gst_query_new_latency ();
  gboolean live = FALSE;
  GstClockTime min, max;

  mux_rig_init (&rig, RIG_X264, "voaacenc");
  rig.source.paced = TRUE;
  rig.source.segments = 1;
  mux_rig_run (&rig, 30);
  src = gst_element_get_static_pad (rig.mux, "src");
  fail_unless (gst_pad_query (src, query));
  gst_query_parse_latency (query, &live, &min, &max);
  fail_unless (live);
  fail_unless (min >= 125 * GST_MSECOND && min < GST_SECOND,
      "%" GST_TIME_FORMAT, GST_TIME_ARGS (min));
  gst_object_unref (src);
  gst_query_unref (query);
  mux_rig_clear (&rig);
}

GST_END_TEST;

GST_START_TEST (test_pads_are_requested_once)
{
  GstElement *mux = gst_element_factory_make ("dreamversemux", NULL);
  GstPad *video = gst_element_request_pad_simple (mux, "video");
  GstPad *audio = gst_element_request_pad_simple (mux, "audio");

  fail_unless (video && audio);
  gst_element_release_request_pad (mux, video);
  gst_object_unref (video);
  video = gst_element_request_pad_simple (mux, "video");
  fail_unless (video != NULL);
  gst_object_unref (video);
  gst_object_unref (audio);
  ASSERT_OBJECT_REFCOUNT (mux, "mux", 1);
  gst_object_unref (mux);
}

GST_END_TEST;

static Suite *
dreamversemux_faults_suite (void)
{
  Suite *s = suite_create ("dreamversemux-faults");
  TCase *tc = tcase_create ("faults");

  suite_add_tcase (s, tc);
  tcase_add_loop_test (tc, test_audio_of_other_lengths, 0, 2);
  tcase_add_test (tc, test_short_audio_is_named);
  tcase_add_test (tc, test_video_that_ends_early_is_named);
  tcase_add_test (tc, test_encoder_that_fails_mid_segment);
  tcase_add_test (tc, test_segment_without_media_is_named);
  tcase_add_loop_test (tc, test_aborted_segment_ends, 0, 3);
  tcase_add_test (tc, test_flush_ends_the_segment_and_goes_on);
  tcase_add_test (tc, test_a_flush_of_which_only_the_end_comes);
  tcase_add_loop_test (tc, test_what_is_dropped_is_freed_without_a_lock, 0, 2);
  tcase_add_loop_test (tc, test_data_without_a_segment_is_refused, 0, 2);
  tcase_add_test (tc, test_flush_in_the_middle_of_a_pipeline_is_an_error);
  tcase_add_test (tc, test_size_changes_between_segments);
  tcase_add_test (tc, test_control_passes_during_resets);
  tcase_add_test (tc, test_stops_at_any_moment);
  tcase_add_test (tc, test_stopping_is_no_error_upstream);
  tcase_add_test (tc, test_latency_is_said);
  tcase_add_test (tc, test_pads_are_requested_once);
  return s;
}

GST_CHECK_MAIN (dreamversemux_faults);
