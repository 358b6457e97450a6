/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The worker of a slot: opens the model, warms it up, and then does what comes
 * over the channel.
 *
 * What it says: loading {fraction}, open {model, procedural}, warming, ready
 * {timings}, failed {message}; of a run: need-prompt {epoch, index, resets},
 * step {running}, ended {error, broken}; and pong {rss}.  What it is told:
 * setup (setup.h), run {segments, start-image} with the link, generate {epoch,
 * index, prompt, prompt-id}, prepare {prompt}, end {epoch, index}, reset, stop,
 * ping.  All that is of a run has its number, "run".
 *
 * Threads: the main thread; its main loop waits for nobody.
 */
#include "worker.h"

#include <fcntl.h>
#include <gst/gst.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "channel.h"
#include "process.h"
#include "setup.h"
#include "worker-pipeline.h"

/* How long a pipeline may take to come down when the front is gone. */
#define LEAVE_US (500 * 1000)
#define WARMUP_SEGMENTS 3

typedef struct {
  GMainLoop *loop;
  DvsChannel *channel;
  DvsPipeline *pipeline;
  int status;
  gboolean warmup, ready;
  guint run; /* number of the front's; 0: none is on */

  /* of the first run, which is for nobody */
  JsonObject *timings;
  gint64 started, step_started;
  guint steps;
} Worker;

static void
say (Worker *worker, JsonObject *message)
{
  if (worker->channel)
    dvs_channel_send (worker->channel, message, -1);
  else
    json_object_unref (message);
}

static JsonObject *
run_message_new (const Worker *worker, const gchar *type)
{
  JsonObject *message = dvs_packet_new (type);

  json_object_set_int_member (message, "run", worker->run);
  return message;
}

/* ---- the start ---- */

static void
fail (Worker *worker, const gchar *text)
{
  JsonObject *message = dvs_packet_new ("failed");

  json_object_set_string_member (message, "message", text);
  say (worker, message);
  worker->status = 1;
  g_main_loop_quit (worker->loop);
}

static void
pipeline_loading (gpointer user, gdouble fraction)
{
  Worker *worker = user;
  JsonObject *message;

  if (worker->ready)
    return;
  message = dvs_packet_new ("loading");
  json_object_set_double_member (message, "fraction", fraction);
  say (worker, message);
}

static void
pipeline_opened (gpointer user, const gchar *model, gboolean procedural)
{
  Worker *worker = user;
  JsonObject *message;

  if (worker->ready)
    return;
  message = dvs_packet_new ("open");
  if (model)
    json_object_set_string_member (message, "model", model);
  json_object_set_boolean_member (message, "procedural", procedural);
  say (worker, message);
  if (worker->warmup)
    say (worker, dvs_packet_new ("warming"));
  worker->started = g_get_monotonic_time ();
}

static gdouble
ms_since (gint64 time)
{
  return (g_get_monotonic_time () - time) / 1000.0;
}

/* Segment 1, its continuation, and 1 again: all that a session can ask for is
 * compiled, allocated and paged in afterwards. */
static void
warm_up (Worker *worker, guint epoch, guint index)
{
  if (!worker->warmup || epoch > 2 || (epoch == 2 && index > 1))
    dvs_pipeline_end (worker->pipeline, epoch, index);
  else if (epoch == 1 && index > 2)
    dvs_pipeline_reset (worker->pipeline);
  else
    dvs_pipeline_generate (
        worker->pipeline, epoch, index, "A calm lake at dawn, mist over it.");
}

static void
time_step (Worker *worker, gboolean running)
{
  gchar name[32];

  if (running) {
    worker->step_started = g_get_monotonic_time ();
  } else if (worker->steps < WARMUP_SEGMENTS) {
    g_snprintf (name, sizeof name, "warmup_segment%u_ms", ++worker->steps);
    json_object_set_double_member (
        worker->timings, name, ms_since (worker->step_started));
  }
}

static void
first_run_over (Worker *worker, const gchar *error)
{
  JsonObject *message;

  if (error) {
    fail (worker, error);
    return;
  }
  message = dvs_packet_new ("ready");
  if (worker->warmup) {
    json_object_set_double_member (
        worker->timings, "warmup_total_ms", ms_since (worker->started));
    json_object_set_object_member (
        message, "timings", json_object_ref (worker->timings));
  }
  worker->ready = TRUE;
  say (worker, message);
}

/* ---- a run ---- */

static void
pipeline_need_prompt (gpointer user, guint epoch, guint index, guint resets)
{
  Worker *worker = user;
  JsonObject *message;

  if (!worker->ready) {
    warm_up (worker, epoch, index);
    return;
  }
  message = run_message_new (worker, "need-prompt");
  json_object_set_int_member (message, "epoch", epoch);
  json_object_set_int_member (message, "index", index);
  json_object_set_int_member (message, "resets", resets);
  say (worker, message);
}

static void
pipeline_step (gpointer user, gboolean running)
{
  Worker *worker = user;
  JsonObject *message;

  if (!worker->ready) {
    time_step (worker, running);
    return;
  }
  message = run_message_new (worker, "step");
  json_object_set_boolean_member (message, "running", running);
  say (worker, message);
}

static void
end_run (Worker *worker, const gchar *error, gboolean broken)
{
  JsonObject *message = run_message_new (worker, "ended");

  if (error)
    json_object_set_string_member (message, "error", error);
  json_object_set_boolean_member (message, "broken", broken);
  say (worker, message);
  worker->run = 0;
}

