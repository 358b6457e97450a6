/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dreamversemux: what comes out of it, segment by segment, with the encoders
 * that are really used.
 */
#include <gst/check/gstcheck.h>

#include "mux-rig.h"
#include "gstdreamverse.h"

#define AAC_FRAME (1024.0 / 48000)
#define VOAACENC "voaacenc"
#define AVENC_AAC "avenc_aac"

static const gchar *aac_encoders[] = {VOAACENC, AVENC_AAC};

static void
check_tracks_end_together (MuxRig *rig)
{
  gdouble video = fragment_collector_end (&rig->out, 0);
  gdouble audio = fragment_collector_end (&rig->out, 1);

  fail_unless (ABS (video - audio) < AAC_FRAME, "video ends at %f, audio at %f",
      video, audio);
}

/* Both tracks go on over every boundary, exact to the frame, and end
 * together. */
GST_START_TEST (test_segments_join_without_a_seam)
{
  MuxRig rig;

  mux_rig_init (&rig, RIG_X264, aac_encoders[__i__]);
  rig.source.segments = 12;
  rig.source.frames = 25;
  mux_rig_run (&rig, 30);
  mux_rig_check_clean (&rig);
  fail_unless_equals_int (rig.out.announced, 12);
  fail_unless_equals_int (rig.out.completed, 12);
  fail_unless_equals_int (rig.out.aborted, 0);
  fail_unless_equals_int (rig.media_complete, 12);
  fail_unless_equals_int (rig.media_error, 0);
  /* once a segment, and nothing for the closing silence */
  fail_unless_equals_int (rig.out.inits, 12);
  fail_unless_equals_int (rig.out.outside, 0);
  fail_unless_equals_int (rig.out.track[0].samples, 12 * 25);
  fail_unless_equals_int (rig.out.track[0].first, 0);
  fail_unless (rig.out.keys >= 12);
  fail_unless (ABS (fragment_collector_end (&rig.out, 0) - 12.5) < 0.001);
  check_tracks_end_together (&rig);
  mux_rig_clear (&rig);
}

GST_END_TEST;

/* That it is the last turns out while it runs: all the same, closing silence
 * is inside it. */
GST_START_TEST (test_last_segment_found_out_late)
{
  MuxRig rig;

  mux_rig_init (&rig, RIG_X264, aac_encoders[__i__]);
  rig.source.known = FALSE;
  rig.source.found = TRUE;
  mux_rig_run (&rig, 30);
  mux_rig_check_clean (&rig);
  fail_unless_equals_int (rig.out.completed, 3);
  fail_unless_equals_int (rig.out.aborted, 0);
  fail_unless_equals_int (rig.media_error, 0);
  fail_unless_equals_int (rig.out.outside, 0);
  check_tracks_end_together (&rig);
  mux_rig_clear (&rig);
}

GST_END_TEST;

/* Nobody said so: the segment has ended when silence comes. It goes on
 * outside, so that what is saved ends well. */
GST_START_TEST (test_end_that_nobody_foresaw)
{
  MuxRig rig;

  mux_rig_init (&rig, RIG_X264, aac_encoders[__i__]);
  rig.source.known = FALSE;
  mux_rig_run (&rig, 30);
  mux_rig_check_clean (&rig);
  fail_unless_equals_int (rig.out.completed, 3);
  fail_unless_equals_int (rig.out.inits, 3);
  check_tracks_end_together (&rig);
  mux_rig_clear (&rig);
}

GST_END_TEST;

/* It was said to be the last, but EOS does not come: it ends. */
GST_START_TEST (test_last_segment_without_an_end)
{
  MuxRig rig;

  mux_rig_init (&rig, RIG_X264, aac_encoders[__i__]);
  rig.source.closing = rig.source.eos = FALSE;
  mux_rig_start (&rig);
  fail_unless (fragment_collector_wait_completed (&rig.out, 3, 20));
  mux_rig_check_clean (&rig);
  fail_unless_equals_int (rig.out.aborted, 0);
  mux_rig_clear (&rig);
}

