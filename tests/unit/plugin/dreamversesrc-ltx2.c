/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dreamversesrc with LTX-2: the reference's pictures and sound at the pads,
 * what the properties do, errors of opening, stopping.
 */
#include <glib/gstdio.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dreamversesrc-common.h"
#include "ltx2/make-random.h"
#include "ltx2/safetensors-write.h"
#include "ltx2/safetensors.h"
#include "ltx2/test-input.h"

#define TINY GOLDENS "/pipeline-tiny"
#define TINY_2_3 GOLDENS "/pipeline-tiny-ltx2_3"

/* ThreadSanitizer's minutes are for what runs side by side. */
#ifdef __SANITIZE_THREAD__
#define ALL 0
#else
#define ALL 1
#endif

static gchar *folder; /* of the running test */

static void
make_folder (void)
{
  folder = g_dir_make_tmp ("dreamverse-ltx2-XXXXXX", NULL);
  fail_unless (folder != NULL);
}

static void
remove_folder (void)
{
  gchar *command = g_strdup_printf ("rm -rf '%s'", folder);

  fail_unless_equals_int (system (command), 0);
  g_unsetenv (DV_TEST_INPUT_VARIABLE);
  g_free (command);
  g_clear_pointer (&folder, g_free);
}

/* ---- the reference's results ---- */

/* One run of a golden pipeline. */
typedef struct {
  const gchar *name;
  guint first_frame; /* shown */
  guint wave;        /* sample of the golden's that is the first heard */
} Run;

typedef struct {
  const gchar *folder, *model; /* below it */
  const gchar *steps;
  gint width, height;
  guint frames, audio_overlap, rate;
  Run run[2];
  guint n_runs;
} Golden;

static DvSafetensors *
open_tensors (const Golden *golden, const gchar *name)
{
  gchar *path = g_build_filename (golden->folder, name, NULL);
  DvError error = {0};
  DvSafetensors *file = dv_safetensors_open (path, &error);

  fail_unless (file != NULL, "%s", error.detail);
  g_free (path);
  return file;
}

static const DvTensor *
tensor (const DvSafetensors *file, const gchar *name, const gchar *part)
{
  gchar *full = g_strdup_printf ("%s.%s", name, part);
  const DvTensor *t = dv_safetensors_find (file, full);

  fail_unless (t != NULL, "no %s", full);
  g_free (full);
  return t;
}

/* What the reference took, as the test hook wants it. */
typedef struct {
  gchar *name;
  DvDtype dtype;
  gint64 n;
  gpointer data;
} Input;

static void
input_clear (gpointer data)
{
  Input *input = data;

  g_free (input->name);
  g_free (input->data);
}

static void
add_input (GArray *inputs, guint segment, const gchar *what, DvDtype dtype,
    gint64 n, gpointer data)
{
  Input input = {g_strdup_printf ("%u.%s", segment, what), dtype, n, data};

  g_array_append_val (inputs, input);
}

static void
add_ids (GArray *inputs, guint segment, const DvSafetensors *file,
    const gchar *prompt)
{
  const DvTensor *ids = tensor (file, prompt, "input_ids");
  const gint64 *mask = tensor (file, prompt, "attention_mask")->data;
  gint64 *kept = g_new (gint64, dv_tensor_count (ids)), n = 0, i;
  gint64 *text_len = g_new (gint64, 1);

  for (i = 0; i < dv_tensor_count (ids); i++)
    if (mask[i])
      kept[n++] = ((const gint64 *)ids->data)[i];
  *text_len = dv_tensor_count (ids);
  add_input (inputs, segment, "ids", DV_I64, n, kept);
  add_input (inputs, segment, "text_len", DV_I64, 1, text_len);
}

/* The second stage's video noise is [1, C, F, h, w] there. */
static void
add_noise (GArray *inputs, guint segment, const DvSafetensors *file,
    const gchar *run, const gchar *what, gboolean channels_first)
{
  const DvTensor *noise = tensor (file, run, what);
  gint64 n = dv_tensor_count (noise), i;
  gint64 channels = noise->shape[1], tokens = n / channels;
  const gfloat *from = noise->data;
  gfloat *to = g_new (gfloat, n);

  for (i = 0; i < n; i++)
    to[i] =
        channels_first ? from[i % channels * tokens + i / channels] : from[i];
  add_input (inputs, segment, what, DV_F32, n, to);
}

