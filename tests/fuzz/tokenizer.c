/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fuzzes the reading of tokenizer.json and the encoding of prompts. An input
 * is a tokenizer.json and, after a NUL, a prompt; either may be anything. What
 * cannot be read has one error; where it is read does not matter; a prompt is
 * encoded to ids of the tokenizer, or refused.
 */
#include "ltx2/tokenizer-read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define EXPECT(condition)                                                      \
  do {                                                                         \
    if (!(condition))                                                          \
      abort ();                                                                \
  } while (0)

/* For prompts whose tokenizer is none. */
static DvTokenizer *usual;

static DvTokenizer *
read_tokenizer (const uint8_t *data, size_t size, size_t piece, DvError *error)
{
  DvJsonStream *json = dv_json_from_memory ("fuzz", data, size, piece, error);
  DvTokenizer *tokenizer = calloc (1, sizeof *tokenizer);
  bool good;

  EXPECT (json && tokenizer);
  good = dv_tokenizer_read (tokenizer, json);
  EXPECT (good == (dv_json_status (json, error) == DV_OK));
  dv_json_close (json);
  if (good)
    return tokenizer;
  EXPECT (error->code == DV_ERROR_FORMAT && error->detail[0]);
  dv_tokenizer_free (tokenizer);
  return NULL;
}

static void
encode (const DvTokenizer *tokenizer, const uint8_t *data, size_t size)
{
  char *text = malloc (size + 1);
  DvError error = {0};
  int32_t *ids;
  size_t n;
  DvStatus status;

  EXPECT (text);
  memcpy (text, data, size);
  text[size] = '\0';
  status = dv_tokenizer_encode (tokenizer, text, size, &ids, &n, &error);
  if (status == DV_OK) {
    EXPECT (n >= 1 && n <= size + 1 && ids[0] == DV_TOKEN_BOS);
    for (size_t i = 0; i < n; i++)
      EXPECT (ids[i] >= 0);
  } else {
    EXPECT (status == DV_ERROR_ARGUMENT && !ids && n == 0);
  }
  free (ids);
  status = dv_tokenizer_encode_prompt (tokenizer, text, 5, &ids, &n, &error);
  EXPECT (status == DV_OK ? n >= 1 && n <= 5 : !ids);
  free (ids);
  free (text);
}

/* One with letters, two merges and an added token, from a file. */
int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  int fd = memfd_create ("tokenizer.json", 0);
  FILE *file = fd >= 0 ? fdopen (dup (fd), "w") : NULL;
  DvError error = {0};
  char path[64];

  EXPECT (file);
  fputs ("{\"added_tokens\": [{\"id\": 0, \"content\": \"<pad>\"},"
         "{\"id\": 2, \"content\": \"<bos>\"}, {\"id\": 1, \"content\": "
         "\"\\n\\n\"}],\n\"model\": {\"byte_fallback\": true, \"vocab\": {",
      file);
  for (int i = 0; i < 256; i++)
    fprintf (file, "\"<0x%02X>\": %d, ", i, 10 + i);
  fputs ("\"a\": 300, \"b\": 301, \"ab\": 302, \"aab\": 303,"
         "\"\xe2\x96\x81\": 304, \"\xe2\x96\x81\xe2\x96\x81\": 305},\n"
         "\"merges\": [[\"a\", \"b\"], \"a ab\","
         "[\"\xe2\x96\x81\", \"\xe2\x96\x81\"]]}}",
      file);
  fclose (file);
  snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
  usual = dv_tokenizer_open (path, &error);
  EXPECT (usual);
  close (fd);
  EXPECT (!dv_tokenizer_open (path, &error));
  EXPECT (error.code == DV_ERROR_NOT_FOUND);
  EXPECT (!dv_tokenizer_open ("/", &error));
  return 0;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const uint8_t *nul = size ? memchr (data, 0, size) : NULL;
  size_t n_json = nul ? (size_t)(nul - data) : size;
  const uint8_t *prompt = nul ? nul + 1 : data;
  size_t n_prompt = nul ? size - n_json - 1 : size;
  DvError whole = {0}, pieces = {0};
  DvTokenizer *tokenizer = read_tokenizer (data, n_json, 0, &whole);
  DvTokenizer *again = read_tokenizer (data, n_json, 1 + size % 7, &pieces);

  EXPECT (!tokenizer == !again);
  EXPECT (strcmp (whole.detail, pieces.detail) == 0);
  encode (tokenizer ? tokenizer : usual, prompt, n_prompt);
  dv_tokenizer_free (tokenizer);
  dv_tokenizer_free (again);
  return 0;
}
