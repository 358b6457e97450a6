/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fuzzes the loading of a session's saved state. The header of the input is
 * also made to fit, since a checksum would keep everything else out; what then
 * loads must be saved the same again and must carry a step.
 */
#include "generator.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define HEADER 16
#define SIDE 32
#define FRAMES 2
#define RATE 24000

#define EXPECT(condition)                                                      \
  do {                                                                         \
    if (!(condition))                                                          \
      abort ();                                                                \
  } while (0)

static uint8_t picture[SIDE * SIDE * 3 / 2];

static bool
acquire (void *user, uint32_t n, DvFrame *frame)
{
  *frame = (DvFrame){.plane = {picture, picture + SIDE * SIDE,
                         picture + SIDE * SIDE + SIDE * SIDE / 4},
      .stride = {SIDE, SIDE / 2, SIDE / 2}};
  return true;
}

static bool
commit_frame (void *user, uint32_t n)
{
  return true;
}

static bool
commit_audio (void *user, const float *samples, size_t count)
{
  for (size_t i = 0; i < 2 * count; i++)
    EXPECT (samples[i] >= -1.0f && samples[i] <= 1.0f);
  return true;
}

static void
step (DvSession *session)
{
  static const DvSink sink = {.acquire_frame = acquire,
      .commit_frame = commit_frame,
      .commit_audio = commit_audio};
  static const DvRequest request = {.prompt = "a stormy sea",
      .index = 2,
      .width = SIDE,
      .height = SIDE,
      .fps_n = 24,
      .fps_d = 1,
      .frames = FRAMES,
      .overlap = 1,
      .first_frame = 1,
      .first_sample = RATE,
      .samples = RATE / 24};
  DvError error;

  /* It may refuse (the rate is another), it may not fall over. */
  dv_session_step (session, &request, &sink, NULL, &error);
}

static void
put_u32 (uint8_t *p, uint32_t value)
{
  for (int i = 0; i < 4; i++)
    p[i] = (uint8_t)(value >> (8 * i));
}

static void
fix_header (uint8_t *data, size_t size)
{
  uint32_t sum = 2166136261u;

  for (size_t i = HEADER; i < size; i++)
    sum = (sum ^ data[i]) * 16777619u;
  put_u32 (data, 0x53505644);
  put_u32 (data + 4, 1);
  put_u32 (data + 8, (uint32_t)(size - HEADER));
  put_u32 (data + 12, sum);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static DvModel *model;
  DvModelSpec spec = {0};
  DvSession *session;
  uint8_t *copy = malloc (size ? size : 1), *saved = NULL;
  size_t saved_size;
  DvError error;

  if (!model)
    model = dv_model_open (&spec, &error);
  EXPECT (model);
  session = dv_session_new (model, &error);
  EXPECT (session);
  memcpy (copy, data, size);
  dv_session_load (session, copy, size, &error);
  if (size >= HEADER) {
    fix_header (copy, size);
    if (dv_session_load (session, copy, size, &error) == DV_OK) {
      EXPECT (dv_session_save (session, &saved, &saved_size, &error) == DV_OK);
      EXPECT (saved_size == size && memcmp (saved, copy, size) == 0);
      free (saved);
      step (session);
    }
  }
  dv_session_free (session);
  free (copy);
  return 0;
}
