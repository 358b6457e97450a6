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
  fail_unless_equals_int (rig.out.track[0].samples, 12 * 25);
  fail_unless_equals_int (rig.out.track[0].first, 0);
  fail_unless (rig.out.keys >= 12);
  fail_unless (ABS (fragment_collector_end (&rig.out, 0) - 12.5) < 0.001);
  fail_unless (ABS (fragment_collector_end (&rig.out, 0) -
                    fragment_collector_end (&rig.out, 1)) < AAC_FRAME,
      "video ends at %f, audio at %f", fragment_collector_end (&rig.out, 0),
      fragment_collector_end (&rig.out, 1));
  mux_rig_clear (&rig);
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
  tcase_add_loop_test (tc, test_plain_stream_without_segments, 0, 2);
  tcase_add_test (tc, test_video_only);
  tcase_add_loop_test (tc, test_audio_only, 0, 2);
  return s;
}

GST_CHECK_MAIN (dreamversemux);
