/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of the prompt services against HTTP servers that answer well, badly,
 * late and never.
 */
#include <check.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "http-answers.h"
#include "prompts.h"

#define KEY "sk-very-secret-0123456789"

static HttpAnswers *server[2];
static DvsSettings settings;
static DvsPrompts *prompts;
static GString *logged;

/* What came, copied. */
static struct {
  guint n;
  gchar *error, *prompt, *raw, *model, *note, *id, *label;
  gchar **list;
  gdouble latency_ms;
} came;

static void
forget (void)
{
  g_free (came.error);
  g_free (came.prompt);
  g_free (came.raw);
  g_free (came.model);
  g_free (came.note);
  g_free (came.id);
  g_free (came.label);
  g_strfreev (came.list);
  memset (&came, 0, sizeof came);
}

static void
on_answer (gpointer user, const DvsAnswer *answer)
{
  guint n = came.n;

  ck_assert_ptr_eq (user, &came);
  forget ();
  came.n = n + 1;
  came.error = g_strdup (answer->error);
  came.prompt = g_strdup (answer->prompt);
  came.raw = g_strdup (answer->raw);
  came.model = g_strdup (answer->model);
  came.note = g_strdup (answer->note);
  came.id = g_strdup (answer->id);
  came.label = g_strdup (answer->label);
  came.list = g_strdupv ((gchar **)answer->prompts);
  came.latency_ms = answer->latency_ms;
}

static GLogWriterOutput
on_log (GLogLevelFlags level, const GLogField *fields, gsize n, gpointer user)
{
  /* Threads of GIO's modules log too. */
  if (g_thread_self () != user)
    return G_LOG_WRITER_HANDLED;
  for (gsize i = 0; i < n; i++)
    if (strcmp (fields[i].key, "MESSAGE") == 0)
      g_string_append (logged, fields[i].value);
  ck_assert_msg (
      !(level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)), "%s", logged->str);
  return G_LOG_WRITER_HANDLED;
}

/* One or two providers, "a" and "b", with keys. */
static void
open_prompts (guint n)
{
  GError *error = NULL;

  g_setenv ("DVS_TEST_KEY", KEY, TRUE);
  settings.providers = g_new0 (gchar *, n + 1);
  for (guint i = 0; i < n; i++)
    settings.providers[i] = g_strdup_printf (
        "name=%c,url=http://127.0.0.1:%u/v1/,key-env=DVS_TEST_KEY,"
        "model=%s%s",
        'a' + i, server[i]->port, i ? "vendor/usual" : "usual",
        i ? ",max-completion-tokens=3000,model:other=vendor/other" : "");
  prompts = dvs_prompts_new (&settings, &error);
  ck_assert_msg (prompts != NULL, "%s", error ? error->message : "");
}

static void
open_writer (void)
{
  settings.providers = g_strsplit ("none", ",", 1);
  prompts = dvs_prompts_new (&settings, NULL);
  ck_assert_ptr_nonnull (prompts);
}

static void
set_up (void)
{
  logged = g_string_new (NULL);
  g_unsetenv ("CEREBRAS_API_KEY");
  g_unsetenv ("GROQ_API_KEY");
  memset (&settings, 0, sizeof settings);
  settings.rewrite_model = g_strdup ("usual");
  settings.rewrite_models = g_strsplit ("usual,other", ",", -1);
  settings.rewrite_temperature = 1;
  settings.prompt_timeout_ms = 5000;
  settings.extend_timeout_ms = 5000;
  for (guint i = 0; i < 2; i++)
    server[i] = http_answers_new ();
}

static void
tear_down (void)
{
  ck_assert_ptr_null (strstr (logged->str, "secret"));
  if (came.error)
    ck_assert_ptr_null (strstr (came.error, "secret"));
  g_clear_pointer (&prompts, dvs_prompts_free);
  for (guint i = 0; i < 2; i++)
    http_answers_free (server[i]);
  g_strfreev (settings.providers);
  g_strfreev (settings.rewrite_models);
  g_free (settings.rewrite_model);
  g_free (settings.prompt_directory);
  forget ();
  g_string_free (logged, TRUE);
}

static const gchar *const locked[] = {"a first", "a second", NULL};

static void
enhance (const gchar *text)
{
  dvs_prompts_enhance (prompts, text, locked, 3, FALSE, NULL, on_answer, &came);
}

