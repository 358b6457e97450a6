/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Prompts that are encoded beside a step: the same segments, and the prompt is
 * encoded once, whichever thread comes first and whatever goes wrong.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "apart.h"
#include "capture.h"
#include "ltx2/ltx2-private.h"
#include "ltx2/make-random.h"
#include "test-folder.h"

#define FRAMES 17
#define SEGMENTS 3

/* ThreadSanitizer's minutes are for what runs side by side. */
#ifdef __SANITIZE_THREAD__
#define ALL 0
#else
#define ALL 1
#endif

static const char *const prompts[] = {"a lighthouse", "waves", "a fire"};

static const DvSegmentSpec segments = {.fps_n = 24,
    .fps_d = 1,
    .rate = 24000,
    .frames = FRAMES,
    .overlap = 9,
    .audio_overlap = 13};

/* How often a prompt was encoded, and a gate in front of that. */
static struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  unsigned encoded;
  bool closed, waiting;
} encoder = {
    .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

void __real_dv_gemma_run (const DvGemma *gemma, DvStream *stream,
    const int32_t *ids, int64_t n, const DvTensor *hidden,
    const DvProbe *probe);
void __wrap_dv_gemma_run (const DvGemma *gemma, DvStream *stream,
    const int32_t *ids, int64_t n, const DvTensor *hidden,
    const DvProbe *probe);

void
__wrap_dv_gemma_run (const DvGemma *gemma, DvStream *stream, const int32_t *ids,
    int64_t n, const DvTensor *hidden, const DvProbe *probe)
{
  if (!stream->dry) {
    pthread_mutex_lock (&encoder.lock);
    encoder.encoded++;
    encoder.waiting = true;
    pthread_cond_broadcast (&encoder.changed);
    while (encoder.closed)
      pthread_cond_wait (&encoder.changed, &encoder.lock);
    encoder.waiting = false;
    pthread_mutex_unlock (&encoder.lock);
  }
  __real_dv_gemma_run (gemma, stream, ids, n, hidden, probe);
}

static void
close_gate (bool closed)
{
  pthread_mutex_lock (&encoder.lock);
  encoder.closed = closed;
  pthread_cond_broadcast (&encoder.changed);
  pthread_mutex_unlock (&encoder.lock);
}

static void
wait_at_gate (void)
{
  pthread_mutex_lock (&encoder.lock);
  while (!encoder.waiting)
    pthread_cond_wait (&encoder.changed, &encoder.lock);
  pthread_mutex_unlock (&encoder.lock);
}

/* ---- a model ---- */

static void
set_up (void)
{
  DvRandomSpec spec = {.config = "tiny", .seed = 5, .tokenizer = true};
  DvError error = {0};

  folder_make ();
  ck_assert_msg (dv_make_random (&spec, folder_path ("model"), &error) == DV_OK,
      "%s", error.detail);
  encoder.encoded = 0;
  encoder.closed = encoder.waiting = false;
  apart_enable (true);
  apart_limit (UINT64_MAX);
  apart_unlock ();
}

static DvModel *
open_model (void)
{
  DvModelSpec spec = {.model = folder_path ("model"),
      .dtype = "f32",
      .device = "cpu",
      .threads = 1,
      .width = 64,
      .height = 64,
      .frames = FRAMES,
      .prompts = true};
  DvError error = {0};
  DvModel *model = dv_model_open (&spec, &error);

  ck_assert_msg (model != NULL, "%s", error.detail);
  return model;
}

static DvSession *
open_session (DvModel *model)
{
  DvSession *session = dv_session_new (model, NULL);

  ck_assert_ptr_nonnull (session);
  return session;
}

/* ---- who prepares ---- */

typedef struct {
  DvSession *session;
  const char *prompt;
  atomic_bool cancelled;
  DvStatus status;
  DvError error;
  pthread_t thread;
} Preparing;

static bool
preparing_cancelled (void *user)
{
  return atomic_load (&((Preparing *)user)->cancelled);
}

static void *
prepare (void *user)
{
  Preparing *p = user;

  p->status = dv_session_prepare (
      p->session, p->prompt, preparing_cancelled, p, &p->error);
  return NULL;
}

static void
begin_preparing (Preparing *p, DvSession *session, const char *prompt)
{
  memset (p, 0, sizeof *p);
  p->session = session;
  p->prompt = prompt;
  ck_assert_int_eq (pthread_create (&p->thread, NULL, prepare, p), 0);
}

static DvStatus
end_preparing (Preparing *p)
{
  ck_assert_int_eq (pthread_join (p->thread, NULL), 0);
  return p->status;
}

/* ---- steps ---- */

/* What happens during a step. */
typedef struct {
  Capture capture;
  const char *next; /* prepared while the step is held up; NULL: none */
  bool opens;       /* the gate, when the step is at its text */
  DvSession *session;
} Step;

static void
told (void *user, const char *stage, double fraction)
{
  Step *step = (Step *)user;
  Preparing p;

  if (step->opens && strcmp (stage, "text") == 0)
    close_gate (false);
  if (!step->next || strcmp (stage, "decode") != 0)
    return;
  begin_preparing (&p, step->session, step->next);
  ck_assert_msg (end_preparing (&p) == DV_OK, "%s", p.error.detail);
  step->next = NULL;
}

static void
step_init (Step *step, DvSession *session)
{
  memset (step, 0, sizeof *step);
  capture_init (&step->capture, 64, 64);
  /* The capture is the first member, so its callbacks find it. */
  step->capture.sink.user = step;
  step->capture.sink.progress = told;
  step->session = session;
}

static DvStatus
run_step (Step *step, uint32_t i, uint32_t *sum, DvError *error)
{
  uint64_t before = i == 0 ? 0 : FRAMES + (i - 1) * (FRAMES - 9);
  Capture *capture = &step->capture;
  DvRequest request;
  DvStatus status;

  capture_request (&request, capture, &segments, i + 1, before, prompts[i]);
  request.audio_overlap = i == 0 ? 0 : segments.audio_overlap;
  status =
      dv_session_step (step->session, &request, &capture->sink, NULL, error);
  if (sum)
    *sum = capture_crc (capture_samples_crc (capture), capture->crc,
        capture->n_frames * sizeof *capture->crc);
  return status;
}

/* All segments; @ahead: each prompt but the first is prepared during the step
 * before. */
static void
run (DvSession *session, bool ahead, uint32_t *sums)
{
  DvError error = {0};
  Step step;

  for (uint32_t i = 0; i < SEGMENTS; i++) {
    step_init (&step, session);
    step.next = ahead && i + 1 < SEGMENTS ? prompts[i + 1] : NULL;
    ck_assert_msg (
        run_step (&step, i, &sums[i], &error) == DV_OK, "%s", error.detail);
    ck_assert_ptr_null (step.next);
    capture_clear (&step.capture);
  }
}

/* What the segments are where nobody looks ahead. */
static void
expect (DvModel *model, uint32_t *sums)
{
  DvSession *session = open_session (model);

  run (session, false, sums);
  dv_session_free (session);
  ck_assert_uint_eq (encoder.encoded, SEGMENTS);
  encoder.encoded = 0;
}

START_TEST (a_prompt_prepared_during_a_step_is_not_encoded_again)
{
  uint32_t expected[SEGMENTS], sums[SEGMENTS];
  DvModel *model = open_model ();
  DvSession *session;

  ck_assert (dv_model_info (model)->prepares);
  expect (model, expected);
  session = open_session (model);
  ck_assert_int_eq (
      dv_session_prepare (session, prompts[0], NULL, NULL, NULL), DV_OK);
  ck_assert_uint_eq (encoder.encoded, 1);
  run (session, true, sums);
  ck_assert_mem_eq (sums, expected, sizeof sums);
  ck_assert_uint_eq (encoder.encoded, SEGMENTS);
  ck_assert_int_eq (
      dv_session_prepare (session, prompts[2], NULL, NULL, NULL), DV_OK);
  ck_assert_uint_eq (encoder.encoded, SEGMENTS);
  dv_session_free (session);
  dv_model_unref (model);
  ck_assert_uint_eq (apart_used (), 0);
}
END_TEST

START_TEST (nothing_is_prepared_where_it_would_take_the_steps_time)
{
  DvModel *model;
  DvSession *session;

  apart_enable (false);
  model = open_model ();
  session = open_session (model);
  ck_assert (!dv_model_info (model)->prepares);
  ck_assert_int_eq (
      dv_session_prepare (session, prompts[0], NULL, NULL, NULL), DV_OK);
  ck_assert_uint_eq (encoder.encoded, 0);
  dv_session_free (session);
  dv_model_unref (model);
}
END_TEST

/* The first prompt is being encoded, and does not get on, when its step is to
 * begin. */
static void
hold_up (Preparing *p, Step *step, DvSession *session)
{
  close_gate (true);
  begin_preparing (p, session, prompts[0]);
  wait_at_gate ();
  step_init (step, session);
}

/* The step comes to its text while that is encoded: it ends as if nobody had
 * looked ahead. */
static void
step_amid_encoding (bool given_up)
{
  uint32_t expected[SEGMENTS], sum;
  DvModel *model = open_model ();
  DvSession *session;
  DvError error = {0};
  Preparing p;
  Step step;

  expect (model, expected);
  session = open_session (model);
  hold_up (&p, &step, session);
  atomic_store (&p.cancelled, given_up);
  step.opens = true;
  ck_assert_int_eq (run_step (&step, 0, &sum, &error), DV_OK);
  ck_assert_int_eq (end_preparing (&p), given_up ? DV_CANCELLED : DV_OK);
  ck_assert_uint_eq (sum, expected[0]);
  ck_assert_uint_eq (encoder.encoded, given_up ? 2 : 1);
  capture_clear (&step.capture);
  dv_session_free (session);
  dv_model_unref (model);
}

START_TEST (a_step_waits_for_its_prompt)
{
  step_amid_encoding (false);
}
END_TEST

START_TEST (what_is_given_up_is_encoded_by_the_step)
{
  step_amid_encoding (true);
}
END_TEST

START_TEST (a_step_that_waits_can_be_cancelled)
{
  DvModel *model = open_model ();
  DvSession *session = open_session (model);
  DvError error = {0};
  Preparing p;
  Step step;

  hold_up (&p, &step, session);
  step.capture.cancel_time = capture_now () + 0.05;
  ck_assert_int_eq (run_step (&step, 0, NULL, &error), DV_CANCELLED);
  capture_clear (&step.capture);
  close_gate (false);
  ck_assert_int_eq (end_preparing (&p), DV_OK);
  step_init (&step, session);
  ck_assert_int_eq (run_step (&step, 0, NULL, &error), DV_OK);
  ck_assert_uint_eq (encoder.encoded, 1);
  capture_clear (&step.capture);
  dv_session_free (session);
  dv_model_unref (model);
}
END_TEST

START_TEST (no_memory_is_no_harm)
{
  uint32_t expected[SEGMENTS], sum;
  DvModel *model = open_model ();
  DvSession *session;
  DvError error = {0};
  Step step;

  expect (model, expected);
  session = open_session (model);
  step_init (&step, session);
  ck_assert_int_eq (run_step (&step, 0, &sum, &error), DV_OK);
  ck_assert_uint_eq (sum, expected[0]);
  capture_clear (&step.capture);
  for (uint64_t room = 0;; room += 64 << 10) {
    DvStatus status;

    apart_limit (apart_used () + room);
    status = dv_session_prepare (session, prompts[1], NULL, NULL, &error);
    if (status == DV_OK)
      break;
    ck_assert_int_eq (status, DV_ERROR_MEMORY);
  }
  ck_assert_uint_eq (encoder.encoded, 2);
  apart_limit (UINT64_MAX);
  step_init (&step, session);
  ck_assert_int_eq (run_step (&step, 1, &sum, &error), DV_OK);
  ck_assert_uint_eq (sum, expected[1]);
  capture_clear (&step.capture);
  dv_session_free (session);
  dv_model_unref (model);
  ck_assert_uint_eq (apart_used (), 0);
}
END_TEST

/* In no order at all: for ThreadSanitizer, and for whoever deadlocks. */
START_TEST (steps_and_prompts_come_as_they_like)
{
  uint32_t expected[SEGMENTS], sum;
  DvModel *model = open_model ();
  DvSession *session;
  DvError error = {0};
  Preparing p[SEGMENTS];
  Step step;

  expect (model, expected);
  session = open_session (model);
  for (uint32_t i = 0; i < SEGMENTS; i++)
    begin_preparing (&p[i], session, prompts[SEGMENTS - 1 - i]);
  for (uint32_t i = 0; i < SEGMENTS; i++) {
    step_init (&step, session);
    ck_assert_int_eq (run_step (&step, i, &sum, &error), DV_OK);
    ck_assert_uint_eq (sum, expected[i]);
    capture_clear (&step.capture);
  }
  for (uint32_t i = 0; i < SEGMENTS; i++)
    ck_assert_int_eq (end_preparing (&p[i]), DV_OK);
  ck_assert_uint_eq (encoder.encoded, SEGMENTS);
  dv_session_free (session);
  dv_model_unref (model);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("ltx2-ahead");
  TCase *tests = tcase_create ("ahead");
  SRunner *runner;
  int failed;

  tcase_set_timeout (tests, 120);
  tcase_add_checked_fixture (tests, set_up, folder_remove);
  tcase_add_test (tests, a_step_that_waits_can_be_cancelled);
  tcase_add_test (tests, steps_and_prompts_come_as_they_like);
  if (ALL) {
    tcase_add_test (
        tests, a_prompt_prepared_during_a_step_is_not_encoded_again);
    tcase_add_test (
        tests, nothing_is_prepared_where_it_would_take_the_steps_time);
    tcase_add_test (tests, a_step_waits_for_its_prompt);
    tcase_add_test (tests, what_is_given_up_is_encoded_by_the_step);
    tcase_add_test (tests, no_memory_is_no_harm);
  }
  suite_add_tcase (suite, tests);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
