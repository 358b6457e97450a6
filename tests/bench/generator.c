/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How fast the procedural generator is: CPU time of picture and of sound
 * against real time, for the prompts of the gallery.
 *
 *   generator [--size WxH] [--frames N] [PROMPT|NUMBER]...
 *
 * A prompt morphs into the next one at each segment, as in a session that is
 * steered all the time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "generator.h"
#include "procedural/gallery.h"
#include "segment.h"

typedef struct {
  uint32_t width, height;
  uint8_t *planes;
  double sound; /* CPU seconds of it: from a frame's commit to the next one */
  double committed;
} Bench;

static double
cpu (void)
{
  struct timespec t;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool
acquire_frame (void *user, uint32_t n, DvFrame *frame)
{
  Bench *bench = user;
  size_t luma = (size_t)bench->width * bench->height;

  frame->plane[0] = bench->planes;
  frame->plane[1] = bench->planes + luma;
  frame->plane[2] = bench->planes + luma + luma / 4;
  frame->stride[0] = bench->width;
  frame->stride[1] = frame->stride[2] = bench->width / 2;
  return true;
}

static bool
commit_frame (void *user, uint32_t n)
{
  Bench *bench = user;

  bench->committed = cpu ();
  return true;
}

static bool
commit_audio (void *user, const float *samples, size_t count)
{
  Bench *bench = user;
  double now = cpu ();

  bench->sound += now - bench->committed;
  bench->committed = now;
  return true;
}

static bool
cancelled (void *user)
{
  return false;
}

static void
print_line (
    const char *name, double media, double all, double sound, uint64_t frames)
{
  printf ("%-18.18s %8.1f frames/s  picture %6.2f  sound %7.1f  both %6.2f "
          "times real time\n",
      name, (double)frames / all, media / (all - sound), media / sound,
      media / all);
}

static int
run (Bench *bench, uint32_t frames, const char *const *prompts, int n)
{
  DvSegmentSpec spec = {24, 1, 24000, frames, 9, 49};
  DvModel *model = dv_model_open (NULL, NULL);
  DvSession *session = dv_session_new (model, NULL);
  DvSink sink = {.user = bench,
      .acquire_frame = acquire_frame,
      .commit_frame = commit_frame,
      .commit_audio = commit_audio,
      .cancelled = cancelled};
  double total = 0, sound = 0, media = 0;
  uint64_t before = 0;

  for (int i = 0; i < n; i++) {
    DvSegmentPlan plan;
    DvRequest request = {.prompt = prompts[i],
        .index = (uint32_t)i + 1,
        .seed = 10,
        .width = bench->width,
        .height = bench->height,
        .fps_n = 24,
        .fps_d = 1,
        .frames = frames};
    DvError error;
    double begun = cpu (), took;

    dv_segment_plan (&spec, before, i > 0, &plan);
    request.overlap = request.first_frame = plan.trim_frames;
    request.first_sample = plan.first_sample;
    request.samples = plan.samples;
    bench->sound = 0;
    if (dv_session_step (session, &request, &sink, NULL, &error) != DV_OK) {
      fprintf (stderr, "%s\n", error.detail);
      return 1;
    }
    took = cpu () - begun;
    print_line (
        prompts[i], (double)plan.frames / 24, took, bench->sound, plan.frames);
    before += plan.frames;
    media += (double)plan.frames / 24;
    total += took;
    sound += bench->sound;
  }
  print_line ("all", media, total, sound, before);
  dv_session_free (session);
  dv_model_unref (model);
  return 0;
}

int
main (int argc, char **argv)
{
  Bench bench = {.width = 1920, .height = 1088};
  unsigned frames = 49;
  const char *prompts[64];
  int n = 0, status;

  for (int i = 1; i < argc; i++) {
    int number = atoi (argv[i]);

    if (strcmp (argv[i], "--size") == 0 && i + 1 < argc) {
      if (sscanf (argv[++i], "%ux%u", &bench.width, &bench.height) != 2)
        return 2;
    } else if (strcmp (argv[i], "--frames") == 0 && i + 1 < argc) {
      frames = (unsigned)atoi (argv[++i]);
    } else if (n < 64) {
      prompts[n++] = number >= 1 && number <= DV_GALLERY_SIZE
                         ? dv_gallery[number - 1].prompt
                         : argv[i];
    }
  }
  if (n == 0)
    for (; n < DV_GALLERY_SIZE; n++)
      prompts[n] = dv_gallery[n].prompt;
  if (frames < 10 || bench.width < 16 || bench.width > 8192 ||
      bench.height < 16 || bench.height > 8192)
    return 2;
  bench.planes = malloc ((size_t)bench.width * bench.height * 2);
  status = run (&bench, frames, prompts, n);
  free (bench.planes);
  return status;
}