static void
answers (HttpAnswers *from, const gchar *content)
{
  gchar *body = http_completion (content);

  http_answers_say (from, 200, body);
  g_free (body);
}

/* The call's one answer. */
static void
expect_answer (void)
{
  ck_assert (http_wait (&came.n));
  http_run (20);
  ck_assert_uint_eq (came.n, 1);
}

static JsonObject *
request (HttpAnswers *from, guint i)
{
  JsonNode *node = json_from_string (g_ptr_array_index (from->bodies, i), NULL);
  JsonObject *object = json_node_dup_object (node);

  json_node_unref (node);
  return object;
}

static guint
successes (const gchar *name)
{
  JsonObject *counts = dvs_prompts_successes (prompts);
  guint n = (guint)json_object_get_int_member_with_default (counts, name, 0);

  json_object_unref (counts);
  return n;
}

/* ---- good answers ---- */

START_TEST (an_enhanced_prompt)
{
  JsonObject *asked, *message;
  JsonArray *messages;
  const gchar *content;

  open_prompts (1);
  answers (server[0], "{\"next_prompt\":\" A whale\\n rises. \"}");
  enhance ("a whale");
  ck_assert_uint_eq (came.n, 0);
  expect_answer ();
  ck_assert_ptr_null (came.error);
  ck_assert_str_eq (came.prompt, "A whale rises.");
  ck_assert_str_eq (came.model, "usual");
  ck_assert_ptr_nonnull (strstr (came.raw, "next_prompt"));
  ck_assert (came.latency_ms > 0 && came.latency_ms < 10000);
  ck_assert_uint_eq (successes ("a"), 1);

  ck_assert_uint_eq (server[0]->heads->len, 1);
  content = server[0]->heads->pdata[0];
  ck_assert (g_str_has_prefix (content, "POST /v1/chat/completions HTTP/1.1"));
  ck_assert_ptr_nonnull (strstr (content, "Authorization: Bearer " KEY "\r\n"));
  asked = request (server[0], 0);
  ck_assert_str_eq (json_object_get_string_member (asked, "model"), "usual");
  ck_assert (json_object_get_double_member (asked, "temperature") == 1);
  ck_assert (!json_object_has_member (asked, "max_completion_tokens"));
  ck_assert (!json_object_has_member (asked, "stream"));
  ck_assert (!json_object_has_member (asked, "response_format"));
  messages = json_object_get_array_member (asked, "messages");
  ck_assert_uint_eq (json_array_get_length (messages), 2);
  message = json_array_get_object_element (messages, 0);
  ck_assert_str_eq (json_object_get_string_member (message, "role"), "system");
  message = json_array_get_object_element (messages, 1);
  ck_assert_str_eq (json_object_get_string_member (message, "role"), "user");
  content = json_object_get_string_member (message, "content");
  ck_assert_ptr_nonnull (strstr (content, "{\"request\":"));
  ck_assert_ptr_nonnull (strstr (content, "2. a second"));
  ck_assert_ptr_nonnull (strstr (content, "a whale"));
  ck_assert_ptr_nonnull (strstr (content, "segment 3"));
  json_object_unref (asked);
}
END_TEST

START_TEST (a_single_clip_and_an_extension)
{
  open_prompts (1);
  answers (server[0], "Sure! ```json\n{\"prompt\":\"one clip\"}\n```");
  dvs_prompts_enhance (prompts, "x", NULL, 1, TRUE, NULL, on_answer, &came);
  expect_answer ();
  ck_assert_str_eq (came.prompt, "one clip");
  ck_assert_ptr_nonnull (strstr (server[0]->bodies->pdata[0], "user_prompt"));
  forget ();
  answers (server[0], "{\"next_prompt\":\"more\"}");
  dvs_prompts_extend (prompts, locked, NULL, on_answer, &came);
  expect_answer ();
  ck_assert_str_eq (came.prompt, "more");
}
END_TEST

#define SIX                                                                    \
  "{\"id\":\"r\",\"label\":\"R\",\"segment_prompts\":[\"1\",\"2\",\"3\","      \
  "\"4\",\"5\",\"6\"]}"