static void
pipeline_over (gpointer user, const gchar *error, gboolean broken)
{
  Worker *worker = user;

  if (!worker->channel)
    return;
  if (worker->ready)
    end_run (worker, error, broken);
  else
    first_run_over (worker, error);
}

static const DvsPipelineEvents pipeline_events = {
    pipeline_loading,
    pipeline_opened,
    pipeline_need_prompt,
    pipeline_step,
    pipeline_over,
};

static void
take_setup (Worker *worker, JsonObject *setup)
{
  GError *error = NULL;

  worker->warmup = dvs_packet_boolean (setup, "warmup");
  worker->timings = json_object_new ();
  pipeline_loading (worker, 0);
  worker->pipeline = dvs_pipeline_new (setup, &pipeline_events, worker, &error);
  if (worker->pipeline &&
      dvs_pipeline_start (worker->pipeline, 0, NULL, -1, &error))
    return;
  fail (worker, error->message);
  g_error_free (error);
}

/* Takes @link. */
static void
take_run (Worker *worker, JsonObject *message, int link)
{
  GError *error = NULL;

  worker->run = dvs_packet_uint (message, "run");
  if (!dvs_pipeline_start (worker->pipeline,
          dvs_packet_uint (message, "segments"),
          dvs_packet_string (message, "start-image"), link, &error)) {
    end_run (worker, error->message, FALSE);
    g_error_free (error);
  }
}

/* ---- the channel ---- */

static void
take_ping (Worker *worker)
{
  JsonObject *message = dvs_packet_new ("pong");
  gchar *text = NULL;
  unsigned long pages = 0;

  if (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL) &&
      sscanf (text, "%*u %lu", &pages) == 1)
    json_object_set_int_member (
        message, "rss", (gint64)pages * sysconf (_SC_PAGESIZE));
  g_free (text);
  say (worker, message);
}

static void
take_command (Worker *worker, const gchar *type, JsonObject *message)
{
  guint epoch = dvs_packet_uint (message, "epoch");
  guint index = dvs_packet_uint (message, "index");

  if (g_str_equal (type, "generate")) {
    GST_INFO ("segment %u of epoch %u: prompt %s", index, epoch,
        dvs_packet_string (message, "prompt-id"));
    dvs_pipeline_generate (
        worker->pipeline, epoch, index, dvs_packet_string (message, "prompt"));
  } else if (g_str_equal (type, "prepare")) {
    dvs_pipeline_prepare (
        worker->pipeline, dvs_packet_string (message, "prompt"));
  } else if (g_str_equal (type, "end")) {
    dvs_pipeline_end (worker->pipeline, epoch, index);
  } else if (g_str_equal (type, "reset")) {
    dvs_pipeline_reset (worker->pipeline);
  } else if (g_str_equal (type, "stop")) {
    dvs_pipeline_stop (worker->pipeline);
  }
}

static void
channel_message (gpointer user, JsonObject *message, int fd)
{
  Worker *worker = user;
  const gchar *type = dvs_packet_string (message, "type");

  if (g_str_equal (type, "ping")) {
    take_ping (worker);
  } else if (g_str_equal (type, DVS_SETUP) && !worker->pipeline) {
    take_setup (worker, message);
  } else if (g_str_equal (type, "run") && worker->ready && fd >= 0 &&
             !dvs_pipeline_is_running (worker->pipeline)) {
    take_run (worker, message, fd);
    return;
  } else if (worker->run && dvs_packet_uint (message, "run") == worker->run) {
    take_command (worker, type, message);
  }
  if (fd >= 0)
    close (fd);
}

/* The front is gone, or wants us to go. */
static void
channel_closed (gpointer user, const gchar *why)
{
  Worker *worker = user;

  g_main_loop_quit (worker->loop);
}

static const DvsChannelEvents channel_events = {
    channel_message, channel_closed};

/* ---- life ---- */

static gboolean
look_again (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

/* What does not come down in time goes down with the process. */
static void
leave (Worker *worker)
{
  gint64 deadline = g_get_monotonic_time () + LEAVE_US;
  guint tick;

  g_clear_pointer (&worker->channel, dvs_channel_free);
  if (!worker->pipeline)
    return;
  tick = g_timeout_add (20, look_again, NULL);
  dvs_pipeline_stop (worker->pipeline);
  while (dvs_pipeline_is_running (worker->pipeline) &&
         g_get_monotonic_time () < deadline)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (tick);
  if (dvs_pipeline_is_running (worker->pipeline))
    _exit (worker->status);
  dvs_pipeline_free (worker->pipeline);
}

/* What is meant for the front, by a terminal or a service manager that signals
 * a whole group, is no business of ours: it may let a session end first. */
static void
ignore_signals (void)
{
  static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
  guint i;

  for (i = 0; i < G_N_ELEMENTS (ignored); i++)
    signal (ignored[i], SIG_IGN);
}

int
dvs_worker_run (int parent)
{
  Worker worker = {0};

  fcntl (DVS_WORKER_FD, F_SETFD, FD_CLOEXEC);
  prctl (PR_SET_NAME, "dreamverse-slot"); /* else it is called "exe" */
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () != parent) /* it died before that was set */
    return 1;
  ignore_signals ();
  gst_init (NULL, NULL);
  worker.loop = g_main_loop_new (NULL, FALSE);
  worker.channel = dvs_channel_new (DVS_WORKER_FD, &channel_events, &worker);
  g_main_loop_run (worker.loop);
  leave (&worker);
  g_clear_pointer (&worker.timings, json_object_unref);
  g_main_loop_unref (worker.loop);
  return worker.status;
}
