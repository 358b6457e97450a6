/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The timeline: morphs, drawing old frames again, the saved state.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "procedural/maths.h"
#include "procedural/timeline.h"

static DvTimeline timeline;

static void
scene_of (DvScene *scene, const char *prompt)
{
  memset (scene, 0, sizeof *scene);
  dv_scene_read (scene, prompt, 10);
}

static void
start (const char *prompt)
{
  DvScene scene;

  scene_of (&scene, prompt);
  dv_timeline_start (&timeline, 24, 1, &scene);
}

static void
turn (const char *prompt, uint32_t frames)
{
  DvScene scene;

  scene_of (&scene, prompt);
  dv_timeline_turn (&timeline, &scene, frames);
}

static void
walk (uint32_t frames)
{
  DvTimelinePoint point = timeline.head;

  for (uint32_t i = 0; i < frames; i++)
    dv_timeline_next (&timeline, &point);
  dv_timeline_advance (&timeline, &point);
}

static void
moment_at (uint64_t frame, DvMoment *moment)
{
  DvTimelinePoint point;

  dv_timeline_seek (&timeline, frame, &point);
  ck_assert_uint_eq (point.frame, frame);
  dv_timeline_moment (&point, moment);
}

START_TEST (a_change_morphs_in_two_and_a_half_seconds)
{
  DvScene desert, sea;
  DvMoment moment;
  float last = -1;

  scene_of (&desert, "desert");
  scene_of (&sea, "stormy sea");
  start ("desert");
  walk (121);
  turn ("stormy sea", 112);
  for (uint32_t i = 0; i <= 60; i++) {
    dv_timeline_moment (&timeline.head, &moment);
    if (i == 0) {
      /* The first frame after the change still shows the old scene. */
      ck_assert (moment.mix == 0);
      ck_assert_mem_eq (&moment.scene, &desert, sizeof desert);
    }
    ck_assert (moment.mix > last);
    last = moment.mix;
    ck_assert ((i == 60) == (moment.mix == 1));
    walk (1);
  }
  ck_assert_mem_eq (&moment.scene, &sea, sizeof sea);
  ck_assert_mem_eq (&moment.from, &moment.to, sizeof sea);
}
END_TEST

START_TEST (the_same_prompt_does_not_morph)
{
  start ("desert");
  walk (121);
  turn ("desert", 112);
  ck_assert_uint_eq (timeline.n_turns, 0);
}
END_TEST

START_TEST (a_short_segment_ends_its_morph)
{
  DvMoment moment;

  start ("desert");
  walk (12);
  turn ("stormy sea", 8);
  walk (8);
  dv_timeline_moment (&timeline.head, &moment);
  ck_assert (moment.mix == 1);
}
END_TEST

START_TEST (nothing_jumps)
{
  static const char *prompts[] = {"fast flight over a desert, strong wind",
      "a still lake, no wind", "storm, zoom out quickly", "moonlit city"};
  DvMoment before, after;

  start (prompts[3]);
  dv_timeline_moment (&timeline.head, &before);
  for (int s = 0; s < 12; s++) {
    for (int i = 0; i < 20; i++) {
      walk (1);
      dv_timeline_moment (&timeline.head, &after);
      ck_assert (after.time > before.time);
      ck_assert (after.time - before.time < 0.15);
      ck_assert (fabs (after.camera_x - before.camera_x) < 0.02);
      ck_assert (fabs (after.camera_zoom - before.camera_zoom) < 0.02);
      ck_assert (after.wind >= before.wind);
      ck_assert (fabsf (after.scene.wind - before.scene.wind) < 0.12f);
      before = after;
    }
    turn (prompts[s % 4], 20);
  }
}
END_TEST

/* Frames of any age within the history come out as they were, whatever
 * happened since. */
START_TEST (old_frames_come_back_exactly)
{
  static const char *prompts[] = {
      "desert", "stormy sea", "stormy sea", "city", "aurora", "forest"};
  static DvMoment all[4000];
  uint64_t n = 0;

  start ("lake");
  for (int s = 0; n < 3000; s++) {
    uint32_t frames = 1 + dv_hash ((uint32_t)s) % (s % 3 ? 5 : 90);
    DvTimelinePoint point = timeline.head;

    if (s)
      turn (prompts[s % 6], frames);
    point = timeline.head;
    for (uint32_t i = 0; i < frames; i++) {
      dv_timeline_moment (&point, &all[n++]);
      dv_timeline_next (&timeline, &point);
    }
    dv_timeline_advance (&timeline, &point);
    ck_assert_uint_lt (timeline.n_turns, DV_TIMELINE_HISTORY);
    for (uint64_t back = 1; back <= n && back < DV_TIMELINE_HISTORY;
         back += 1 + back / 4) {
      DvMoment moment;

      moment_at (n - back, &moment);
      ck_assert_mem_eq (&moment, &all[n - back], sizeof moment);
    }
  }
}
END_TEST

