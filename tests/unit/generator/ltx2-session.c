/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sessions of a small LTX-2 model: what they repeat, restore, refuse, and how
 * they stop.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <check.h>

#include "capture.h"
#include "fail-alloc.h"
#include "ltx2/ltx2-private.h"

#define MODEL GOLDENS "/pipeline-tiny/model"
#define LORA GOLDENS "/../../data/lora.safetensors"
#define WIDTH 128
#define HEIGHT 64
#define FRAMES 17
#define SAID 4096

/* ThreadSanitizer's minutes are for what runs side by side. */
#ifdef __SANITIZE_THREAD__
#define ALL 0
#else
#define ALL 1
#endif

static const int32_t ids[] = {2, 17, 5, 33, 20};
static const DvTestInput text = {.ids = ids, .n_ids = 5, .text_len = 32};

/* What the model said while it was opened. */
static char said[SAID];

static void
hear (void *user, const char *sentence)
{
  size_t at = strlen (said);

  snprintf (said + at, sizeof said - at, "%s\n", sentence);
}

static DvModelSpec
small (void)
{
  return (DvModelSpec){.model = MODEL,
      .dtype = "f32",
      .width = WIDTH,
      .height = HEIGHT,
      .frames = FRAMES,
      .threads = 2,
      .say = hear};
}

static DvModel *
open_model (DvModelSpec spec)
{
  DvError error = {0};
  DvModel *model;

  said[0] = 0;
  model = dv_model_open (&spec, &error);
  ck_assert_msg (model != NULL, "%s: %s", error.stage, error.detail);
  return model;
}

static DvSession *
new_session (DvModel *model)
{
  DvError error = {0};
  DvSession *session = dv_session_new (model, &error);

  ck_assert_msg (session != NULL, "%s", error.detail);
  return session;
}

/* The segment of this index, at the usual arithmetic of a small one. */
static DvRequest
segment (uint32_t index)
{
  uint32_t overlap = index > 1 ? 9 : 0;

  return (DvRequest){.prompt = "unused",
      .index = index,
      .reset = index == 1,
      .seed = 7,
      .width = WIDTH,
      .height = HEIGHT,
      .fps_n = 24,
      .fps_d = 1,
      .frames = FRAMES,
      .overlap = overlap,
      .audio_overlap = overlap ? 13 : 0,
      .first_frame = overlap,
      .samples = (FRAMES - overlap) * 1000,
      .test = &text};
}

static DvStatus
try_segment (
    DvSession *session, Capture *capture, DvRequest request, DvError *error)
{
  return dv_session_step (session, &request, &capture->sink, NULL, error);
}

static void
make_segment (DvSession *session, Capture *capture, DvRequest request)
{
  DvError error = {0};

  ck_assert_msg (try_segment (session, capture, request, &error) == DV_OK,
      "%s: %s", error.stage, error.detail);
}

/* A checksum of everything that a segment gave. */
static uint32_t
sum_of (const Capture *capture)
{
  return capture_crc (capture_samples_crc (capture), capture->crc,
      capture->n_frames * sizeof *capture->crc);
}

/* Segments 1 to @n of a new session of a new model. */
static void
sums (DvModelSpec spec, uint32_t n, uint32_t *sum)
{
  DvModel *model = open_model (spec);
  DvSession *session = new_session (model);
  Capture capture;

  capture_init (&capture, WIDTH, HEIGHT);
  for (uint32_t i = 1; i <= n; i++) {
    capture_restart (&capture);
    make_segment (session, &capture, segment (i));
    ck_assert_uint_eq (capture.n_frames, i == 1 ? FRAMES : FRAMES - 9);
    ck_assert_uint_eq (
        capture.n_samples, (size_t)(i == 1 ? FRAMES : FRAMES - 9) * 1000);
    sum[i - 1] = sum_of (&capture);
  }
  capture_clear (&capture);
  dv_session_free (session);
  dv_model_unref (model);
}

START_TEST (the_same_seed_gives_the_same_segments)
{
  uint32_t first[3], again[3];
  DvModelSpec spec = small ();

  sums (spec, 3, first);
  sums (spec, 3, again);
  for (int i = 0; i < 3; i++)
    ck_assert_uint_eq (first[i], again[i]);
  ck_assert_uint_ne (first[1], first[2]);
}
END_TEST

