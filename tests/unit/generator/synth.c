/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The synthesiser: loudness, continuity, cheapness of its promises, and that
 * every gallery prompt sounds like itself.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture.h"
#include "procedural/gallery.h"
#include "procedural/synth.h"

#define BANDS 24
#define POINTS 2048
#define SECONDS 16
#define SAMPLES (SECONDS * CAPTURE_RATE)

/* Two prompts differ by at least so many dB, in the mean over the bands, and
 * by so many times what the two halves of either of them do. */
#define APART_DB 3.0
#define APART_TIMES 1.5

static DvSoundTrack track;
static DvSynth synth;

static void
play (const char *prompt, uint64_t first, size_t count, float *out)
{
  DvScene scene;

  memset (&scene, 0, sizeof scene);
  memset (&track, 0, sizeof track);
  dv_scene_read (&scene, prompt, 10);
  dv_synth_start (&synth, &track, false);
  for (size_t done = 0; done < count; done += DV_SYNTH_BLOCK) {
    size_t n = count - done < DV_SYNTH_BLOCK ? count - done : DV_SYNTH_BLOCK;

    dv_track_extend (
        &track, (first + done + n - 1) / DV_TRACK_STEP + 1, &scene);
    dv_synth_render (&synth, first + done, n, out + 2 * done);
  }
}

static double
rms (const float *samples, size_t count)
{
  double sum = 0;

  for (size_t i = 0; i < 2 * count; i++)
    sum += (double)samples[i] * (double)samples[i];
  return sqrt (sum / (2 * (double)count));
}

/* Power of the POINTS samples from @samples on, windowed, per frequency. */
static void
power_spectrum (const float *samples, double *power)
{
  static double re[POINTS], im[POINTS], wave[POINTS];

  for (unsigned i = POINTS; wave[0] == 0 && i-- > 0;)
    wave[i] = cos (2 * M_PI * i / POINTS);

  for (unsigned i = 0; i < POINTS; i++) {
    unsigned from = 0;

    for (unsigned bit = 1; bit < POINTS; bit <<= 1)
      from = from << 1 | ((i & bit) != 0);
    re[i] = ((double)samples[2 * from] + (double)samples[2 * from + 1]) / 2 *
            (0.5 - 0.5 * wave[from]);
    im[i] = 0;
  }
  for (unsigned size = 2; size <= POINTS; size *= 2)
    for (unsigned k = 0; k < size / 2; k++) {
      unsigned turn = k * (POINTS / size);
      double c = wave[turn], s = wave[(turn + POINTS / 4) % POINTS];

      for (unsigned i = k; i < POINTS; i += size) {
        unsigned j = i + size / 2;
        double x = re[j] * c - im[j] * s, y = re[j] * s + im[j] * c;

        re[j] = re[i] - x;
        im[j] = im[i] - y;
        re[i] += x;
        im[i] += y;
      }
    }
  for (unsigned i = 0; i < POINTS / 2; i++)
    power[i] += re[i] * re[i] + im[i] * im[i];
}

/* Adds up the power of all the samples. */
static void
add_power (const float *samples, size_t count, double *power)
{
  for (size_t at = 0; at + POINTS <= count; at += POINTS)
    power_spectrum (samples + 2 * at, power);
}

/* BANDS bands, even in the logarithm, in dB of the whole. */
static void
spectrum (const double *power, double *bands)
{
  double sum = 0;

  for (unsigned b = 0; b < BANDS; b++)
    bands[b] = 0;
  for (unsigned i = 4; i < POINTS / 2; i++) {
    unsigned b = (unsigned)(BANDS * log (i / 4.0) / log (POINTS / 8.0));
    bands[b] += power[i];
    sum += power[i];
  }
  for (unsigned b = 0; b < BANDS; b++)
    bands[b] = 10 * log10 (bands[b] / sum + 1e-5);
}

static double
distance (const double *a, const double *b)
{
  double sum = 0;

  for (unsigned i = 0; i < BANDS; i++)
    sum += fabs (a[i] - b[i]);
  return sum / BANDS;
}

