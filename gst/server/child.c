/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The modes of this program that are children of it: see process.h.
 *
 * Threads: the main thread, before there is any other.
 */
#include <stdlib.h>
#include <string.h>

#include "picture-decode.h"
#include "process.h"
#include "worker.h"

gboolean
dvs_child_run (int argc, char **argv, int *status)
{
  if (argc > 2 && strcmp (argv[1], DVS_WORKER_OPTION) == 0)
    *status = dvs_worker_run (atoi (argv[2]));
  else if (argc > 1 && strcmp (argv[1], DVS_PICTURE_OPTION) == 0)
    *status = dvs_picture_decode ();
  else
    return FALSE;
  return TRUE;
}
