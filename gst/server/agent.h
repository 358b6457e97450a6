/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * HAProxy's agent-check: who connects is told in one line how many of the
 * slots work, and that is all.
 *
 * Threads: the main thread alone.
 */
#ifndef DVS_AGENT_H
#define DVS_AGENT_H

#include "server.h"

/* On the settings' agent_port. */
GSocketService *dvs_agent_new (DvsServer *server, GError **error);
void dvs_agent_free (GSocketService *agent);
/* The line, to be freed. */
gchar *dvs_agent_text (const DvsServer *server);

#endif
