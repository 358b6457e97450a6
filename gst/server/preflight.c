/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * --check: see preflight.h.
 *
 * Threads: the main thread alone.
 */
#include "preflight.h"

#include <gst/gst.h>
#include <stdio.h>
#include <string.h>

#include "encoders.h"
#include "prompts.h"
#include "wslisten.h"

/* Runs @arguments; what it wrote to standard output, or NULL, and in @problem
 * what it wrote to the other. Both to be freed. */
static gchar *
ask (const gchar *const *arguments, gchar **problem)
{
  GError *error = NULL;
  GSubprocess *child = g_subprocess_newv (arguments,
      G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE, &error);
  gchar *said = NULL, *complained = NULL;

  *problem = NULL;
  if (child == NULL) {
    *problem = g_strdup (error->message);
    g_error_free (error);
    return NULL;
  }
  g_subprocess_communicate_utf8 (child, NULL, NULL, &said, &complained, &error);
  if (error || !g_subprocess_get_successful (child)) {
    *problem = g_strdup (error ? error->message : complained);
    g_clear_pointer (&said, g_free);
  }
  g_clear_error (&error);
  g_free (complained);
  g_object_unref (child);
  return said;
}

/* ---- GPUs ---- */

gchar **
dvs_gpus (const gchar *which, GError **error)
{
  static const gchar *const query[] = {
      "nvidia-smi", "--query-gpu=index", "--format=csv,noheader", NULL};
  GStrvBuilder *builder;
  gchar *problem, *said, **numbers, **devices;
  guint i;

  if (!g_str_equal (which, "all")) {
    said = g_strdelimit (g_strdup (which), ",", '\n');
  } else {
    said = ask (query, &problem);
    g_free (problem);
  }
  builder = g_strv_builder_new ();
  numbers = g_strsplit (said ? said : "", "\n", -1);
  for (i = 0; numbers[i]; i++) {
    guint64 number;
    gchar *device;

    if (!g_ascii_string_to_unsigned (
            g_strstrip (numbers[i]), 10, 0, 255, &number, NULL))
      continue;
    device = g_strdup_printf ("cuda:%u", (guint)number);
    g_strv_builder_add (builder, device);
    g_free (device);
  }
  devices = g_strv_builder_end (builder);
  g_strv_builder_unref (builder);
  g_strfreev (numbers);
  g_free (said);
  if (devices[0])
    return devices;
  g_strfreev (devices);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
      "--gpus wants all or numbers, 0,1, not '%s'; or there is no NVIDIA GPU "
      "that nvidia-smi knows.",
      which);
  return NULL;
}

static gboolean
check_gpu (const gchar *device)
{
  const gchar *query[] = {"nvidia-smi", "-i", device + strlen ("cuda:"),
      "--query-gpu=name,driver_version,memory.total,memory.free",
      "--format=csv,noheader", NULL};
  gchar *problem, *said = ask (query, &problem);

  if (said)
    printf ("ok     %s: %s\n", device, g_strstrip (said));
  else
    printf ("wrong  %s: the driver does not know it: %s\n", device,
        g_strstrip (problem));
  g_free (problem);
  g_free (said);
  return said != NULL;
}

static gboolean
check_devices (const DvsSettings *settings)
{
  gboolean good = TRUE;
  guint i;

  for (i = 0; settings->devices && settings->devices[i]; i++) {
    const gchar *device = settings->devices[i];
    if (g_str_has_prefix (device, "cuda:"))
      good &= check_gpu (device);
    else if (!g_str_equal (device, "cpu") && !g_str_equal (device, "auto")) {
      printf ("wrong  devices: '%s' is none of auto, cpu and cuda:N\n", device);
      good = FALSE;
    }
  }
  return good;
}

/* ---- the model ---- */

/* The tool that was installed, or built, beside this program. */
static gchar *
find_tool (void)
{
  gchar *self = g_file_read_link ("/proc/self/exe", NULL);
  gchar *directory = self ? g_path_get_dirname (self) : g_strdup (".");
  gchar *tool = g_build_filename (directory, "dreamverse-generate", NULL);

  if (!g_file_test (tool, G_FILE_TEST_IS_EXECUTABLE)) {
    g_free (tool);
    tool = g_strdup ("dreamverse-generate");
  }
  g_free (directory);
  g_free (self);
  return tool;
}

