/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Draws a scene at one moment into I420 planes.
 *
 * What is drawn is a function of the moment and the size alone: a painter
 * keeps caches, never history, so that drawing a frame again, in another
 * process or on another machine, gives the same bytes. Floating point is plain
 * IEEE without contraction, and no libm function beyond sqrt and floor is
 * used.
 */
#ifndef DV_PAINTER_H
#define DV_PAINTER_H

#include "../generator.h"
#include "scene.h"

/* Everything that one frame depends on. The sums grow with the scene's speed,
 * wind and camera at each frame, so that a change of them never jumps. */
typedef struct {
  DvScene from, to;   /* before and after the running morph */
  float mix;          /* 0: all @from, 1: all @to; eased */
  DvScene scene;      /* the two, mixed */
  uint64_t frame;     /* frames since reset */
  double time;        /* seconds of scene time, faster when speed is high */
  double camera_x;    /* picture widths drifted to the right */
  double camera_zoom; /* log2 of how far the camera went forward */
  double wind;        /* seconds of wind blown, weighted by its strength */
} DvMoment;

typedef struct DvPainter DvPainter;

/* Memory grows with the size, never with the number of frames: some 17 bytes a
 * pixel for three usual scenes. NULL when out of memory. */
DvPainter *dv_painter_new (uint32_t width, uint32_t height);
void dv_painter_free (DvPainter *painter);
/* Makes ready what @moment needs and the painter does not have yet, which for
 * a new scene takes as long as many frames; dv_painter_draw() does it too, but
 * cannot be stopped. Asks @cancelled, which may be NULL, every few
 * milliseconds; once it says yes, false is returned, and what is done so far
 * is kept. */
bool dv_painter_prepare (DvPainter *painter, const DvMoment *moment,
    bool (*cancelled) (void *user), void *user);
void dv_painter_draw (
    DvPainter *painter, const DvMoment *moment, const DvFrame *frame);

/* Takes hue, tint, saturation, brightness and height of the light from the
 * image's colours. */
void dv_scene_colour (DvScene *scene, const DvImage *image);

#endif