static void
write_inputs (GArray *inputs)
{
  gchar *path = g_build_filename (folder, "inputs.safetensors", NULL);
  DvError error = {0};
  DvSafetensorsWriter *writer = dv_safetensors_write (path, &error);
  guint i;

  fail_unless (writer != NULL, "%s", error.detail);
  for (i = 0; i < inputs->len; i++) {
    const Input *input = &g_array_index (inputs, Input, i);

    dv_safetensors_write_tensor (
        writer, input->name, input->dtype, 1, &input->n);
  }
  for (i = 0; i < inputs->len; i++) {
    const Input *input = &g_array_index (inputs, Input, i);

    dv_safetensors_write_data (
        writer, input->data, (gsize)input->n * dv_dtype_size (input->dtype));
  }
  fail_unless (
      dv_safetensors_write_end (writer, &error) == DV_OK, "%s", error.detail);
  g_setenv (DV_TEST_INPUT_VARIABLE, path, TRUE);
  g_free (path);
}

static void
prepare_inputs (const Golden *golden)
{
  DvSafetensors *file = open_tensors (golden, "inputs.safetensors");
  GArray *inputs = g_array_new (FALSE, FALSE, sizeof (Input));
  guint i;

  g_array_set_clear_func (inputs, input_clear);
  for (i = 0; i < golden->n_runs; i++) {
    const gchar *run = golden->run[i].name;

    add_ids (inputs, i + 1, file, i == 0 ? "prompt_a" : "prompt_b");
    add_noise (inputs, i + 1, file, run, "video_noise", FALSE);
    add_noise (inputs, i + 1, file, run, "audio_noise", FALSE);
    add_noise (inputs, i + 1, file, run, "stage2.video_noise", TRUE);
    add_noise (inputs, i + 1, file, run, "stage2.audio_noise", FALSE);
  }
  write_inputs (inputs);
  g_array_unref (inputs);
  dv_safetensors_free (file);
}

/* kernels/ref/pixels.c's formula. */
static gint
rounded (gint sum, gint bits)
{
  return (gint)floor ((sum + (1 << (bits - 1))) / (gdouble)(1 << bits));
}

static void
i420_from_rgb (const guint8 *rgb, gint width, gint height, guint8 *out)
{
  guint8 *u = out + width * height, *v = u + width * height / 4;
  gint x, y, c, i;

  for (y = 0; y < height; y++)
    for (x = 0; x < width; x++, rgb += 3) {
      *out++ = (guint8)(16 + rounded (11966 * rgb[0] + 40254 * rgb[1] +
                                          4064 * rgb[2],
                                 16));
      if (x % 2 == 0 || y % 2 == 0)
        continue;
      gint sum[3] = {0};

      for (i = 0; i < 4; i++)
        for (c = 0; c < 3; c++)
          sum[c] += rgb[c - i % 2 * 3 - i / 2 * 3 * width];
      *u++ = (guint8)(128 +
                      rounded (-6596 * sum[0] - 22189 * sum[1] + 28785 * sum[2],
                          18));
      *v++ = (guint8)(128 +
                      rounded (
                          28785 * sum[0] - 26145 * sum[1] - 2640 * sum[2], 18));
    }
}

