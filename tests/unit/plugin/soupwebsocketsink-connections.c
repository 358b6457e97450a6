/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of how connections come to soupwebsocketsink: ports, paths,
 * certificates, TLS, and those that an application brings.
 */
#include <gst/check/gstcheck.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sink-rig.h"
#include "wshub.h"

/* ---- ports, paths, certificates ---- */

/* Sets one up; the message of the error it posts, NULL if it came up. */
static gchar *
fails_with (const gchar *launch, gint code)
{
  GstElement *pipeline = gst_parse_launch (launch, NULL);
  GstBus *bus = gst_element_get_bus (pipeline);
  gchar *text = NULL;

  if (gst_element_set_state (pipeline, GST_STATE_READY) ==
      GST_STATE_CHANGE_FAILURE) {
    GstMessage *message =
        gst_bus_timed_pop_filtered (bus, 10 * GST_SECOND, GST_MESSAGE_ERROR);
    GError *error;

    fail_unless (message != NULL);
    gst_message_parse_error (message, &error, NULL);
    fail_unless (g_error_matches (error, GST_RESOURCE_ERROR, code));
    text = g_strdup (error->message);
    g_error_free (error);
    gst_message_unref (message);
    message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
    fail_unless (message == NULL, "more than one error");
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
  return text;
}

static void
expect_failure (gint code, const gchar *part, const gchar *format, ...)
{
  va_list arguments;
  gchar *launch, *text;

  va_start (arguments, format);
  launch = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  text = fails_with (launch, code);
  fail_unless (text != NULL, "%s came up", launch);
  fail_unless (strstr (text, part) != NULL, "no %s in %s", part, text);
  g_free (text);
  g_free (launch);
}

#define OPEN GST_RESOURCE_ERROR_OPEN_READ_WRITE
#define SETTINGS GST_RESOURCE_ERROR_SETTINGS
#define SINK "fakesrc num-buffers=0 ! soupwebsocketsink "

GST_START_TEST (port_in_use)
{
  int fd = socket (AF_INET, SOCK_STREAM, 0);
  GSocketAddress *address;
  GSocket *socket = g_socket_new_from_fd (fd, NULL);
  GSocketAddress *any = g_inet_socket_address_new_from_string ("127.0.0.1", 0);
  guint port;

  g_socket_bind (socket, any, FALSE, NULL);
  g_socket_listen (socket, NULL);
  address = g_socket_get_local_address (socket, NULL);
  port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address));
  expect_failure (OPEN, "Use another port", SINK "port=%u", port);
  g_object_unref (any);
  g_object_unref (address);
  g_object_unref (socket);
}
GST_END_TEST;

GST_START_TEST (two_sinks_on_one_port)
{
  SinkRig *rig = sink_rig_new (NULL), *other;
  gchar *port = g_strdup_printf ("%u", rig->port);
  TestWs *one, *two;
  gchar *text;

  expect_failure (SETTINGS, "path", SINK "port=%u", rig->port);
  expect_failure (
      SETTINGS, "TLS", SINK "port=%u path=/b tls-certificate=/x", rig->port);
  other = sink_rig_new ("port", port, "path", "second", NULL);
  fail_unless_equals_int (other->port, rig->port);
  one = test_ws_connect (rig->port, "/ws", NULL, 0);
  two = test_ws_connect (rig->port, "/second", NULL, 0);
  g_signal_emit_by_name (other->sink, "post-error", "told", "A sentence.");
  text = test_ws_wait_text (two, "error");
  fail_unless (strstr (text, "A sentence.") != NULL);
  g_free (text);
  fail_unless_equals_int (test_ws_wait_close (two), 1000);
  /* The other path lives on, also without the sink that is gone. */
  sink_rig_free (other);
  fail_unless_equals_int (test_ws_status (rig->port, "/ws", NULL), 101);
  fail_unless_equals_int (test_ws_status (rig->port, "/second", NULL), 404);
  test_ws_free (one);
  test_ws_free (two);
  sink_rig_free (rig);
  g_free (port);
}
GST_END_TEST;

GST_START_TEST (bad_certificates)
{
  gchar *name = g_build_filename (g_get_tmp_dir (), "bad-XXXXXX", NULL);
  int fd = g_mkstemp (name);

  fail_unless (write (fd, "no certificate", 14) == 14);
  close (fd);
  expect_failure (OPEN, name, SINK "port=0 tls-certificate=%s", name);
  expect_failure (
      OPEN, "/nowhere.pem", SINK "port=0 tls-certificate=/nowhere.pem");
  expect_failure (
      SETTINGS, "tls-certificate", SINK "port=0 tls-key=/nowhere.pem");
  g_unlink (name);
  g_free (name);
}
GST_END_TEST;