START_TEST (gallery_prompts_sound_unlike)
{
  double half[DV_GALLERY_SIZE][2][BANDS], whole[DV_GALLERY_SIZE][BANDS];
  double within[DV_GALLERY_SIZE];
  static double power[2][POINTS / 2];
  float *samples = malloc (2 * SAMPLES * sizeof *samples);
  bool show = getenv ("SHOW") != NULL;

  for (unsigned i = 0; i < DV_GALLERY_SIZE; i++) {
    double loud;

    play (dv_gallery[i].prompt, 48000, SAMPLES, samples);
    memset (power, 0, sizeof power);
    add_power (samples, SAMPLES / 2, power[0]);
    add_power (samples + SAMPLES, SAMPLES / 2, power[1]);
    spectrum (power[0], half[i][0]);
    spectrum (power[1], half[i][1]);
    for (unsigned k = 0; k < POINTS / 2; k++)
      power[0][k] += power[1][k];
    spectrum (power[0], whole[i]);
    within[i] = distance (half[i][0], half[i][1]);
    loud = 20 * log10 (rms (samples, SAMPLES));
    if (show)
      printf ("# %-18s %6.1f dBFS, halves %.2f dB apart\n", dv_gallery[i].name,
          loud, within[i]);
    ck_assert_msg (loud > -30 && loud < -14, "%s is at %.1f dBFS",
        dv_gallery[i].name, loud);
  }
  for (unsigned i = 0; i < DV_GALLERY_SIZE; i++)
    for (unsigned k = 0; k < i; k++) {
      double apart = distance (whole[i], whole[k]);
      double own = within[i] > within[k] ? within[i] : within[k];

      if (show)
        printf ("# %s, %s: %.2f dB apart\n", dv_gallery[i].name,
            dv_gallery[k].name, apart);
      ck_assert_msg (apart > APART_DB && apart > APART_TIMES * own,
          "%s and %s are %.2f dB apart, halves of one %.2f dB",
          dv_gallery[i].name, dv_gallery[k].name, apart, own);
    }
  free (samples);
}
END_TEST

START_TEST (loud_scenes_never_clip)
{
  static const char *prompts[] = {
      "thunderstorm, rain, huge waves, river, fire, volcano, city, bells",
      "birds, music, drone, dread, crickets, bubbles, snow, hurricane",
      "roaring volcano and thunder", ""};
  float *samples = malloc (2 * SAMPLES * sizeof *samples);

  for (unsigned p = 0; p < 4; p++) {
    play (prompts[p], 0, SAMPLES / 2, samples);
    for (size_t i = 0; i < SAMPLES; i++)
      ck_assert (samples[i] > -0.99f && samples[i] < 0.99f);
  }
  free (samples);
}
END_TEST

START_TEST (every_kind_of_sound_is_as_loud_as_the_others)
{
  static const char *prompts[] = {"", "a village with bells, music, joy",
      "thunder", "a deep drone", "music", "bells", "heavy rain", "birdsong",
      "a campfire, crickets, a meadow at night", "a river", "strong wind",
      "bubbles", "deep space"};
  float *samples = malloc (2 * SAMPLES * sizeof *samples);

  for (unsigned p = 0; p < sizeof prompts / sizeof prompts[0]; p++) {
    double loud;

    play (prompts[p], 48000, SAMPLES / 2, samples);
    loud = 20 * log10 (rms (samples, SAMPLES / 2));
    if (getenv ("SHOW"))
      printf ("# %6.1f dBFS %s\n", loud, prompts[p]);
    else
      ck_assert_msg (loud > -27 && loud < -14.5, "\"%s\" is at %.1f dBFS",
          prompts[p], loud);
  }
  free (samples);
}
END_TEST

START_TEST (pieces_of_any_size_make_the_same_sound)
{
  float *whole = malloc (2 * 24000 * sizeof *whole);
  float *pieces = malloc (2 * 24000 * sizeof *pieces);
  DvSynth other;
  size_t at = 0;

  play ("stormy sea, birds, bells, crickets", 100003, 24000, whole);
  dv_synth_start (&other, &track, false);
  for (size_t n = 1; at < 24000; n = n * 3 % 1777 + 1) {
    size_t count = n < 24000 - at ? n : 24000 - at;

    dv_synth_render (&other, 100003 + at, count, pieces + 2 * at);
    at += count;
  }
  ck_assert_mem_eq (whole, pieces, 2 * 24000 * sizeof *whole);
  free (whole);
  free (pieces);
}
END_TEST

