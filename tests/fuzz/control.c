/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fuzzes what reads a viewer's text frames.
 */
#include "control.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define EXPECT(condition)                                                      \
  do {                                                                         \
    if (!(condition))                                                          \
      abort ();                                                                \
  } while (0)

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  /* A block of its own, so that reading past it is seen. */
  gchar *copy = malloc (size ? size : 1);
  const gchar *message;
  ControlStatus status;
  Control control;

  memcpy (copy, data, size);
  status = control_parse (copy, size, &control, &message);
  EXPECT ((status == CONTROL_OK) == (message == NULL));
  EXPECT ((status == CONTROL_OK) == (control_status_code (status) == NULL));
  EXPECT ((status == CONTROL_OK) == (control.type != NULL));
  if (control.command == CONTROL_PROMPT) {
    EXPECT (control.prompt[0] && strlen (control.prompt) <= CONTROL_MAX_PROMPT);
    EXPECT (g_utf8_validate (control.prompt, -1, NULL));
  } else {
    EXPECT (!control.prompt && !control.prompt_id);
  }
  control_clear (&control);
  control_parse (copy, size, &control, NULL);
  control_clear (&control);
  free (copy);
  return 0;
}
