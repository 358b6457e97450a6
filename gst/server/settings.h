/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the server was told: one key file, every key also a flag.  Filled by
 * settings.c, then only read.
 *
 * Threads: read by any; replaced as a whole by a reload (main thread).
 */
#ifndef DVS_SETTINGS_H
#define DVS_SETTINGS_H

#include <glib.h>

typedef struct {
  /* listening */
  gchar *address;                    /* "127.0.0.1" */
  guint port;                        /* 8009; 0: any that is free */
  gchar *tls_certificate, *tls_key;  /* PEM files */
  gchar *token;                      /* bearer token; NULL: none */
  gchar *token_file;                 /* one a line; NULL: none */
  gchar **allowed_origins;           /* NULL: any */
  gchar *client_directory;           /* static files at /; NULL: viewer */
  gboolean devtools;                 /* preset and adapter endpoints */
  guint max_connections;             /* WebSockets at a time */
  guint max_connections_per_address; /* 0: no limit */
  guint max_sessions_per_address;    /* 0: no limit */
  guint max_queue;                   /* waiting clients */
  guint64 max_message_bytes;         /* 21 MiB: an image of 15 */
  guint64 max_unsent_bytes;          /* beyond it generation is held */
  guint unsent_patience_s;           /* 15: so long, then the session ends */
  guint ping_interval_s;             /* 20 */
  guint pong_timeout_s;              /* 20: so long, then the client is cut */
  gchar **trusted_proxies; /* addresses whose X-Forwarded-For counts */
  guint agent_port;        /* HAProxy's agent-check; 0: none */
  gchar *service_name;     /* "ltx2-streaming-backend" */
  gchar *presets;          /* file of /curated-presets; NULL: none */

  /* slots */
  guint slots;     /* 1 */
  gchar **devices; /* "cpu", "cuda:0"; slot n has that of n modulo their
                    * number; NULL: "auto" */
  gchar *model, *dtype;
  gchar **loras;
  gchar *steps;
  guint threads;
  guint64 memory_budget;
  guint width, height, fps_n, fps_d;    /* 1920, 1088, 24, 1 */
  guint frames, overlap, audio_overlap; /* 121, 9, 49 */
  guint64 seed;                         /* 10 */
  gdouble pace;                         /* procedural: seconds a segment */
  gboolean stamp;                       /* procedural: numbered frames */
  gchar *video_encoder, *audio_encoder; /* launch lines; NULL: the best */
  guint fragment_ms;                    /* 125 */
  gboolean warmup;
  guint warmup_timeout_s; /* 2400 */
  guint start_timeout_s;  /* 600: load */
  guint step_timeout_s;   /* 1800: the watchdog */

  /* sessions */
  guint session_timeout_s;    /* 300 */
  guint init_timeout_s;       /* 10 */
  guint media_patience_s;     /* 15: for media on leave */
  guint segment_cap;          /* 6; 0: none */
  guint first_media_delay_ms; /* after Generate at least; 0 */
  guint drain_timeout_s;      /* SIGTERM: running sessions; 60 */

  /* prompts */
  gchar **providers; /* each "name=…,url=…,model=…", see provider.h; NULL:
                      * those whose keys are in the environment; "none" */
  gchar *rewrite_model; /* "gpt-oss-120b" */
  gchar **rewrite_models;
  gdouble rewrite_temperature; /* 1.0 */
  gchar *prompt_directory;     /* system prompts; NULL: built in */
  gchar *block_list;           /* file; NULL: none */
  gchar *safety_url;           /* classifier; NULL: none */
  gboolean safety_allow;       /* what it did not answer for in time; FALSE */
  guint prompt_timeout_ms;     /* enhance, rewrite; 0: 20000 */
  guint extend_timeout_ms;     /* 0: 3000 */
  guint safety_timeout_ms;     /* 0: 3000 */

  /* logs */
  gchar *session_log;        /* JSON lines; NULL: none */
  guint64 session_log_bytes; /* then it is rotated; 16 MiB */
  guint session_log_files;   /* kept; 5 */
  gboolean log_prompts;      /* TRUE */
} DvsSettings;

/* The defaults. */
DvsSettings *dvs_settings_new (void);
void dvs_settings_free (DvsSettings *settings);
/* Every error of these names file or flag, key, value and what is allowed. */
gboolean dvs_settings_read (
    DvsSettings *settings, const gchar *file, GError **error);
/* @source: who says so, "--port". A list's value is one more item of it. */
gboolean dvs_settings_set (DvsSettings *settings, const gchar *key,
    const gchar *value, const gchar *source, GError **error);
/* A list is begun anew, as flags do with what the file has. */
void dvs_settings_empty (DvsSettings *settings, const gchar *key);
/* TRUE: @key takes no value on the command line: it alone means true. */
gboolean dvs_settings_is_switch (const gchar *key);
/* What no single key can be wrong about, and that files can be read. */
gboolean dvs_settings_check (const DvsSettings *settings, GError **error);
/* Takes what may change in a running server; NULL, or the keys that changed and
 * may not. */
gchar *dvs_settings_reload (DvsSettings *settings, DvsSettings *fresh);
/* "cpu", "cuda:0", "auto" */
const gchar *dvs_settings_device (const DvsSettings *settings, guint slot);

/* To be freed: every key as a flag, explained; a key file, with @explained
 * comments and all commented out. */
gchar *dvs_settings_help (void);
gchar *dvs_settings_text (const DvsSettings *settings, gboolean explained);

#endif
