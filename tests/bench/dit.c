/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One block of the diffusion transformer: how long it takes and what memory
 * it needs beside its weights. dit.py runs it against PyTorch.
 *
 *   bench-dit DTYPE THREADS TOKENS AUDIO TEXT RUNS FILE
 *
 * FILE gets what went in and what came out, for dit.py to compute the same:
 * lines "name count" each followed by so many floats.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ltx2/dit-private.h"
#include "made-weights.h"

#define WIDTH 1024
#define HEADS 16

static const char *const side_name[DV_N_SIDES] = {"video", "audio"};

/* A line of /proc/self/status in bytes. */
static double
status_bytes (const char *field)
{
  FILE *file = fopen ("/proc/self/status", "r");
  char line[256];
  double kilobytes = 0;

  while (file && fgets (line, sizeof line, file))
    if (strncmp (line, field, strlen (field)) == 0)
      kilobytes = atof (line + strlen (field) + 1);
  if (file)
    fclose (file);
  return kilobytes * 1024;
}

/* The peak is counted from here on. */
static void
forget_peak (void)
{
  FILE *file = fopen ("/proc/self/clear_refs", "w");

  if (file) {
    fputs ("5", file);
    fclose (file);
  }
}

static double
seconds (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void
dump (FILE *file, const char *name, const DvTensor *t)
{
  int64_t count = dv_tensor_count (t);

  fprintf (file, "%s %lld\n", name, (long long)count);
  fwrite (t->data, sizeof (float), (size_t)count, file);
}

/* Matrices were made in BF16, the rest in F32. */
static void
dump_weights (FILE *file, const MadeLoader *made)
{
  for (int i = 0; i < made->n; i++) {
    const char *name = made->name[i];
    bool half = strstr (name, ".weight") && !strstr (name, "norm_");

    if (!strstr (name, "transformer_blocks"))
      continue;
    fprintf (file, "%s %lld\n", name, (long long)made->count[i]);
    for (int64_t at = 0, n; at < made->count[i]; at += n) {
      float part[1024];

      n = made->count[i] - at < 1024 ? made->count[i] - at : 1024;
      for (int64_t j = 0; j < n; j++)
        part[j] =
            half ? dv_f32_from_bf16 (((const uint16_t *)made->kept[i])[at + j])
                 : ((const float *)made->kept[i])[at + j];
      fwrite (part, sizeof *part, (size_t)n, file);
    }
  }
}

typedef struct {
  DvDit *dit;
  DvPositions positions[DV_N_SIDES];
  DvTensor latent[DV_N_SIDES], context[DV_N_SIDES], velocity[DV_N_SIDES];
  DvTensor x[DV_N_SIDES]; /* of a block, kept */
  DvTensor text[DV_N_SIDES], text_f32[DV_N_SIDES];
} Inputs;

/* A forward up to its first block, and that block @runs times. */
static double
run (Inputs *in, DvStream *stream, int runs, FILE *file)
{
  DvDitForward forward = {.sigma = 0.8f, .skip_attention = -1};
  DvDitRun run = {.dit = in->dit, .stream = stream, .forward = &forward};
  DvDitSide *side_of[DV_N_SIDES] = {&forward.video, &forward.audio};
  size_t mark = dv_mark (stream);
  double best = 1e9;
  char name[64];

  for (int side = 0; side < DV_N_SIDES; side++) {
    DvDitLane *lane = &run.lane[side];

    *side_of[side] = (DvDitSide){.latent = &in->latent[side],
        .context = &in->context[side],
        .positions = &in->positions[side],
        .velocity = &in->velocity[side]};
    lane->io = side_of[side];
    lane->w = &in->dit->side[side];
    lane->m = in->positions[side].tokens;
    lane->context = in->text[side];
  }
  dv_dit_cache_grid (&run);
  dv_dit_time (&run);
  for (int side = 0; side < DV_N_SIDES; side++)
    run.lane[side].x =
        DV_NEW (stream, DV_F32, in->x[side].shape[0], in->x[side].shape[1]);
  for (int i = 0; i < runs; i++) {
    double start;

    for (int side = 0; side < DV_N_SIDES; side++)
      dv_copy (stream, &run.lane[side].x, &in->x[side]);
    start = seconds ();
    dv_dit_block (&run, 0);
    dv_stream_status (stream, NULL);
    if (seconds () - start < best)
      best = seconds () - start;
  }
  for (int side = 0; file && side < DV_N_SIDES; side++) {
    DvDitLane *lane = &run.lane[side];
    struct {
      const char *name;
      const DvTensor *tensor;
    } of[] = {{"text", &in->text_f32[side]}, {"y", &lane->y},
        {"cross", &lane->cross}, {"gate", &lane->cross_gate},
        {"in", &in->x[side]}, {"out", &lane->x}};

    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
      snprintf (name, sizeof name, "%s.%s", side_name[side], of[i].name);
      dump (file, name, of[i].tensor);
    }
    for (int i = 0; i < 2; i++) {
      const DvRope *rope = i ? lane->cross_rope : lane->self_rope;

      for (int a = 0; a < rope->n_axes; a++) {
        snprintf (name, sizeof name, "%s.rope%d.cos%d", side_name[side], i, a);
        dump (file, name, rope->cos[a]);
        snprintf (name, sizeof name, "%s.rope%d.sin%d", side_name[side], i, a);
        dump (file, name, rope->sin[a]);
      }
    }
  }
  dv_release (stream, mark);
  return best;
}