GST_END_TEST;

/* As many frames as the delay is long are the encoder's own silence and left
 * out: the rest is that much earlier. */
GST_START_TEST (test_audio_delay_by_hand)
{
  static const struct {
    gint64 delay;
    guint left_out;
  } cases[] = {{0, 0}, {-1, 2}, {100 * GST_MSECOND, 5}};
  guint i, all = 0;

  for (i = 0; i < G_N_ELEMENTS (cases); i++) {
    MuxRig rig;

    mux_rig_init (&rig, RIG_X264, VOAACENC);
    g_object_set (rig.mux, "audio-delay", cases[i].delay, NULL);
    /* plain: nothing is cut at an end */
    rig.source.announce = rig.source.closing = FALSE;
    mux_rig_run (&rig, 30);
    mux_rig_check_clean (&rig);
    if (i == 0)
      all = rig.out.track[1].samples;
    fail_unless_equals_int (rig.out.track[1].samples, all - cases[i].left_out);
    mux_rig_clear (&rig);
  }
}

GST_END_TEST;

GST_START_TEST (test_plain_stream_without_segments)
{
  MuxRig rig;

  mux_rig_init (&rig, RIG_X264, aac_encoders[__i__]);
  rig.source.announce = FALSE;
  rig.source.closing = FALSE;
  mux_rig_run (&rig, 30);
  mux_rig_check_clean (&rig);
  fail_unless_equals_int (rig.out.announced, 0);
  fail_unless_equals_int (rig.out.completed, 0);
  fail_unless_equals_int (rig.out.inits, 1);
  fail_unless_equals_int (rig.out.track[0].samples, 72);
  mux_rig_clear (&rig);
}

GST_END_TEST;

GST_START_TEST (test_video_only)
{
  MuxRig rig;

  mux_rig_init (&rig, RIG_X264, NULL);
  rig.source.segments = 5;
  mux_rig_run (&rig, 30);
  mux_rig_check_clean (&rig);
  fail_unless_equals_int (rig.out.completed, 5);
  fail_unless_equals_int (rig.out.track[0].samples, 5 * 24);
  mux_rig_clear (&rig);
}

GST_END_TEST;

GST_START_TEST (test_audio_only)
{
  MuxRig rig;

  mux_rig_init (&rig, NULL, aac_encoders[__i__]);
  rig.source.segments = 5;
  mux_rig_run (&rig, 30);
  mux_rig_check_clean (&rig);
  fail_unless_equals_int (rig.out.announced, 5);
  fail_unless_equals_int (rig.out.completed, 5);
  fail_unless_equals_int (rig.out.aborted, 0);
  fail_unless_equals_int (rig.out.outside, 0);
  fail_unless (ABS (fragment_collector_end (&rig.out, 1) - 5.0) < AAC_FRAME);
  mux_rig_clear (&rig);
}

GST_END_TEST;

static Suite *
dreamversemux_suite (void)
{
  Suite *s = suite_create ("dreamversemux");
  TCase *tc = tcase_create ("output");

  suite_add_tcase (s, tc);
  tcase_add_loop_test (tc, test_segments_join_without_a_seam, 0, 2);
  tcase_add_loop_test (tc, test_last_segment_found_out_late, 0, 2);
  tcase_add_loop_test (tc, test_end_that_nobody_foresaw, 0, 2);
  tcase_add_loop_test (tc, test_last_segment_without_an_end, 0, 2);
  tcase_add_loop_test (tc, test_plain_stream_without_segments, 0, 2);
  tcase_add_test (tc, test_audio_delay_by_hand);
  tcase_add_test (tc, test_video_only);
  tcase_add_loop_test (tc, test_audio_only, 0, 2);
  return s;
}

GST_CHECK_MAIN (dreamversemux);