START_TEST (a_new_rollout)
{
  DvsRewriteChoice choice = {"other", 0.25, "W", "U"};
  JsonObject *asked;
  const gchar *body;

  open_prompts (2);
  server[0]->manner = HTTP_NEVER;
  answers (server[1], SIX);
  dvs_prompts_rewrite (prompts, "a whale", NULL, "hint", "Hint", &choice, NULL,
      on_answer, &came);
  expect_answer ();
  ck_assert_ptr_null (came.error);
  ck_assert_ptr_null (came.note);
  ck_assert_uint_eq (g_strv_length (came.list), 6);
  ck_assert_str_eq (came.list[5], "6");
  ck_assert_str_eq (came.id, "r");
  ck_assert_str_eq (came.label, "R");
  ck_assert_str_eq (came.model, "other");
  asked = request (server[1], 0);
  ck_assert_str_eq (
      json_object_get_string_member (asked, "model"), "vendor/other");
  ck_assert (json_object_get_double_member (asked, "temperature") == 0.25);
  ck_assert_int_eq (
      json_object_get_int_member (asked, "max_completion_tokens"), 3000);
  json_object_unref (asked);
  body = server[1]->bodies->pdata[0];
  ck_assert_ptr_nonnull (strstr (body, "\"content\":\"U\""));
  ck_assert_ptr_nonnull (strstr (body, "\\\"mode\\\":\\\"new_rollout\\\""));
  ck_assert_ptr_nonnull (strstr (body, "\\\"rollout_id_hint\\\":\\\"hint\\\""));
  ck_assert_ptr_nonnull (strstr (body, "\\\"desired_segment_count\\\":6"));
}
END_TEST

START_TEST (an_edited_rollout)
{
  DvsRewriteChoice choice = {"nobody's", NAN, NULL, NULL};
  const gchar *body;

  open_prompts (1);
  answers (server[0], "{\"rewritten_prompts\":[\"x\",\"y\"]}");
  dvs_prompts_rewrite (
      prompts, "at night", locked, "p", NULL, &choice, NULL, on_answer, &came);
  expect_answer ();
  ck_assert_ptr_null (came.error);
  ck_assert_str_eq (came.list[1], "y");
  ck_assert_str_eq (came.id, "p");
  ck_assert_str_eq (came.label, "Current rollout");
  ck_assert_str_eq (came.model, "usual");
  body = server[0]->bodies->pdata[0];
  ck_assert_ptr_nonnull (
      strstr (body, "\\\"mode\\\":\\\"edit_existing_rollout\\\""));
  ck_assert_ptr_nonnull (
      strstr (body, "\\\"segment_prompts\\\":[\\\"a first\\\","));
}
END_TEST

START_TEST (the_first_valid_answer_wins)
{
  open_prompts (2);
  answers (server[0], "I would rather not.");
  answers (server[1], "{\"next_prompt\":\"late but good\"}");
  server[1]->delay_ms = 100;
  enhance ("x");
  expect_answer ();
  ck_assert_str_eq (came.prompt, "late but good");
  ck_assert_uint_eq (successes ("a"), 0);
  ck_assert_uint_eq (successes ("b"), 1);
  /* Both were asked at the same time. */
  ck_assert_uint_eq (server[0]->heads->len, 1);
  ck_assert_uint_eq (server[1]->heads->len, 1);
}
END_TEST

START_TEST (the_loser_is_given_up)
{
  open_prompts (2);
  server[0]->manner = HTTP_NEVER;
  answers (server[1], "{\"next_prompt\":\"quick\"}");
  server[1]->delay_ms = 100;
  enhance ("x");
  expect_answer ();
  ck_assert_str_eq (came.prompt, "quick");
  ck_assert (came.latency_ms < 4000);
  ck_assert (http_wait (&server[0]->gone));
  ck_assert_uint_eq (server[1]->gone, 0);
}
END_TEST

START_TEST (a_connection_is_kept)
{
  open_prompts (1);
  answers (server[0], "{\"next_prompt\":\"x\"}");
  for (guint i = 0; i < 3; i++) {
    forget ();
    enhance ("x");
    expect_answer ();
    ck_assert_ptr_null (came.error);
  }
  ck_assert_uint_eq (server[0]->connections, 1);
  ck_assert_uint_eq (successes ("a"), 3);
}
END_TEST

