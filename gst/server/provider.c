/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Providers as settings describe them: see provider.h.
 */
#include "provider.h"

#include <stdlib.h>
#include <string.h>

#define MAX_KEY_BYTES 4096
#define MAX_TOKENS 1000000

static const struct {
  const gchar *key_env, *text;
} usual_providers[] = {
    {"CEREBRAS_API_KEY", "name=cerebras,url=https://api.cerebras.ai/v1,"
                         "key-env=CEREBRAS_API_KEY,model=gpt-oss-120b"},
    {"GROQ_API_KEY",
        "name=groq,url=https://api.groq.com/openai/v1,key-env=GROQ_API_KEY,"
        "model=openai/gpt-oss-120b,max-completion-tokens=3000"},
};

static void set_wrong (GError **error, const gchar *name, const gchar *format,
    ...) G_GNUC_PRINTF (3, 4);

static void
set_wrong (GError **error, const gchar *name, const gchar *format, ...)
{
  va_list args;
  gchar *what;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
      "provider %s: %s", name, what);
  g_free (what);
}

GUri *
dvs_provider_uri (const gchar *url, const gchar *further_path, GError **error)
{
  GUri *uri, *whole;
  const gchar *scheme, *path;
  gchar *joined;
  gsize n;

  uri = g_uri_parse (url, G_URI_FLAGS_ENCODED | G_URI_FLAGS_HAS_PASSWORD, NULL);
  if (!uri)
    goto wrong;
  scheme = g_uri_get_scheme (uri);
  if ((strcmp (scheme, "http") != 0 && strcmp (scheme, "https") != 0) ||
      !g_uri_get_host (uri) || !g_uri_get_host (uri)[0] ||
      g_uri_get_userinfo (uri) || g_uri_get_query (uri) ||
      g_uri_get_fragment (uri))
    goto wrong;
  path = g_uri_get_path (uri);
  n = strlen (path);
  while (further_path[0] && n > 0 && path[n - 1] == '/')
    n--;
  joined = g_strdup_printf ("%.*s%s", (int)n, path, further_path);
  whole = g_uri_build (G_URI_FLAGS_ENCODED, scheme, NULL, g_uri_get_host (uri),
      g_uri_get_port (uri), joined[0] ? joined : "/", NULL, NULL);
  g_free (joined);
  g_uri_unref (uri);
  return whole;

wrong:
  /* The address itself is not repeated: there may be a password in it. */
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
      "the address must be http:// or https:// with a host, and without user, "
      "password, query or fragment");
  if (uri)
    g_uri_unref (uri);
  return NULL;
}

static gboolean
is_name (const gchar *name)
{
  gsize n = strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

  return n > 0 && n <= 32 && name[n] == '\0';
}

/* A key as a header may carry it; takes @key. */
static gboolean
take_key (DvsProvider *provider, gchar *key, const gchar *where, GError **error)
{
  gsize n;

  g_strstrip (key);
  n = strlen (key);
  for (const gchar *p = key; *p; p++)
    if (!g_ascii_isgraph (*p))
      n = 0;
  if (n == 0 || n > MAX_KEY_BYTES) {
    set_wrong (error, provider->name,
        "the key in %s is empty or has characters that no key has", where);
    g_free (key);
    return FALSE;
  }
  provider->key = key;
  return TRUE;
}

static gboolean
read_key (DvsProvider *provider, const gchar *key_env, const gchar *key_file,
    GError **error)
{
  gchar *key = NULL;
  GError *why = NULL;
  gsize size;

  if (key_env && key_file) {
    set_wrong (
        error, provider->name, "key-env and key-file exclude each other");
    return FALSE;
  }
  if (key_env) {
    if (!g_getenv (key_env)) {
      set_wrong (error, provider->name,
          "the environment variable %s, which key-env names, is not set",
          key_env);
      return FALSE;
    }
    return take_key (provider, g_strdup (g_getenv (key_env)), key_env, error);
  }
  if (!key_file)
    return TRUE;
  if (!g_file_get_contents (key_file, &key, &size, &why)) {
    set_wrong (error, provider->name, "key-file: %s", why->message);
    g_error_free (why);
    return FALSE;
  }
  return take_key (provider, key, key_file, error);
}

