/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Pictures on their way from a GPU to the host (kernels/cuda/copy-out.c), on a
 * runtime of the tests that does in the wrong order what it was not told to do
 * in order: they leave beside what is computed next, are whole when a fence
 * says so, and each wait that sees to it is missed when it is left out.
 *
 * DREAMVERSE_CUDA_MODULE names the backend built on the fake runtime.
 *
 * Threads: one.
 */
#include <check.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "fake-cuda.h"
#include "module.h"
#include "offload.h"

#define FRAMES 5
#define MOST 4096 /* bytes of a frame's four surfaces, at most */
#define ORDERS 12
#define ARENA ((size_t)1 << 20)

/* One picture: where it is on the host, and what must stand there. */
typedef struct {
  int64_t H, W;
  bool rgb, planes;
  float x[MOST / 2];
  uint8_t *memory; /* pinned */
  uint8_t right[MOST];
} Frame;

static FakeCuda *fake;
static DvDevice *device;
static DvStream *stream;
static Frame frames[FRAMES];

/* ---- a film ---- */

static void
convert (DvStream *on, const DvTensor *x, const Frame *frame, uint8_t *to)
{
  int64_t W = frame->W, size = frame->H * W;
  DvPixels pixels = {
      .x = x, .rgb_stride = 3 * W + 1, .stride = {W, W + 2, W + 3}};

  if (frame->planes) {
    pixels.plane[0] = to;
    pixels.plane[1] = to + size;
    pixels.plane[2] = to + size + (W + 2) * ((frame->H + 1) / 2);
  }
  if (frame->rgb)
    pixels.rgb = to + 3 * size + 64;
  dv_pixels (on, &pixels);
}

/* The oracle's picture between rubbish. */
static void
make_right (Frame *frame)
{
  DvDevice *ref = dv_device_open (&(DvDeviceSpec){.backend = "ref"}, NULL);
  DvStream *on = dv_stream_new (ref, 64, NULL);
  DvTensor x = DV_TENSOR (frame->x, DV_F32, frame->H, frame->W, 3);

  memset (frame->right, 0, MOST);
  convert (on, &x, frame, frame->right);
  ck_assert_int_eq (dv_stream_status (on, NULL), DV_OK);
  dv_stream_free (on);
  dv_device_unref (ref);
}

static void
make_frame (int n, int64_t H, int64_t W, bool rgb, bool planes)
{
  Frame *frame = &frames[n];

  frame->H = H;
  frame->W = W;
  frame->rgb = rgb;
  frame->planes = planes;
  for (int i = 0; i < 3 * H * W; i++)
    frame->x[i] = (float)((i * 37 + n * 1009) % 211) / 105 - 1;
  make_right (frame);
}

static void
set_up (void)
{
  void *module =
      dlopen (getenv (DV_CUDA_MODULE_VARIABLE), RTLD_LAZY | RTLD_LOCAL);

  ck_assert_msg (module != NULL, "%s", dlerror ());
  fake = dlsym (module, FAKE_CUDA);
  ck_assert_ptr_nonnull (fake);
  for (int i = 0; i < FRAMES; i++)
    make_frame (i, 7, 13, true, true);
}

/* The @n-th order that streams may run in. */
static unsigned
order_of (int n)
{
  return n < 2 ? (unsigned)n : FAKE_DRAWN + 7919u * (unsigned)n;
}

static void
open_stream (size_t arena_bytes)
{
  DvError error = {0};

  device = dv_device_open (&(DvDeviceSpec){.backend = "cuda"}, &error);
  ck_assert_msg (device != NULL, "%s", error.detail);
  stream = dv_stream_new (device, arena_bytes, &error);
  ck_assert_msg (stream != NULL, "%s", error.detail);
  for (int i = 0; i < FRAMES; i++) {
    frames[i].memory = dv_device_host_alloc (device, MOST);
    ck_assert_ptr_nonnull (frames[i].memory);
    memset (frames[i].memory, 0, MOST);
  }
}

static void
close_stream (void)
{
  for (int i = 0; i < FRAMES; i++)
    dv_device_host_free (device, frames[i].memory);
  dv_stream_free (stream);
  dv_device_unref (device);
  ck_assert_int_eq (fake->live, 0);
}

static bool
is_right (const Frame *frame)
{
  return memcmp (frame->memory, frame->right, MOST) == 0;
}

/* A frame in the arena, which the next one will be made over. */
static DvTensor
send (DvStream *on, const Frame *frame)
{
  DvTensor x = DV_NEW (on, DV_F32, frame->H, frame->W, 3);
  DvTensor host = DV_TENSOR ((void *)frame->x, DV_F32, frame->H, frame->W, 3);

  dv_copy (on, &x, &host);
  convert (on, &x, frame, frame->memory);
  return x;
}

