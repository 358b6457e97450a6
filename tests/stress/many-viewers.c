/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Many viewers, some of them slow: 200 on one soupwebsocketsink, of which 20
 * never read and one trickles, while whole segments arrive in bursts. The
 * others must get every byte in order; the server's memory may grow by the
 * ring and little more; whoever is dropped is dropped with a reason.
 *
 * The server is a process of its own, so that its memory can be told from the
 * viewers'. A segment is sent when the last healthy viewer has the one before:
 * no clock decides how fast.
 *
 *   many-viewers FILE.mp4    (a recording of dreamversemux)
 */
#include <gst/app/app.h>
#include <gst/gst.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fmp4.h"

#define VIEWERS 200
#define STALLED 20
#define TRICKLE STALLED /* the viewer with this number */
#define PATIENCE_MS 60000
#define BOUND_SECONDS 150 /* of the whole test */
#define RING_BYTES (16u * 1024 * 1024)
/* What a viewer may cost besides the ring. */
#define VIEWER_BYTES (160u * 1024)

/* ---- the recording ---- */

/* A plain stream has one init segment, so the first is kept alone. */
typedef struct {
  GByteArray *media;
  GArray *ends; /* gsize: where each segment ends */
} Recording;

static gboolean
recording_open (Recording *recording, const gchar *path)
{
  gchar *data;
  gsize size, at = 0, box, begins = 0;

  if (!g_file_get_contents (path, &data, &size, NULL))
    return FALSE;
  recording->media = g_byte_array_new ();
  recording->ends = g_array_new (FALSE, FALSE, sizeof (gsize));
  for (; at + 8 <= size; at += box) {
    gboolean ftyp = memcmp (data + at + 4, "ftyp", 4) == 0;
    gboolean moov = memcmp (data + at + 4, "moov", 4) == 0;

    box = GST_READ_UINT32_BE (data + at);
    if (ftyp && at > 0) {
      begins = recording->media->len;
      g_array_append_val (recording->ends, begins);
    }
    if (begins == 0 || (!ftyp && !moov))
      g_byte_array_append (recording->media, (guint8 *)data + at, box);
  }
  begins = recording->media->len;
  g_array_append_val (recording->ends, begins);
  g_free (data);
  return at == size;
}

static void
recording_close (Recording *recording)
{
  g_array_unref (recording->ends);
  g_byte_array_unref (recording->media);
}

/* ---- the server: a byte on stdin is a segment to send ---- */

static glong
resident_bytes (void)
{
  glong pages = 0;
  FILE *file = fopen ("/proc/self/statm", "r");

  if (!file || fscanf (file, "%*s %ld", &pages) != 1)
    pages = 0;
  if (file)
    fclose (file);
  return pages * sysconf (_SC_PAGESIZE);
}

static void
client_removed (GstElement *sink, guint64 id, const gchar *reason)
{
  printf ("removed %s\n", reason);
  fflush (stdout);
}

static void
client_added (GstElement *sink, guint64 id, const gchar *remote)
{
  printf ("added\n");
  fflush (stdout);
}

/* The units of bytes @from to @to, one buffer each. */
static void
push_units (GstElement *source, Fmp4Scanner *scanner, Recording *recording,
    gsize from, gsize to)
{
  Fmp4Error error = {""};
  Fmp4Unit unit;

  if (!fmp4_scanner_push (
          scanner, recording->media->data + from, to - from, &error))
    g_error ("%s", error.detail);
  while (fmp4_scanner_next (scanner, &unit))
    gst_app_src_push_buffer (
        GST_APP_SRC (source), gst_buffer_new_memdup (unit.data, unit.size));
}

/* Sends the segments as they are asked for; how much memory grew by. */
static glong
send_segments (GstElement *source, Recording *recording)
{
  Fmp4Scanner *scanner = fmp4_scanner_new (0);
  glong before = 0, most = 0;
  gsize from = 0;
  gchar command;

  for (guint n = 0; n <= recording->ends->len; n++) {
    if (read (STDIN_FILENO, &command, 1) != 1)
      break;
    if (n == 0)
      before = resident_bytes ();
    most = MAX (most, resident_bytes ());
    if (n < recording->ends->len) {
      gsize to = g_array_index (recording->ends, gsize, n);

      push_units (source, scanner, recording, from, to);
      from = to;
    }
  }
  fmp4_scanner_free (scanner);
  return most - before;
}

