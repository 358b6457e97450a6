/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The first message to a worker: what of the settings is its business.
 *
 * Threads: pure.
 */
#ifndef DVS_SETUP_H
#define DVS_SETUP_H

#include <json-glib/json-glib.h>

#include "settings.h"

#define DVS_SETUP "setup"

/* For a worker on @device. A string that is not set is left out. */
JsonObject *dvs_setup_new (const DvsSettings *settings, const gchar *device);

#endif