/* The largest step from one sample to the next, in [@from, @to). */
static float
largest_step (const float *samples, size_t from, size_t to)
{
  float largest = 0;

  for (size_t i = from; i < to; i++) {
    float step = fabsf (samples[2 * i] - samples[2 * i - 2]);
    largest = step > largest ? step : largest;
  }
  return largest;
}

START_TEST (a_change_of_prompt_does_not_click)
{
  static const DvSegmentSpec spec = {24, 1, CAPTURE_RATE, 57, 9, 9};
  static const char *prompts[] = {"calm drone over a lake", "dread, deep space",
      "a joyful meadow", "calm drone over a lake"};
  DvSession *session = capture_session ();
  float *all = malloc (2 * 24000 * 20 * sizeof *all);
  size_t n = 0, joins[4];
  uint64_t before = 0;
  uint32_t crc;
  Capture capture;
  DvRequest request;

  capture_init (&capture, 16, 16);
  for (uint32_t index = 1; index <= 4; index++) {
    capture_restart (&capture);
    capture_request (
        &request, &capture, &spec, index, before, prompts[index - 1]);
    ck_assert_int_eq (
        dv_session_step (session, &request, &capture.sink, NULL, NULL), DV_OK);
    memcpy (all + 2 * n, capture.samples, 8 * capture.n_samples);
    n += capture.n_samples;
    joins[index - 1] = n;
    before += capture.n_frames;
  }
  for (unsigned i = 0; i < 3; i++)
    ck_assert (largest_step (all, joins[i] - 2, joins[i] + 3) <
               1.2f * largest_step (all, joins[i] - 12000, joins[i] - 2));
  /* The sound of a morph, too, is the same everywhere. */
  crc = capture_crc (0, all, 2 * n * sizeof *all);
  if (getenv ("SHOW"))
    printf ("# 0x%08x of the morphs\n", crc);
  else
    ck_assert_msg (crc == 0x33983538, "0x%08x", crc);
  free (all);
  dv_session_free (session);
  capture_clear (&capture);
}
END_TEST

/* The same bits from every compiler, at every level of optimisation. */
START_TEST (the_sound_is_the_same_everywhere)
{
  static const struct {
    const char *prompt;
    uint32_t crc;
  } golden[] = {
      {"thunderstorm over a stormy sea, heavy rain, wind", 0xe2f4801f},
      {"birds and bells in a village by a river, music, joy", 0xf5498594},
      {"campfire at night in a meadow, crickets, fireflies", 0x23a5a15d},
      {"drone of deep space, nebula, dread, aurora over ice", 0x12347044},
      {"neon city, bubbles, snow", 0xfda01bd2},
  };
  float *samples = malloc (2 * 72000 * sizeof *samples);

  for (unsigned i = 0; i < sizeof golden / sizeof golden[0]; i++) {
    uint32_t crc;

    play (golden[i].prompt, 24000, 72000, samples);
    crc = capture_crc (0, samples, 2 * 72000 * sizeof *samples);
    if (getenv ("SHOW"))
      printf ("# 0x%08x %s\n", crc, golden[i].prompt);
    else
      ck_assert_msg (crc == golden[i].crc, "%s: 0x%08x", golden[i].prompt, crc);
  }
  free (samples);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("synth");
  TCase *tc = tcase_create ("synth");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, tc);
  tcase_add_test (tc, gallery_prompts_sound_unlike);
  tcase_add_test (tc, loud_scenes_never_clip);
  tcase_add_test (tc, every_kind_of_sound_is_as_loud_as_the_others);
  tcase_add_test (tc, pieces_of_any_size_make_the_same_sound);
  tcase_add_test (tc, a_change_of_prompt_does_not_click);
  tcase_add_test (tc, the_sound_is_the_same_everywhere);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