/* Each frame is waited for when @late more are queued; a segment is made with
 * one. Between picture and fence something more is computed and copied. Whether
 * all was right when it was said to be. */
static bool
show_film (int late)
{
  size_t mark = dv_mark (stream);
  float *sound = dv_device_host_alloc (device, FRAMES * sizeof *sound);
  DvFence *fence[FRAMES];
  bool right = true;

  for (int i = 0; i < FRAMES + late; i++) {
    int due = i - late;

    if (i < FRAMES) {
      DvTensor x = send (stream, &frames[i]), part, to;

      part = DV_TENSOR (x.data, DV_F32, 1);
      to = DV_TENSOR (sound + i, DV_F32, 1);
      dv_map (stream, &(DvMap){.out = &part, .x = &part, .kind = DV_MAP_COPY});
      dv_copy (stream, &to, &part);
      fence[i] = dv_fence_new (device, NULL);
      dv_fence_record (fence[i], stream);
      dv_release (stream, mark);
    }
    if (due >= 0) {
      right = dv_fence_wait (fence[due], stream) && is_right (&frames[due]) &&
              sound[due] == frames[due].x[0] && right;
      dv_fence_free (fence[due]);
    }
  }
  right = dv_stream_status (stream, NULL) == DV_OK && right;
  for (int i = 0; i < FRAMES; i++)
    right = right && is_right (&frames[i]);
  dv_stream_reset (stream);
  dv_device_host_free (device, sound);
  return right;
}

/* ---- order ---- */

START_TEST (what_follows_does_not_wait_for_a_copy)
{
  float host[4] = {1, 2, 3, 4}, got[4] = {0};
  DvTensor from = DV_TENSOR (host, DV_F32, 4), back, y;

  /* Whatever is computed comes before what is copied, if it may. */
  fake->order = FAKE_OLDEST_FIRST;
  open_stream (ARENA);
  send (stream, &frames[0]);
  y = DV_NEW (stream, DV_F32, 4);
  back = DV_TENSOR (got, DV_F32, 4);
  dv_copy (stream, &y, &from);
  dv_copy (stream, &back, &y); /* waits */
  ck_assert_mem_eq (got, host, sizeof got);
  ck_assert_int_eq (frames[0].memory[0], FAKE_RUBBISH);
  ck_assert (!is_right (&frames[0]));
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_OK);
  ck_assert (is_right (&frames[0]));
  close_stream ();
}
END_TEST

START_TEST (pictures_are_right_in_every_order)
{
  fake->order = order_of (_i);
  open_stream (ARENA);
  ck_assert (show_film (1));
  ck_assert (show_film (FRAMES));
  close_stream ();
}
END_TEST

/* Without any one of the waits a picture is wrong in some order. */
START_TEST (every_wait_is_needed)
{
  long waits, n;

  open_stream (ARENA);
  waits = fake->waits;
  ck_assert (show_film (FRAMES));
  waits = fake->waits - waits;
  close_stream ();
  /* A frame: for its slot from the third on, the kernel, the fence. */
  ck_assert_int_eq (waits, 3 * FRAMES - 2);
  for (n = 0; n < waits; n++) {
    int wrong = 0;

    for (int i = 0; i < ORDERS && !wrong; i++) {
      fake->order = order_of (i);
      open_stream (ARENA);
      fake->ignore_at = n;
      wrong = !show_film (FRAMES);
      ck_assert_int_lt (fake->ignore_at, 0);
      close_stream ();
    }
    ck_assert_msg (wrong, "nobody missed wait %ld", n);
  }
}
END_TEST

/* Each slot is laid out anew where another kind of picture follows. */
START_TEST (pictures_of_other_kinds_follow)
{
  fake->order = order_of (_i);
  make_frame (0, 7, 13, true, true);
  make_frame (1, 16, 24, false, true);
  make_frame (2, 2, 70, true, false);
  make_frame (3, 1, 1, true, true);
  make_frame (4, 16, 24, true, true);
  open_stream (ARENA);
  ck_assert (show_film (FRAMES));
  close_stream ();
  /* One slot over both of those before. */
  make_frame (1, 7, 13, true, true);
  make_frame (2, 16, 24, true, true);
  open_stream (ARENA);
  ck_assert (show_film (FRAMES));
  close_stream ();
}
END_TEST

/* Another stream reads on the host what a fence says is there. */
START_TEST (another_stream_waits_for_a_copy)
{
  DvFence *fence;
  DvStream *other;
  DvTensor there, from, back;
  uint8_t got[MOST];

  fake->order = order_of (_i);
  open_stream (ARENA);
  other = dv_stream_new (device, ARENA, NULL);
  fence = dv_fence_new (device, NULL);
  send (stream, &frames[0]);
  dv_fence_record (fence, stream);
  dv_fence_await (fence, other);
  there = DV_NEW (other, DV_U8, MOST);
  from = DV_TENSOR (frames[0].memory, DV_U8, MOST);
  back = DV_TENSOR (got, DV_U8, MOST);
  dv_copy (other, &there, &from);
  dv_copy (other, &back, &there);
  ck_assert_int_eq (dv_stream_status (other, NULL), DV_OK);
  ck_assert_mem_eq (got, frames[0].right, MOST);
  dv_stream_free (other);
  dv_fence_free (fence);
  dv_stream_reset (stream);
  close_stream ();
}
END_TEST

