/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The timeline: starting, turning, stepping from frame to frame.
 */
#include "timeline.h"

#include <string.h>

/* How fast the sums grow, a second. At the usual speed of 0.3 a second of
 * scene time is a second, and a full drift takes the camera a picture's width
 * in 25 seconds. */
#define TIME_STILL 0.4
#define TIME_SPEED 2.0
#define DRIFT_STILL 0.01
#define DRIFT_SPEED 0.1
#define ZOOM_STILL 0.02
#define ZOOM_SPEED 0.1
#define WIND_STILL 0.15
#define WIND_STRENGTH 1.5

void
dv_timeline_clear (DvTimeline *timeline)
{
  memset (timeline, 0, sizeof *timeline);
}

void
dv_timeline_start (
    DvTimeline *timeline, uint32_t fps_n, uint32_t fps_d, const DvScene *scene)
{
  dv_timeline_clear (timeline);
  timeline->started = true;
  timeline->fps_n = fps_n;
  timeline->fps_d = fps_d;
  timeline->base.from = *scene;
  timeline->base.to = *scene;
  timeline->head = timeline->base;
}

/* The part of the morph that is done, in [0, 1], eased. */
static float
mix_at (const DvTimelinePoint *point)
{
  uint64_t done = point->frame - point->morph_start;
  float t;

  if (done >= point->morph_frames)
    return 1;
  t = (float)done / (float)point->morph_frames;
  return t * t * (3 - 2 * t);
}

static void
scene_at (const DvTimelinePoint *point, DvScene *scene)
{
  float mix = mix_at (point);

  if (mix >= 1)
    *scene = point->to;
  else
    dv_scene_mix (scene, &point->from, &point->to, mix);
}

static void
apply_turn (DvTimelinePoint *point, const DvTimelineTurn *turn)
{
  DvScene now;

  scene_at (point, &now);
  point->from = now;
  point->to = turn->to;
  point->morph_start = point->frame;
  point->morph_frames = turn->morph_frames;
}

void
dv_timeline_turn (DvTimeline *timeline, const DvScene *scene, uint32_t frames)
{
  DvTimelineTurn *turn;
  double usual = DV_TIMELINE_MORPH_SECONDS * timeline->fps_n / timeline->fps_d;

  /* A scene is floats and a seed, without padding. */
  if (memcmp (&timeline->head.to, scene, sizeof *scene) == 0)
    return;
  /* advance() left room: turns are at different frames, all of them within
   * the history. */
  turn = &timeline->turn[timeline->n_turns++];
  turn->frame = timeline->head.frame;
  turn->morph_frames = usual < 1 ? 1 : (uint32_t)(usual + 0.5);
  if (turn->morph_frames > frames)
    turn->morph_frames = frames;
  turn->to = *scene;
  apply_turn (&timeline->head, turn);
}

uint64_t
dv_timeline_oldest (const DvTimeline *timeline)
{
  return timeline->base.frame;
}

void
dv_timeline_next (const DvTimeline *timeline, DvTimelinePoint *point)
{
  double seconds = (double)timeline->fps_d / timeline->fps_n;
  DvScene now;

  scene_at (point, &now);
  point->time += seconds * (TIME_STILL + TIME_SPEED * (double)now.speed);
  point->camera_x += seconds * (double)now.camera_x *
                     (DRIFT_STILL + DRIFT_SPEED * (double)now.speed);
  point->camera_zoom += seconds * (double)now.camera_zoom *
                        (ZOOM_STILL + ZOOM_SPEED * (double)now.speed);
  point->wind += seconds * (WIND_STILL + WIND_STRENGTH * (double)now.wind);
  point->frame++;
  for (unsigned i = 0; i < timeline->n_turns; i++)
    if (timeline->turn[i].frame == point->frame)
      apply_turn (point, &timeline->turn[i]);
}

void
dv_timeline_seek (
    const DvTimeline *timeline, uint64_t frame, DvTimelinePoint *point)
{
  if (frame >= timeline->head.frame)
    *point = timeline->head;
  else
    *point = timeline->base;
  while (point->frame < frame)
    dv_timeline_next (timeline, point);
}

void
dv_timeline_moment (const DvTimelinePoint *point, DvMoment *moment)
{
  memset (moment, 0, sizeof *moment);
  moment->mix = mix_at (point);
  /* Past the end of a morph there is one scene only. */
  moment->from = moment->mix >= 1 ? point->to : point->from;
  moment->to = point->to;
  scene_at (point, &moment->scene);
  moment->frame = point->frame;
  moment->time = point->time;
  moment->camera_x = point->camera_x;
  moment->camera_zoom = point->camera_zoom;
  moment->wind = point->wind;
}

void
dv_timeline_advance (DvTimeline *timeline, const DvTimelinePoint *point)
{
  DvTimelinePoint base;
  unsigned old = 0;
  uint64_t keep = DV_TIMELINE_HISTORY - 1;

  timeline->head = *point;
  if (point->frame - timeline->base.frame <= keep)
    return;
  base = timeline->base;
  while (base.frame < point->frame - keep)
    dv_timeline_next (timeline, &base);
  timeline->base = base;
  while (old < timeline->n_turns && timeline->turn[old].frame <= base.frame)
    old++;
  timeline->n_turns -= old;
  memmove (timeline->turn, timeline->turn + old,
      timeline->n_turns * sizeof timeline->turn[0]);
  memset (
      timeline->turn + timeline->n_turns, 0, old * sizeof timeline->turn[0]);
}
