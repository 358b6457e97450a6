/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Signals that end the program in good order. The only state of the process
 * that is not passed around: handlers know nothing else.
 */
#include "stop.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t asked;

static void
on_signal (int number)
{
  asked = number;
}

void
stop_listen (void)
{
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
  struct sigaction before, action = {.sa_handler = on_signal};

  sigemptyset (&action.sa_mask);
  /* Once; and a write that is running goes on. */
  action.sa_flags = SA_RESETHAND | SA_RESTART;
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    /* What nohup and the shell's & had ignored stays ignored. */
    if (sigaction (numbers[i], NULL, &before) == 0 &&
        before.sa_handler != SIG_IGN)
      sigaction (numbers[i], &action, NULL);
  /* A reader that goes away, or a limit on files, is an error of the write. */
  action.sa_handler = SIG_IGN;
  action.sa_flags = 0;
  sigaction (SIGPIPE, &action, NULL);
  sigaction (SIGXFSZ, &action, NULL);
}

bool
stop_asked (void)
{
  return asked != 0;
}

int
stop_status (void)
{
  return 128 + asked;
}