static DvTensor
numbers (DvDtype dtype, int64_t rows, int64_t columns, uint64_t seed)
{
  DvTensor t = dv_tensor_new (DV_F32, 2, (int64_t[]){rows, columns}), half;

  made_numbers (t.data, (size_t)(rows * columns), seed, 1.7f);
  if (dtype == DV_F32)
    return t;
  half = dv_tensor_new (dtype, 2, t.shape);
  for (int64_t i = 0; i < rows * columns; i++)
    ((uint16_t *)half.data)[i] = dv_bf16_from_f32 (((float *)t.data)[i]);
  dv_tensor_clear (&t);
  return half;
}

int
main (int argc, char **argv)
{
  DvDeviceSpec spec = {0};
  DvDitConfig config = {
      .video = {128, 128, HEADS, WIDTH / HEADS, WIDTH},
      .audio = {128, 128, HEADS, WIDTH / 2 / HEADS, WIDTH / 2},
      .layers = 1,
      .caption = 128,
      .caption_projection = true,
      .rope_theta = 10000,
      .rope_double = true,
      .max_t = 20,
      .max_y = 2048,
      .max_x = 2048,
      .audio_max = 20,
      .timestep_scale = 1000,
      .cross_timestep_scale = 1000,
      .eps = 1e-6f,
  };
  DvError error = {0};
  Inputs in = {0};
  DvDtype compute;
  DvDevice *device;
  DvStream *stream;
  MadeLoader *made;
  int64_t tokens[DV_N_SIDES], rows, width[DV_N_SIDES] = {WIDTH, WIDTH / 2};
  double before, best, peak;
  size_t planned;
  int runs;
  FILE *file;

  if (argc != 8) {
    fprintf (stderr, "Usage: bench-dit f32|bf16 THREADS TOKENS AUDIO TEXT RUNS "
                     "FILE\n");
    return 2;
  }
  compute = strcmp (argv[1], "bf16") == 0 ? DV_BF16 : DV_F32;
  spec.threads = atoi (argv[2]);
  tokens[DV_VIDEO] = atoi (argv[3]);
  tokens[DV_AUDIO] = atoi (argv[4]);
  rows = atoi (argv[5]);
  runs = atoi (argv[6]);
  device = dv_device_open (&spec, &error);
  if (!device) {
    fprintf (stderr, "bench-dit: %s\n", error.detail);
    return 1;
  }
  made = made_loader_new (device, compute);
  in.dit = dv_dit_load (&made->loader, &config);
  if (!in.dit ||
      dv_positions_video (
          &in.positions[0], tokens[0] / 200, 10, 20, 24, 0, &error) != DV_OK ||
      dv_positions_audio (&in.positions[1], tokens[1], &error) != DV_OK) {
    fprintf (stderr, "bench-dit: %s\n", error.detail);
    return 1;
  }
  for (int side = 0; side < DV_N_SIDES; side++) {
    int64_t m = in.positions[side].tokens;

    in.latent[side] = numbers (DV_F32, m, 128, 1);
    in.velocity[side] = numbers (DV_F32, m, 128, 2);
    in.context[side] = numbers (DV_F32, rows, 128, 3);
    in.x[side] = numbers (DV_F32, m, width[side], 4 + (uint64_t)side);
    in.text[side] = numbers (compute, rows, width[side], 6 + (uint64_t)side);
    in.text_f32[side] = numbers (DV_F32, rows, width[side], 6 + (uint64_t)side);
  }
  stream = dv_stream_new_dry (device, &error);
  run (&in, stream, 1, NULL);
  planned = stream->arena.peak;
  dv_stream_free (stream);
  before = status_bytes ("VmRSS");
  forget_peak ();
  stream = dv_stream_new (device, planned, &error);
  file = fopen (argv[7], "w");
  if (!stream || !file) {
    fprintf (stderr, "bench-dit: no memory or no file\n");
    return 1;
  }
  best = run (&in, stream, runs, NULL);
  peak = status_bytes ("VmHWM") - before;
  run (&in, stream, 1, file);
  dump_weights (file, made);
  fclose (file);
  if (dv_stream_status (stream, &error) != DV_OK) {
    fprintf (stderr, "bench-dit: %s\n", error.detail);
    return 1;
  }
  printf ("%.6f %.0f %s\n", best, peak, device->about);
  return 0;
}