/* Frames of one run; @at moves past them. */
static void
check_frames (const Golden *golden, const Run *run, const DvSafetensors *file,
    GPtrArray *frames, guint *at)
{
  const DvTensor *expected = tensor (file, run->name, "frames_u8");
  gsize picture = (gsize)golden->width * golden->height, size = picture * 3 / 2;
  guint8 *wanted = g_malloc (size);
  guint64 off = 0, values = 0;
  gint largest = 0;
  guint n;

  for (n = run->first_frame; n < golden->frames; n++, (*at)++) {
    GstMapInfo map;
    gsize i;

    fail_unless (*at < frames->len);
    i420_from_rgb ((const guint8 *)expected->data + n * picture * 3,
        golden->width, golden->height, wanted);
    fail_unless (
        gst_buffer_map (g_ptr_array_index (frames, *at), &map, GST_MAP_READ));
    fail_unless_equals_uint64 (map.size, size);
    for (i = 0; i < size; i++) {
      gint difference = abs ((gint)map.data[i] - wanted[i]);

      largest = MAX (largest, difference);
      off += difference > 1;
      values++;
    }
    gst_buffer_unmap (g_ptr_array_index (frames, *at), &map);
  }
  g_free (wanted);
  fail_unless (largest <= 2 && off * 1000 <= values,
      "%s: frames differ by up to %d, %" G_GUINT64_FORMAT
      " of %" G_GUINT64_FORMAT " by more than 1",
      run->name, largest, off, values);
}

/* Sound of one run, as long as the reference's is; @at moves to where its
 * pictures end. */
static void
check_sound (const Golden *golden, const Run *run, const DvSafetensors *file,
    const GArray *sound, guint64 *at)
{
  const DvTensor *expected = tensor (file, run->name, "wave");
  guint64 n = (guint64)expected->shape[1], i, c;
  guint64 lasts =
      (guint64)(golden->frames - run->first_frame) * golden->rate / 24;
  gdouble difference = 0, whole = 0, largest = 0;

  for (c = 0; c < 2; c++)
    for (i = run->wave; i < n; i++) {
      gdouble wanted = ((const gfloat *)expected->data)[c * n + i], d;

      fail_unless ((*at + i - run->wave) * 2 + c < sound->len);
      d = g_array_index (sound, gfloat, (*at + i - run->wave) * 2 + c) - wanted;
      difference += d * d;
      whole += wanted * wanted;
      largest = MAX (largest, fabs (d));
    }
  fail_unless (n - run->wave <= lasts);
  fail_unless (sqrt (difference / whole) <= 1e-3 && largest <= 2e-3,
      "%s: sound differs by %g, at most %g", run->name,
      sqrt (difference / whole), largest);
  *at += lasts;
}

static GArray *
samples_of_buffers (GPtrArray *list)
{
  GArray *samples = g_array_new (FALSE, FALSE, sizeof (gfloat));
  guint i;

  for (i = 0; i < list->len; i++) {
    GstMapInfo map;

    fail_unless (
        gst_buffer_map (g_ptr_array_index (list, i), &map, GST_MAP_READ));
    g_array_append_vals (samples, map.data, map.size / sizeof (gfloat));
    gst_buffer_unmap (g_ptr_array_index (list, i), &map);
  }
  return samples;
}

/* Nobody may take it for a drawing, nor a drawing for it. */
static void
check_names (Fixture *f)
{
  GstMessage *message =
      wait_message (f->bus, GST_DREAMVERSE_MESSAGE_SEGMENT_START);
  const GstStructure *s = gst_message_get_structure (message);
  gboolean procedural = TRUE;
  gchar *name = NULL;
  GstEvent *event =
      gst_pad_get_sticky_event (f->video->sinkpad, GST_EVENT_TAG, 0);
  GstTagList *tags = NULL;

  fail_unless (g_str_has_prefix (
      gst_structure_get_string (s, GST_DREAMVERSE_FIELD_MODEL), "LTX-2"));
  fail_unless (gst_structure_get_boolean (
      s, GST_DREAMVERSE_FIELD_PROCEDURAL, &procedural));
  fail_if (procedural);
  gst_message_unref (message);
  fail_unless (event != NULL);
  gst_event_parse_tag (event, &tags);
  fail_unless (gst_tag_list_get_string (tags, GST_TAG_APPLICATION_NAME, &name));
  fail_unless (g_str_has_prefix (name, "LTX-2"), "%s", name);
  g_free (name);
  gst_event_unref (event);
}

