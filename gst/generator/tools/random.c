/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * --make-random: a model directory of random weights.
 */
#include <string.h>

#include "generate.h"
#include "ltx2/make-random.h"
#include "stop.h"

static bool
on_progress (void *user, uint64_t done, uint64_t total)
{
  progress_loading (user, done, total);
  return !stop_asked ();
}

static DvStatus
layout_of (const char *name, DvLayout *layout, DvError *error)
{
  if (!name || strcmp (name, "diffusers") == 0)
    *layout = DV_LAYOUT_DIFFUSERS;
  else if (strcmp (name, "fastvideo") == 0)
    *layout = DV_LAYOUT_FASTVIDEO;
  else if (strcmp (name, "single") == 0)
    *layout = DV_LAYOUT_SINGLE;
  else
    return dv_fail (error, DV_ERROR_ARGUMENT, "options",
        "--layout \"%.60s\" is not known; name diffusers, fastvideo or single",
        name);
  return DV_OK;
}

DvStatus
make_random (const Options *options, Progress *progress, DvError *error)
{
  DvRandomSpec spec = {.config = options->random_config,
      .seed = options->seed,
      .tokenizer = options->random_tokenizer,
      .sparse = options->random_sparse,
      .progress = on_progress,
      .user = progress};
  DvStatus status = layout_of (options->random_layout, &spec.layout, error);

  if (status == DV_OK)
    status = dv_make_random (&spec, options->random_folder, error);
  if (status == DV_OK)
    progress_say (progress, NORMAL, "wrote \"%s\" in %.2f s",
        options->random_folder, progress_now () - progress->begun);
  return status;
}
