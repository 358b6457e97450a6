/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whatever a client sends: it is a message or it is none, and what is read out
 * of it is clean.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "session-image.h"
#include "session-message.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
check_text (const gchar *text, gsize max)
{
  if (text && (strlen (text) > max || !g_utf8_validate (text, -1, NULL)))
    abort ();
}

static void
check_init (const DvsMessage *message)
{
  DvsInit init;

  dvs_init_parse (message, 1.0, &init);
  check_text (init.preset_id, DVS_MAX_NAME_BYTES);
  check_text (init.preset_label, DVS_MAX_NAME_BYTES);
  check_text (init.rollout_prompt, DVS_PROMPT_MAX);
  for (guint i = 0; init.prompts[i]; i++) {
    check_text (init.prompts[i], DVS_PROMPT_MAX);
    if (!*init.prompts[i])
      abort ();
  }
  if (!(init.temperature >= 0 && init.temperature <= 2))
    abort ();
  dvs_init_clear (&init);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const gchar *problem = NULL;
  DvsMessage *message = dvs_message_parse ((const gchar *)data, size, &problem);
  GBytes *text = NULL, *bytes = NULL;

  if (!message) {
    if (!problem)
      abort ();
    return 0;
  }
  check_init (message);
  problem = dvs_image_read (
      json_object_get_member (message->object, "initial_image"), &text);
  if (problem && text)
    abort ();
  if (text) {
    problem = dvs_image_decode (text, &bytes);
    if (!problem == !bytes)
      abort ();
    g_clear_pointer (&bytes, g_bytes_unref);
    g_bytes_unref (text);
  }
  dvs_message_free (message);
  return 0;
}
