/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Twelve prompts that show what the painter can do: the contact sheet is made
 * of them, and tests hold them apart.
 */
#ifndef DV_GALLERY_H
#define DV_GALLERY_H

#define DV_GALLERY_SIZE 12

static const struct {
  const char *name, *prompt;
} dv_gallery[DV_GALLERY_SIZE] = {
    {"moonlit lake",
        "a moonlit lake under mountains, fireflies over the still water"},
    {"stormy sea", "a stormy sea, huge waves under dark clouds"},
    {"desert dawn", "pale desert dunes at dawn, pink light on drifting clouds"},
    {"neon city", "a neon city by a river at night in the rain"},
    {"blossom hills",
        "cherry blossom on gentle hills in spring, a sunny morning"},
    {"aurora over ice", "aurora over an icy glacier, a starry night"},
    {"autumn fog", "an autumn forest in thick morning fog"},
    {"tropical noon", "a tropical beach at noon, palms by a clear sea"},
    {"volcano", "a volcano erupting at night over a dark lake, heavy clouds"},
    {"winter village",
        "a snowy mountain village at dusk, glowing windows and lanterns"},
    {"nebula", "a nebula in deep space, a planet with rings among stars"},
    {"canyon sunset", "a canyon at sunset, glowing clouds, a flock of birds"},
};

#endif
