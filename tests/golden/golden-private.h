/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One case while it runs: what the runner and its helpers share.
 */
#ifndef DV_GOLDEN_PRIVATE_H
#define DV_GOLDEN_PRIVATE_H

#include "golden.h"
#include "ltx2/safetensors.h"

#define GOLDEN_MAX_FILES 32
#define GOLDEN_MAX_PROBES 64

typedef struct {
  char *name; /* relative to the case's directory */
  DvSafetensors *file;
} GoldenFile;

typedef struct {
  Golden *golden;
  char *file, *prefix;
  bool channels_last;
  GoldenLimit limit;
  DvProbe probe;
} GoldenProbe;

struct Golden {
  const char *name, *directory;
  DvDevice *device;
  DvDtype dtype;
  bool verbose;

  GoldenFile files[GOLDEN_MAX_FILES];
  int n_files;
  char **paths;
  size_t n_paths;
  GoldenProbe *probes[GOLDEN_MAX_PROBES];
  int n_probes;

  unsigned compared, failed;
  double worst_relative, worst_largest;
  char worst_name[2][96]; /* by relative, by largest */
};

/* Frees what the case took; the counts stay. */
void golden_clear (Golden *golden);

#endif
