/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reading a prompt: bytes into words, words into the numbers of a scene.
 *
 * Any bytes are fine. ASCII letters are folded to lower case; bytes of UTF-8
 * sequences count as letters, so that words of other alphabets become seed.
 */
#include "words.h"

#include <string.h>

#include "maths.h"
#include "scene.h"

/* Enough for any prompt that a person writes; the rest of a longer one only
 * changes the seed up to here. */
#define MAX_BYTES 16384
#define MAX_WORDS 512

#define NEGATION_REACH 3 /* words after "no" that it may still reach */

typedef struct {
  const char *at, *end;
} Reader;

typedef struct {
  DvScene *scene;
  uint32_t seed; /* sum of the hashes of words: their order is no matter */
  float scale;   /* from "very", "slightly"; 1 else */
  int negated;   /* words that a "no" still reaches */
  bool has_place;
  bool has_time;
  unsigned unknown;
} Reading;

static bool
is_letter (unsigned char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') || c == '\'' || c == '-' || c >= 0x80;
}

/* The next word, lower case, cut to DV_WORD_MAX bytes; false at the end. */
static bool
next_word (Reader *reader, char word[DV_WORD_MAX + 1])
{
  size_t n = 0;

  while (reader->at < reader->end && !is_letter ((unsigned char)*reader->at))
    reader->at++;
  if (reader->at == reader->end)
    return false;
  for (; reader->at < reader->end && is_letter ((unsigned char)*reader->at);
       reader->at++) {
    char c = *reader->at;

    if (n < DV_WORD_MAX)
      word[n++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
  }
  word[n] = 0;
  return true;
}

/* A comma or a full stop ends what a "no" or a "very" may reach. */
static bool
clause_ends (const Reader *reader)
{
  const char *p = reader->at;

  while (p < reader->end && *p == ' ')
    p++;
  return p < reader->end && (*p == ',' || *p == '.' || *p == ';' || *p == '!');
}

static bool
is_one_of (const char *word, const char *list)
{
  size_t n = strlen (word);

  for (const char *p = list; (p = strstr (p, word)); p++)
    if ((p == list || p[-1] == ' ') && (p[n] == ' ' || p[n] == 0))
      return true;
  return false;
}

static float
scale_of (const char *word)
{
  if (is_one_of (word, "very heavy huge many lots strong strongly dense thick "
                       "endless mighty fierce violent raging extremely full "
                       "countless thousands intense giant massive deep"))
    return 1.35f;
  if (is_one_of (word, "slight slightly few little light soft faint distant "
                       "some small hint touch thin sparse mild partly bit "
                       "occasional scattered low"))
    return 0.5f;
  return 0;
}

static uint32_t
hash_word (const char *word)
{
  uint32_t h = 2166136261u;

  for (; *word; word++)
    h = (h ^ (unsigned char)*word) * 16777619u;
  return dv_hash (h);
}

static float *
field (DvScene *scene, const DvEffect *effect)
{
  return (float *)((char *)scene + effect->offset);
}

static void
apply (Reading *reading, const DvWordGroup *group)
{
  bool no = reading->negated > 0;

  for (int i = 0; i < DV_WORD_EFFECTS; i++) {
    const DvEffect *effect = &group->effect[i];
    float *value = field (reading->scene, effect);
    float amount = dv_clamp (effect->value * reading->scale, 0, 1);

    switch (effect->kind) {
      case DV_EFFECT_RAISE:
        /* "no rain" is not "no clouds": only the first is the word's own. */
        if (no && i == 0)
          *value = 0;
        else if (!no)
          *value = dv_max (*value, amount);
        break;
      case DV_EFFECT_SET:
        if (!no)
          *value = effect->value;
        break;
      case DV_EFFECT_ADD:
        *value += no ? -effect->value : effect->value * reading->scale;
        break;
      default:
        break;
    }
    if (effect->kind == DV_EFFECT_SET && !no &&
        effect->offset == offsetof (DvScene, sun_height))
      reading->has_time = true;
  }
  if (group->shapes && !no)
    reading->has_place = true;
  reading->scale = 1;
  reading->negated = 0;
}

/* Takes one word, or two when @next makes a phrase with it; returns how
 * many. */
static int
take_words (Reading *reading, const char *word, const char *next)
{
  static const char small[] =
      "a an the at in on over with and of by to from into under near "
      "through above below beside behind between during after before is "
      "are its it this that as or for my our your some there here where "
      "scene view landscape picture image photo video shot cinematic "
      "beautiful detailed realistic";
  const DvWordGroup *group = NULL;
  char phrase[2 * DV_WORD_MAX + 2];
  size_t n = strlen (word);
  int taken = 1;
  float scale;

  if (is_one_of (word, "no not without never lacks lacking minus zero none")) {
    reading->negated = NEGATION_REACH + 1;
    return 1;
  }
  if (next[0]) {
    memcpy (phrase, word, n);
    phrase[n] = '_';
    strcpy (phrase + n + 1, next);
    group = dv_words_find (phrase);
    if (group)
      taken = 2;
  }
  if (!group && (scale = scale_of (word)) > 0) {
    reading->scale = scale;
    return 1;
  }
  if (!group)
    group = dv_words_find (word);
  if (!group && n > 6 && strcmp (word + n - 4, "less") == 0) {
    memcpy (phrase, word, n - 4);
    phrase[n - 4] = 0;
    group = dv_words_find (phrase);
    if (group)
      reading->negated = 1;
  }
  if (group) {
    /* One hash a group: "mountain" and "mountains" have the same shapes. */
    if (group->shapes && reading->negated == 0)
      reading->seed += hash_word (group->words);
    apply (reading, group);
  } else if (!is_one_of (word, small)) {
    reading->seed += hash_word (word);
    reading->unknown++;
  }
  return taken;
}

/* A prompt that names no place gets one by its seed. */
static void
choose_place (Reading *reading)
{
  DvScene *scene = reading->scene;
  uint32_t chance = dv_hash (reading->seed ^ 0x51ace);
  bool wet = scene->sea + scene->lake + scene->river > 0;

  switch (chance % 8) {
    case 0:
      scene->mountains = 0.9f;
      scene->lake = dv_max (scene->lake, 0.8f);
      break;
    case 1:
      scene->hills = 0.9f;
      scene->meadow = dv_max (scene->meadow, 0.6f);
      scene->trees = dv_max (scene->trees, 0.4f);
      break;
    case 2:
      scene->forest = 0.8f;
      scene->hills = 0.5f;
      scene->lake = dv_max (scene->lake, 0.5f);
      break;
    case 3:
      if (wet)
        scene->hills = 0.6f;
      else
        scene->desert = 0.9f;
      break;
    case 4:
      scene->sea = dv_max (scene->sea, 0.8f);
      scene->mountains = 0.4f;
      break;
    case 5:
      scene->mountains = 0.9f;
      scene->forest = 0.6f;
      break;
    case 6:
      scene->hills = 0.7f;
      scene->lake = dv_max (scene->lake, 0.8f);
      scene->trees = dv_max (scene->trees, 0.6f);
      break;
    default:
      scene->mountains = 0.6f;
      scene->meadow = 0.7f;
      scene->flowers = dv_max (scene->flowers, 0.4f);
      break;
  }
}

/* Brings the fields together: limits, and what follows from what. */
static void
finish (Reading *reading)
{
  DvScene *scene = reading->scene;
  size_t n = offsetof (DvScene, seed) / sizeof (float);
  float value[offsetof (DvScene, seed) / sizeof (float)];
  float sun, hue, camera[2];

  if (!reading->has_place)
    choose_place (reading);
  if (!reading->has_time && reading->unknown > 0)
    scene->sun_height += 0.5f * dv_unit (dv_hash (reading->seed ^ 0x50)) - 0.3f;

  sun = dv_clamp (scene->sun_height, -1, 1);
  hue = scene->hue - dv_floor (scene->hue);
  camera[0] = dv_clamp (scene->camera_x, -1, 1);
  camera[1] = dv_clamp (scene->camera_zoom, -1, 1);
  memcpy (value, scene, sizeof value);
  for (size_t i = 0; i < n; i++)
    value[i] = dv_clamp (value[i], 0, 1);
  memcpy (scene, value, sizeof value);
  scene->sun_height = sun;
  scene->hue = hue;
  scene->camera_x = camera[0];
  scene->camera_zoom = camera[1];
  scene->brightness = dv_clamp (scene->brightness, 0.1f, 0.95f);
  /* Stars do not shine through a full cover of cloud, nor by day. */
  scene->stars *= 1 - 0.8f * dv_smooth (0.5f, 1, scene->clouds);
}

void
dv_scene_read (DvScene *scene, const char *prompt, uint64_t seed)
{
  char word[DV_WORD_MAX + 1], next[DV_WORD_MAX + 1] = "";
  Reading reading = {.scene = scene, .scale = 1};
  Reader reader;
  bool have, have_next;

  dv_scene_default (scene);
  reading.seed = dv_hash2 ((uint32_t)seed, (uint32_t)(seed >> 32));
  reader.at = prompt ? prompt : "";
  reader.end = reader.at + strnlen (reader.at, MAX_BYTES);

  have = next_word (&reader, word);
  for (int i = 0; have && i < MAX_WORDS; i++) {
    bool ends = clause_ends (&reader);
    int taken;

    have_next = next_word (&reader, next);
    if (!have_next)
      next[0] = 0;
    taken = take_words (&reading, word, ends ? "" : next);
    if (reading.negated > 0)
      reading.negated--;
    if (ends) {
      reading.negated = 0;
      reading.scale = 1;
    }
    have = have_next;
    memcpy (word, next, sizeof word);
    if (taken == 2) {
      if (clause_ends (&reader)) {
        reading.negated = 0;
        reading.scale = 1;
      }
      have = next_word (&reader, word);
    }
  }
  scene->seed = dv_hash (reading.seed);
  finish (&reading);
}
