/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A small text file, whole, in memory (text-file.h).
 */
#include "text-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

DvStatus
dv_text_file_read (
    const char *path, size_t max, char **text, size_t *size, DvError *error)
{
  struct stat st;
  size_t done = 0;
  ssize_t got;
  DvStatus status = DV_OK;
  int fd = open (path, O_RDONLY | O_CLOEXEC);

  *text = NULL;
  if (fd < 0)
    return dv_fail (error,
        errno == ENOENT ? DV_ERROR_NOT_FOUND : DV_ERROR_FORMAT, "open",
        "%s cannot be opened: %s.", path, strerror (errno));
  if (fstat (fd, &st) != 0 || !S_ISREG (st.st_mode)) {
    status = dv_fail (error, DV_ERROR_FORMAT, "open", "%s is no file.", path);
    goto out;
  }
  if ((uint64_t)st.st_size > max) {
    status = dv_fail (error, DV_ERROR_FORMAT, "open",
        "%s has %lld bytes, more than the %zu that such a file may have.", path,
        (long long)st.st_size, max);
    goto out;
  }
  *text = malloc ((size_t)st.st_size + 1);
  if (!*text) {
    status = dv_fail (error, DV_ERROR_MEMORY, "open",
        "There is no memory left to read %s.", path);
    goto out;
  }
  while (done < (size_t)st.st_size) {
    got = read (fd, *text + done, (size_t)st.st_size - done);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0) {
      status = dv_fail (error, DV_ERROR_FORMAT, "open",
          "%s cannot be read: %s.", path, strerror (errno));
      free (*text);
      *text = NULL;
      goto out;
    }
    if (got == 0)
      break;
    done += (size_t)got;
  }
  (*text)[done] = 0;
  *size = done;

out:
  close (fd);
  return status;
}
