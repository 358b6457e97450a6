/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Posting JSON: see post.h.
 *
 * The time is kept by a timer that answers at once when it is over, however
 * long the connection takes to notice that it was given up. So a post lives
 * until its last operation has come back, and says nothing any more meanwhile.
 */
#include "post.h"

#include <string.h>

#define MAX_CONNECTIONS 64
#define MAX_CONNECTIONS_PER_HOST 32
#define IDLE_TIMEOUT_S 60
#define READ_BYTES 16384

struct DvsPost {
  SoupMessage *message;
  GInputStream *stream;
  GCancellable *cancellable;
  GByteArray *answer;
  gsize max_bytes;
  guint timeout_ms;
  GSource *timer;
  DvsPostFunc done; /* NULL: it was called, or must not be */
  gpointer user;
};

SoupSession *
dvs_post_session (void)
{
  SoupSession *session = soup_session_new_with_options ("max-conns",
      MAX_CONNECTIONS, "max-conns-per-host", MAX_CONNECTIONS_PER_HOST,
      "idle-timeout", IDLE_TIMEOUT_S, "timeout", 0, "user-agent",
      "dreamverse-server", NULL);

  /* Nobody is there to be asked for a password. */
  soup_session_remove_feature_by_type (session, SOUP_TYPE_AUTH_MANAGER);
  return session;
}

static void
stop_timer (DvsPost *post)
{
  if (!post->timer)
    return;
  g_source_destroy (post->timer);
  g_clear_pointer (&post->timer, g_source_unref);
}

static void
post_free (DvsPost *post)
{
  stop_timer (post);
  g_clear_object (&post->stream);
  g_object_unref (post->message);
  g_object_unref (post->cancellable);
  g_byte_array_unref (post->answer);
  g_free (post);
}

/* Tells the outcome, unless that was done or is not wanted. */
static void
tell (DvsPost *post, const GError *error)
{
  DvsPostFunc done = post->done;
  GBytes *answer = NULL;

  stop_timer (post);
  post->done = NULL;
  if (!done)
    return;
  if (!error)
    answer = g_bytes_new (post->answer->data, post->answer->len);
  done (post->user, answer, error);
  if (answer)
    g_bytes_unref (answer);
}

static void
tell_failure (DvsPost *post, gint code, const gchar *message)
{
  GError *error = g_error_new_literal (G_IO_ERROR, code, message);

  tell (post, error);
  g_error_free (error);
}

static gboolean
on_timeout (gpointer user)
{
  DvsPost *post = user;
  gchar *message =
      g_strdup_printf ("gave no answer within %g s", post->timeout_ms / 1000.0);

  tell_failure (post, G_IO_ERROR_TIMED_OUT, message);
  g_free (message);
  g_cancellable_cancel (post->cancellable);
  return G_SOURCE_REMOVE;
}

/* In words of our own: those of the libraries may say more of the request than
 * is good for a log. */
static void
tell_io_error (DvsPost *post, const GError *error)
{
  const gchar *message = "closed the connection, or what it sent is no HTTP";

  if (error->domain == G_TLS_ERROR)
    message = "has no certificate that is trusted here";
  else if (error->domain == G_RESOLVER_ERROR)
    message = "has an address that cannot be resolved";
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED))
    message = "refused the connection";
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_HOST_UNREACHABLE) ||
           g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NETWORK_UNREACHABLE))
    message = "cannot be reached";
  else if (error->domain == G_IO_ERROR &&
           (error->code == G_IO_ERROR_PROXY_FAILED ||
               error->code == G_IO_ERROR_PROXY_AUTH_FAILED ||
               error->code == G_IO_ERROR_PROXY_NEED_AUTH ||
               error->code == G_IO_ERROR_PROXY_NOT_ALLOWED))
    message = "cannot be reached through the proxy";
  tell_failure (post, G_IO_ERROR_FAILED, message);
}

static void read_more (DvsPost *post);