START_TEST (threads_change_nothing)
{
  static const char *const dtypes[] = {"f32", "bf16"};
  uint32_t one[2], many[2];

  for (int d = 0; d < 2; d++) {
    DvModelSpec spec = small ();

    spec.dtype = dtypes[d];
    spec.threads = 1;
    sums (spec, 2, one);
    for (int threads = 2; threads <= 5; threads += 3) {
      spec.threads = threads;
      sums (spec, 2, many);
      ck_assert_msg (one[0] == many[0] && one[1] == many[1],
          "%s: %d threads make something else than one", dtypes[d], threads);
    }
  }
}
END_TEST

START_TEST (another_seed_is_another_segment)
{
  DvModel *model = open_model (small ());
  DvSession *session = new_session (model);
  DvRequest request = segment (1);
  Capture capture;
  uint32_t sum;

  capture_init (&capture, WIDTH, HEIGHT);
  make_segment (session, &capture, request);
  sum = sum_of (&capture);
  capture_restart (&capture);
  request.seed++;
  make_segment (session, &capture, request);
  ck_assert_uint_ne (sum, sum_of (&capture));
  capture_clear (&capture);
  dv_session_free (session);
  dv_model_unref (model);
}
END_TEST

START_TEST (a_restored_session_goes_on_as_if_never_stopped)
{
  uint32_t straight[4];
  DvModel *model;
  DvSession *session;
  Capture capture;
  DvError error = {0};
  uint8_t *state;
  size_t size;

  sums (small (), 4, straight);
  capture_init (&capture, WIDTH, HEIGHT);
  model = open_model (small ());
  session = new_session (model);
  for (uint32_t i = 1; i <= 2; i++) {
    capture_restart (&capture);
    make_segment (session, &capture, segment (i));
  }
  ck_assert (dv_session_save (session, &state, &size, &error) == DV_OK);
  dv_session_free (session);
  dv_model_unref (model);

  model = open_model (small ());
  session = new_session (model);
  ck_assert_msg (dv_session_load (session, state, size, &error) == DV_OK, "%s",
      error.detail);
  for (uint32_t i = 3; i <= 4; i++) {
    capture_restart (&capture);
    make_segment (session, &capture, segment (i));
    ck_assert_uint_eq (sum_of (&capture), straight[i - 1]);
  }
  free (state);
  capture_clear (&capture);
  dv_session_free (session);
  dv_model_unref (model);
}
END_TEST

START_TEST (what_is_no_state_is_refused)
{
  DvModel *model = open_model (small ());
  DvSession *session = new_session (model);
  Capture capture;
  DvError error = {0};
  uint8_t *state, *damaged;
  size_t size;

  capture_init (&capture, WIDTH, HEIGHT);
  ck_assert (dv_session_save (session, &state, &size, &error) == DV_OK);
  ck_assert (dv_session_load (session, state, size, &error) == DV_OK);
  free (state);
  make_segment (session, &capture, segment (1));
  ck_assert (dv_session_save (session, &state, &size, &error) == DV_OK);
  damaged = malloc (size);
  ck_assert_ptr_nonnull (damaged);
  for (size_t cut = 0; cut < size; cut += cut < 64 ? 1 : size / 50)
    ck_assert (dv_session_load (session, state, cut, &error) != DV_OK);
  for (size_t at = 0; at < size; at += at < 64 ? 1 : size / 100) {
    memcpy (damaged, state, size);
    damaged[at] ^= 0x41;
    ck_assert_msg (dv_session_load (session, damaged, size, &error) != DV_OK,
        "byte %zu may be anything", at);
  }
  /* And the session is as it was. */
  capture_restart (&capture);
  make_segment (session, &capture, segment (2));
  free (damaged);
  free (state);
  capture_clear (&capture);
  dv_session_free (session);
  dv_model_unref (model);
}
END_TEST

/* Cancels when it was asked often enough. */
typedef struct {
  DvSink sink, inner;
  long left;
} Canceller;

static bool
cancel_later (void *user)
{
  return ((Canceller *)user)->left-- <= 0;
}

static bool
pass_acquire (void *user, uint32_t n, DvFrame *frame)
{
  DvSink *inner = &((Canceller *)user)->inner;

  return inner->acquire_frame (inner->user, n, frame);
}