/* Providers close connections that were idle for a while. */
START_TEST (a_kept_connection_was_closed)
{
  open_prompts (1);
  answers (server[0], "{\"next_prompt\":\"x\"}");
  for (guint i = 0; i < 3; i++) {
    forget ();
    enhance ("x");
    expect_answer ();
    ck_assert_msg (came.error == NULL, "%s", came.error);
    /* The next is asked before the loop could notice that it is closed. */
    http_answers_hang_up (server[0]);
  }
  ck_assert_uint_eq (server[0]->connections, 3);
}
END_TEST

/* ---- bad answers ---- */

/* Fails with a sentence that has @says. */
static void
fails (const gchar *says)
{
  forget ();
  enhance ("x");
  expect_answer ();
  ck_assert_ptr_null (came.prompt);
  ck_assert_msg (came.error && strstr (came.error, says), "'%s' lacks '%s'",
      came.error, says);
  ck_assert (g_str_has_prefix (came.error, "a: "));
}

START_TEST (status_codes)
{
  static const struct {
    guint status;
    const gchar *says;
  } cases[] = {{400, "answered 400"}, {401, "the key was refused"},
      {403, "the key was refused"}, {404, "answered 404"},
      {429, "too many requests"}, {500, "answered 500"}, {503, "answered 503"},
      {204, "answered 204"}};

  open_prompts (1);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    /* Some providers repeat the key that they refuse. */
    http_answers_say (server[0], cases[i].status,
        cases[i].status == 204 ? ""
                               : "{\"error\":{\"message\":\"bad " KEY "\"}}");
    fails (cases[i].says);
  }
  /* What is searched for secrets afterwards is there. */
  ck_assert_ptr_nonnull (strstr (logged->str, "no language model gave"));
}
END_TEST

START_TEST (redirects_are_not_followed)
{
  gchar *where = g_strdup_printf (
      "Location: http://127.0.0.1:%u/v1/chat/completions\r\n", server[1]->port);

  open_prompts (1);
  answers (server[1], "{\"next_prompt\":\"stolen\"}");
  http_answers_say (server[0], 307, "");
  server[0]->headers = where;
  fails ("redirects are not followed");
  ck_assert_uint_eq (server[1]->connections, 0);
  g_free (where);
}
END_TEST

START_TEST (bodies_that_are_no_answer)
{
  static const gchar *const bodies[] = {"", "no JSON", "[]", "null", "{}",
      "{\"choices\":[]}", "{\"choices\":{}}", "{\"choices\":[1]}",
      "{\"choices\":[{}]}", "{\"choices\":[{\"message\":null}]}",
      "{\"choices\":[{\"message\":{}}]}",
      "{\"choices\":[{\"message\":{\"content\":null}}]}",
      "{\"choices\":[{\"message\":{\"content\":\"\"}}]}",
      "{\"choices\":[{\"message\":{\"content\":[]}}]}",
      "{\"choices\":[{\"message\":{\"content\":\"{}\"}}]}",
      "{\"choices\":[{\"message\":{\"content\":\"{\\\"next_prompt\\\":7}\"}}]}",
      "{\"choices\":[{\"message\":{\"content\":\"\xff\"}}]}"};

  open_prompts (1);
  for (guint i = 0; i < G_N_ELEMENTS (bodies); i++) {
    http_answers_say (server[0], 200, bodies[i]);
    fails ("a: the ");
  }
  ck_assert_uint_eq (successes ("a"), 0);
}
END_TEST

START_TEST (connections_that_break)
{
  open_prompts (1);
  http_answers_say (server[0], 200, "{\"choices\":[]}");
  server[0]->manner = HTTP_HALF;
  fails ("a: ");
  server[0]->manner = HTTP_GARBAGE;
  fails ("a: closed the connection");
  server[0]->manner = HTTP_DROP;
  fails ("a: closed the connection");
}
END_TEST

START_TEST (nobody_listens)
{
  open_prompts (1);
  g_socket_listener_close (G_SOCKET_LISTENER (server[0]->service));
  fails ("refused the connection");
}
END_TEST

/* NULL: this machine has no TLS. */
static GTlsCertificate *
make_certificate (void)
{
  gchar *openssl = g_find_program_in_path ("openssl"), *path, *command;
  GTlsCertificate *certificate;
  gint fd;

  if (!openssl || !g_tls_backend_supports_tls (g_tls_backend_get_default ())) {
    g_free (openssl);
    return NULL;
  }
  fd = g_file_open_tmp (NULL, &path, NULL);
  g_close (fd, NULL);
  command = g_strdup_printf (
      "sh -c '%s req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
      "-days 2 -subj /CN=127.0.0.1 -keyout - >%s 2>/dev/null'",
      openssl, path);
  ck_assert (g_spawn_command_line_sync (command, NULL, NULL, NULL, NULL));
  certificate = g_tls_certificate_new_from_file (path, NULL);
  ck_assert_ptr_nonnull (certificate);
  g_unlink (path);
  g_free (command);
  g_free (path);
  g_free (openssl);
  return certificate;
}

