/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Opening the model that the options name, or only saying what it would take.
 */
#include <stdlib.h>

#include "generate.h"
#include "stop.h"

static void
on_progress (void *user, uint64_t done, uint64_t total)
{
  Loading *loading = user;

  progress_loading (loading->progress, done, total);
  /* Loading cannot be told to stop; but nothing is made yet. */
  if (stop_asked ()) {
    progress_say (loading->progress, NORMAL, "stopped while loading");
    loading->abandon (loading->user);
    exit (stop_status ());
  }
}

static void
on_say (void *user, const char *sentence)
{
  progress_say (((Loading *)user)->progress, NORMAL, "%s", sentence);
}

static void
on_print (void *user, const char *sentence)
{
  puts (sentence);
}

static DvModelSpec
spec_of (const Options *options)
{
  return (DvModelSpec){.model = options->model,
      .device = options->device,
      .dtype = options->dtype,
      .memory_budget = options->memory,
      .width = options->width,
      .height = options->height,
      .frames = options->frames,
      .loras = options->loras,
      .n_loras = options->n_loras,
      .threads = options->threads};
}

DvModel *
load_model (const Options *options, Loading *loading, DvError *error)
{
  DvModelSpec spec = spec_of (options);
  double begun = progress_now ();
  DvModel *model;

  spec.progress = on_progress;
  spec.say = on_say;
  spec.user = loading;
  model = dv_model_open (&spec, error);
  if (model)
    progress_say (loading->progress, VERBOSE, "%s on %s, opened in %.2f s",
        dv_model_info (model)->name, dv_model_info (model)->device,
        progress_now () - begun);
  return model;
}

DvStatus
print_plan (const Options *options, DvError *error)
{
  DvModelSpec spec = spec_of (options);
  DvModel *model;

  spec.plan_only = true;
  spec.say = on_print;
  model = dv_model_open (&spec, error);
  if (!model)
    return error->code;
  dv_model_unref (model);
  if (fflush (stdout) != 0)
    return dv_fail (
        error, DV_ERROR_SINK, "output", "cannot write to standard output");
  return DV_OK;
}
