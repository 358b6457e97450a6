/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The session log: events and their fields (session protocol, section 9).
 */
#include "session-private.h"

void
dvs_log (DvsSession *session, const gchar *event, JsonObject *fields)
{
  session->host.log (session->user, event, fields);
}

void
dvs_log_text (DvsSession *session, JsonObject *fields, const gchar *name,
    const gchar *text)
{
  if (!session->settings->log_prompts)
    return;
  if (text)
    json_object_set_string_member (fields, name, text);
  else
    json_object_set_null_member (fields, name);
}

void
dvs_log_texts (DvsSession *session, JsonObject *fields, const gchar *name,
    const gchar *const *texts)
{
  JsonArray *array;

  if (!session->settings->log_prompts)
    return;
  array = json_array_new ();
  for (guint i = 0; texts && texts[i]; i++)
    json_array_add_string_element (array, texts[i]);
  json_object_set_array_member (fields, name, array);
}
