/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Prompt safety: see safety.h.
 */
#include "safety.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "answer.h"
#include "blocklist.h"
#include "post.h"
#include "provider.h"

#define MAX_ANSWER_BYTES (64 * 1024)
#define DEFAULT_TIMEOUT_MS 3000
#define MAX_TEXTS 256 /* of one check */
#define MAX_TEXT_BYTES (256 * 1024)

struct DvsSafety {
  gint ref_count;
  DvsBlockList *list; /* NULL: none */
  GUri *classifier;   /* NULL: none */
  SoupSession *session;
  guint timeout_ms;
  gboolean closed;
  gboolean allow; /* what the classifier did not answer for */
};

typedef struct {
  DvsSafety *safety;
  guint n;     /* texts */
  guint which; /* what the block list found, 1-based; 0: nothing */
  gchar *reason;
  DvsSafetyFunc done;
  gpointer user;
  GCancellable *cancellable;
  GSource *cancelled, *idle;
  DvsPost *post;
} Check;

DvsSafety *
dvs_safety_new (const DvsSettings *settings, GError **error)
{
  DvsSafety *safety = g_new0 (DvsSafety, 1);
  GError *why = NULL;

  safety->ref_count = 1;
  safety->allow = settings->safety_allow;
  safety->timeout_ms = settings->safety_timeout_ms ? settings->safety_timeout_ms
                                                   : DEFAULT_TIMEOUT_MS;
  if (settings->block_list && settings->block_list[0]) {
    safety->list = dvs_block_list_load (settings->block_list, error);
    if (!safety->list)
      goto failed;
  }
  if (settings->safety_url && settings->safety_url[0]) {
    safety->classifier = dvs_provider_uri (settings->safety_url, "", &why);
    if (!safety->classifier) {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
          "prompt classifier: %s", why->message);
      g_error_free (why);
      goto failed;
    }
    safety->session = dvs_post_session ();
  }
  return safety;

failed:
  dvs_safety_unref (safety);
  return NULL;
}

DvsSafety *
dvs_safety_ref (DvsSafety *safety)
{
  safety->ref_count++;
  return safety;
}

void
dvs_safety_unref (DvsSafety *safety)
{
  if (--safety->ref_count > 0)
    return;
  g_clear_pointer (&safety->list, dvs_block_list_free);
  g_clear_pointer (&safety->classifier, g_uri_unref);
  g_clear_object (&safety->session);
  g_free (safety);
}

void
dvs_safety_close (DvsSafety *safety)
{
  safety->closed = TRUE;
}

gboolean
dvs_safety_checks (const DvsSafety *safety)
{
  return safety->list || safety->classifier;
}

gchar *
dvs_safety_describe (const DvsSafety *safety)
{
  GString *line = g_string_new ("prompt safety: ");

  if (!dvs_safety_checks (safety))
    g_string_append (line, "off");
  if (safety->list)
    g_string_append_printf (
        line, "block list of %u entries", dvs_block_list_size (safety->list));
  if (safety->classifier)
    g_string_append_printf (line, "%sclassifier at %s, without an answer %s",
        safety->list ? ", " : "", g_uri_get_host (safety->classifier),
        safety->allow ? "allowed" : "refused");
  return g_string_free (line, FALSE);
}

/* The sentence that the protocol has for it. */
static gchar *
flagged_as (const gchar *category)
{
  if (g_ascii_strcasecmp (category, "nsfw") == 0)
    category = "NSFW";
  else if (g_ascii_strcasecmp (category, "hate") == 0 ||
           g_ascii_strcasecmp (category, "hate_speech") == 0 ||
           g_ascii_strcasecmp (category, "hate-speech") == 0 ||
           g_ascii_strcasecmp (category, "hate speech") == 0)
    category = "hate speech";
  return g_strdup_printf ("This prompt was flagged as %s. You can't generate a "
                          "video with this specified prompt.",
      category);
}

static void
check_free (Check *check)
{
  GSource *sources[] = {check->cancelled, check->idle};

  for (guint i = 0; i < G_N_ELEMENTS (sources); i++)
    if (sources[i]) {
      g_source_destroy (sources[i]);
      g_source_unref (sources[i]);
    }
  if (check->post)
    dvs_post_cancel (check->post);
  g_clear_object (&check->cancellable);
  g_free (check->reason);
  dvs_safety_unref (check->safety);
  g_free (check);
}

static gboolean
on_cancelled (GCancellable *cancellable, gpointer user)
{
  check_free (user);
  return G_SOURCE_REMOVE;
}

static void
tell (Check *check)
{
  /* Then the loop is about to say so. */
  if (check->cancellable && g_cancellable_is_cancelled (check->cancellable))
    return;
  if (!check->safety->closed)
    check->done (check->user, check->which, check->reason);
  check_free (check);
}

static gboolean
on_idle (gpointer user)
{
  tell (user);
  return G_SOURCE_REMOVE;
}

