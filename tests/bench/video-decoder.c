/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How long the video VAE's decoder takes with the real channel counts, and how
 * much memory beside its weights: see video-decoder.py, which runs the same
 * module in PyTorch beside it.
 *
 *   video-decoder [--backend NAME] [--dtype f32|bf16] [--threads N]
 *                 [--size WxH] [--frames N] [--chunk N] [--runs N] [--plan]
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ltx2/video-vae.h"
#include "made-weights.h"

#define RES(n, c, name)                                                        \
  {                                                                            \
    DV_VAE_RES, c, n, {0}, false, name                                         \
  }
#define UP(c, name)                                                            \
  {                                                                            \
    DV_VAE_UP, c, 0, {2, 2, 2}, true, name                                     \
  }

/* LTX-2's (section 9.3 of docs/ltx2-model.md). */
static const DvVideoVaeConfig config = {.latent = 128,
    .patch = 4,
    .decoder_in = 1024,
    .n_decoder = 7,
    .decoder_reflect = true,
    .decoder = {RES (5, 1024, "decoder.mid_block"),
        UP (512, "decoder.up_blocks.0.upsamplers.0"),
        RES (5, 512, "decoder.up_blocks.0"),
        UP (256, "decoder.up_blocks.1.upsamplers.0"),
        RES (5, 256, "decoder.up_blocks.1"),
        UP (128, "decoder.up_blocks.2.upsamplers.0"),
        RES (5, 128, "decoder.up_blocks.2")}};

typedef struct {
  double began, first; /* seconds; until the first frame */
  int64_t frames;
  double sum;
} Bench;

static double
now (clockid_t clock)
{
  struct timespec t;

  clock_gettime (clock, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A line of /proc/self/status, in MiB. */
static double
memory (const char *key)
{
  FILE *file = fopen ("/proc/self/status", "r");
  char line[128];
  double kib = 0;

  while (file && fgets (line, sizeof line, file))
    if (strncmp (line, key, strlen (key)) == 0)
      kib = strtod (line + strlen (key) + 1, NULL);
  if (file)
    fclose (file);
  return kib / 1024;
}

/* Forgets the most memory that there was. */
static void
forget_peak (void)
{
  FILE *file = fopen ("/proc/self/clear_refs", "w");

  if (file) {
    fputs ("5", file);
    fclose (file);
  }
}

static bool
frame (void *user, DvStream *stream, int64_t n, const DvTensor *pixels)
{
  Bench *bench = user;

  if (!dv_stream_live (stream))
    return true;
  if (bench->frames++ == 0)
    bench->first = now (CLOCK_MONOTONIC) - bench->began;
  bench->sum += (double)*(const float *)pixels->data;
  return true;
}

static bool
run (const DvVideoVae *vae, DvDevice *device, const DvTensor *latent,
    int64_t chunk, bool plan)
{
  Bench bench = {0};
  DvVideoSink sink = {frame, &bench, chunk};
  DvError error = {0};
  DvStream *stream = dv_stream_new_dry (device, &error);
  double before, seconds, work;
  size_t bytes;

  if (!stream)
    goto failed;
  dv_video_vae_decode (vae, stream, latent, &sink, NULL);
  if (dv_stream_status (stream, &error) != DV_OK)
    goto failed;
  bytes = stream->arena.peak;
  dv_stream_free (stream);
  if (plan) {
    printf ("planned %.1f\n", (double)bytes / 1048576);
    return true;
  }
  forget_peak ();
  before = memory ("VmRSS");
  bench.began = now (CLOCK_MONOTONIC);
  work = now (CLOCK_PROCESS_CPUTIME_ID);
  stream = dv_stream_new (device, bytes, &error);
  if (!stream)
    goto failed;
  dv_video_vae_decode (vae, stream, latent, &sink, NULL);
  if (dv_stream_status (stream, &error) != DV_OK)
    goto failed;
  seconds = now (CLOCK_MONOTONIC) - bench.began;
  work = now (CLOCK_PROCESS_CPUTIME_ID) - work;
  printf (
      "seconds %.3f cpu %.3f first %.3f planned %.1f peak %.1f frames %lld\n",
      seconds, work, bench.first, (double)bytes / 1048576,
      memory ("VmHWM") - before, (long long)bench.frames);
  fflush (stdout);
  dv_stream_free (stream);
  return true;

failed:
  fprintf (stderr, "video-decoder: %s\n", error.detail);
  dv_stream_free (stream);
  return false;
}

static void
say (void *user, const char *sentence)
{
  fprintf (stderr, "note: %s\n", sentence);
}

int
main (int argc, char **argv)
{
  static const struct option options[] = {
      {"backend", required_argument, NULL, 'b'},
      {"dtype", required_argument, NULL, 'd'},
      {"threads", required_argument, NULL, 't'},
      {"size", required_argument, NULL, 's'},
      {"frames", required_argument, NULL, 'f'},
      {"chunk", required_argument, NULL, 'c'},
      {"runs", required_argument, NULL, 'r'},
      {"plan", no_argument, NULL, 'p'},
      {0},
  };
  DvDeviceSpec spec = {.say = say};
  DvDtype dtype = DV_F32;
  int width = 256, height = 160, frames = 25, runs = 2, option;
  int64_t chunk = 0;
  bool plan = false, good;
  DvError error = {0};
  DvDevice *device;
  MadeLoader *made;
  DvVideoVae *vae;
  DvTensor latent;

  while ((option = getopt_long (argc, argv, "", options, NULL)) != -1)
    switch (option) {
      case 'b':
        spec.backend = optarg;
        break;
      case 'd':
        dtype = strcmp (optarg, "bf16") == 0 ? DV_BF16 : DV_F32;
        break;
      case 't':
        spec.threads = atoi (optarg);
        break;
      case 's':
        if (sscanf (optarg, "%dx%d", &width, &height) != 2)
          return 2;
        break;
      case 'f':
        frames = atoi (optarg);
        break;
      case 'c':
        chunk = atoi (optarg);
        break;
      case 'r':
        runs = atoi (optarg);
        break;
      case 'p':
        plan = true;
        break;
      default:
        return 2;
    }
  device = dv_device_open (&spec, &error);
  if (!device) {
    fprintf (stderr, "video-decoder: %s\n", error.detail);
    return 1;
  }
  printf ("on %s: %s\n", device->name, device->about);
  made = made_loader_new (device, dtype);
  vae = dv_video_vae_load (&made->loader, &config);
  good = dv_loader_finish (&made->loader, &error) == DV_OK;
  if (!good)
    fprintf (stderr, "video-decoder: %s\n", error.detail);
  latent = dv_tensor_new (DV_F32, 4,
      (int64_t[]){
          (frames - 1) / 8 + 1, height / 32, width / 32, config.latent});
  made_numbers (latent.data, (size_t)dv_tensor_count (&latent), 1, 1.7f);
  printf ("weights %.1f\n", memory ("VmRSS"));
  for (int i = 0; good && i < runs; i++)
    good = run (vae, device, &latent, chunk, plan);
  dv_tensor_clear (&latent);
  dv_video_vae_free (vae);
  made_loader_free (made);
  dv_device_unref (device);
  return good ? 0 : 1;
}