/* As many changes as there can be. */
START_TEST (a_change_each_frame_is_bounded)
{
  static DvTimeline loaded;

  start ("lake");
  dv_track_extend (&timeline.sound, 1, &timeline.head.to);
  for (int i = 0; i < 1000; i++) {
    size_t size;
    uint8_t *data;

    walk (1);
    turn (i % 2 ? "desert" : "sea", 1);
    ck_assert_uint_le (timeline.n_turns, DV_TIMELINE_HISTORY);
    if (i % 100 != 99)
      continue;
    walk (1);
    data = dv_timeline_save (&timeline, &size);
    ck_assert_uint_lt (size, 200000);
    ck_assert_int_eq (dv_timeline_load (&loaded, data, size, NULL), DV_OK);
    free (data);
  }
}
END_TEST

static uint8_t *
save_a_state (size_t *size)
{
  start ("lake");
  dv_track_extend (&timeline.sound, 1, &timeline.head.to);
  walk (121);
  turn ("stormy sea", 112);
  dv_track_extend (&timeline.sound, 200, &timeline.head.to);
  walk (20);
  turn ("desert", 112);
  walk (30);
  return dv_timeline_save (&timeline, size);
}

START_TEST (a_saved_state_is_the_same_state)
{
  static DvTimeline loaded;
  size_t size, again_size;
  uint8_t *data = save_a_state (&size), *again;

  ck_assert_int_eq (dv_timeline_load (&loaded, data, size, NULL), DV_OK);
  again = dv_timeline_save (&loaded, &again_size);
  ck_assert_uint_eq (size, again_size);
  ck_assert_mem_eq (data, again, size);
  ck_assert_mem_eq (&loaded.head, &timeline.head, sizeof loaded.head);
  ck_assert_mem_eq (&loaded.base, &timeline.base, sizeof loaded.base);
  free (again);
  free (data);
  /* An empty state too. */
  dv_timeline_clear (&timeline);
  data = dv_timeline_save (&timeline, &size);
  ck_assert_int_eq (dv_timeline_load (&loaded, data, size, NULL), DV_OK);
  ck_assert (!loaded.started);
  free (data);
}
END_TEST

/* FNV-1a, as in the header: hostile bytes may have a right checksum. */
static void
sign (uint8_t *data, size_t size)
{
  uint32_t sum = 2166136261u;

  for (size_t i = 16; i < size; i++)
    sum = (sum ^ data[i]) * 16777619u;
  for (int i = 0; i < 4; i++)
    data[12 + i] = (uint8_t)(sum >> (8 * i));
}

START_TEST (damaged_states_are_refused)
{
  static DvTimeline loaded, before;
  size_t size;
  uint8_t *data = save_a_state (&size), *bad = malloc (size);

  start ("city");
  loaded = before = timeline;
  for (size_t i = 0; i < size; i += i < 100 ? 1 : 97) {
    DvError error = {0};

    memcpy (bad, data, size);
    bad[i] ^= 0x41;
    ck_assert_int_eq (
        dv_timeline_load (&loaded, bad, size, &error), DV_ERROR_FORMAT);
    ck_assert (error.detail[0]);
    ck_assert_int_eq (
        dv_timeline_load (&loaded, data, i, &error), DV_ERROR_FORMAT);
  }
  ck_assert_mem_eq (&loaded, &before, sizeof before);
  free (bad);
  free (data);
}
END_TEST

/* What is accepted can be played on, whatever it is. */
START_TEST (hostile_states_do_no_harm)
{
  static DvTimeline loaded;
  size_t size;
  uint8_t *data = save_a_state (&size), *bad = malloc (size);
  unsigned accepted = 0;

  for (uint32_t round = 0; round < 2000; round++) {
    memcpy (bad, data, size);
    for (uint32_t k = 0; k <= dv_hash2 (round, 1) % 3; k++) {
      size_t reach = round % 2 ? 200 : size - 16;
      bad[16 + dv_hash2 (round, 2 + k) % reach] =
          (uint8_t)dv_hash2 (round, 9 + k);
    }
    sign (bad, size);
    if (dv_timeline_load (&loaded, bad, size, NULL) != DV_OK)
      continue;
    accepted++;
    if (loaded.started) {
      DvTimelinePoint point;
      DvMoment moment;

      dv_timeline_seek (&loaded, dv_timeline_oldest (&loaded), &point);
      for (int i = 0; i < 300; i++)
        dv_timeline_next (&loaded, &point);
      dv_timeline_moment (&point, &moment);
      ck_assert (isfinite (moment.time) && isfinite (moment.camera_x));
      ck_assert (moment.mix >= 0 && moment.mix <= 1);
      ck_assert (isfinite (moment.scene.hue));
    }
  }
  ck_assert_uint_gt (accepted, 0);
  free (bad);
  free (data);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("timeline");
  TCase *tc = tcase_create ("timeline");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, tc);
  tcase_add_test (tc, a_change_morphs_in_two_and_a_half_seconds);
  tcase_add_test (tc, the_same_prompt_does_not_morph);
  tcase_add_test (tc, a_short_segment_ends_its_morph);
  tcase_add_test (tc, nothing_jumps);
  tcase_add_test (tc, old_frames_come_back_exactly);
  tcase_add_test (tc, a_change_each_frame_is_bounded);
  tcase_add_test (tc, a_saved_state_is_the_same_state);
  tcase_add_test (tc, damaged_states_are_refused);
  tcase_add_test (tc, hostile_states_do_no_harm);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