START_TEST (ordinary_memory_is_waited_for)
{
  uint8_t mine[MOST] = {0};
  DvTensor x;

  fake->order = order_of (_i);
  open_stream (ARENA);
  x = send (stream, &frames[1]);
  for (int i = 0; i < 3; i++)
    convert (stream, &x, &frames[1], mine);
  ck_assert_mem_eq (mine, frames[1].right, MOST);
  dv_stream_reset (stream);
  close_stream ();
}
END_TEST

START_TEST (memory_is_given_back_behind_copies)
{
  void *memory;
  long waits;

  open_stream (ARENA);
  memory = dv_device_alloc (device, 64);
  send (stream, &frames[0]);
  waits = fake->waits;
  dv_device_free (device, memory);
  ck_assert_int_eq (fake->waits - waits, 2);
  dv_stream_reset (stream);
  ck_assert (is_right (&frames[0]));
  close_stream ();
}
END_TEST

/* ---- after a failure ---- */

static bool
is_cancelled (void *user)
{
  return true;
}

/* The caller has its memory back. */
static void
nothing_is_written (void)
{
  DvError error = {0};
  uint8_t mine[MOST];

  memset (mine, 7, MOST);
  memset (frames[0].memory, 7, MOST);
  memset (frames[1].memory, 7, MOST);
  send (stream, &frames[2]);
  ck_assert_msg (
      dv_stream_status (stream, &error) == DV_OK, "%s", error.detail);
  ck_assert (is_right (&frames[2]));
  ck_assert_mem_eq (frames[0].memory, mine, MOST);
  ck_assert_mem_eq (frames[1].memory, mine, MOST);
}

START_TEST (nothing_is_written_after_a_cancel)
{
  fake->order = order_of (_i);
  open_stream (ARENA);
  send (stream, &frames[0]);
  stream->cancelled = is_cancelled;
  send (stream, &frames[1]);
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_CANCELLED);
  dv_stream_reset (stream);
  stream->cancelled = NULL;
  nothing_is_written ();
  close_stream ();
}
END_TEST

/* Whichever call of a picture fails, and the wait for it too. */
START_TEST (nothing_is_written_after_a_failure)
{
  long n, failed = 0;

  for (n = 0; n < 60; n++) {
    DvError error = {0};

    fake->order = order_of (_i);
    fake->code = cudaErrorInvalidValue;
    fake->failed = false;
    open_stream (ARENA);
    send (stream, &frames[0]);
    fake->fail_at = n;
    send (stream, &frames[1]);
    if (stream->status != DV_OK) {
      ck_assert_int_eq (dv_stream_status (stream, &error), DV_ERROR_DEVICE);
      ck_assert_uint_gt (strlen (error.detail), 0);
      failed++;
    }
    dv_stream_reset (stream);
    fake->fail_at = -1;
    nothing_is_written ();
    close_stream ();
  }
  ck_assert_int_gt (failed, 8);
}
END_TEST

START_TEST (a_device_that_is_lost_says_so)
{
  DvError error = {0};

  open_stream (ARENA);
  fake->code = cudaErrorIllegalAddress;
  for (int i = 0; i < FRAMES && stream->status == DV_OK; i++) {
    fake->fail_at = i == 3 ? 12 : -1; /* among the copies */
    send (stream, &frames[i]);
  }
  ck_assert (fake->lost);
  ck_assert_int_eq (dv_stream_status (stream, &error), DV_ERROR_DEVICE);
  ck_assert_msg (
      strstr (error.detail, "copying a picture to the host") != NULL &&
          strstr (error.detail, "lost to this program") != NULL,
      "%s", error.detail);
  dv_stream_reset (stream);
  send (stream, &frames[0]);
  ck_assert_int_eq (dv_stream_status (stream, &error), DV_ERROR_DEVICE);
  ck_assert_ptr_nonnull (strstr (error.detail, "failed before and is lost"));
  close_stream ();
}
END_TEST

/* ---- memory ---- */

/* What a film wants, and something larger behind it. */
static void
shoot (DvStream *on)
{
  size_t mark = dv_mark (on);

  for (int i = 0; i < FRAMES; i++) {
    send (on, &frames[i]);
    dv_release (on, mark);
  }
  DV_NEW (on, DV_F32, 5000);
  dv_release (on, mark);
}