/* Reads one of "flagged"; the first text of all that are is told of. */
static gboolean
read_flag (Check *check, JsonNode *node)
{
  const gchar *category = NULL;
  JsonObject *flag;
  JsonNode *index, *name;
  gint64 value;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return FALSE;
  flag = json_node_get_object (node);
  index = json_object_get_member (flag, "index");
  name = json_object_get_member (flag, "category");
  if (!index || json_node_get_value_type (index) != G_TYPE_INT64)
    return FALSE;
  value = json_node_get_int (index);
  if (value < 0 || value >= check->n)
    return FALSE;
  if (check->which > 0 && check->which <= (guint)value + 1)
    return TRUE;
  if (name && json_node_get_value_type (name) == G_TYPE_STRING)
    category = json_node_get_string (name);
  check->which = (guint)value + 1;
  g_free (check->reason);
  check->reason =
      flagged_as (category && category[0] && strlen (category) <= 64 &&
                          g_utf8_validate (category, -1, NULL)
                      ? category
                      : "not allowed here");
  return TRUE;
}

/* FALSE: the classifier's answer is none. */
static gboolean
read_answer (Check *check, GBytes *answer)
{
  gsize size;
  const gchar *text = g_bytes_get_data (answer, &size);
  JsonObject *object = dvs_answer_object (text, size);
  JsonNode *flagged = NULL;
  gboolean ok;

  if (!object)
    return FALSE;
  flagged = json_object_get_member (object, "flagged");
  ok = flagged && JSON_NODE_HOLDS_ARRAY (flagged);
  if (ok) {
    JsonArray *flags = json_node_get_array (flagged);

    for (guint i = 0; ok && i < json_array_get_length (flags); i++)
      ok = read_flag (check, json_array_get_element (flags, i));
  }
  json_object_unref (object);
  return ok;
}

static void
on_classified (gpointer user, GBytes *answer, const GError *error)
{
  Check *check = user;

  check->post = NULL;
  if (!answer || !read_answer (check, answer)) {
    g_warning ("the prompt classifier %s; the prompt is %s",
        error ? error->message : "gave an answer that is none",
        check->safety->allow ? "allowed" : "refused");
    check->which = check->safety->allow ? 0 : 1;
    g_free (check->reason);
    check->reason =
        check->safety->allow
            ? NULL
            : g_strdup ("The prompt could not be checked. Try again later.");
  }
  tell (check);
}

static gchar *
write_texts (const gchar *const *texts)
{
  JsonBuilder *builder = json_builder_new ();
  JsonNode *root;
  gchar *text;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "texts");
  json_builder_begin_array (builder);
  for (guint i = 0; texts[i]; i++)
    json_builder_add_string_value (builder, texts[i]);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  text = json_to_string (root, FALSE);
  json_node_unref (root);
  g_object_unref (builder);
  return text;
}

/* What needs nobody to be asked; TRUE: that settles it. */
static gboolean
check_here (Check *check, const gchar *const *texts)
{
  const gchar *category = NULL;
  gsize bytes = 0;

  for (guint i = 0; texts[i] && check->which == 0; i++) {
    bytes += strlen (texts[i]);
    if (dvs_safety_checks (check->safety) &&
        (i == MAX_TEXTS || bytes > MAX_TEXT_BYTES))
      category = "too much text at a time";
    else if (!g_utf8_validate (texts[i], -1, NULL))
      category = "text that is no UTF-8";
    else if (check->safety->list)
      category = dvs_block_list_find (check->safety->list, texts[i]);
    if (category) {
      check->which = i + 1;
      check->reason = flagged_as (category);
    }
  }
  return check->which > 0 || !check->safety->classifier || check->n == 0;
}

void
dvs_safety_check (DvsSafety *safety, const gchar *const *texts,
    GCancellable *cancellable, DvsSafetyFunc done, gpointer user)
{
  Check *check = g_new0 (Check, 1);

  check->safety = dvs_safety_ref (safety);
  check->n = g_strv_length ((gchar **)texts);
  check->done = done;
  check->user = user;
  if (cancellable) {
    check->cancellable = g_object_ref (cancellable);
    check->cancelled = g_cancellable_source_new (cancellable);
    g_source_set_callback (
        check->cancelled, G_SOURCE_FUNC (on_cancelled), check, NULL);
    g_source_attach (check->cancelled, g_main_context_get_thread_default ());
  }
  if (check_here (check, texts)) {
    check->idle = g_idle_source_new ();
    g_source_set_priority (check->idle, G_PRIORITY_DEFAULT);
    g_source_set_callback (check->idle, on_idle, check, NULL);
    g_source_attach (check->idle, g_main_context_get_thread_default ());
  } else {
    gchar *body = write_texts (texts);
    DvsPostRequest request = {.uri = safety->classifier,
        .body = body,
        .max_bytes = MAX_ANSWER_BYTES,
        .timeout_ms = safety->timeout_ms};

    check->post = dvs_post (safety->session, &request, on_classified, check);
    g_free (body);
  }
}
