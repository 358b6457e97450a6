/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How long LTX-2's vocoder takes with the real channel counts, and how much
 * memory beside its weights: see vocoder.py, which runs the same module in
 * PyTorch beside it.
 *
 *   vocoder [--backend NAME] [--dtype f32|bf16] [--threads N] [--mels T]
 *           [--runs N]
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ltx2/vocoder.h"
#include "made-weights.h"

/* Section 11.1 of docs/ltx2-model.md. */
static const DvVocoderConfig config = {.main = {.in = 128,
                                           .hidden = 1024,
                                           .out = 2,
                                           .rates = {6, 5, 2, 2, 2},
                                           .kernels = {16, 15, 8, 4, 4},
                                           .n_rates = 5,
                                           .res_kernels = {3, 7, 11},
                                           .n_res = 3,
                                           .dilations = {1, 3, 5},
                                           .slope = 0.1f,
                                           .final_bias = true,
                                           .final_tanh = true},
    .input_rate = 24000,
    .output_rate = 24000};

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
run (const DvVocoder *vocoder, DvDevice *device, const DvTensor *mel,
    const DvTensor *wave)
{
  DvError error = {0};
  DvStream *stream = dv_stream_new_dry (device, &error);
  double before, began, seconds, worked;
  size_t bytes;

  if (!stream)
    goto failed;
  dv_vocoder_run (vocoder, stream, mel, wave, NULL);
  if (dv_stream_status (stream, &error) != DV_OK)
    goto failed;
  bytes = stream->arena.peak;
  dv_stream_free (stream);
  forget_peak ();
  before = memory ("VmRSS");
  began = now (CLOCK_MONOTONIC);
  worked = now (CLOCK_PROCESS_CPUTIME_ID);
  stream = dv_stream_new (device, bytes, &error);
  if (!stream)
    goto failed;
  dv_vocoder_run (vocoder, stream, mel, wave, NULL);
  if (dv_stream_status (stream, &error) != DV_OK)
    goto failed;
  seconds = now (CLOCK_MONOTONIC) - began;
  worked = now (CLOCK_PROCESS_CPUTIME_ID) - worked;
  printf ("seconds %.3f cpu %.3f planned %.1f peak %.1f\n", seconds, worked,
      (double)bytes / 1048576, memory ("VmHWM") - before);
  fflush (stdout);
  dv_stream_free (stream);
  return true;

failed:
  fprintf (stderr, "vocoder: %s\n", error.detail);
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
      {"mels", required_argument, NULL, 'm'},
      {"runs", required_argument, NULL, 'r'},
      {0},
  };
  DvDeviceSpec spec = {.say = say};
  DvDtype dtype = DV_F32;
  int mels = 101, runs = 3, option;
  DvTensor mel, wave;
  DvError error = {0};
  DvDevice *device;
  MadeLoader *made;
  DvVocoder *vocoder;
  bool good;

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
      case 'm':
        mels = atoi (optarg);
        break;
      case 'r':
        runs = atoi (optarg);
        break;
      default:
        return 2;
    }
  device = dv_device_open (&spec, &error);
  if (!device) {
    fprintf (stderr, "vocoder: %s\n", error.detail);
    return 1;
  }
  printf ("on %s: %s\n", device->name, device->about);
  made = made_loader_new (device, dtype);
  vocoder = dv_vocoder_load (&made->loader, &config);
  good = dv_loader_finish (&made->loader, &error) == DV_OK;
  if (!good)
    fprintf (stderr, "vocoder: %s\n", error.detail);
  mel = dv_tensor_new (DV_F32, 3, (int64_t[]){mels, 64, 2});
  made_numbers (mel.data, (size_t)dv_tensor_count (&mel), 1, 3);
  wave = dv_tensor_new (
      DV_F32, 2, (int64_t[]){good ? dv_vocoder_samples (vocoder, mels) : 1, 2});
  printf ("weights %.1f\n", memory ("VmRSS"));
  for (int i = 0; good && i < runs; i++)
    good = run (vocoder, device, &mel, &wave);
  dv_tensor_clear (&mel);
  dv_tensor_clear (&wave);
  dv_vocoder_free (vocoder);
  made_loader_free (made);
  dv_device_unref (device);
  return good ? 0 : 1;
}