static bool
pass_commit (void *user, uint32_t n)
{
  DvSink *inner = &((Canceller *)user)->inner;

  return inner->commit_frame (inner->user, n);
}

static bool
pass_audio (void *user, const float *samples, size_t count)
{
  DvSink *inner = &((Canceller *)user)->inner;

  return inner->commit_audio (inner->user, samples, count);
}

START_TEST (a_step_stops_wherever_it_is_asked_to)
{
  uint32_t straight[2];
  DvModel *model = open_model (small ());
  DvSession *session = new_session (model);
  Capture capture;
  Canceller canceller = {0};
  DvError error = {0};
  unsigned stops = 0;

  sums (small (), 2, straight);
  capture_init (&capture, WIDTH, HEIGHT);
  canceller.inner = capture.sink;
  canceller.sink = (DvSink){.user = &canceller,
      .acquire_frame = pass_acquire,
      .commit_frame = pass_commit,
      .commit_audio = pass_audio,
      .cancelled = cancel_later};
  make_segment (session, &capture, segment (1));
  for (long after = 0;; after = after * 5 / 4 + 1) {
    DvRequest request = segment (2);
    DvStatus status;

    capture_restart (&capture);
    canceller.left = after;
    status = dv_session_step (session, &request, &canceller.sink, NULL, &error);
    if (status == DV_OK)
      break;
    ck_assert_msg (status == DV_CANCELLED, "%s: %s", error.stage, error.detail);
    /* Not one more op was looked at than the one that was told. */
    ck_assert_int_ge (canceller.left, -3);
    stops++;
  }
  ck_assert_uint_gt (stops, 15);
  /* Nothing of the cancelled steps has stayed behind. */
  ck_assert_uint_eq (sum_of (&capture), straight[1]);
  capture_clear (&capture);
  dv_session_free (session);
  dv_model_unref (model);
}
END_TEST

START_TEST (a_receiver_may_refuse)
{
  DvModel *model = open_model (small ());
  DvSession *session = new_session (model);
  Capture capture;
  DvError error = {0};

  capture_init (&capture, WIDTH, HEIGHT);
  capture.refuse_acquire = 3;
  ck_assert (
      try_segment (session, &capture, segment (1), &error) == DV_ERROR_SINK);
  capture_restart (&capture);
  capture.refuse_commit = 5;
  ck_assert (
      try_segment (session, &capture, segment (1), &error) == DV_ERROR_SINK);
  ck_assert_ptr_nonnull (strstr (error.detail, "after 5 frames"));
  capture_restart (&capture);
  capture.refuse_audio = true;
  ck_assert (
      try_segment (session, &capture, segment (1), &error) == DV_ERROR_SINK);
  capture_restart (&capture);
  make_segment (session, &capture, segment (1));
  capture_clear (&capture);
  dv_session_free (session);
  dv_model_unref (model);
}
END_TEST

static void
check_refused (DvRequest request, const char *says)
{
  DvModel *model = open_model (small ());
  DvSession *session = new_session (model);
  Capture capture;
  DvError error = {0};

  capture_init (&capture, WIDTH, HEIGHT);
  ck_assert (try_segment (session, &capture, request, &error) != DV_OK);
  ck_assert_msg (strstr (error.detail, says) != NULL,
      "\"%s\" does not say \"%s\"", error.detail, says);
  capture_clear (&capture);
  dv_session_free (session);
  dv_model_unref (model);
}

START_TEST (requests_that_no_model_could_serve)
{
  static const float rising[] = {0.5f, 0.9f, 0};
  DvTestInput many = {.ids = ids, .n_ids = 5, .text_len = 4};
  DvTestInput short_noise = {.ids = ids, .n_ids = 5, .text_len = 32};
  DvRequest request = segment (1);
  float number = 0;

  request.width = 96;
  check_refused (request, "multiple of 64");
  request = segment (1);
  request.height = 32;
  check_refused (request, "outside");
  request = segment (1);
  request.frames = 16;
  check_refused (request, "8 k + 1");
  request = segment (1);
  request.fps_d = 0;
  check_refused (request, "frame rate");
  request = segment (2);
  check_refused (request, "nothing to repeat");
  request = segment (2);
  request.overlap = 8;
  check_refused (request, "8 k + 1");
  request = segment (1);
  request.sigmas[0] = rising;
  request.n_sigmas[0] = 3;
  check_refused (request, "");
  request = segment (1);
  request.test = &many;
  check_refused (request, "5 tokens");
  request = segment (1);
  short_noise.noise[0] = &number;
  short_noise.n_noise[0] = 1;
  request.test = &short_noise;
  check_refused (request, "noise");
  request = segment (1);
  request.test = NULL;
  check_refused (request, "tokenizer.json");
  request = segment (0);
  check_refused (request, "counted from 1");
}
END_TEST