static void
stream_golden (const Golden *golden, GPtrArray **frames, GArray **sound)
{
  gchar *model = g_build_filename (golden->folder, golden->model, NULL);
  Fixture f;
  GPtrArray *heard;

  fixture_init (
      &f, source_new ("model", model, "dtype", "f32", "width", golden->width,
              "height", golden->height, "frames-per-segment", golden->frames,
              "overlap-frames", MIN (9, golden->frames - 1),
              "audio-overlap-frames", golden->audio_overlap, "steps",
              golden->steps, "segments", golden->n_runs, "framerate", 24, 1,
              "prompt", "what the file says", NULL));
  gst_harness_set_sink_caps_str (f.audio, "audio/x-raw,format=F32LE");
  fixture_play (&f);
  *frames = pull_all (f.video);
  heard = pull_all (f.audio);
  *sound = samples_of_buffers (heard);
  check_names (&f);
  g_ptr_array_unref (heard);
  fixture_clear (&f);
  g_free (model);
}

/* Pictures and sound at the pads are the reference's. */
static void
check_golden (const Golden *golden)
{
  DvSafetensors *expected = open_tensors (golden, "expected.safetensors");
  GPtrArray *frames;
  GArray *sound;
  guint64 sample = 0;
  guint frame = 0, i;

  prepare_inputs (golden);
  stream_golden (golden, &frames, &sound);
  for (i = 0; i < golden->n_runs; i++) {
    check_frames (golden, &golden->run[i], expected, frames, &frame);
    check_sound (golden, &golden->run[i], expected, sound, &sample);
  }
  fail_unless_equals_int (frames->len, frame);
  fail_unless_equals_uint64 (sound->len, 2 * (sample + CLOSING_SILENCE));
  g_array_unref (sound);
  g_ptr_array_unref (frames);
  dv_safetensors_free (expected);
}

GST_START_TEST (test_two_segments_are_the_references)
{
  static const gchar *const layouts[] = {"model", "model-fastvideo",
      "model-single/ltx-2-tiny-distilled.safetensors"};
  const Golden golden = {.folder = TINY,
      .model = layouts[__i__],
      .steps = "5+2",
      .width = 128,
      .height = 64,
      .frames = 17,
      .audio_overlap = 13,
      .rate = 24000,
      .run = {{"two_stage", 0, 0}, {"continuation", 9, 13000}},
      .n_runs = 2};

  check_golden (&golden);
}
GST_END_TEST

/* Its sound has 48 kHz. */
GST_START_TEST (test_a_segment_of_2_3_is_the_references)
{
  const Golden golden = {.folder = TINY_2_3,
      .model = "model",
      .steps = "5+3",
      .width = 64,
      .height = 64,
      .frames = 9,
      .audio_overlap = 9,
      .rate = 48000,
      .run = {{"two_stage", 0, 0}},
      .n_runs = 1};

  if (g_file_test (TINY_2_3, G_FILE_TEST_IS_DIR))
    check_golden (&golden);
}
GST_END_TEST

/* ---- random models ---- */

/* A model of random weights that takes next to nothing, in @folder. */
static gchar *
make_model (gboolean tokenizer)
{
  gchar *path = g_build_filename (folder, "model", NULL);
  DvRandomSpec spec = {.config = "tiny", .seed = 3, .tokenizer = tokenizer};
  DvError error = {0};

  fail_unless (
      dv_make_random (&spec, path, &error) == DV_OK, "%s", error.detail);
  return path;
}