START_TEST (a_plan_counts_both_slots)
{
  DvDevice *gpu = dv_device_open (&(DvDeviceSpec){.backend = "cuda"}, NULL);
  DvStream *dry = dv_stream_new_dry (gpu, NULL);
  DvError error = {0};
  size_t planned, slot = 64 * (3 * 8 + 8 + 4 + 4); /* 7 x 13 in whole rows */

  shoot (dry);
  planned = dry->arena.peak;
  ck_assert_uint_eq (dry->arena.used, 0);
  ck_assert_uint_eq (planned, 2 * slot + 20032);
  dv_stream_free (dry);
  dv_device_unref (gpu);

  open_stream (planned);
  shoot (stream);
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_OK);
  ck_assert_uint_eq (stream->arena.peak, planned);
  for (int i = 0; i < FRAMES; i++)
    ck_assert (is_right (&frames[i]));
  /* They are given back with all the rest. */
  dv_stream_reset (stream);
  DV_NEW (stream, DV_U8, (int64_t)planned);
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_OK);
  close_stream ();

  open_stream (planned - 64);
  shoot (stream);
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_ERROR_MEMORY);
  dv_stream_reset (stream);
  close_stream ();

  open_stream (2 * slot + 64);
  shoot (stream);
  ck_assert_int_eq (dv_stream_status (stream, &error), DV_ERROR_MEMORY);
  ck_assert_ptr_nonnull (strstr (error.detail, "a workspace of 5120 bytes"));
  close_stream ();
}
END_TEST

static uint64_t
available (void)
{
  uint64_t bytes, total;

  dv_device_memory (device, &bytes, &total);
  return bytes;
}

/* The scratch of matrix products is of who computes them. */
START_TEST (streams_that_only_copy_take_no_memory)
{
  DvFetcher *fetcher;
  uint64_t before;

  open_stream (64);
  before = available ();
  fetcher = dv_fetcher_new (device, 1000, NULL);
  ck_assert_ptr_nonnull (fetcher);
  ck_assert_uint_le (before - available (), 2 * 1000 + 64);
  dv_fetcher_free (fetcher);
  close_stream ();
}
END_TEST

START_TEST (a_plan_counts_the_scratch_of_products)
{
  float host[16 * 16] = {0};
  DvTensor square = DV_TENSOR (host, DV_F32, 16, 16), a, out;
  DvStream *dry;
  DvWeight w;
  size_t planned = 0;

  open_stream (64);
  ck_assert_int_eq (
      dv_weight_prepare (device, &w, DV_USE_MATMUL, DV_F32, &square, NULL),
      DV_OK);
  dry = dv_stream_new_dry (device, NULL);
  for (int i = 0; i < 3; i++) {
    DvStream *on =
        i == 0 ? dry : dv_stream_new (device, planned - 64 * (i == 2), NULL);

    a = DV_NEW (on, DV_F32, 16, 16);
    out = DV_NEW (on, DV_F32, 16, 16);
    dv_copy (on, &a, &square);
    dv_matmul (on, &(DvMatmul){.out = &out, .a = &a, .w = &w});
    ck_assert_int_eq (
        dv_stream_status (on, NULL), i == 2 ? DV_ERROR_MEMORY : DV_OK);
    if (i == 0)
      planned = on->arena.peak;
    dv_stream_free (on);
  }
  ck_assert_uint_gt (planned, (size_t)32 << 20);
  ck_assert_uint_lt (planned, (size_t)33 << 20);
  ck_assert_int_eq (fake->products, 1);
  dv_weight_clear (device, &w);
  close_stream ();
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("copy-out");
  TCase *tests = tcase_create ("copy-out");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, tests);
  tcase_add_checked_fixture (tests, set_up, NULL);
  tcase_add_test (tests, what_follows_does_not_wait_for_a_copy);
  tcase_add_loop_test (tests, pictures_are_right_in_every_order, 0, ORDERS);
  tcase_add_test (tests, every_wait_is_needed);
  tcase_add_loop_test (tests, pictures_of_other_kinds_follow, 0, ORDERS);
  tcase_add_loop_test (tests, another_stream_waits_for_a_copy, 0, ORDERS);
  tcase_add_loop_test (tests, ordinary_memory_is_waited_for, 0, ORDERS);
  tcase_add_test (tests, memory_is_given_back_behind_copies);
  tcase_add_loop_test (tests, nothing_is_written_after_a_cancel, 0, ORDERS);
  tcase_add_loop_test (tests, nothing_is_written_after_a_failure, 0, 3);
  tcase_add_test (tests, a_device_that_is_lost_says_so);
  tcase_add_test (tests, a_plan_counts_both_slots);
  tcase_add_test (tests, streams_that_only_copy_take_no_memory);
  tcase_add_test (tests, a_plan_counts_the_scratch_of_products);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
