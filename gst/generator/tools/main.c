/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dreamverse-generate: from prompts to files, without GStreamer.
 */
#include <stdio.h>
#include <string.h>

#include "generate.h"
#include "stop.h"

static DvStatus
print (const char *text, DvError *error)
{
  if (fputs (text, stdout) < 0 || fflush (stdout) != 0)
    return dv_fail (
        error, DV_ERROR_SINK, "output", "cannot write to standard output");
  return DV_OK;
}

static DvStatus
act (const Options *options, Progress *progress, DvError *error)
{
  switch (options->action) {
    case ACTION_HELP:
      return print (usage, error);
    case ACTION_VERSION:
      return print ("dreamverse-generate " DV_VERSION "\n", error);
    case ACTION_PLAN:
      return print_plan (options, error);
    case ACTION_MAKE_RANDOM:
      return make_random (options, progress, error);
    default:
      return generate (options, progress, error);
  }
}

static int
exit_status (DvStatus status)
{
  switch (status) {
    case DV_OK:
      return 0;
    case DV_CANCELLED:
      return stop_status ();
    case DV_ERROR_ARGUMENT:
      return 2;
    default:
      return 1;
  }
}

int
main (int argc, char **argv)
{
  DvError error = {0};
  Options options;
  Progress progress;
  DvStatus status = options_parse (&options, argc, argv, &error);
  bool wrong = status != DV_OK;

  progress_init (&progress, options.verbosity);
  if (!wrong) {
    if (options.action != ACTION_PLAN)
      stop_listen ();
    status = act (&options, &progress, &error);
  }
  progress_clear (&progress);
  if (status != DV_OK && status != DV_CANCELLED)
    fprintf (stderr, "dreamverse-generate: %s\n", error.detail);
  if (wrong && status == DV_ERROR_ARGUMENT)
    fputs ("Try dreamverse-generate --help\n", stderr);
  options_clear (&options);
  return exit_status (status);
}
