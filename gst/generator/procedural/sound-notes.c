/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sounds that begin and end: birds, bells, plucked strings, crickets, bubbles,
 * crackles of fire, drops, and when thunder strikes.
 *
 * Time is cut into cells, one length a kind; in each a note may begin. All
 * about it comes from the cell's number and from the scene at its start.
 */
#include "sound.h"

#include <stddef.h>

#include "maths.h"

#define LONGEST DV_SOUND_LONGEST

typedef struct {
  float gain;
  float pan;             /* 0 left, 1 right */
  float hz, glide;       /* at the start, and what a second adds */
  float trill_hz, trill; /* how often, and by how many turns */
  float decay;           /* e-folds a second */
  float attack;          /* seconds */
  float seconds;         /* length; at most LONGEST */
  /* further tones: how many times the pitch, how loud, how much faster gone */
  unsigned n_partials;
  const float (*partials)[3];
} Note;

/* Whether a note begins in this cell, and which. @hash is the cell's. */
typedef bool (*Choose) (
    const DvScene *scene, uint64_t cell, uint32_t hash, Note *note);

typedef struct {
  Choose choose;
  uint32_t cell;   /* samples */
  uint32_t length; /* samples, of the longest note of this kind */
} Kind;

static const float pure[][3] = {{1, 1, 1}};
static const float string[][3] = {
    {1, 1, 1}, {2, 0.4f, 1.6f}, {3, 0.22f, 2.4f}, {4, 0.08f, 3.5f}};
static const float bell[][3] = {{0.5f, 0.5f, 0.6f}, {1, 1, 1},
    {1.19f, 0.5f, 1.3f}, {1.56f, 0.3f, 1.8f}, {2, 0.5f, 2},
    {2.51f, 0.25f, 2.8f}, {3.01f, 0.15f, 4}};

static float
chance (uint32_t hash, uint32_t salt)
{
  return dv_unit (dv_hash2 (hash, salt));
}

static float
night (const DvScene *scene)
{
  return dv_smooth (0.1f, -0.3f, scene->sun_height);
}

static void
set_partials (Note *note, const float (*partials)[3], size_t n)
{
  note->partials = partials;
  note->n_partials = (unsigned)n;
}

#define PARTIALS(note, table)                                                  \
  set_partials (note, table, sizeof (table) / sizeof (table)[0])

static bool
choose_bird (const DvScene *scene, uint64_t cell, uint32_t hash, Note *note)
{
  /* A song: some cells in a row from one bird, then a rest. */
  uint32_t song = dv_hash2 ((uint32_t)(cell / 6), 41);
  float high = chance (song, 1);

  if (scene->birds < 0.05f || chance (song, 2) > 0.45f + 0.5f * scene->birds ||
      chance (hash, 3) > 0.75f)
    return false;
  note->gain = (0.03f + 0.08f * scene->birds) * (1 + chance (song, 4));
  note->pan = 0.15f + 0.7f * chance (song, 5);
  /* Deep in the wood they coo, over a canyon they cry. */
  note->hz = (2300 + 2000 * high + 500 * chance (hash, 6)) *
             (1 - 0.55f * scene->forest);
  note->glide =
      scene->canyon > 0.5f ? -6000 : (chance (hash, 7) - 0.45f) * 9000;
  note->trill_hz = 18 + 30 * chance (song, 8);
  note->trill = chance (song, 9) > 0.5f ? 2.5f : 0.3f;
  note->seconds = 0.07f + 0.11f * chance (hash, 10);
  note->attack = 0.02f;
  note->decay = 8;
  PARTIALS (note, pure);
  return true;
}

static bool
choose_bell (const DvScene *scene, uint64_t cell, uint32_t hash, Note *note)
{
  float bells = dv_max (scene->bells, 0.25f * scene->lanterns);

  if (chance (hash, 1) > bells * 0.9f)
    return false;
  note->gain = 0.1f * (0.5f + 0.5f * bells);
  note->pan = 0.3f + 0.4f * chance (hash, 2);
  note->hz = dv_sound_pitch (scene, 10 + (int)(6 * chance (hash, 3)));
  note->decay = 1.1f;
  note->attack = 0.003f;
  note->seconds = 5;
  PARTIALS (note, bell);
  return true;
}