/* Then neither key nor text has left. */
START_TEST (a_certificate_that_nobody_knows)
{
  gchar *text;

  server[0]->certificate = make_certificate ();
  if (!server[0]->certificate)
    return;
  answers (server[0], "{\"next_prompt\":\"stolen\"}");
  text = g_strdup_printf ("name=a,url=https://127.0.0.1:%u/v1,model=usual,"
                          "key-env=DVS_TEST_KEY",
      server[0]->port);
  g_setenv ("DVS_TEST_KEY", KEY, TRUE);
  settings.providers = g_strsplit (text, ";", -1);
  /* Reading the system's authorities takes its time under a sanitizer. */
  settings.prompt_timeout_ms = 45000;
  prompts = dvs_prompts_new (&settings, NULL);
  fails ("has no certificate that is trusted here");
  ck_assert_uint_eq (server[0]->connections, 1);
  ck_assert_uint_eq (server[0]->heads->len, 0);
  g_clear_object (&server[0]->certificate);
  g_free (text);
}
END_TEST

START_TEST (an_endless_answer)
{
  open_prompts (1);
  server[0]->manner = HTTP_HUGE;
  fails ("answered more than 1048576 bytes");
  ck_assert (http_wait (&server[0]->gone));
}
END_TEST

/* However it is late, the call takes its time and no more. */
START_TEST (late_and_never)
{
  static const HttpManner manners[] = {HTTP_NEVER, HTTP_DRIP, HTTP_ANSWER};

  settings.prompt_timeout_ms = 200;
  open_prompts (1);
  for (guint i = 0; i < G_N_ELEMENTS (manners); i++) {
    answers (server[0], "{\"next_prompt\":\"x\"}");
    server[0]->manner = manners[i];
    server[0]->delay_ms = manners[i] == HTTP_ANSWER ? 5000 : 0;
    fails ("gave no answer within 0.2 s");
    ck_assert (came.latency_ms >= 190 && came.latency_ms < 4000);
  }
}
END_TEST

START_TEST (an_extension_has_a_time_of_its_own)
{
  settings.extend_timeout_ms = 100;
  open_prompts (1);
  server[0]->manner = HTTP_NEVER;
  dvs_prompts_extend (prompts, locked, NULL, on_answer, &came);
  expect_answer ();
  ck_assert_str_eq (came.error, "a: gave no answer within 0.1 s");
}
END_TEST

START_TEST (all_reasons_are_told)
{
  open_prompts (2);
  http_answers_say (server[0], 429, "");
  answers (server[1], "{\"next_prompt\":\"\"}");
  enhance ("x");
  expect_answer ();
  ck_assert_ptr_nonnull (strstr (came.error, "a: answered 429"));
  ck_assert_ptr_nonnull (strstr (came.error, "; "));
  ck_assert_ptr_nonnull (strstr (came.error, "b: the model's prompt is empty"));
}
END_TEST

START_TEST (a_failed_edit_is_a_failure)
{
  open_prompts (1);
  answers (server[0], "{\"segment_prompts\":[\"only one\"]}");
  dvs_prompts_rewrite (
      prompts, "x", locked, "p", "P", NULL, NULL, on_answer, &came);
  expect_answer ();
  ck_assert_str_eq (
      came.error, "a: the model gave 1 prompts where 2 were asked for");
  ck_assert_ptr_null (came.list);
  ck_assert_str_eq (came.id, "p");
  ck_assert_ptr_nonnull (strstr (came.raw, "only one"));
}
END_TEST

/* Nobody is left at "Generating video…". */
START_TEST (a_new_rollout_never_fails)
{
  open_prompts (1);
  http_answers_say (server[0], 500, "");
  dvs_prompts_rewrite (
      prompts, "a whale", NULL, NULL, NULL, NULL, NULL, on_answer, &came);
  expect_answer ();
  ck_assert_ptr_null (came.error);
  ck_assert_uint_eq (g_strv_length (came.list), 6);
  ck_assert_str_eq (came.model, DVS_WRITER_MODEL);
  ck_assert_ptr_nonnull (strstr (came.note, "answered 500"));
  ck_assert_ptr_nonnull (strstr (came.list[0], "a whale"));
}
END_TEST

