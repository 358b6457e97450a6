/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * golden DIRECTORY [CASE…]: compares what this code computes with kept results
 * of the reference implementation, a line a case.  It knows the layout of a
 * case and the kinds there are, not the cases: any directory of them will do.
 */
#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "golden-private.h"

static const GoldenKind *const families[] = {
    golden_text_kinds,
    golden_dit_kinds,
    golden_vae_kinds,
    golden_audio_kinds,
    golden_pipeline_kinds,
};

static const char usage[] =
    "Usage: golden DIRECTORY [CASE...] [--backend ref|cpu|cuda]\n"
    "              [--dtype f32|bf16] [--threads N] [--verbose]\n"
    "\n"
    "Runs each case (a folder of DIRECTORY; all of them when none is named)\n"
    "and compares with the results kept in it. A line a case: the largest\n"
    "relative L2 and the largest absolute error of its tensors; every tensor\n"
    "with --verbose. Exits with 1 when one is beyond its tolerance, with 2\n"
    "when the arguments are wrong.\n";

/* The kind whose prefix fits best. */
static const GoldenKind *
find_kind (const char *name)
{
  const GoldenKind *best = NULL;

  for (size_t f = 0; f < sizeof families / sizeof *families; f++)
    for (const GoldenKind *kind = families[f]; kind && kind->prefix; kind++) {
      size_t length = strlen (kind->prefix);
      if (strncmp (name, kind->prefix, length) == 0 &&
          (!best || length > strlen (best->prefix)))
        best = kind;
    }
  return best;
}

static bool
run_case (const Golden *setup, const char *directory, const char *name)
{
  const GoldenKind *kind = find_kind (name);
  Golden golden = *setup;
  char *path = NULL;
  bool good;

  if (!kind) {
    printf ("FAIL %s: no kind of case has a name like this\n", name);
    return false;
  }
  if (asprintf (&path, "%s/%s", directory, name) < 0)
    return false;
  golden.name = name;
  golden.directory = path;
  kind->run (&golden);
  if (golden.compared == 0 && golden.failed == 0)
    golden_fail (&golden, "nothing was compared");
  golden_clear (&golden);
  free (path);
  good = golden.failed == 0;
  printf ("%s %s: %u tensors, relative L2 %.2g", good ? "ok  " : "FAIL", name,
      golden.compared, golden.worst_relative);
  if (golden.worst_name[0][0])
    printf (" (%s)", golden.worst_name[0]);
  printf (", largest error %.2g", golden.worst_largest);
  if (golden.worst_name[1][0])
    printf (" (%s)", golden.worst_name[1]);
  printf (good ? "\n" : ", %u failures\n", golden.failed);
  fflush (stdout);
  return good;
}

static int
is_case (const struct dirent *entry)
{
  return entry->d_name[0] != '.';
}

/* Every folder of @directory, by name. */
static bool
run_all (const Golden *setup, const char *directory, unsigned *passed,
    unsigned *failed)
{
  struct dirent **entries;
  int n = scandir (directory, &entries, is_case, alphasort);

  if (n < 0) {
    perror (directory);
    return false;
  }
  for (int i = 0; i < n; i++) {
    char *path;
    struct stat info;
    if (asprintf (&path, "%s/%s", directory, entries[i]->d_name) >= 0) {
      if (stat (path, &info) == 0 && S_ISDIR (info.st_mode))
        ++*(run_case (setup, directory, entries[i]->d_name) ? passed : failed);
      free (path);
    }
    free (entries[i]);
  }
  free (entries);
  return true;
}

static void
say (void *user, const char *sentence)
{
  printf ("note: %s\n", sentence);
}

int
main (int argc, char **argv)
{
  static const struct option options[] = {
      {"backend", required_argument, NULL, 'b'},
      {"dtype", required_argument, NULL, 'd'},
      {"threads", required_argument, NULL, 't'},
      {"verbose", no_argument, NULL, 'v'},
      {"help", no_argument, NULL, 'h'},
      {0},
  };
  DvDeviceSpec spec = {.backend = "ref", .say = say};
  Golden setup = {.dtype = DV_F32};
  DvError error = {0};
  unsigned passed = 0, failed = 0;
  const char *directory;
  int option;

  while ((option = getopt_long (argc, argv, "h", options, NULL)) != -1)
    switch (option) {
      case 'b':
        spec.backend = optarg;
        break;
      case 'd':
        if (strcmp (optarg, "f32") != 0 && strcmp (optarg, "bf16") != 0) {
          fprintf (stderr, "golden: --dtype is f32 or bf16\n");
          return 2;
        }
        setup.dtype = strcmp (optarg, "bf16") == 0 ? DV_BF16 : DV_F32;
        break;
      case 't':
        spec.threads = atoi (optarg);
        break;
      case 'v':
        setup.verbose = true;
        break;
      case 'h':
        fputs (usage, stdout);
        return 0;
      default:
        fputs (usage, stderr);
        return 2;
    }
  if (optind >= argc) {
    fputs (usage, stderr);
    return 2;
  }
  directory = argv[optind++];
  setup.device = dv_device_open (&spec, &error);
  if (!setup.device) {
    fprintf (stderr, "golden: %s\n", error.detail);
    return 2;
  }
  if (optind == argc) {
    if (!run_all (&setup, directory, &passed, &failed))
      failed++;
  }
  for (; optind < argc; optind++)
    ++*(run_case (&setup, directory, argv[optind]) ? &passed : &failed);
  if (passed + failed == 0) {
    printf ("FAIL there is no case in %s\n", directory);
    failed++;
  }
  dv_device_unref (setup.device);
  printf ("%u passed, %u failed\n", passed, failed);
  return failed ? 1 : 0;
}