/* Three segments of it; a checksum of all that came. */
static gchar *
sum_of_stream (const gchar *model, const gchar *property, const gchar *value)
{
  GChecksum *sum = g_checksum_new (G_CHECKSUM_MD5);
  GstElement *src = source_new ("model", model, "width", 64, "height", 64,
      "segments", 3, "dtype", "f32", "steps", "2+1", "audio-overlap-frames", 13,
      "prompt", "a lighthouse", NULL);
  GstHarness *pads[2];
  Fixture f;
  gchar *text;
  guint i, n;

  if (property)
    gst_util_set_object_arg (G_OBJECT (src), property, value);
  fixture_init (&f, src);
  fixture_play (&f);
  pads[0] = f.video;
  pads[1] = f.audio;
  for (i = 0; i < 2; i++) {
    GPtrArray *list = pull_all (pads[i]);

    if (i == 0)
      fail_unless_equals_int (list->len, FRAMES + 2 * (FRAMES - OVERLAP));
    for (n = 0; n < list->len; n++) {
      GstMapInfo map;

      fail_unless (
          gst_buffer_map (g_ptr_array_index (list, n), &map, GST_MAP_READ));
      g_checksum_update (sum, map.data, (gssize)map.size);
      gst_buffer_unmap (g_ptr_array_index (list, n), &map);
    }
    g_ptr_array_unref (list);
  }
  fixture_clear (&f);
  text = g_strdup (g_checksum_get_string (sum));
  g_checksum_free (sum);
  return text;
}

/* Each of these is told to the model, and each changes what comes out. */
GST_START_TEST (test_properties_reach_the_model)
{
  static const gchar *const changes[][2] = {{"steps", "1+1"},
      {"steps", "1,0.5,0+0.9,0"}, {"one-stage", "true"}, {"dtype", "bf16"},
      {"seed", "11"}, {"prompt", "another"}, {"audio-overlap-frames", "9"}};
  gchar *model = make_model (TRUE);
  gchar *plain = sum_of_stream (model, NULL, NULL);
  gchar *again = sum_of_stream (model, "threads", "1");
  guint i;

  fail_unless_equals_string (plain, again);
  for (i = 0; i < G_N_ELEMENTS (changes); i++) {
    gchar *other = sum_of_stream (model, changes[i][0], changes[i][1]);

    fail_if (strcmp (plain, other) == 0, "%s=%s changes nothing", changes[i][0],
        changes[i][1]);
    g_free (other);
  }
  g_free (plain);
  g_free (again);
  g_free (model);
}
GST_END_TEST

/* Progress counts bytes up to the whole, in at most a hundred messages. */
GST_START_TEST (test_opening_says_how_far_it_is)
{
  gchar *model = make_model (TRUE), *text = NULL;
  guint64 done = 0, total = 0, last = 0;
  GstProgressType type = GST_PROGRESS_TYPE_START;
  guint messages = 0;
  Fixture f;

  fixture_init (&f, source_new ("model", model, "segments", 1, NULL));
  fixture_play (&f);
  while (type != GST_PROGRESS_TYPE_COMPLETE) {
    GstMessage *message =
        gst_bus_timed_pop_filtered (f.bus, PATIENCE, GST_MESSAGE_PROGRESS);

    fail_unless (message != NULL);
    gst_message_parse_progress (message, &type, NULL, &text);
    if (type == GST_PROGRESS_TYPE_CONTINUE) {
      fail_unless (sscanf (text, "%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT,
                       &done, &total) == 2);
      fail_unless (done > last);
      last = done;
      messages++;
    }
    g_free (text);
    gst_message_unref (message);
  }
  fail_unless (messages > 1 && messages <= 100);
  fail_unless (total > 0 && done == total);
  fixture_clear (&f);
  g_free (model);
}
GST_END_TEST

