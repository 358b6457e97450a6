/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What systemd is told: see notify.h.
 *
 * Threads: the main thread alone.
 */
#include "notify.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void
dvs_notify (const gchar *state)
{
  const gchar *path = g_getenv ("NOTIFY_SOCKET");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  gsize size = path ? strlen (path) : 0;
  int fd;

  if ((!size || (*path != '/' && *path != '@')) ||
      size >= sizeof address.sun_path)
    return;
  memcpy (address.sun_path, path, size);
  if (*path == '@')
    address.sun_path[0] = '\0'; /* of the abstract namespace */
  fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return;
  if (sendto (fd, state, strlen (state), MSG_NOSIGNAL | MSG_DONTWAIT,
          (struct sockaddr *)&address,
          (socklen_t)(offsetof (struct sockaddr_un, sun_path) + size)) < 0)
    g_debug ("the service manager does not listen");
  close (fd);
}

void
dvs_notify_reloading (void)
{
  gchar *state = g_strdup_printf (
      "RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT, g_get_monotonic_time ());

  dvs_notify (state);
  g_free (state);
}

static gboolean
alive (gpointer user)
{
  dvs_notify ("WATCHDOG=1");
  return G_SOURCE_CONTINUE;
}

guint
dvs_notify_watchdog (void)
{
  const gchar *text = g_getenv ("WATCHDOG_USEC");
  guint64 us;

  if (!text ||
      !g_ascii_string_to_unsigned (text, 10, 1000, G_MAXUINT32, &us, NULL))
    return 0;
  return g_timeout_add ((guint)(us / 2000), alive, NULL);
}
