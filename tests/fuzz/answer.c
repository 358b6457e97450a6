/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fuzzes what reads the answers of language models. The first byte says how
 * many prompts are wanted; the rest is a completion, and a content as well.
 */
#include "answer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "prompts.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define EXPECT(condition)                                                      \
  do {                                                                         \
    if (!(condition))                                                          \
      abort ();                                                                \
  } while (0)

static void
check_text (const gchar *text)
{
  gchar *again = dvs_answer_clean (text, DVS_PROMPT_MAX);

  /* Clean once and for all. */
  EXPECT (again && strcmp (again, text) == 0);
  g_free (again);
}

static void
check_content (const gchar *content, guint count)
{
  GError *error = NULL;
  DvsRollout rollout;
  gchar *prompt = dvs_answer_prompt (content, &error);

  EXPECT ((prompt == NULL) == (error != NULL));
  if (prompt)
    check_text (prompt);
  g_free (prompt);
  g_clear_error (&error);
  if (dvs_answer_rollout (content, count, &rollout, &error)) {
    EXPECT (!error && g_strv_length (rollout.prompts) == count);
    for (guint i = 0; i < count; i++)
      check_text (rollout.prompts[i]);
    if (rollout.id)
      check_text (rollout.id);
    if (rollout.label)
      check_text (rollout.label);
  } else {
    EXPECT (error && !rollout.prompts && !rollout.id && !rollout.label);
  }
  dvs_rollout_clear (&rollout);
  g_clear_error (&error);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  GError *error = NULL;
  gchar *body, *content, *text;
  guint count;

  if (size < 1)
    return 0;
  count = 1 + data[0] % 8;
  data++;
  size--;
  /* A block of its own, so that reading past it is seen. */
  body = malloc (size ? size : 1);
  memcpy (body, data, size);
  content = dvs_answer_content (body, size, &error);
  EXPECT ((content == NULL) == (error != NULL));
  g_clear_error (&error);
  if (content) {
    EXPECT (content[0] && g_utf8_validate (content, -1, NULL));
    check_content (content, count);
  }
  text = g_strndup (body, size);
  check_content (text, count);
  g_free (text);
  g_free (content);
  free (body);
  return 0;
}