/* Opens in PAUSED; how often it said how far it is. -1: it failed. */
static gint
open_and_count (Fixture *f)
{
  GstPad *peers[] = {f->video->sinkpad, f->audio->sinkpad};
  gint messages = 0;
  guint i;

  /* As a pipeline does: they forget what stuck to them. */
  for (i = 0; i < G_N_ELEMENTS (peers); i++) {
    gst_pad_set_active (peers[i], FALSE);
    gst_pad_set_active (peers[i], TRUE);
  }
  gst_element_set_state (f->src, GST_STATE_PAUSED);
  for (;;) {
    GstMessage *message = gst_bus_timed_pop_filtered (
        f->bus, PATIENCE, GST_MESSAGE_PROGRESS | GST_MESSAGE_ERROR);
    GstProgressType type = GST_PROGRESS_TYPE_ERROR;
    gboolean procedural = TRUE, failed;
    gdouble fraction = -1;

    fail_unless (message != NULL);
    failed = GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR;
    if (!failed) {
      const GstStructure *s = gst_message_get_structure (message);

      gst_message_parse_progress (message, &type, NULL, NULL);
      gst_structure_get_double (s, GST_DREAMVERSE_FIELD_FRACTION, &fraction);
      gst_structure_get_boolean (
          s, GST_DREAMVERSE_FIELD_PROCEDURAL, &procedural);
    }
    gst_message_unref (message);
    if (type == GST_PROGRESS_TYPE_CONTINUE) {
      fail_unless (fraction > 0 && fraction <= 1);
      messages++;
    } else if (type == GST_PROGRESS_TYPE_COMPLETE) {
      fail_unless (fraction == 1 && !procedural);
      break;
    } else if (failed) {
      messages = -1;
      break;
    }
  }
  gst_element_set_state (f->src, GST_STATE_READY);
  gst_bus_set_flushing (f->bus, TRUE);
  gst_bus_set_flushing (f->bus, FALSE);
  return messages;
}

/* Its files may even be gone. Other settings, and NULL, let go of it. */
GST_START_TEST (test_the_model_is_kept_in_ready)
{
  gchar *model = make_model (TRUE), *away = g_strconcat (model, "-away", NULL);
  Fixture f;

  fixture_init (&f, source_new ("model", model, "dtype", "f32", NULL));
  fixture_play (&f);
  gst_element_set_state (f.src, GST_STATE_NULL);
  gst_bus_set_flushing (f.bus, TRUE);
  gst_bus_set_flushing (f.bus, FALSE);
  fail_unless (open_and_count (&f) > 0);
  g_rename (model, away);
  fail_unless_equals_int (open_and_count (&f), 0);
  g_object_set (f.src, "seed", (guint64)5, "steps", "1+1", NULL);
  fail_unless_equals_int (open_and_count (&f), 0);
  g_object_set (f.src, "dtype", "bf16", NULL);
  fail_unless_equals_int (open_and_count (&f), -1);
  g_rename (away, model);
  fail_unless (open_and_count (&f) > 0);
  fail_unless_equals_int (open_and_count (&f), 0);
  gst_element_set_state (f.src, GST_STATE_NULL);
  fail_unless (open_and_count (&f) > 0);
  fixture_clear (&f);
  g_free (away);
  g_free (model);
}
GST_END_TEST

/* ---- errors ---- */

static void
expect_model_refused (const gchar *property, const gchar *value, GQuark domain,
    gint code, const gchar *part)
{
  gchar *model = make_model (TRUE);
  GstElement *src = source_new ("model", model, NULL);

  gst_util_set_object_arg (G_OBJECT (src), property, value);
  expect_refused (src, domain, code, part);
  g_free (model);
}

GST_START_TEST (test_settings_that_no_model_takes)
{
  static const struct {
    const gchar *property, *value;
    gint code;
    const gchar *part;
  } wrong[] = {
      {"dtype", "f8", GST_LIBRARY_ERROR_INIT, "f8"},
      {"steps", "many", GST_LIBRARY_ERROR_INIT, "5+2"},
      {"steps", "9+2", GST_LIBRARY_ERROR_INIT, "1 to 8"},
      {"steps", "5+0.5,0.9,0", GST_LIBRARY_ERROR_INIT, ""},
      {"frames-per-segment", "20", GST_LIBRARY_ERROR_INIT, "8 k + 1"},
      {"loras", "<\":1\">", GST_LIBRARY_ERROR_INIT, "names no file"},
      {"width", "100", GST_LIBRARY_ERROR_SETTINGS, "multiples of 64"},
      {"height", "96", GST_LIBRARY_ERROR_SETTINGS, "multiples of 64"},
  };

  expect_model_refused (wrong[__i__].property, wrong[__i__].value,
      GST_LIBRARY_ERROR, wrong[__i__].code, wrong[__i__].part);
}
GST_END_TEST

