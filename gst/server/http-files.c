/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * HTTP: files.  Those of the setting `client_directory`, as a static export has
 * them (index.html for directories), or the page that is compiled in.
 *
 * Threads: the main thread alone.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http.h"
#ifdef HAVE_PAGE
#include "page-resources.h"
#endif

#define RESOURCES "/org/dreamverse/server"
#define MAX_FILE (64 * 1024 * 1024)

static const gchar *
content_type (const gchar *path)
{
  static const struct {
    const gchar *ending, *type;
  } types[] = {
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".mjs", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".txt", "text/plain; charset=utf-8"},
      {".json", "application/json"},
      {".map", "application/json"},
      {".webmanifest", "application/manifest+json"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".jpg", "image/jpeg"},
      {".jpeg", "image/jpeg"},
      {".webp", "image/webp"},
      {".avif", "image/avif"},
      {".gif", "image/gif"},
      {".ico", "image/x-icon"},
      {".woff", "font/woff"},
      {".woff2", "font/woff2"},
      {".wasm", "application/wasm"},
      {".mp4", "video/mp4"},
      {".webm", "video/webm"},
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (types); i++)
    if (g_str_has_suffix (path, types[i].ending))
      return types[i].type;
  return "application/octet-stream";
}

static gboolean
unchanged (SoupServerMessage *message, const gchar *etag)
{
  const gchar *known = soup_message_headers_get_list (
      soup_server_message_get_request_headers (message), "If-None-Match");

  return known && strstr (known, etag) != NULL;
}

/* Takes @bytes. */
static void
answer_file (SoupServerMessage *message, const gchar *path, GBytes *bytes,
    const gchar *etag)
{
  SoupMessageHeaders *headers =
      soup_server_message_get_response_headers (message);

  /* What a build gives a name of its own for each content may stay. */
  soup_message_headers_replace (headers, "Cache-Control",
      strstr (path, "/_next/static/") ? "public, max-age=31536000, immutable"
                                      : "no-cache");
  soup_message_headers_replace (headers, "ETag", etag);
  soup_message_headers_replace (headers, "X-Content-Type-Options", "nosniff");
  if (unchanged (message, etag)) {
    soup_server_message_set_status (message, SOUP_STATUS_NOT_MODIFIED, NULL);
  } else {
    soup_server_message_set_status (message, SOUP_STATUS_OK, NULL);
    soup_message_headers_replace (headers, "Content-Type", content_type (path));
    soup_message_body_append_bytes (
        soup_server_message_get_response_body (message), bytes);
  }
  g_bytes_unref (bytes);
}

/* ---- a directory ---- */

/* The file below @root, or NULL: there is none, or it leads elsewhere. To be
 * free()d. */
static gchar *
find_below (const gchar *root, const gchar *path, const gchar *ending)
{
  gchar *joined = g_strconcat (root, path, ending, NULL);
  char *real = realpath (joined, NULL), *real_root = realpath (root, NULL);
  gsize size = real_root ? strlen (real_root) : 0;
  struct stat info;

  g_free (joined);
  if (size == 1)
    size = 0; /* "/" */
  if (!real || !real_root || strncmp (real, real_root, size) != 0 ||
      real[size] != '/' || stat (real, &info) != 0 || !S_ISREG (info.st_mode))
    g_clear_pointer (&real, free);
  free (real_root);
  return real;
}

/* A hidden file is nobody's business, nor what is above. */
static gboolean
is_plain_path (const gchar *path)
{
  return *path == '/' && strstr (path, "/.") == NULL && strlen (path) < 1024;
}

static gboolean
answer_below (const gchar *root, SoupServerMessage *message, const gchar *path)
{
  static const gchar *const endings[] = {"", "/index.html", ".html"};
  gchar *found = NULL, *data = NULL, *etag;
  struct stat info;
  gsize size;
  guint i;

  if (!is_plain_path (path))
    return FALSE;
  for (i = 0; i < G_N_ELEMENTS (endings) && !found; i++)
    found = find_below (root, path, endings[i]);
  if (!found || stat (found, &info) != 0 || info.st_size > MAX_FILE ||
      !g_file_get_contents (found, &data, &size, NULL)) {
    free (found);
    return FALSE;
  }
  etag = g_strdup_printf ("\"%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER
                          "x.%lx\"",
      (gint64)info.st_size, (gint64)info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
  answer_file (message, found, g_bytes_new_take (data, size), etag);
  g_free (etag);
  free (found);
  return TRUE;
}

/* ---- what is compiled in ---- */

static gboolean
answer_page (SoupServerMessage *message, const gchar *path)
{
#ifdef HAVE_PAGE
  gchar *name, *sum, *etag;
  GBytes *bytes;

  if (g_str_equal (path, "/"))
    path = "/index.html";
  name = g_strconcat (RESOURCES, path, NULL);
  bytes = g_resource_lookup_data (
      dvs_page_get_resource (), name, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  g_free (name);
  if (bytes == NULL)
    return FALSE;
  sum = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, bytes);
  etag = g_strdup_printf ("\"%.16s\"", sum);
  answer_file (message, path, bytes, etag);
  g_free (etag);
  g_free (sum);
  return TRUE;
#else
  return FALSE;
#endif
}

gboolean
dvs_http_file (DvsServer *server, SoupServerMessage *message, const gchar *path)
{
  const gchar *root = server->settings->client_directory;

  return root ? answer_below (root, message, path)
              : answer_page (message, path);
}