/* Reads one `key=value`; those of the key are kept by the caller. */
static gboolean
read_option (
    DvsProvider *provider, const gchar *key, const gchar *value, GError **error)
{
  if (strcmp (key, "url") == 0) {
    GError *why = NULL;

    if (provider->uri)
      g_uri_unref (provider->uri);
    provider->uri = dvs_provider_uri (value, "/chat/completions", &why);
    if (!provider->uri) {
      set_wrong (error, provider->name, "url: %s", why->message);
      g_error_free (why);
      return FALSE;
    }
  } else if (strcmp (key, "model") == 0) {
    g_free (provider->model);
    provider->model = g_strdup (value);
  } else if (g_str_has_prefix (key, "model:") && key[6]) {
    g_hash_table_replace (
        provider->models, g_strdup (key + 6), g_strdup (value));
  } else if (strcmp (key, "max-completion-tokens") == 0) {
    guint64 tokens;

    if (!g_ascii_string_to_unsigned (value, 10, 1, MAX_TOKENS, &tokens, NULL)) {
      set_wrong (error, provider->name,
          "max-completion-tokens must be a number from 1 to %d", MAX_TOKENS);
      return FALSE;
    }
    provider->max_completion_tokens = (guint)tokens;
  } else {
    set_wrong (error, provider->name,
        "there is no \"%s\"; there are name, url, model, model:NAME, key-env, "
        "key-file and max-completion-tokens",
        key);
    return FALSE;
  }
  return TRUE;
}

/* Finds "name" first, so that errors can say whose they are. */
static gchar *
find_name (gchar **options, GError **error)
{
  for (guint i = 0; options[i]; i++)
    if (g_str_has_prefix (options[i], "name=") && is_name (options[i] + 5))
      return g_strdup (options[i] + 5);
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
      "a provider is described as name=NAME,url=ADDRESS,model=MODEL, with a "
      "name of lower-case letters, digits, - and _");
  return NULL;
}

DvsProvider *
dvs_provider_parse (const gchar *text, GError **error)
{
  gchar **options = g_strsplit (text, ",", -1);
  const gchar *key_env = NULL, *key_file = NULL;
  DvsProvider *provider = g_new0 (DvsProvider, 1);

  provider->models =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (guint i = 0; options[i]; i++)
    g_strstrip (options[i]);
  provider->name = find_name (options, error);
  if (!provider->name)
    goto failed;
  for (guint i = 0; options[i]; i++) {
    gchar *value = strchr (options[i], '=');

    if (!options[i][0] || g_str_has_prefix (options[i], "name="))
      continue;
    if (!value || !value[1]) {
      /* What stands there is not repeated: it may be a key gone astray. */
      set_wrong (error, provider->name,
          "part %u of its description is not of the form NAME=VALUE", i + 1);
      goto failed;
    }
    *value++ = '\0';
    if (strcmp (options[i], "key-env") == 0)
      key_env = value;
    else if (strcmp (options[i], "key-file") == 0)
      key_file = value;
    else if (!read_option (provider, options[i], value, error))
      goto failed;
  }
  if (!provider->uri || !provider->model) {
    set_wrong (error, provider->name, "%s is missing",
        provider->uri ? "model" : "url");
    goto failed;
  }
  if (!read_key (provider, key_env, key_file, error))
    goto failed;
  g_strfreev (options);
  return provider;

failed:
  g_strfreev (options);
  dvs_provider_free (provider);
  return NULL;
}

void
dvs_provider_free (DvsProvider *provider)
{
  g_free (provider->name);
  g_clear_pointer (&provider->uri, g_uri_unref);
  g_free (provider->model);
  g_hash_table_unref (provider->models);
  g_free (provider->key);
  g_free (provider);
}

const gchar *
dvs_provider_model (
    const DvsProvider *provider, const gchar *model, const gchar *usual)
{
  const gchar *own;

  if (!model)
    return provider->model;
  own = g_hash_table_lookup (provider->models, model);
  if (own)
    return own;
  return g_strcmp0 (model, usual) == 0 ? provider->model : model;
}

static gboolean
add_provider (GPtrArray *providers, const gchar *text, GError **error)
{
  DvsProvider *provider = dvs_provider_parse (text, error);

  if (!provider)
    return FALSE;
  for (guint i = 0; i < providers->len; i++) {
    const DvsProvider *other = g_ptr_array_index (providers, i);

    if (strcmp (other->name, provider->name) == 0) {
      set_wrong (error, provider->name, "two have this name");
      dvs_provider_free (provider);
      return FALSE;
    }
  }
  g_ptr_array_add (providers, provider);
  return TRUE;
}

GPtrArray *
dvs_providers_parse (gchar *const *texts, GError **error)
{
  GPtrArray *providers =
      g_ptr_array_new_with_free_func ((GDestroyNotify)dvs_provider_free);
  gboolean ok = TRUE;

  if (texts && texts[0]) {
    if (!texts[1] && strcmp (texts[0], "none") == 0)
      return providers;
    for (guint i = 0; ok && texts[i]; i++)
      ok = add_provider (providers, texts[i], error);
  } else {
    for (guint i = 0; ok && i < G_N_ELEMENTS (usual_providers); i++) {
      const gchar *key = g_getenv (usual_providers[i].key_env);

      if (key && key[0])
        ok = add_provider (providers, usual_providers[i].text, error);
    }
  }
  if (!ok)
    g_clear_pointer (&providers, g_ptr_array_unref);
  return providers;
}
