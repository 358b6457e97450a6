/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A scene: what the painter draws and the synthesiser plays, read from a
 * prompt's words. Every quantity is a number, so that two scenes can be mixed
 * and a change of prompt becomes a morph.
 */
#ifndef DV_SCENE_H
#define DV_SCENE_H

#include <stdint.h>

/* Amounts are in [0, 1] unless said otherwise. */
typedef struct {
  /* place: how much of each there is; several may be present */
  float mountains, hills, forest, desert, city, meadow, canyon, ice, space;
  float sea, lake, river; /* water; their largest is the amount of water */
  float waves;            /* 0 a mirror, 1 a storm */

  /* sky and light */
  float sun_height; /* -1 deep night, 0 horizon, 1 noon */
  float stars, moon, clouds, aurora, rainbow;

  /* weather */
  float rain, snow, fog, wind, thunder;

  /* life and light on the ground */
  float flowers, trees, palms, fireflies, birds, lanterns, fire, bubbles;

  /* colour: a hue in turns [0, 1), how strongly it tints everything, how
   * saturated and how bright the picture is */
  float hue, tint, saturation, brightness;

  /* motion and mood */
  float speed;                 /* 0 still, 1 rushing; 0.3 is usual */
  float camera_x, camera_zoom; /* drift right (+) or left (-) and forward (+)
                                * or back (-), in [-1, 1] */
  float calm, joy, dread, awe; /* mood; colours sound and light */
  float bells, drone, music;   /* sound asked for in words */

  /* what a place or its plants may be made of, beyond the fields above */
  float volcano, village, nebula, autumn, blossom, neon;

  /* place words and unknown words: the same words always give the same seed,
   * so that a change of light or weather keeps the shapes */
  uint32_t seed;
} DvScene;

/* What an empty prompt looks like before a place is chosen for it. */
void dv_scene_default (DvScene *scene);

/* Reads the words of @prompt (UTF-8, may be NULL, may be garbage). Never
 * fails: what is not known becomes the seed. */
void dv_scene_read (DvScene *scene, const char *prompt, uint64_t seed);

/* @out = @a + (@b - @a) * t, the hue the short way round; the seed is @b's
 * from t = 0.5. @out may be either. */
void dv_scene_mix (DvScene *out, const DvScene *a, const DvScene *b, float t);

#endif