START_TEST (a_window_that_is_too_large)
{
  gchar **window = g_new0 (gchar *, 66);

  open_writer ();
  for (guint i = 0; i < 65; i++)
    window[i] = g_strdup ("a prompt");
  for (guint round = 0; round < 2; round++) {
    forget ();
    dvs_prompts_rewrite (prompts, "x", (const gchar *const *)window, NULL, NULL,
        NULL, NULL, on_answer, &came);
    ck_assert_uint_eq (came.n, 0);
    expect_answer ();
    ck_assert_ptr_nonnull (strstr (came.error, "64 prompts"));
    ck_assert_ptr_null (came.list);
    /* The other time it has few prompts and many bytes. */
    for (guint i = 0; i < 65; i++) {
      g_free (window[i]);
      window[i] = i < 9 ? g_strnfill (8000, 'x') : NULL;
    }
  }
  g_strfreev (window);
}
END_TEST

/* ---- cancelling ---- */

START_TEST (nothing_after_cancelling)
{
  GCancellable *cancellable = g_cancellable_new ();

  open_prompts (2);
  for (guint i = 0; i < 2; i++) {
    answers (server[i], "{\"next_prompt\":\"x\"}");
    server[i]->delay_ms = 100;
  }
  dvs_prompts_enhance (
      prompts, "x", locked, 3, FALSE, cancellable, on_answer, &came);
  while (server[0]->heads->len + server[1]->heads->len < 2)
    g_main_context_iteration (NULL, TRUE);
  g_cancellable_cancel (cancellable);
  ck_assert (http_wait (&server[0]->gone));
  ck_assert (http_wait (&server[1]->gone));
  http_run (150);
  ck_assert_uint_eq (came.n, 0);
  ck_assert_uint_eq (successes ("a") + successes ("b"), 0);
  /* One that is cancelled from the start. */
  dvs_prompts_enhance (
      prompts, "x", locked, 3, FALSE, cancellable, on_answer, &came);
  http_run (150);
  ck_assert_uint_eq (came.n, 0);
  g_object_unref (cancellable);
}
END_TEST

START_TEST (the_writer_is_cancelled_too)
{
  GCancellable *cancellable = g_cancellable_new ();

  open_writer ();
  dvs_prompts_enhance (
      prompts, "x", locked, 3, FALSE, cancellable, on_answer, &came);
  g_cancellable_cancel (cancellable);
  http_run (50);
  ck_assert_uint_eq (came.n, 0);
  g_object_unref (cancellable);
}
END_TEST

START_TEST (nothing_after_freeing)
{
  open_prompts (1);
  answers (server[0], "{\"next_prompt\":\"x\"}");
  enhance ("x");
  g_clear_pointer (&prompts, dvs_prompts_free);
  http_run (50);
  ck_assert_uint_eq (came.n, 0);
}
END_TEST

START_TEST (a_reload_leaves_what_is_under_way)
{
  DvsSettings other = settings;
  gchar **none = g_strsplit ("none", ",", 1);
  gchar **wrong = g_strsplit ("name=x", ",", 1);
  GError *error = NULL;

  open_prompts (1);
  answers (server[0], "{\"next_prompt\":\"x\"}");
  enhance ("x");
  other.providers = wrong;
  ck_assert (!dvs_prompts_reload (prompts, &other, &error));
  ck_assert_str_eq (error->message, "provider x: url is missing");
  g_clear_error (&error);
  other.providers = none;
  ck_assert (dvs_prompts_reload (prompts, &other, NULL));
  expect_answer ();
  ck_assert_str_eq (came.prompt, "x");
  ck_assert_uint_eq (successes ("a"), 1);
  forget ();
  enhance ("x");
  expect_answer ();
  ck_assert_str_eq (came.model, DVS_WRITER_MODEL);
  g_strfreev (none);
  g_strfreev (wrong);
}
END_TEST

/* ---- the writer ---- */

