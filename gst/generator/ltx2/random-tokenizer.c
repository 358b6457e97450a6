/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A small tokenizer.json in the form of Gemma 3's (section 3.1 of
 * docs/ltx2-model.md): special tokens, bytes, printable characters, and the
 * merges that make some common words.
 */
#include "random-tokenizer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPACE "\xe2\x96\x81"

/* What prompts are made of. Each is made after a space, letter by letter. */
static const char *const words[] = {"the", "a", "and", "of", "in", "with",
    "over", "under", "at", "on", "sea", "sky", "sun", "moon", "rain", "storm",
    "stormy", "snow", "forest", "tree", "mountain", "river", "city", "street",
    "night", "day", "light", "dark", "bird", "cat", "dog", "fox", "horse",
    "wave", "wind", "cloud", "camera", "slow", "music", "golden", "red", "blue",
    "green", "walks", "runs", "flies"};

/* The text while it is built: entries so far, so that none comes twice. */
typedef struct {
  FILE *file;
  char token[512][24];
  int n, max, first_word; /* ids: of the next, of the end, of made words */
} Tokens;

static bool
known (const Tokens *t, const char *token)
{
  for (int i = 0; i < t->n; i++)
    if (strcmp (t->token[i], token) == 0)
      return true;
  return false;
}

static void
add (Tokens *t, const char *token)
{
  if (t->n < t->max && !known (t, token))
    snprintf (t->token[t->n++], sizeof *t->token, "%s", token);
}

/* The words' beginnings, shortest first: each is the one before and a letter,
 * which is its merge. */
static void
collect (Tokens *t)
{
  char text[24];

  add (t, "<pad>");
  add (t, "<eos>");
  add (t, "<bos>");
  add (t, "<unk>");
  for (int i = 0; i < 256; i++) {
    snprintf (text, sizeof text, "<0x%02X>", (unsigned)i);
    add (t, text);
  }
  add (t, SPACE);
  for (char c = '!'; c <= '~'; c++) {
    snprintf (text, sizeof text, "%c", c);
    add (t, text);
  }
  t->first_word = t->n;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    for (size_t n = 1; n <= strlen (words[i]); n++) {
      snprintf (text, sizeof text, SPACE "%.*s", (int)n, words[i]);
      add (t, text);
    }
}

static void
put (FILE *file, const char *token)
{
  fputc ('"', file);
  for (; *token; token++) {
    if (*token == '"' || *token == '\\')
      fputc ('\\', file);
    fputc (*token, file);
  }
  fputc ('"', file);
}

static void
put_all (Tokens *t)
{
  FILE *f = t->file;

  fputs ("{\"version\":\"1.0\",\"added_tokens\":[", f);
  for (int i = 0; i < 4; i++) {
    fprintf (f, "%s\n{\"id\":%d,\"content\":", i ? "," : "", i);
    put (f, t->token[i]);
    fputs (",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
           "\"normalized\":false,\"special\":true}",
        f);
  }
  fputs (
      "],\n\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"}"
      ",\"content\":\"" SPACE "\"},\n"
      "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\" \"},"
      "\"behavior\":\"MergedWithPrevious\",\"invert\":false},\n"
      "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":\"<unk>\","
      "\"fuse_unk\":true,\"byte_fallback\":true,\"vocab\":{",
      f);
  for (int i = 0; i < t->n; i++) {
    fputs (i ? ",\n" : "\n", f);
    put (f, t->token[i]);
    fprintf (f, ":%d", i);
  }
  fputs ("},\n\"merges\":[", f);
  for (int i = t->first_word; i < t->n; i++) {
    const char *token = t->token[i];
    char left[24] = "";
    size_t length = strlen (token) - 1;

    if (length < sizeof left)
      memcpy (left, token, length);
    fputs (i > t->first_word ? ",\n[" : "\n[", f);
    put (f, left);
    fputc (',', f);
    put (f, token + strlen (token) - 1);
    fputc (']', f);
  }
  fputs ("]}}\n", f);
}

DvStatus
dv_random_tokenizer (const char *path, int64_t vocabulary, DvError *error)
{
  Tokens *t = calloc (1, sizeof *t);
  DvStatus status = DV_OK;

  if (!t)
    return dv_fail (error, DV_ERROR_MEMORY, "write",
        "There is no memory left to write %s.", path);
  t->max = vocabulary < 512 ? (int)vocabulary : 512;
  collect (t);
  t->file = t->n >= 260 ? fopen (path, "w") : NULL;
  if (t->n < 260) {
    status = dv_fail (error, DV_ERROR_ARGUMENT, "write",
        "A vocabulary of %lld is too small for a tokenizer: 260 are needed.",
        (long long)vocabulary);
  } else if (!t->file) {
    status = dv_fail (error, DV_ERROR_ARGUMENT, "write",
        "%s cannot be written: %s.", path, strerror (errno));
  } else {
    put_all (t);
    if (ferror (t->file) | fclose (t->file))
      status = dv_fail (error, DV_ERROR_ARGUMENT, "write",
          "%s cannot be written: %s.", path, strerror (errno));
  }
  free (t);
  return status;
}
