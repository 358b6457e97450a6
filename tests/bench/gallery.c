/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Draws a prompt's frames as raw I420 to standard output, or times them:
 *
 *   gallery [--size WxH] [--at SECONDS] [--frames N] [--morph PROMPT]
 *       [--bench] PROMPT|NUMBER
 *
 * A number from 1 to 12 stands for a prompt of the gallery; "--list" prints
 * their names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "procedural/gallery.h"
#include "procedural/painter.h"

#define FPS 24

static const char *
prompt_of (const char *text)
{
  int number = atoi (text);

  return number >= 1 && number <= DV_GALLERY_SIZE
             ? dv_gallery[number - 1].prompt
             : text;
}

static double
now (void)
{
  struct timespec t;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The sums as a session grows them, at a constant scene. */
static void
moment_at (DvMoment *moment, const DvScene *from, const DvScene *to,
    double seconds, float mix)
{
  memset (moment, 0, sizeof *moment);
  moment->from = *from;
  moment->to = *to;
  moment->mix = mix;
  dv_scene_mix (&moment->scene, from, to, mix);
  moment->frame = (uint64_t)(seconds * FPS);
  moment->time = seconds * (0.4 + 2 * moment->scene.speed);
  moment->camera_x =
      seconds * moment->scene.camera_x * (0.02 + 0.2 * moment->scene.speed);
  moment->camera_zoom =
      seconds * moment->scene.camera_zoom * (0.02 + 0.2 * moment->scene.speed);
  moment->wind = seconds * (0.15 + 1.5 * moment->scene.wind);
}

int
main (int argc, char **argv)
{
  unsigned width = 1280, height = 704, frames = 1;
  const char *prompt = "", *morph = NULL;
  double at = 2.5, start, first, rest;
  bool bench = false;
  DvScene from, to;
  DvPainter *painter;
  DvFrame frame;
  uint8_t *memory;
  size_t luma, size;

  for (int i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : "";

    if (strcmp (argv[i], "--list") == 0) {
      for (int k = 0; k < DV_GALLERY_SIZE; k++)
        puts (dv_gallery[k].name);
      return 0;
    } else if (strcmp (argv[i], "--bench") == 0)
      bench = true;
    else if (strcmp (argv[i], "--size") == 0 && ++i < argc)
      sscanf (value, "%ux%u", &width, &height);
    else if (strcmp (argv[i], "--at") == 0 && ++i < argc)
      at = atof (value);
    else if (strcmp (argv[i], "--frames") == 0 && ++i < argc)
      frames = (unsigned)atoi (value);
    else if (strcmp (argv[i], "--morph") == 0 && ++i < argc)
      morph = prompt_of (value);
    else
      prompt = prompt_of (argv[i]);
  }
  dv_scene_read (&from, prompt, 0);
  dv_scene_read (&to, morph ? morph : prompt, 0);
  painter = dv_painter_new (width, height);
  luma = (size_t)width * height;
  size = luma + luma / 2;
  memory = calloc (1, size);
  if (!painter || !memory) {
    fprintf (stderr, "gallery: no painter for %ux%u\n", width, height);
    return 1;
  }
  frame = (DvFrame){{memory, memory + luma, memory + luma + luma / 4},
      {width, width / 2, width / 2}};

  start = now ();
  first = 0;
  for (unsigned n = 0; n < frames; n++) {
    double t = frames > 1 && morph ? (double)n / (frames - 1) : 0;
    DvMoment moment;

    if (frames == 1 && morph)
      t = 0.5;
    moment_at (&moment, &from, &to, at + (double)n / FPS,
        (float)(t * t * (3 - 2 * t)));
    dv_painter_draw (painter, &moment, &frame);
    if (n == 0)
      first = now () - start;
    if (!bench && fwrite (memory, 1, size, stdout) != size)
      return 1;
  }
  rest = now () - start - first;
  if (bench)
    printf ("%-44.44s first frame %6.1f ms, then %6.2f ms a frame, %6.1f fps\n",
        prompt, first * 1e3, rest * 1e3 / (frames - 1), (frames - 1) / rest);
  dv_painter_free (painter);
  free (memory);
  return 0;
}
