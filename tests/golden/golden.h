/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One golden case: a directory of small weights, inputs and expected results.
 * The runner finds cases and prints; a *kind* knows how to compute one.  Each
 * kind is a file of its own, case-NAME.c.
 */
#ifndef DV_GOLDEN_H
#define DV_GOLDEN_H

#include "ops.h"
#include "ltx2/checkpoint.h"
#include "ltx2/probe.h"

typedef struct Golden Golden;

/* How close a result must come; 0: that bound is not looked at. */
typedef struct {
  double relative; /* L2 of the difference over L2 of the expected, in f32 */
  double largest;  /* absolute difference of an element, in f32 */
  double bf16;     /* relative, where products are in bf16; 0: as in f32 */
} GoldenLimit;

typedef struct {
  const char *prefix; /* of a case's directory name; the longest that fits */
  /* Runs every sub-case. What cannot be run is told by golden_fail(). */
  void (*run) (Golden *golden);
} GoldenKind;

/* What the runner offers to a kind. */
DvDevice *golden_device (Golden *golden);
DvDtype golden_dtype (Golden *golden); /* of the products: F32 or BF16 */
const char *golden_directory (Golden *golden);
/* DIRECTORY/REST into the golden's memory. */
const char *golden_path (Golden *golden, const char *rest);
/* A tensor of FILE (e.g. "inputs.safetensors"), mapped; NULL if it is not
 * there. The name is printf-like. */
const DvTensor *golden_find (Golden *golden, const char *file,
    const char *format, ...) __attribute__ ((format (printf, 3, 4)));
/* The i-th tensor's name of FILE, NULL past the last: for finding sub-cases. */
const char *golden_nth (Golden *golden, const char *file, size_t i);
/* A dry stream is run through @run first to size the arena, then a real one:
 * so every golden also tests the plan. NULL after a failure, which is told.
 * dv_stream_free() it. */
DvStream *golden_stream (
    Golden *golden, void (*run) (DvStream *stream, void *user), void *user);
/* Compares, prints a line, counts. @got may be strided, host memory. */
void golden_compare (Golden *golden, const char *name, const DvTensor *got,
    const DvTensor *expected, GoldenLimit limit);
void golden_fail (Golden *golden, const char *format, ...)
    __attribute__ ((format (printf, 2, 3)));
/* A probe that compares what the module shows under PREFIX.NAME in FILE, where
 * the file has it (shapes: trailing and leading 1s do not matter; @channels
 * _last: the module's tensors are channels-last and are permuted). */
const DvProbe *golden_probe (Golden *golden, const char *file,
    const char *prefix, bool channels_last, GoldenLimit limit);

/* Each ends with a NULL prefix; one that is not linked is NULL. */
#define GOLDEN_FAMILY __attribute__ ((weak))
extern const GoldenKind golden_text_kinds[] GOLDEN_FAMILY;
extern const GoldenKind golden_dit_kinds[] GOLDEN_FAMILY;
extern const GoldenKind golden_vae_kinds[] GOLDEN_FAMILY;
extern const GoldenKind golden_audio_kinds[] GOLDEN_FAMILY;
extern const GoldenKind golden_pipeline_kinds[] GOLDEN_FAMILY;

#endif