GST_START_TEST (test_a_lora_that_is_not_there)
{
  expect_model_refused ("loras", "</nowhere/a.safetensors:0.5>",
      GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "a.safetensors");
}
GST_END_TEST

GST_START_TEST (test_a_model_that_does_not_fit)
{
  expect_model_refused ("memory-budget", "100000", GST_RESOURCE_ERROR,
      GST_RESOURCE_ERROR_NO_SPACE_LEFT, "does not fit");
}
GST_END_TEST

/* What is planned is what the peer will choose. */
GST_START_TEST (test_the_peers_size_is_planned)
{
  gchar *model = make_model (TRUE);
  GstElement *src = gst_element_factory_make ("dreamversesrc", NULL);
  Fixture f;
  GPtrArray *frames;

  gst_object_ref_sink (src);
  /* Enough for that size, and not for the usual one. */
  g_object_set (src, "model", model, "memory-budget",
      G_GUINT64_CONSTANT (64) << 20, "frames-per-segment", FRAMES, "segments",
      1, "steps", "1+1", "prompt", "x", NULL);
  fixture_init (&f, src);
  gst_harness_set_sink_caps_str (f.video, "video/x-raw,width=64,height=64");
  fixture_play (&f);
  frames = pull_all (f.video);
  fail_unless_equals_int (frames->len, FRAMES);
  g_ptr_array_unref (frames);
  fixture_clear (&f);

  src = gst_element_factory_make ("dreamversesrc", NULL);
  gst_object_ref_sink (src);
  g_object_set (src, "model", model, "memory-budget",
      G_GUINT64_CONSTANT (64) << 20, "frames-per-segment", FRAMES, NULL);
  expect_refused (
      src, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT, "1280x704");
  g_free (model);
}
GST_END_TEST

GST_START_TEST (test_no_tokenizer)
{
  gchar *model = make_model (FALSE);

  expect_refused (source_new ("model", model, NULL), GST_RESOURCE_ERROR,
      GST_RESOURCE_ERROR_NOT_FOUND, "tokenizer.json");
  g_free (model);
}
GST_END_TEST

GST_START_TEST (test_weights_that_are_cut_off)
{
  gchar *model = make_model (TRUE), *path, *contents;
  gsize length;

  path = g_build_filename (
      model, "vae", "diffusion_pytorch_model.safetensors", NULL);
  fail_unless (g_file_get_contents (path, &contents, &length, NULL));
  fail_unless (
      g_file_set_contents (path, contents, (gssize)length - 1000, NULL));
  expect_refused (source_new ("model", model, NULL), GST_RESOURCE_ERROR,
      GST_RESOURCE_ERROR_READ, "diffusion_pytorch_model.safetensors");
  g_free (contents);
  g_free (path);
  g_free (model);
}
GST_END_TEST

/* ---- stopping ---- */

/* In the middle of opening, of a denoise step, of decoding: the element comes
 * back at once, and its thread soon after. */
GST_START_TEST (test_stops_at_any_moment)
{
  gchar *model = make_model (TRUE);
  GRand *rand = g_rand_new_with_seed (7);
  guint i, late = 0;

  for (i = 0; i < 20; i++) {
    GstElement *src = source_new ("model", model, "prompt", "x", "width", 256,
        "height", 256, "frames-per-segment", 49, NULL);
    gint64 begin, deadline;
    GWeakRef weak;
    gpointer left;
    Fixture f;

    g_weak_ref_init (&weak, src);
    fixture_init (&f, src);
    fixture_play (&f);
    if (i % 4)
      gst_message_unref (
          wait_message (f.bus, i % 4 == 1 ? GST_DREAMVERSE_MESSAGE_SEGMENT_START
                                          : GST_DREAMVERSE_MESSAGE_PROGRESS));
    g_usleep (g_rand_int_range (rand, 0, 50000));
    begin = g_get_monotonic_time ();
    gst_element_set_state (src, GST_STATE_NULL);
    late += g_get_monotonic_time () - begin > STOP_LIMIT;
    fixture_clear (&f);
    deadline = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;
    while (
        (left = g_weak_ref_get (&weak)) && g_get_monotonic_time () < deadline) {
      gst_object_unref (left);
      g_thread_yield ();
    }
    fail_if (left != NULL, "a step goes on after its source is gone");
    g_weak_ref_clear (&weak);
  }
  /* It takes a hundredth of the limit where nobody else is busy. */
  fail_if (late > 5, "stopping took too long %u times of 20", late);
  g_rand_free (rand);
  g_free (model);
}
GST_END_TEST

