/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A small tokenizer.json of Gemma's form, for tests.
 */
#include "tiny-tokenizer.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GLYPH "\xe2\x96\x81"

static const char *const words[] = {GLYPH, "h", "e", "l", "o", "w", "r", "d",
    "\xc3\xa9", "he", "ll", "llo", "hello", "lo", GLYPH GLYPH,
    GLYPH GLYPH GLYPH GLYPH, GLYPH "w", "or", "ld", "orld", GLYPH "world"};

static const char *const merges[][2] = {{GLYPH GLYPH, GLYPH GLYPH},
    {GLYPH, GLYPH}, {"l", "l"}, {"h", "e"}, {"ll", "o"}, {"he", "llo"},
    {"l", "o"}, {GLYPH, "w"}, {"o", "r"}, {"l", "d"}, {"or", "ld"},
    {GLYPH "w", "orld"}};

static const char *const added[] = {
    "<pad>", "<eos>", "<bos>", "<unk>", "\\n", "\\n\\n\\n"};

#define COUNT(array) (sizeof (array) / sizeof *(array))

static void
write_vocabulary (FILE *file)
{
  fputs ("    \"vocab\": {\n", file);
  for (size_t i = 0; i < 4; i++)
    fprintf (file, "      \"%s\": %zu,\n", added[i], i);
  for (int i = 0; i < 256; i++)
    fprintf (file, "      \"<0x%02X>\": %d,\n", i, 6 + i);
  for (size_t i = 0; i < COUNT (words); i++)
    fprintf (file, "      \"%s\": %zu%s\n", words[i], 262 + i,
        i + 1 < COUNT (words) ? "," : "");
  fputs ("    },\n", file);
}

static void
write_merges (FILE *file, bool strings)
{
  fputs ("    \"merges\": [\n", file);
  for (size_t i = 0; i < COUNT (merges); i++)
    fprintf (file,
        strings ? "      \"%s %s\"%s\n" : "      [\"%s\", \"%s\"]%s\n",
        merges[i][0], merges[i][1], i + 1 < COUNT (merges) ? "," : "");
  fputs ("    ],\n", file);
}

char *
tiny_tokenizer_json (int form)
{
  char *text = NULL;
  size_t size;
  FILE *file = open_memstream (&text, &size);

  ck_assert_ptr_nonnull (file);
  fputs ("{\n  \"version\": \"1.0\", \"truncation\": null,\n"
         "  \"added_tokens\": [\n",
      file);
  for (size_t i = 0; i < COUNT (added); i++)
    fprintf (file,
        "    {\"id\": %zu, \"content\": \"%s\", \"single_word\": false,"
        " \"lstrip\": false, \"rstrip\": false, \"normalized\": false,"
        " \"special\": true}%s\n",
        i, added[i], i + 1 < COUNT (added) ? "," : "");
  fputs ("  ],\n  \"normalizer\": {\"type\": \"Replace\", \"pattern\":"
         " {\"String\": \" \"}, \"content\": \"" GLYPH "\"},\n"
         "  \"decoder\": {\"any\": [1, -2.5e+3, {}, [], true]},\n"
         "  \"model\": {\n    \"type\": \"BPE\", \"dropout\": null,"
         " \"byte_fallback\": true,\n",
      file);
  if (form & TINY_MERGES_FIRST)
    write_merges (file, form & TINY_STRINGS);
  write_vocabulary (file);
  if (!(form & TINY_MERGES_FIRST))
    write_merges (file, form & TINY_STRINGS);
  fputs ("    \"ignore_merges\": false\n  }\n}\n", file);
  fclose (file);
  return text;
}

char *
tiny_replaced (char *text, const char *from, const char *to)
{
  char *at = strstr (text, from), *result;

  ck_assert_msg (at != NULL, "the text has no %s", from);
  ck_assert_int_ge (asprintf (&result, "%.*s%s%s", (int)(at - text), text, to,
                        at + strlen (from)),
      0);
  free (text);
  return result;
}

DvTokenizer *
tiny_tokenizer_read (const char *text, size_t piece, DvError *error)
{
  DvJsonStream *json =
      dv_json_from_memory ("tiny.json", text, strlen (text), piece, error);
  DvTokenizer *tokenizer = calloc (1, sizeof *tokenizer);
  DvStatus status = DV_ERROR_MEMORY;

  if (json && tokenizer) {
    dv_tokenizer_read (tokenizer, json);
    status = dv_json_status (json, error);
  } else if (json) {
    dv_fail (error, status, "open", "no memory");
  }
  dv_json_close (json);
  if (status == DV_OK)
    return tokenizer;
  dv_tokenizer_free (tokenizer);
  return NULL;
}
