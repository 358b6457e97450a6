/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The vocabulary: groups of words and what each does to a scene.
 */
#ifndef DV_WORDS_H
#define DV_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DV_WORD_MAX 31    /* bytes of a word that are looked at */
#define DV_WORD_EFFECTS 6 /* fields that one word may touch */

typedef enum {
  DV_EFFECT_NONE = 0,
  DV_EFFECT_RAISE, /* at least this much; scaled by "very", "slightly", … */
  DV_EFFECT_SET,   /* exactly this: the last word wins */
  DV_EFFECT_ADD    /* so much more or less */
} DvEffectKind;

typedef struct {
  uint16_t offset; /* of the float in DvScene */
  uint8_t kind;    /* DvEffectKind */
  float value;
} DvEffect;

typedef struct {
  const char *words; /* separated by spaces; '_' joins the words of a phrase */
  bool shapes;       /* a place: its words take part in the seed */
  DvEffect effect[DV_WORD_EFFECTS];
} DvWordGroup;

/* The group of @word (lower case; two words joined by '_'), or NULL. Plurals
 * and the usual endings find their root. */
const DvWordGroup *dv_words_find (const char *word);

/* All groups, for tests. */
const DvWordGroup *dv_words_groups (size_t *n);

#endif
