/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A folder for a test: see test-folder.h.
 */
#include "test-folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

static char folder[64];

void
folder_make (void)
{
  strcpy (folder, "/tmp/dv-test-XXXXXX");
  ck_assert_ptr_nonnull (mkdtemp (folder));
}

void
folder_remove (void)
{
  char command[96];

  snprintf (command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq (system (command), 0);
}

const char *
folder_itself (void)
{
  return folder;
}

const char *
folder_path (const char *name)
{
  static char paths[4][256];
  static int turn;

  turn = (turn + 1) % 4;
  snprintf (paths[turn], sizeof paths[turn], "%s/%s", folder, name);
  return paths[turn];
}

void
folder_write_text (const char *name, const char *text)
{
  FILE *file = fopen (folder_path (name), "w");

  ck_assert_ptr_nonnull (file);
  ck_assert_int_ge (fputs (text, file), 0);
  ck_assert_int_eq (fclose (file), 0);
}