START_TEST (the_writer_answers_like_a_model)
{
  open_writer ();
  dvs_prompts_rewrite (
      prompts, "a whale", NULL, "p", "P", NULL, NULL, on_answer, &came);
  ck_assert_uint_eq (came.n, 0);
  expect_answer ();
  ck_assert_ptr_null (came.error);
  ck_assert_ptr_null (came.note);
  ck_assert_uint_eq (g_strv_length (came.list), 6);
  ck_assert_str_eq (came.model, DVS_WRITER_MODEL);
  ck_assert_str_eq (came.id, "p");
  ck_assert_str_eq (came.label, "Whale");
  ck_assert (g_str_has_prefix (came.raw, "{\"id\":\"p\",\"label\":\"Whale\""));
  forget ();
  dvs_prompts_rewrite (
      prompts, "at night", locked, "p", "P", NULL, NULL, on_answer, &came);
  expect_answer ();
  ck_assert_uint_eq (g_strv_length (came.list), 2);
  ck_assert_str_eq (came.label, "P");
  forget ();
  dvs_prompts_extend (prompts, locked, NULL, on_answer, &came);
  expect_answer ();
  ck_assert_ptr_nonnull (strstr (came.prompt, "a second"));
  ck_assert (g_str_has_prefix (came.raw, "{\"next_prompt\":"));
  forget ();
  dvs_prompts_enhance (prompts, "x", NULL, 1, TRUE, NULL, on_answer, &came);
  expect_answer ();
  ck_assert (g_str_has_prefix (came.raw, "{\"prompt\":"));
  ck_assert_str_eq (dvs_prompts_model (prompts, "other"), DVS_WRITER_MODEL);
}
END_TEST

/* A text of the directory's is what a model is told. */
START_TEST (a_system_prompt_of_ones_own)
{
  gchar *path;

  settings.prompt_directory = g_dir_make_tmp (NULL, NULL);
  path = g_build_filename (
      settings.prompt_directory, "auto_extension_system_prompt.txt", NULL);
  ck_assert (g_file_set_contents (path, "go on é\n", -1, NULL));
  open_prompts (1);
  answers (server[0], "{\"next_prompt\":\"x\"}");
  dvs_prompts_extend (prompts, locked, NULL, on_answer, &came);
  expect_answer ();
  ck_assert_ptr_nonnull (
      strstr (server[0]->bodies->pdata[0], "\"content\":\"go on é\""));
  g_unlink (path);
  g_rmdir (settings.prompt_directory);
  g_free (path);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("prompts");
  TCase *tests = tcase_create ("prompts");
  SRunner *runner;
  int failed;

  g_log_set_writer_func (on_log, g_thread_self (), NULL);
  tcase_set_timeout (tests, 100);
  tcase_add_checked_fixture (tests, set_up, tear_down);
  tcase_add_test (tests, an_enhanced_prompt);
  tcase_add_test (tests, a_single_clip_and_an_extension);
  tcase_add_test (tests, a_new_rollout);
  tcase_add_test (tests, an_edited_rollout);
  tcase_add_test (tests, the_first_valid_answer_wins);
  tcase_add_test (tests, the_loser_is_given_up);
  tcase_add_test (tests, a_connection_is_kept);
  tcase_add_test (tests, a_kept_connection_was_closed);
  tcase_add_test (tests, status_codes);
  tcase_add_test (tests, redirects_are_not_followed);
  tcase_add_test (tests, bodies_that_are_no_answer);
  tcase_add_test (tests, connections_that_break);
  tcase_add_test (tests, nobody_listens);
  tcase_add_test (tests, a_certificate_that_nobody_knows);
  tcase_add_test (tests, an_endless_answer);
  tcase_add_test (tests, late_and_never);
  tcase_add_test (tests, an_extension_has_a_time_of_its_own);
  tcase_add_test (tests, all_reasons_are_told);
  tcase_add_test (tests, a_failed_edit_is_a_failure);
  tcase_add_test (tests, a_new_rollout_never_fails);
  tcase_add_test (tests, a_window_that_is_too_large);
  tcase_add_test (tests, nothing_after_cancelling);
  tcase_add_test (tests, the_writer_is_cancelled_too);
  tcase_add_test (tests, nothing_after_freeing);
  tcase_add_test (tests, a_reload_leaves_what_is_under_way);
  tcase_add_test (tests, the_writer_answers_like_a_model);
  tcase_add_test (tests, a_system_prompt_of_ones_own);
  suite_add_tcase (suite, tests);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
