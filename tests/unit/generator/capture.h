/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A sink for tests: keeps a checksum of every frame and all samples, and can
 * be told to refuse or to cancel at a certain point.
 */
#ifndef CAPTURE_H
#define CAPTURE_H

#include <stdio.h>

#include <check.h>

#include "generator.h"
#include "segment.h"

#define CAPTURE_FRAMES 4096
#define CAPTURE_RATE 24000

typedef struct {
  DvSink sink;
  uint32_t width, height;
  uint8_t *planes; /* the latest frame, tightly packed */

  uint32_t first; /* number of the first frame of the latest step */
  uint32_t n_frames;
  uint32_t crc[CAPTURE_FRAMES];
  uint64_t due[CAPTURE_FRAMES]; /* samples committed before frame i */
  float *samples;               /* of the latest step, interleaved */
  size_t n_samples, room;       /* a channel */
  double first_commit;          /* seconds, monotonic */
  double progress;              /* the latest fraction */

  /* What to do wrong, and when; -1: nothing. */
  int refuse_acquire, refuse_commit, cancel_frame;
  bool refuse_audio;
  double cancel_time; /* seconds, monotonic; 0: never */
  bool cancelled;
} Capture;

double capture_now (void);
uint32_t capture_crc (uint32_t crc, const void *data, size_t size);

void capture_init (Capture *capture, uint32_t width, uint32_t height);
void capture_clear (Capture *capture);
/* Forgets the frames, the samples and what to do wrong. */
void capture_restart (Capture *capture);
uint32_t capture_samples_crc (const Capture *capture);

/* A request for the segment after @frames_before frames, by dv_segment_plan().
 * Continued when @index > 1. */
void capture_request (DvRequest *request, const Capture *capture,
    const DvSegmentSpec *spec, uint32_t index, uint64_t frames_before,
    const char *prompt);

DvSession *capture_session (void);

#endif
