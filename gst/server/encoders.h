/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which encoders a worker takes: the first that is there, at constant quality,
 * as the scripts in pipelines/ do.
 *
 * Threads: any.
 */
#ifndef DVS_ENCODERS_H
#define DVS_ENCODERS_H

#include <glib.h>

/* Launch lines, to be freed; @wanted if that is not NULL. NULL: there is none,
 * the error says what to install. @fps: rounded up. */
gchar *dvs_video_encoder (const gchar *wanted, guint fps, GError **error);
gchar *dvs_audio_encoder (const gchar *wanted, GError **error);

#endif