START_TEST (the_plan_is_said_and_enforced)
{
  DvModelSpec spec = small ();
  DvError error = {0};

  DvModel *model;

  dv_model_unref (open_model (spec));
  ck_assert_ptr_nonnull (strstr (said, "memory plan"));
  ck_assert_ptr_nonnull (strstr (said, "transformer"));
  ck_assert_ptr_nonnull (strstr (said, "activations"));
  /* By itself: there is nothing then that could generate. */
  said[0] = 0;
  spec.plan_only = true;
  model = open_model (spec);
  ck_assert_ptr_nonnull (strstr (said, "memory plan"));
  ck_assert_ptr_null (dv_session_new (model, &error));
  ck_assert (error.code == DV_ERROR_ARGUMENT);
  dv_model_unref (model);
  spec.plan_only = false;
  spec.memory_budget = 1 << 20;
  ck_assert_ptr_null (dv_model_open (&spec, &error));
  ck_assert (error.code == DV_ERROR_MEMORY);
  ck_assert_ptr_nonnull (strstr (error.detail, "and there are 1;"));
}
END_TEST

START_TEST (names_that_are_not_known)
{
  DvModelSpec spec = small ();
  DvError error = {0};

  spec.dtype = "f17";
  ck_assert_ptr_null (dv_model_open (&spec, &error));
  ck_assert_ptr_nonnull (strstr (error.detail, "f17"));
  spec = small ();
  spec.device = "abacus";
  ck_assert_ptr_null (dv_model_open (&spec, &error));
  ck_assert_ptr_nonnull (strstr (error.detail, "abacus"));
  spec = small ();
  spec.model = GOLDENS "/rope";
  ck_assert_ptr_null (dv_model_open (&spec, &error));
  ck_assert_ptr_nonnull (strstr (error.detail, "rope"));
}
END_TEST

static uint32_t
first_sum (DvModel *model)
{
  DvSession *session = new_session (model);
  Capture capture;
  uint32_t sum;

  capture_init (&capture, WIDTH, HEIGHT);
  make_segment (session, &capture, segment (1));
  sum = sum_of (&capture);
  capture_clear (&capture);
  dv_session_free (session);
  return sum;
}

START_TEST (a_lora_that_does_not_fit_changes_nothing)
{
  /* It belongs to a wider transformer. */
  static const DvLoraSpec wrong = {LORA, 1};
  DvModel *model = open_model (small ());
  DvModelSpec spec = small ();
  DvError error = {0};
  uint32_t sum = first_sum (model);

  ck_assert (dv_model_set_loras (model, &wrong, 1, &error) != DV_OK);
  ck_assert_uint_gt (strlen (error.detail), 0);
  ck_assert_uint_eq (first_sum (model), sum);
  ck_assert (dv_model_set_loras (model, NULL, 0, &error) == DV_OK);
  ck_assert_uint_eq (first_sum (model), sum);
  dv_model_unref (model);
  spec.loras = &wrong;
  spec.n_loras = 1;
  ck_assert_ptr_null (dv_model_open (&spec, &error));
}
END_TEST

/* Every allocation of ours fails once: opening says so and leaves nothing. */
START_TEST (opening_without_memory)
{
  DvModelSpec spec = small ();
  size_t n;

  spec.say = NULL;
  for (n = 0;; n = n < 400 ? n + 1 : n * 21 / 20) {
    long live = fail_alloc_live ();
    DvError error = {0};
    DvModel *model;

    fail_alloc_at (n);
    model = dv_model_open (&spec, &error);
    if (!fail_alloc_hit ()) {
      ck_assert_ptr_nonnull (model);
      dv_model_unref (model);
      break;
    }
    ck_assert_msg (!model, "allocation %zu may fail unnoticed", n);
    ck_assert_msg (
        error.code == DV_ERROR_MEMORY, "allocation %zu: %s", n, error.detail);
    ck_assert_msg (fail_alloc_live () == live, "allocation %zu: %ld are left",
        n, fail_alloc_live () - live);
  }
  ck_assert_uint_gt (n, 100);
}
END_TEST

