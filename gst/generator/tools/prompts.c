/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Prompts from the command line and from files.
 */
#include "prompts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static DvStatus
no_memory (DvError *error)
{
  return dv_fail (
      error, DV_ERROR_MEMORY, "options", "no memory for the prompts");
}

DvStatus
prompts_add (Prompts *prompts, const char *text, DvError *error)
{
  char *copy;

  if (prompts->n == prompts->room) {
    size_t room = prompts->room ? 2 * prompts->room : 8;
    char **more = realloc (prompts->text, room * sizeof *more);

    if (!more)
      return no_memory (error);
    prompts->text = more;
    prompts->room = room;
  }
  copy = strdup (text);
  if (!copy)
    return no_memory (error);
  prompts->text[prompts->n++] = copy;
  return DV_OK;
}

static DvStatus
read_lines (Prompts *prompts, FILE *file, const char *path, DvError *error)
{
  size_t room = 0, before = prompts->n;
  DvStatus status = DV_OK;
  char *line = NULL;
  ssize_t length;

  errno = 0;
  while (status == DV_OK && (length = getline (&line, &room, file)) >= 0) {
    if (memchr (line, 0, (size_t)length))
      status = dv_fail (error, DV_ERROR_FORMAT, "options",
          "\"%.200s\" is no text: line %zu has a zero byte", path,
          prompts->n - before + 1);
    line[strcspn (line, "\r\n")] = 0;
    if (status == DV_OK && line[strspn (line, " \t")])
      status = prompts_add (prompts, line, error);
  }
  if (status == DV_OK && (ferror (file) || !feof (file)))
    status = dv_fail (error, DV_ERROR_NOT_FOUND, "options",
        "cannot read \"%.200s\": %s", path, strerror (errno));
  if (status == DV_OK && prompts->n == before)
    status = dv_fail (
        error, DV_ERROR_FORMAT, "options", "\"%.200s\" has no prompt", path);
  free (line);
  return status;
}

DvStatus
prompts_read (Prompts *prompts, const char *path, DvError *error)
{
  FILE *file = strcmp (path, "-") == 0 ? stdin : fopen (path, "re");
  DvStatus status;

  if (!file)
    return dv_fail (error, DV_ERROR_NOT_FOUND, "options",
        "cannot open \"%.200s\": %s", path, strerror (errno));
  status = read_lines (prompts, file, path, error);
  if (file != stdin)
    fclose (file);
  return status;
}

const char *
prompts_get (const Prompts *prompts, size_t segment)
{
  if (prompts->n == 0)
    return "";
  return prompts->text[segment < prompts->n ? segment : prompts->n - 1];
}

void
prompts_clear (Prompts *prompts)
{
  for (size_t i = 0; i < prompts->n; i++)
    free (prompts->text[i]);
  free (prompts->text);
  *prompts = (Prompts){0};
}