static gboolean
accept_any (GTlsConnection *connection, GTlsCertificate *certificate,
    GTlsCertificateFlags flags, gpointer user_data)
{
  return TRUE;
}

/* A client of libsoup's, over TLS, gets the media byte for byte. */
static void
connected (GObject *session, GAsyncResult *result, gpointer user_data)
{
  SoupWebsocketConnection **connection = user_data;
  GError *error = NULL;

  *connection = soup_session_websocket_connect_finish (
      SOUP_SESSION (session), result, &error);
  fail_unless (*connection != NULL, "%s", error ? error->message : "");
}

static void
count_bytes (SoupWebsocketConnection *connection, gint type, GBytes *message,
    gsize *bytes)
{
  if (type == SOUP_WEBSOCKET_DATA_BINARY)
    *bytes += g_bytes_get_size (message);
}

typedef struct {
  gchar *folder, *certificate, *key;
} Certificate;

/* FALSE: this machine has no TLS. */
static gboolean
certificate_make (Certificate *made)
{
  gchar *command, *openssl = g_find_program_in_path ("openssl");
  gboolean able =
      openssl && g_tls_backend_supports_tls (g_tls_backend_get_default ());

  g_free (openssl);
  if (!able)
    return FALSE;
  made->folder = g_dir_make_tmp ("tls-XXXXXX", NULL);
  made->certificate = g_build_filename (made->folder, "cert.pem", NULL);
  made->key = g_build_filename (made->folder, "key.pem", NULL);
  command = g_strdup_printf (
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
      "-days 2 -subj /CN=localhost -keyout %s -out %s",
      made->key, made->certificate);
  fail_unless (g_spawn_command_line_sync (command, NULL, NULL, NULL, NULL));
  g_free (command);
  return TRUE;
}

static void
certificate_clear (Certificate *made)
{
  g_unlink (made->certificate);
  g_unlink (made->key);
  g_rmdir (made->folder);
  g_free (made->key);
  g_free (made->certificate);
  g_free (made->folder);
}

static SoupWebsocketConnection *
tls_connect (SoupSession *session, SinkRig *rig)
{
  SoupWebsocketConnection *connection = NULL;
  gchar *uri = g_strdup_printf ("wss://127.0.0.1:%u/ws", rig->port);
  SoupMessage *message = soup_message_new ("GET", uri);

  g_signal_connect (
      message, "accept-certificate", G_CALLBACK (accept_any), NULL);
  soup_session_websocket_connect_async (session, message, NULL, NULL,
      G_PRIORITY_DEFAULT, NULL, connected, &connection);
  while (!connection)
    g_main_context_iteration (NULL, TRUE);
  soup_websocket_connection_set_max_incoming_payload_size (connection, 0);
  fail_unless (sink_rig_wait_clients (rig, 1));
  g_object_unref (message);
  g_free (uri);
  return connection;
}

GST_START_TEST (tls)
{
  Certificate made;
  TestStream *stream;
  SoupWebsocketConnection *connection;
  SoupSession *session;
  SinkRig *rig;
  gsize bytes = 0, sent;
  guint i;

  if (!certificate_make (&made))
    return;
  stream = test_stream_new (48, 320, FALSE);
  rig = sink_rig_new (
      "tls-certificate", made.certificate, "tls-key", made.key, NULL);
  session = soup_session_new ();
  connection = tls_connect (session, rig);
  g_signal_connect (connection, "message", G_CALLBACK (count_bytes), &bytes);
  sink_rig_push (rig, stream->init);
  sent = g_bytes_get_size (stream->init);
  for (i = 0; i < 100; i++) {
    sink_rig_push_stream (rig, stream, i, i + 1);
    sent += g_bytes_get_size (test_stream_fragment (stream, i));
  }
  while (bytes < sent)
    g_main_context_iteration (NULL, TRUE);
  fail_unless_equals_uint64 (bytes, sent);
  g_object_unref (connection);
  g_object_unref (session);
  sink_rig_free (rig);
  test_stream_free (stream);
  certificate_clear (&made);
}
GST_END_TEST;