static int
serve (const gchar *path)
{
  GstElement *pipeline, *source, *sink;
  Recording recording;
  guint port;
  gchar *launch = g_strdup_printf (
      "appsrc name=source format=time block=true max-bytes=0 max-buffers=4 "
      "caps=video/quicktime,variant=iso ! soupwebsocketsink name=sink port=0 "
      "max-clients=%d soft-limit-bytes=%u hard-limit-bytes=%u",
      VIEWERS, RING_BYTES / 2, RING_BYTES);

  if (!recording_open (&recording, path))
    g_error ("cannot read %s", path);
  pipeline = gst_parse_launch (launch, NULL);
  g_free (launch);
  source = gst_bin_get_by_name (GST_BIN (pipeline), "source");
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  g_signal_connect (sink, "client-added", G_CALLBACK (client_added), NULL);
  g_signal_connect (sink, "client-removed", G_CALLBACK (client_removed), NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_object_get (sink, "port", &port, NULL);
  printf ("port %u\n", port);
  fflush (stdout);
  printf ("grew %ld\n", send_segments (source, &recording));
  fflush (stdout);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (source);
  gst_object_unref (sink);
  gst_object_unref (pipeline);
  recording_close (&recording);
  return 0;
}

/* ---- the viewers ---- */

typedef struct {
  int fd;
  guint8 header[14];
  gsize have;   /* of the frame's header */
  guint64 left; /* of the frame's payload */
  gboolean binary;
  gsize media; /* binary bytes seen, all of them equal to the file's */
  gboolean wrong, skipped;
} Viewer;

static int
viewer_connect (guint port, gboolean small_buffer)
{
  struct sockaddr_in address = {.sin_family = AF_INET,
      .sin_port = htons (port),
      .sin_addr = {htonl (INADDR_LOOPBACK)}};
  gchar reply[1024];
  gsize got = 0;
  int fd = socket (AF_INET, SOCK_STREAM, 0), small = 4096;
  gchar *request = g_strdup_printf (
      "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n",
      port);

  if (small_buffer)
    setsockopt (fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  if (connect (fd, (struct sockaddr *)&address, sizeof address) < 0 ||
      write (fd, request, strlen (request)) < 0)
    g_error ("cannot connect");
  g_free (request);
  while (got < sizeof reply - 1 && read (fd, reply + got, 1) == 1) {
    got++;
    if (got >= 4 && memcmp (reply + got - 4, "\r\n\r\n", 4) == 0)
      break;
  }
  if (strncmp (reply, "HTTP/1.1 101", 12) != 0)
    g_error ("refused: %.*s", (int)got, reply);
  fcntl (fd, F_SETFL, O_NONBLOCK);
  return fd;
}

/* How long the header is, as far as its first bytes tell. */
static gsize
header_size (const guint8 *header, gsize have)
{
  if (have < 2)
    return 2;
  return (header[1] & 127) == 127 ? 10 : (header[1] & 127) == 126 ? 4 : 2;
}

static void
begin_frame (Viewer *viewer)
{
  guint8 length = viewer->header[1] & 127;

  viewer->binary = (viewer->header[0] & 15) == 2;
  viewer->left = length == 127   ? GST_READ_UINT64_BE (viewer->header + 2)
                 : length == 126 ? GST_READ_UINT16_BE (viewer->header + 2)
                                 : length;
  viewer->have = 0;
}

/* Compares media with the recording as it comes. */
static void
viewer_feed (
    Viewer *viewer, const Recording *recording, const guint8 *data, gsize size)
{
  while (size > 0) {
    gsize count = MIN (size, viewer->left);

    if (count == 0) {
      viewer->header[viewer->have++] = *data++;
      size--;
      if (viewer->have == header_size (viewer->header, viewer->have))
        begin_frame (viewer);
      continue;
    }
    if (viewer->binary) {
      viewer->wrong |=
          viewer->media + count > recording->media->len ||
          memcmp (data, recording->media->data + viewer->media, count) != 0;
      viewer->media += count;
    } else if (memmem (data, count, "media_skipped", 13)) {
      viewer->skipped = TRUE;
    }
    data += count;
    size -= count;
    viewer->left -= count;
  }
}

/* Reads what there is. FALSE: this viewer did not get what it should. */
static gboolean
viewer_read (Viewer *viewer, const Recording *recording, guint number)
{
  static guint8 buffer[1 << 20];
  gssize got = read (viewer->fd, buffer, sizeof buffer);

  if (got <= 0) {
    g_printerr ("healthy viewer %u lost its connection\n", number);
    return FALSE;
  }
  viewer_feed (viewer, recording, buffer, got);
  if (viewer->wrong || viewer->skipped)
    g_printerr ("viewer %u: %s at byte %zu\n", number,
        viewer->wrong ? "wrong media" : "brought forward", viewer->media);
  return !viewer->wrong && !viewer->skipped;
}

/* Reads until every healthy viewer has @target bytes of media. */
static gboolean
read_until (int poll, Viewer *viewers, const Recording *recording, gsize target)
{
  struct epoll_event events[64];
  guint waiting = 0;

  for (guint n = TRICKLE + 1; n < VIEWERS; n++)
    waiting += viewers[n].media < target;
  while (waiting > 0) {
    int ready = epoll_wait (poll, events, 64, PATIENCE_MS);

    if (ready <= 0) {
      g_printerr ("%u viewers wait for media in vain\n", waiting);
      return FALSE;
    }
    for (int e = 0; e < ready; e++) {
      Viewer *viewer = events[e].data.ptr;
      gsize had = viewer->media;

      if (viewer == &viewers[TRICKLE]) {
        if (read (viewer->fd, viewer->header, 1) <= 0)
          epoll_ctl (poll, EPOLL_CTL_DEL, viewer->fd, NULL);
        continue;
      }
      if (!viewer_read (viewer, recording, viewer - viewers))
        return FALSE;
      waiting -= had < target && viewer->media >= target;
    }
  }
  return TRUE;
}

static GPid
start_server (gchar **argv, const gchar *path, int *in, FILE **out)
{
  gchar *command[] = {argv[0], (gchar *)path, (gchar *)"serve", NULL};
  GPid pid;
  int out_fd;

  if (!g_spawn_async_with_pipes (NULL, command, NULL, G_SPAWN_DO_NOT_REAP_CHILD,
          NULL, NULL, &pid, in, &out_fd, NULL, NULL))
    g_error ("cannot start the server");
  *out = fdopen (out_fd, "r");
  return pid;
}

/* Reads the server's lines up to one that begins with @word and returns the
 * rest of it; counts who was removed on the way. */
static gchar *
expect (FILE *out, const gchar *word, GHashTable *removed)
{
  gchar line[256];

  while (fgets (line, sizeof line, out)) {
    g_strchomp (line);
    if (g_str_has_prefix (line, "removed ")) {
      gchar *reason = g_strdup (line + 8);
      guint count = GPOINTER_TO_UINT (g_hash_table_lookup (removed, reason));

      g_hash_table_replace (removed, reason, GUINT_TO_POINTER (count + 1));
    }
    if (g_str_has_prefix (line, word))
      return g_strdup (line + strlen (word));
  }
  return NULL;
}

/* At least the stalled ones must have gone. */
static gboolean
report_removed (GHashTable *removed)
{
  GHashTableIter iter;
  gpointer reason, count;
  guint total = 0;

  g_hash_table_iter_init (&iter, removed);
  while (g_hash_table_iter_next (&iter, &reason, &count)) {
    printf (
        "dropped: %u for \"%s\"\n", GPOINTER_TO_UINT (count), (gchar *)reason);
    total += GPOINTER_TO_UINT (count);
  }
  return total >= STALLED && total <= STALLED + 1;
}

static gboolean
watch (Viewer *viewers, const Recording *recording, int in, FILE *out,
    GHashTable *removed)
{
  struct epoll_event event = {.events = EPOLLIN};
  gchar *text = expect (out, "port ", removed);
  guint port = text ? atoi (text) : 0;
  int poll = epoll_create1 (0);
  glong grew;
  gboolean ok = TRUE;

  g_free (text);
  for (guint n = 0; n < VIEWERS; n++) {
    viewers[n].fd = viewer_connect (port, n <= TRICKLE);
    event.data.ptr = &viewers[n];
    if (n >= TRICKLE)
      epoll_ctl (poll, EPOLL_CTL_ADD, viewers[n].fd, &event);
    g_free (expect (out, "added", removed));
  }
  for (guint n = 0; ok && n < recording->ends->len; n++)
    ok = write (in, "s", 1) == 1 &&
         read_until (poll, viewers, recording,
             g_array_index (recording->ends, gsize, n));
  close (poll);
  /* Whoever takes nothing for the hard limit's time has to go. */
  for (guint n = 0; ok && n < STALLED; n++) {
    text = expect (out, "removed ", removed);
    ok = text != NULL;
    g_free (text);
  }
  if (!ok || write (in, "q", 1) != 1)
    return FALSE;
  text = expect (out, "grew ", removed);
  grew = text ? atol (text) : G_MAXLONG;
  g_free (text);
  printf ("%u viewers, %u stalled, one trickling: %u segments, %u bytes to "
          "each of the others\nserver grew %.1f MB, its ring is %.1f MB\n",
      VIEWERS, STALLED, recording->ends->len, recording->media->len, grew / 1e6,
      RING_BYTES / 1e6);
  return report_removed (removed) &&
         grew <= RING_BYTES + (glong)VIEWERS * VIEWER_BYTES;
}

int
main (int argc, char **argv)
{
  static Viewer viewers[VIEWERS];
  Recording recording;
  GHashTable *removed;
  FILE *out;
  gchar *text;
  int in, status;
  GPid pid;
  gboolean ok;

  gst_init (&argc, &argv);
  if (argc < 2)
    return 2;
  if (argc > 2)
    return serve (argv[1]);
  if (!recording_open (&recording, argv[1])) {
    g_printerr ("cannot read %s\n", argv[1]);
    return 1;
  }
  alarm (BOUND_SECONDS);
  removed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  pid = start_server (argv, argv[1], &in, &out);
  ok = watch (viewers, &recording, in, out, removed);
  close (in);
  for (guint n = 0; n < VIEWERS; n++)
    if (viewers[n].fd > 0)
      close (viewers[n].fd);
  while ((text = expect (out, "removed", removed)))
    g_free (text);
  waitpid (pid, &status, 0);
  fclose (out);
  g_hash_table_unref (removed);
  recording_close (&recording);
  printf ("%s\n", ok ? "ok" : "FAILED");
  return ok ? 0 : 1;
}