static gboolean
check_model (const DvsSettings *settings)
{
  gchar *tool, *size, *frames, *problem, *said;
  gboolean good;

  if (settings->model == NULL) {
    printf ("ok     no model: what is shown is drawn\n");
    return TRUE;
  }
  tool = find_tool ();
  size = g_strdup_printf ("%ux%u", settings->width, settings->height);
  frames = g_strdup_printf ("%u", settings->frames);
  {
    const gchar *plan[] = {tool, "--plan", "--model", settings->model, "--size",
        size, "--frames", frames, "--device", dvs_settings_device (settings, 0),
        NULL};
    said = ask (plan, &problem);
  }
  good = said != NULL;
  if (good)
    printf ("ok     the plan of a worker's memory:\n%s", said);
  else
    printf (
        "wrong  %s cannot run: %s\n", settings->model, g_strstrip (problem));
  g_free (problem);
  g_free (said);
  g_free (frames);
  g_free (size);
  g_free (tool);
  return good;
}

/* ---- elements, port ---- */

static gboolean
check_element (const gchar *name, const gchar *package)
{
  GstElementFactory *factory = gst_element_factory_find (name);

  if (factory == NULL) {
    printf ("wrong  element %s: install %s\n", name, package);
    return FALSE;
  }
  printf ("ok     element %s\n", name);
  gst_object_unref (factory);
  return TRUE;
}

static gboolean
check_encoder (gchar *line, GError **error)
{
  GstElement *bin;

  if (line) {
    bin = gst_parse_bin_from_description (line, FALSE, error);
    if (bin) {
      printf ("ok     encoder %s\n", line);
      gst_object_unref (gst_object_ref_sink (bin));
    }
  }
  if (*error)
    printf ("wrong  encoder %s: %s\n", line ? line : "", (*error)->message);
  g_free (line);
  if (*error == NULL)
    return TRUE;
  g_clear_error (error);
  return FALSE;
}

static gboolean
check_elements (const DvsSettings *settings)
{
  guint fps = (settings->fps_n + settings->fps_d - 1) / settings->fps_d;
  GError *error = NULL;
  gboolean good = TRUE;

  gst_init (NULL, NULL);
  good &= check_element ("dreamversesrc", "gst-dreamverse");
  good &= check_element ("dreamversemux", "gst-dreamverse");
  good &= check_element ("soupwebsocketsink", "gst-dreamverse");
  good &= check_element ("mp4mux", "gstreamer1.0-plugins-good");
  good &= check_element ("videoconvert", "gstreamer1.0-plugins-base");
  good &= check_element ("audioresample", "gstreamer1.0-plugins-base");
  good &= check_encoder (
      dvs_video_encoder (settings->video_encoder, fps, &error), &error);
  good &= check_encoder (
      dvs_audio_encoder (settings->audio_encoder, &error), &error);
  return good;
}

static gboolean
check_port (const DvsSettings *settings)
{
  WsListener listener;
  GError *error = NULL;

  if (!ws_listener_open (&listener, settings->address, settings->port,
          settings->tls_certificate, settings->tls_key, &error)) {
    printf ("wrong  %s\n", error->message);
    g_error_free (error);
    return FALSE;
  }
  printf ("ok     %s port %u is free\n", settings->address, listener.port);
  ws_listener_close (&listener);
  return TRUE;
}

static gboolean
check_prompts (const DvsSettings *settings)
{
  GError *error = NULL;
  DvsPrompts *prompts = dvs_prompts_new (settings, &error);
  gchar *text, **lines;
  guint i;

  if (prompts == NULL) {
    printf ("wrong  %s\n", error->message);
    g_error_free (error);
    return FALSE;
  }
  text = dvs_prompts_describe (prompts);
  lines = g_strsplit (g_strchomp (text), "\n", -1);
  for (i = 0; lines[i]; i++)
    printf ("ok     %s\n", lines[i]);
  g_strfreev (lines);
  g_free (text);
  dvs_prompts_free (prompts);
  return TRUE;
}

gboolean
dvs_preflight (const DvsSettings *settings)
{
  gchar *text = dvs_settings_text (settings, FALSE);
  gboolean good = TRUE;

  printf ("%s\n", text);
  g_free (text);
  good &= check_port (settings);
  good &= check_elements (settings);
  good &= check_devices (settings);
  good &= check_model (settings);
  good &= check_prompts (settings);
  printf ("%s\n", good ? "It would run." : "It would not run.");
  return good;
}
