/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The first message to a worker: see setup.h.
 *
 * Threads: see setup.h.
 */
#include "setup.h"

#include "channel.h"

static void
set_string (JsonObject *setup, const gchar *name, const gchar *value)
{
  if (value && *value)
    json_object_set_string_member (setup, name, value);
}

static void
set_strings (JsonObject *setup, const gchar *name, gchar **values)
{
  JsonArray *array = json_array_new ();

  for (; values && *values; values++)
    json_array_add_string_element (array, *values);
  json_object_set_array_member (setup, name, array);
}

JsonObject *
dvs_setup_new (const DvsSettings *settings, const gchar *device)
{
  JsonObject *setup = dvs_packet_new (DVS_SETUP);
  const struct {
    const gchar *name;
    guint64 value;
  } numbers[] = {
      {"threads", settings->threads},
      {"memory-budget", settings->memory_budget},
      {"width", settings->width},
      {"height", settings->height},
      {"fps-n", settings->fps_n},
      {"fps-d", settings->fps_d},
      {"frames", settings->frames},
      {"overlap", settings->overlap},
      {"audio-overlap", settings->audio_overlap},
      {"seed", settings->seed},
      {"fragment-ms", settings->fragment_ms},
  };
  gsize i;

  set_string (setup, "device", device);
  set_string (setup, "model", settings->model);
  set_string (setup, "dtype", settings->dtype);
  set_string (setup, "steps", settings->steps);
  set_string (setup, "video-encoder", settings->video_encoder);
  set_string (setup, "audio-encoder", settings->audio_encoder);
  set_strings (setup, "loras", settings->loras);
  for (i = 0; i < G_N_ELEMENTS (numbers); i++)
    json_object_set_int_member (
        setup, numbers[i].name, (gint64)numbers[i].value);
  json_object_set_double_member (setup, "pace", settings->pace);
  json_object_set_boolean_member (setup, "stamp", settings->stamp);
  json_object_set_boolean_member (setup, "warmup", settings->warmup);
  return setup;
}