/* Closing TLS takes a thread and comes back to the relay's. */
GST_START_TEST (a_tls_viewer_leaves_nothing_behind)
{
  guint descriptors = 0, now = 0, i;
  Certificate made;

  if (!certificate_make (&made))
    return;
  for (i = 0; i < 6; i++) {
    SinkRig *rig = sink_rig_new (
        "tls-certificate", made.certificate, "tls-key", made.key, NULL);
    SoupSession *session = soup_session_new ();
    SoupWebsocketConnection *connection = tls_connect (session, rig);

    sink_rig_free (rig);
    while (soup_websocket_connection_get_state (connection) !=
           SOUP_WEBSOCKET_STATE_CLOSED)
      g_main_context_iteration (NULL, TRUE);
    g_object_unref (connection);
    g_object_unref (session);
    now = test_count_in ("/proc/self/fd");
    if (i == 1)
      descriptors = now;
  }
  fail_unless (
      now <= descriptors, "%u descriptors, %u before", now, descriptors);
  certificate_clear (&made);
}
GST_END_TEST;

/* What a client of TLS says first, as bytes. */
static GBytes *
client_hello (void)
{
  guint8 data[4096];
  GSocket *socket;
  GSocketConnection *stream;
  GIOStream *tls;
  GWeakRef alive;
  gssize size;
  int ends[2];

  fail_unless (socketpair (AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  socket = g_socket_new_from_fd (ends[0], NULL);
  stream = g_socket_connection_factory_create_connection (socket);
  tls = g_tls_client_connection_new (G_IO_STREAM (stream), NULL, NULL);
  g_tls_connection_handshake_async (
      G_TLS_CONNECTION (tls), G_PRIORITY_DEFAULT, NULL, NULL, NULL);
  size = recv (ends[1], data, sizeof data, 0);
  fail_unless (size > 100);
  /* It fails now, and all of it ends, in this thread or in its own. */
  close (ends[1]);
  g_weak_ref_init (&alive, tls);
  g_object_unref (tls);
  while ((tls = g_weak_ref_get (&alive))) {
    g_object_unref (tls);
    g_main_context_iteration (NULL, FALSE);
    g_usleep (1000);
  }
  g_weak_ref_clear (&alive);
  g_object_unref (stream);
  g_object_unref (socket);
  return g_bytes_new (data, (gsize)size);
}

/* Somebody begins to shake hands, says so much, and waits. */
static void
half_shaken_hands (const Certificate *made, GBytes *hello, gsize size)
{
  SinkRig *rig = sink_rig_new (
      "tls-certificate", made->certificate, "tls-key", made->key, NULL);
  int fd = test_ws_socket (rig->port, 0);
  gchar byte;

  fail_unless (fd >= 0);
  if (size) {
    fail_unless (send (fd, g_bytes_get_data (hello, NULL), size, 0) > 0);
  }
  if (size == g_bytes_get_size (hello)) {
    fail_unless_equals_int ((int)recv (fd, &byte, 1, 0), 1);
  } else {
    sink_rig_sync (rig);
  }
  sink_rig_free (rig);
  close (fd);
}

/* A thread of TLS's lets go of its things a little after it has told so. */
static guint
count_descriptors (guint wanted)
{
  guint now = test_count_in ("/proc/self/fd"), i;

  for (i = 0; i < 500 && now > wanted; i++) {
    g_usleep (10000);
    now = test_count_in ("/proc/self/fd");
  }
  return now;
}

GST_START_TEST (a_tls_handshake_leaves_nothing_behind)
{
  guint descriptors = 0, i;
  Certificate made;
  GBytes *hello;

  if (!certificate_make (&made))
    return;
  hello = client_hello ();
  for (i = 0; i < 12; i++) {
    const gsize size[] = {0, 60, g_bytes_get_size (hello)};

    half_shaken_hands (&made, hello, size[i % 3]);
    if (i == 2)
      descriptors = test_count_in ("/proc/self/fd");
  }
  i = count_descriptors (descriptors);
  fail_unless (i <= descriptors, "%u descriptors, %u before", i, descriptors);
  g_bytes_unref (hello);
  certificate_clear (&made);
}
GST_END_TEST;

/* One that stops half way is cut, and the port serves on. */
GST_START_TEST (a_tls_handshake_that_stops_is_cut)
{
  struct timeval patience = {.tv_sec = 25};
  SoupWebsocketConnection *connection;
  SoupSession *session;
  Certificate made;
  GBytes *hello;
  SinkRig *rig;
  gchar byte;
  int fd;

  if (!certificate_make (&made))
    return;
  hello = client_hello ();
  rig = sink_rig_new (
      "tls-certificate", made.certificate, "tls-key", made.key, NULL);
  fd = test_ws_socket (rig->port, 0);
  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  fail_unless (send (fd, g_bytes_get_data (hello, NULL), 60, 0) == 60);
  session = soup_session_new ();
  connection = tls_connect (session, rig);
  errno = 0;
  while (recv (fd, &byte, 1, 0) > 0)
    ;
  fail_if (errno == EAGAIN, "nobody cut it");
  close (fd);
  g_object_unref (connection);
  g_object_unref (session);
  sink_rig_free (rig);
  g_bytes_unref (hello);
  certificate_clear (&made);
}
GST_END_TEST;

/* ---- the application's own connections ---- */

GST_START_TEST (added_connection)
{
  TestStream *stream = test_stream_new (24, 64, FALSE);
  SinkRig *rig = sink_rig_new (NULL);
  GSocket *socket;
  GSocketConnection *connection;
  guint64 id = 0;
  TestWs *ws;
  gchar *text;
  int ends[2];

  fail_unless (socketpair (AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  socket = g_socket_new_from_fd (ends[0], NULL);
  connection = g_socket_connection_factory_create_connection (socket);
  g_signal_emit_by_name (rig->sink, "add-connection", connection, &id);
  fail_unless (id != 0);
  ws = test_ws_new (ends[1]);
  text = test_ws_wait_text (ws, "dreamverse_hello");
  fail_unless (strstr (text, "\"control\":true") != NULL);
  g_free (text);
  sink_rig_push (rig, stream->init);
  text = test_ws_wait_text (ws, "media_init");
  fail_unless (text != NULL);
  g_free (text);
  g_object_unref (connection);
  g_object_unref (socket);
  test_ws_free (ws);
  fail_unless (sink_rig_wait_clients (rig, 0));
  sink_rig_free (rig);
  test_stream_free (stream);
}
GST_END_TEST;

/* ---- the same, of libsoup ---- */

static SoupWebsocketConnection *
soup_connection (int fd)
{
  GSocket *socket = g_socket_new_from_fd (fd, NULL);
  GSocketConnection *stream =
      g_socket_connection_factory_create_connection (socket);
  GUri *uri = g_uri_parse ("ws://localhost/", G_URI_FLAGS_NONE, NULL);
  SoupWebsocketConnection *connection =
      soup_websocket_connection_new (G_IO_STREAM (stream), uri,
          SOUP_WEBSOCKET_CONNECTION_SERVER, NULL, NULL, NULL);

  g_uri_unref (uri);
  g_object_unref (stream);
  g_object_unref (socket);
  return connection;
}

/* The application's main loop, in a thread of its own. */
typedef struct {
  SinkRig *rig;
  int fd;
  guint64 id;
  gint stop;
} SoupLoop;

static gpointer
soup_loop (gpointer data)
{
  SoupLoop *loop = data;
  GMainContext *context = g_main_context_new ();
  SoupWebsocketConnection *connection;

  g_main_context_push_thread_default (context);
  connection = soup_connection (loop->fd);
  g_signal_emit_by_name (
      loop->rig->sink, "add-connection", connection, &loop->id);
  g_object_unref (connection);
  while (!g_atomic_int_get (&loop->stop))
    if (!g_main_context_iteration (context, FALSE))
      g_usleep (500);
  g_main_context_pop_thread_default (context);
  g_main_context_unref (context);
  return NULL;
}

/* Bytes and order are the same as at the port, messages of any size. */
GST_START_TEST (added_soup_connection)
{
  TestStream *stream = test_stream_new (48, 320, FALSE);
  SinkRig *rig = sink_rig_new (NULL);
  SoupLoop loop = {.rig = rig};
  GThread *thread;
  gsize sent, got = 0;
  TestWs *ws;
  gchar *text;
  guint i;
  int ends[2];

  fail_unless (socketpair (AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  loop.fd = ends[0];
  ws = test_ws_new (ends[1]);
  thread = g_thread_new ("loop", soup_loop, &loop);
  text = test_ws_wait_text (ws, "dreamverse_hello");
  fail_unless (loop.id != 0);
  fail_unless (strstr (text, "\"control\":true") != NULL);
  g_free (text);
  sent = g_bytes_get_size (stream->init);
  sink_rig_push (rig, stream->init);
  for (i = 0; i < 100; i++) {
    sink_rig_push_stream (rig, stream, i, i + 1);
    sent += g_bytes_get_size (test_stream_fragment (stream, i));
  }
  while (got < sent) {
    TestWsFrame frame;

    fail_unless (test_ws_receive (ws, &frame));
    fail_unless (frame.opcode == 1 || frame.opcode == 2);
    got += frame.opcode == 2 ? frame.data->len : 0;
    test_ws_frame_clear (&frame);
  }
  fail_unless_equals_uint64 (got, sent);
  /* The other direction, and an end in good order. */
  test_ws_send_text (ws, "no JSON");
  text = test_ws_wait_text (ws, "error");
  fail_unless (text != NULL);
  g_free (text);
  test_ws_send_text (ws, "{\"type\":\"leave\"}");
  fail_unless_equals_int (test_ws_wait_close (ws), 1000);
  test_ws_free (ws);
  fail_unless (sink_rig_wait_clients (rig, 0));
  g_atomic_int_set (&loop.stop, TRUE);
  g_thread_join (thread);
  sink_rig_free (rig);
  test_stream_free (stream);
}
GST_END_TEST;

/* One that does not read costs no more than the ring, and is dropped; what
 * the application then does with it harms nobody. */
GST_START_TEST (added_soup_connection_that_stalls)
{
  TestStream *stream = test_stream_new (48, 320, FALSE);
  SinkRig *rig = sink_rig_new ("hard-limit-bytes", "2000000",
      "soft-limit-bytes", "1000000", "recover-policy", "none", NULL);
  SoupLoop loop = {.rig = rig};
  GThread *thread;
  guint i;
  int ends[2];

  fail_unless (socketpair (AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  loop.fd = ends[0];
  thread = g_thread_new ("loop", soup_loop, &loop);
  fail_unless (sink_rig_wait_clients (rig, 1));
  sink_rig_push (rig, stream->init);
  for (i = 0; i < 20000 && sink_rig_stat (rig, "clients-dropped") == 0; i++)
    sink_rig_push_stream (rig, stream, i, i + 1);
  fail_unless_equals_uint64 (sink_rig_stat (rig, "clients-dropped"), 1);
  fail_unless (sink_rig_wait_clients (rig, 0));
  close (ends[1]);
  g_atomic_int_set (&loop.stop, TRUE);
  g_thread_join (thread);
  sink_rig_free (rig);
  test_stream_free (stream);
}
GST_END_TEST;

/* What is neither is refused. */
GST_START_TEST (added_nonsense)
{
  SinkRig *rig = sink_rig_new (NULL);
  GObject *nonsense = g_object_new (G_TYPE_OBJECT, NULL);
  SoupWebsocketConnection *closed;
  guint64 id = 1;
  int ends[2];

  g_signal_emit_by_name (rig->sink, "add-connection", nonsense, &id);
  fail_unless (id == 0);
  fail_unless (socketpair (AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  closed = soup_connection (ends[0]);
  soup_websocket_connection_close (closed, 1000, NULL);
  id = 1;
  g_signal_emit_by_name (rig->sink, "add-connection", closed, &id);
  fail_unless (id == 0);
  g_object_unref (closed);
  close (ends[1]);
  g_object_unref (nonsense);
  sink_rig_free (rig);
}
GST_END_TEST;

static Suite *
soupwebsocketsink_connections_suite (void)
{
  Suite *suite = suite_create ("soupwebsocketsink-connections");
  TCase *tests = tcase_create ("connections");

  suite_add_tcase (suite, tests);
  tcase_add_test (tests, port_in_use);
  tcase_add_test (tests, two_sinks_on_one_port);
  tcase_add_test (tests, bad_certificates);
  tcase_add_test (tests, tls);
  tcase_add_test (tests, a_tls_viewer_leaves_nothing_behind);
  tcase_add_test (tests, a_tls_handshake_leaves_nothing_behind);
  tcase_add_test (tests, a_tls_handshake_that_stops_is_cut);
  tcase_add_test (tests, added_connection);
  tcase_add_test (tests, added_soup_connection);
  tcase_add_test (tests, added_soup_connection_that_stalls);
  tcase_add_test (tests, added_nonsense);
  return suite;
}

GST_CHECK_MAIN (soupwebsocketsink_connections);