/* A sink that allocates nothing, as the capture's assertions do. */
static bool
plain_acquire (void *user, uint32_t n, DvFrame *frame)
{
  static uint8_t planes[3][WIDTH * HEIGHT];

  for (int i = 0; i < 3; i++) {
    frame->plane[i] = planes[i];
    frame->stride[i] = i ? WIDTH / 2 : WIDTH;
  }
  return true;
}

static bool
plain_commit (void *user, uint32_t n)
{
  return true;
}

static bool
plain_audio (void *user, const float *samples, size_t count)
{
  return true;
}

/* And so with a step; the next one works as if nothing had been. */
START_TEST (a_step_without_memory)
{
  static const DvSink plain = {.acquire_frame = plain_acquire,
      .commit_frame = plain_commit,
      .commit_audio = plain_audio};
  uint32_t straight[3];
  DvModel *model;
  DvSession *session;
  Capture capture;
  size_t n;

  sums (small (), 3, straight);
  model = open_model (small ());
  session = new_session (model);
  capture_init (&capture, WIDTH, HEIGHT);
  make_segment (session, &capture, segment (1));
  for (n = 0;; n++) {
    DvRequest request = segment (2);
    DvError error = {0};
    DvStatus status;

    fail_alloc_at (n);
    status = dv_session_step (session, &request, &plain, NULL, &error);
    if (!fail_alloc_hit ()) {
      ck_assert (status == DV_OK);
      break;
    }
    /* What is only nice to have may be done without. */
    if (status == DV_OK)
      break;
    ck_assert_msg (
        status == DV_ERROR_MEMORY, "allocation %zu: %s", n, error.detail);
  }
  ck_assert_uint_gt (n, 10);
  capture_restart (&capture);
  make_segment (session, &capture, segment (3));
  ck_assert_uint_eq (sum_of (&capture), straight[2]);
  capture_clear (&capture);
  dv_session_free (session);
  dv_model_unref (model);
}
END_TEST

START_TEST (nothing_grows_from_segment_to_segment)
{
  DvModel *model = open_model (small ());
  DvSession *session = new_session (model);
  Capture capture;
  long live = 0;

  capture_init (&capture, WIDTH, HEIGHT);
  for (uint32_t i = 1; i <= 8; i++) {
    capture_restart (&capture);
    make_segment (session, &capture, segment (i));
    if (i == 3)
      live = fail_alloc_live ();
    if (i > 3)
      ck_assert_int_eq (fail_alloc_live (), live);
  }
  capture_clear (&capture);
  dv_session_free (session);
  dv_model_unref (model);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("ltx2-session");
  TCase *tests = tcase_create ("general");
  SRunner *runner = srunner_create (suite);
  struct stat info;
  int failed;

  if (stat (MODEL, &info) != 0)
    return 77;
  tcase_add_test (tests, threads_change_nothing);
  tcase_add_test (tests, a_step_stops_wherever_it_is_asked_to);
  if (ALL) {
    tcase_add_test (tests, the_same_seed_gives_the_same_segments);
    tcase_add_test (tests, another_seed_is_another_segment);
    tcase_add_test (tests, a_restored_session_goes_on_as_if_never_stopped);
    tcase_add_test (tests, what_is_no_state_is_refused);
    tcase_add_test (tests, a_receiver_may_refuse);
    tcase_add_test (tests, requests_that_no_model_could_serve);
    tcase_add_test (tests, the_plan_is_said_and_enforced);
    tcase_add_test (tests, names_that_are_not_known);
    tcase_add_test (tests, a_lora_that_does_not_fit_changes_nothing);
    tcase_add_test (tests, opening_without_memory);
    tcase_add_test (tests, a_step_without_memory);
    tcase_add_test (tests, nothing_grows_from_segment_to_segment);
  }
  tcase_set_timeout (tests, 300);
  suite_add_tcase (suite, tests);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
