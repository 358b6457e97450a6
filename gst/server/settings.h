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

  /* slots */
  guint slots;     /* 1 */
  gchar **devices; /* one a slot, "cpu", "cuda:0" */
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

#endif