static bool
choose_pluck (const DvScene *scene, uint64_t cell, uint32_t hash, Note *note)
{
  float music = dv_max (scene->music, scene->joy);

  if (chance (hash, 1) >
      0.3f * (music > 0.1f) + music * (cell % 4 ? 0.3f : 0.7f))
    return false;
  note->gain = 0.14f * (0.4f + 0.6f * music);
  note->pan = 0.35f + 0.3f * chance (hash, 2);
  note->hz = dv_sound_pitch (scene, 5 + (int)(9 * chance (hash, 3)));
  note->decay = 2.6f;
  note->attack = 0.004f;
  note->seconds = 2;
  PARTIALS (note, string);
  return true;
}

static bool
choose_cricket (const DvScene *scene, uint64_t cell, uint32_t hash, Note *note)
{
  float warm = dv_clamp (1 - 1.5f * (scene->snow + scene->ice), 0, 1);
  float land = dv_max (scene->meadow, dv_max (scene->forest, scene->palms));
  float many = dv_max (scene->fireflies, 0.5f * night (scene) * land) * warm *
               (1 - 0.8f * scene->rain);
  /* Several sing in turn, each at its own pitch, place and time. */
  uint32_t singer = (uint32_t)(cell % 5);

  if (chance (singer, 11) > many * 1.3f || chance (hash, 1) > 0.85f)
    return false;
  note->gain = 0.06f * (0.4f + 0.6f * many);
  note->pan = 0.1f + 0.2f * (float)singer;
  note->hz = 4100 + 170 * (float)singer;
  note->trill_hz = 34;
  note->trill = 0.02f;
  note->attack = 0.012f;
  note->decay = 14;
  note->seconds = 0.12f;
  PARTIALS (note, pure);
  return true;
}

static bool
choose_bubble (const DvScene *scene, uint64_t cell, uint32_t hash, Note *note)
{
  float many = dv_max (scene->bubbles, 0.3f * scene->river);

  if (chance (hash, 1) > many * 0.8f)
    return false;
  note->gain = 0.09f * chance (hash, 2);
  note->pan = chance (hash, 3);
  note->hz = 350 + 900 * chance (hash, 4);
  note->glide = 2500 + 3000 * chance (hash, 5);
  note->attack = 0.008f;
  note->decay = 28;
  note->seconds = 0.12f;
  PARTIALS (note, pure);
  return true;
}

static bool
choose_crackle (const DvScene *scene, uint64_t cell, uint32_t hash, Note *note)
{
  if (chance (hash, 1) > dv_max (scene->fire, 0.5f * scene->volcano) * 0.45f)
    return false;
  note->gain = 0.3f * chance (hash, 2) * chance (hash, 3);
  note->pan = 0.2f + 0.6f * chance (hash, 4);
  note->hz = 900 + 4200 * chance (hash, 5);
  note->glide = -30000;
  note->attack = 0.0004f;
  note->decay = 260;
  note->seconds = 0.03f;
  PARTIALS (note, pure);
  return true;
}

static bool
choose_drop (const DvScene *scene, uint64_t cell, uint32_t hash, Note *note)
{
  if (chance (hash, 1) > scene->rain * 0.7f)
    return false;
  note->gain = 0.09f * chance (hash, 2) * chance (hash, 3);
  note->pan = chance (hash, 4);
  note->hz = 1500 + 5000 * chance (hash, 5);
  note->attack = 0.001f;
  note->decay = 120;
  note->seconds = 0.05f;
  PARTIALS (note, pure);
  return true;
}

/* The beats of a big slow drum, for dread and awe asked for with music. */
static bool
choose_drum (const DvScene *scene, uint64_t cell, uint32_t hash, Note *note)
{
  float beat = dv_max (scene->dread, scene->awe * scene->music);

  if (cell % 2 || beat < 0.2f)
    return false;
  note->gain = 0.14f * beat;
  note->pan = 0.5f;
  note->hz = 62;
  note->glide = -14;
  note->attack = 0.006f;
  note->decay = 4;
  note->seconds = 1.2f;
  PARTIALS (note, pure);
  return true;
}

static const Kind kinds[] = {
    {choose_bird, 4800, 6000},
    {choose_bell, 42000, LONGEST},
    {choose_pluck, 9000, 2 * DV_SOUND_RATE},
    {choose_cricket, 1800, 3600},
    {choose_bubble, 2400, 3600},
    {choose_crackle, 500, 1200},
    {choose_drop, 240, 1400},
    {choose_drum, 20000, 2 * DV_SOUND_RATE},
};