/* The end of the stream while the model is opened or a step runs. */
GST_START_TEST (test_ends_at_any_moment)
{
  gchar *model = make_model (TRUE);
  guint i;

  for (i = 0; i < 4; i++) {
    Fixture f;

    fixture_init (&f, source_new ("model", model, "prompt", "x", NULL));
    fixture_play (&f);
    if (i >= 2)
      gst_message_unref (
          wait_message (f.bus, GST_DREAMVERSE_MESSAGE_SEGMENT_START));
    fail_unless (gst_element_send_event (f.src, gst_event_new_eos ()));
    g_ptr_array_unref (pull_all (f.video));
    g_ptr_array_unref (pull_all (f.audio));
    fail_if (gst_bus_poll (f.bus, GST_MESSAGE_ERROR, 0) != NULL);
    fixture_clear (&f);
  }
  g_free (model);
}
GST_END_TEST

/* States come and go while a model is opened, generates, and is left. */
GST_START_TEST (test_states_at_random)
{
  static const GstState states[] = {GST_STATE_NULL, GST_STATE_READY,
      GST_STATE_PAUSED, GST_STATE_PLAYING, GST_STATE_PLAYING};
  gchar *model = make_model (TRUE);
  GRand *rand = g_rand_new_with_seed (11);
  Fixture f;
  guint i;

  fixture_init (
      &f, source_new ("model", model, "prompt", "x", "steps", "1+1", NULL));
  gst_harness_set_drop_buffers (f.video, TRUE);
  gst_harness_set_drop_buffers (f.audio, TRUE);
  fixture_play (&f);
  for (i = 0; i < 60; i++) {
    GstState state = states[g_rand_int_range (rand, 0, G_N_ELEMENTS (states))];

    fail_if (gst_element_set_state (f.src, state) == GST_STATE_CHANGE_FAILURE);
    if (g_rand_int_range (rand, 0, 4) == 0)
      g_signal_emit_by_name (f.src, "reset");
    g_usleep (g_rand_int_range (rand, 0, 40000));
  }
  fail_if (gst_bus_poll (f.bus, GST_MESSAGE_ERROR, 0) != NULL);
  fixture_clear (&f);
  g_rand_free (rand);
  g_free (model);
}
GST_END_TEST

static Suite *
dreamversesrc_ltx2_suite (void)
{
  Suite *s = suite_create ("dreamversesrc-ltx2");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 300);
  tcase_add_checked_fixture (tc, make_folder, remove_folder);
  if (ALL) {
    tcase_add_loop_test (tc, test_two_segments_are_the_references, 0, 3);
    tcase_add_test (tc, test_a_segment_of_2_3_is_the_references);
  }
  tcase_add_test (tc, test_properties_reach_the_model);
  tcase_add_test (tc, test_opening_says_how_far_it_is);
  tcase_add_test (tc, test_the_model_is_kept_in_ready);
  tcase_add_loop_test (tc, test_settings_that_no_model_takes, 0, 8);
  tcase_add_test (tc, test_a_lora_that_is_not_there);
  tcase_add_test (tc, test_a_model_that_does_not_fit);
  tcase_add_test (tc, test_the_peers_size_is_planned);
  tcase_add_test (tc, test_no_tokenizer);
  tcase_add_test (tc, test_weights_that_are_cut_off);
  tcase_add_test (tc, test_stops_at_any_moment);
  tcase_add_test (tc, test_ends_at_any_moment);
  tcase_add_test (tc, test_states_at_random);
  return s;
}

GST_CHECK_MAIN (dreamversesrc_ltx2)
