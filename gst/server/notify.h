/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What systemd is told of a service of Type=notify, without its library; where
 * nobody listens, nothing.
 *
 * Threads: the main thread alone.
 */
#ifndef DVS_NOTIFY_H
#define DVS_NOTIFY_H

#include <glib.h>

/* "READY=1", "STOPPING=1" */
void dvs_notify (const gchar *state);
void dvs_notify_reloading (void);
/* A source that tells it in time that the main loop runs; 0: nobody asks. */
guint dvs_notify_watchdog (void);

#endif