#define N_KINDS (sizeof kinds / sizeof kinds[0])

/* Adds one partial of a note that began @age samples before the block (or
 * begins -@age samples into it). */
static void
add_partial (const DvSoundBlock *block, const Note *note,
    const float partial[3], int64_t age)
{
  float left = note->gain * partial[1] * dv_min (1, 2 - 2 * note->pan);
  float right = note->gain * partial[1] * dv_min (1, 2 * note->pan);
  int64_t length = (int64_t)(note->seconds * DV_SOUND_RATE);
  int64_t i = age < 0 ? -age : 0;

  if (note->hz * partial[0] > 11000)
    return;
  for (; i < DV_SYNTH_BLOCK && age + i < length; i++) {
    float t = (float)(age + i) * (1.0f / DV_SOUND_RATE);
    float phase = t * (note->hz + 0.5f * note->glide * t) * partial[0];
    float level = dv_min (t / note->attack, 1) *
                  dv_min ((note->seconds - t) * 200, 1) *
                  dv_fade (-note->decay * partial[2] * t);

    if (note->trill > 0)
      phase += note->trill * dv_sin (note->trill_hz * t);
    level *= dv_sin (phase);
    block->out[2 * i] += left * level;
    block->out[2 * i + 1] += right * level;
  }
}

static void
play_cell (
    const DvSoundBlock *block, const Kind *kind, uint32_t salt, uint64_t cell)
{
  uint64_t first = block->number * DV_SYNTH_BLOCK;
  uint32_t hash =
      dv_hash2 (dv_hash2 ((uint32_t)cell, salt), (uint32_t)(cell >> 32));
  uint64_t start = cell * kind->cell +
                   (uint64_t)(chance (hash, 0) * 0.5f * (float)kind->cell);
  int64_t age = (int64_t)(first - start);
  Note note = {0};

  if (age <= -DV_SYNTH_BLOCK || age >= (int64_t)kind->length)
    return;
  if (!kind->choose (dv_sound_scene (block, start), cell, hash, &note))
    return;
  for (unsigned p = 0; p < note.n_partials; p++)
    add_partial (block, &note, note.partials[p], age);
}

void
dv_sound_notes (const DvSoundBlock *block)
{
  uint64_t first = block->number * DV_SYNTH_BLOCK;

  for (uint32_t k = 0; k < N_KINDS; k++) {
    uint64_t back = first < kinds[k].length ? first : kinds[k].length;
    uint64_t cell = (first - back) / kinds[k].cell;
    uint64_t last = (first + DV_SYNTH_BLOCK - 1) / kinds[k].cell;

    cell -= cell ? 1 : 0;
    for (; cell <= last; cell++)
      play_cell (block, &kinds[k], k, cell);
  }
}

#define STRIKE_CELL (6 * DV_SOUND_RATE)

float
dv_sound_thunder (const DvSoundBlock *block, uint64_t number, float *age)
{
  uint64_t sample = number * DV_SYNTH_BLOCK, now = sample / STRIKE_CELL;
  float sum = 0, best = 0;

  *age = 5;
  for (uint64_t cell = now ? now - 1 : 0; cell <= now; cell++) {
    uint32_t hash = dv_hash2 ((uint32_t)cell, 99);
    uint64_t start = cell * STRIKE_CELL +
                     (uint64_t)(chance (hash, 1) * 0.6f * (float)STRIKE_CELL) /
                         DV_SYNTH_BLOCK * DV_SYNTH_BLOCK;
    const DvScene *scene;
    float seconds, level;

    if (start > sample || sample - start >= LONGEST)
      continue;
    scene = dv_sound_scene (block, start);
    if (chance (hash, 2) > 1.3f * scene->thunder)
      continue;
    seconds = (float)(sample - start) / DV_SOUND_RATE;
    level = (0.5f + 0.5f * scene->thunder) * dv_min (1, seconds * 12) *
            dv_fade (-0.8f * seconds) * (1 - seconds / 5) *
            (0.5f + dv_sound_wander (10, number, 5));
    sum += level;
    if (level >= best) {
      best = level;
      *age = seconds;
    }
  }
  return sum;
}
