/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fuzzes what reads a prompt's words: any bytes give a scene, the same bytes
 * the same one, with every amount where scene.h says.
 */
#include "procedural/scene.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define EXPECT(condition)                                                      \
  do {                                                                         \
    if (!(condition))                                                          \
      abort ();                                                                \
  } while (0)

static void
check_scene (const DvScene *scene)
{
  const float *value = &scene->mountains;
  const float *end = &scene->music + 1;

  for (; value < end; value++) {
    bool low = value == &scene->sun_height || value == &scene->camera_x ||
               value == &scene->camera_zoom;

    EXPECT (*value <= 1.0f && *value >= (low ? -1.0f : 0.0f));
  }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  DvScene a, b, mixed;
  char *prompt = malloc (size + 1);

  memcpy (prompt, data, size);
  prompt[size] = '\0';
  memset (&a, 0, sizeof a);
  memset (&b, 0xff, sizeof b);
  dv_scene_read (&a, prompt, size);
  dv_scene_read (&b, prompt, size);
  check_scene (&a);
  EXPECT (memcmp (&a, &b, sizeof a) == 0);
  dv_scene_read (&b, size % 2 ? NULL : "", 3);
  check_scene (&b);
  dv_scene_mix (&mixed, &a, &b, (float)(size % 8) / 7);
  check_scene (&mixed);
  free (prompt);
  return 0;
}