static void
on_read (GObject *source, GAsyncResult *result, gpointer user)
{
  DvsPost *post = user;
  GError *error = NULL;
  GBytes *bytes = g_input_stream_read_bytes_finish (
      G_INPUT_STREAM (source), result, &error);

  if (!bytes) {
    tell_io_error (post, error);
    g_error_free (error);
    post_free (post);
    return;
  }
  if (post->done && g_bytes_get_size (bytes) > 0 &&
      post->answer->len + g_bytes_get_size (bytes) <= post->max_bytes) {
    g_byte_array_append (post->answer, g_bytes_get_data (bytes, NULL),
        (guint)g_bytes_get_size (bytes));
    g_bytes_unref (bytes);
    read_more (post);
    return;
  }
  if (g_bytes_get_size (bytes) == 0) {
    tell (post, NULL);
  } else {
    gchar *message = g_strdup_printf (
        "answered more than %" G_GSIZE_FORMAT " bytes", post->max_bytes);

    tell_failure (post, G_IO_ERROR_MESSAGE_TOO_LARGE, message);
    g_free (message);
    g_cancellable_cancel (post->cancellable);
  }
  g_bytes_unref (bytes);
  post_free (post);
}

static void
read_more (DvsPost *post)
{
  g_input_stream_read_bytes_async (post->stream, READ_BYTES, G_PRIORITY_DEFAULT,
      post->cancellable, on_read, post);
}

static void
tell_status (DvsPost *post, guint status)
{
  gchar *message;

  if (status == 401 || status == 403)
    message = g_strdup_printf ("answered %u: the key was refused", status);
  else if (status >= 300 && status < 400)
    message = g_strdup_printf (
        "answered %u: it is elsewhere, and redirects are not followed", status);
  else if (status == 429)
    message = g_strdup_printf ("answered %u: too many requests", status);
  else
    message = g_strdup_printf (
        "answered %u %s", status, soup_status_get_phrase (status));
  tell_failure (post, G_IO_ERROR_FAILED, message);
  g_free (message);
}

static void
on_sent (GObject *source, GAsyncResult *result, gpointer user)
{
  DvsPost *post = user;
  GError *error = NULL;
  guint status;

  post->stream =
      soup_session_send_finish (SOUP_SESSION (source), result, &error);
  if (!post->stream) {
    tell_io_error (post, error);
    g_error_free (error);
    post_free (post);
    return;
  }
  status = soup_message_get_status (post->message);
  if (status == SOUP_STATUS_OK && post->done) {
    read_more (post);
    return;
  }
  tell_status (post, status);
  post_free (post);
}

DvsPost *
dvs_post (SoupSession *session, const DvsPostRequest *request, DvsPostFunc done,
    gpointer user)
{
  DvsPost *post = g_new0 (DvsPost, 1);
  SoupMessageHeaders *headers;
  GBytes *body = g_bytes_new (request->body, strlen (request->body));

  post->message = soup_message_new_from_uri ("POST", request->uri);
  post->cancellable = g_cancellable_new ();
  post->answer = g_byte_array_new ();
  post->max_bytes = request->max_bytes;
  post->timeout_ms = request->timeout_ms;
  post->done = done;
  post->user = user;

  /* Idempotent: may use, and try again beside, a connection that was kept. */
  soup_message_set_flags (
      post->message, SOUP_MESSAGE_NO_REDIRECT | SOUP_MESSAGE_IDEMPOTENT |
                         SOUP_MESSAGE_DO_NOT_USE_AUTH_CACHE);
  headers = soup_message_get_request_headers (post->message);
  soup_message_headers_replace (headers, "Accept", "application/json");
  if (request->key) {
    gchar *bearer = g_strconcat ("Bearer ", request->key, NULL);

    soup_message_headers_replace (headers, "Authorization", bearer);
    g_free (bearer);
  }
  soup_message_set_request_body_from_bytes (
      post->message, "application/json", body);
  g_bytes_unref (body);

  post->timer = g_timeout_source_new (request->timeout_ms);
  g_source_set_callback (post->timer, on_timeout, post, NULL);
  g_source_attach (post->timer, g_main_context_get_thread_default ());
  soup_session_send_async (session, post->message, G_PRIORITY_DEFAULT,
      post->cancellable, on_sent, post);
  return post;
}

void
dvs_post_cancel (DvsPost *post)
{
  post->done = NULL;
  stop_timer (post);
  g_cancellable_cancel (post->cancellable);
}
