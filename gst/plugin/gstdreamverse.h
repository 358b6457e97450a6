/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The contract between the elements and with applications: the names of all
 * element messages, custom events and their fields, and functions that read
 * them. Installed as <gst/dreamverse/gstdreamverse.h>; needs no library.
 * docs/protocol.md says when each is sent and in which order.
 *
 * Every structure that concerns a segment carries the five fields of
 * GST_DREAMVERSE_SEGMENT_FIELDS below, so that no reader has to remember.
 */
#ifndef GST_DREAMVERSE_H
#define GST_DREAMVERSE_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* ---- fields that name a segment ---- */

/* uint: counts resets; 1 for the first stream of a source. Indices restart
 * with each epoch. */
#define GST_DREAMVERSE_FIELD_EPOCH "epoch"
/* uint: 1-based within the epoch */
#define GST_DREAMVERSE_FIELD_INDEX "index"
/* uint64: 1-based, never restarts while the source runs */
#define GST_DREAMVERSE_FIELD_SEQUENCE "sequence"
/* string: "seg001-1f2e3d4c", unique for each attempt at a segment */
#define GST_DREAMVERSE_FIELD_STREAM_ID "stream-id"
/* string */
#define GST_DREAMVERSE_FIELD_PROMPT "prompt"

/* ---- further fields ---- */

#define GST_DREAMVERSE_FIELD_MODEL "model"           /* string: its name */
#define GST_DREAMVERSE_FIELD_PROCEDURAL "procedural" /* boolean: a drawing */
#define GST_DREAMVERSE_FIELD_START "start"       /* uint64, ns, running time */
#define GST_DREAMVERSE_FIELD_END "end"           /* uint64, ns, running time */
#define GST_DREAMVERSE_FIELD_FRAMES "frames"     /* uint */
#define GST_DREAMVERSE_FIELD_SAMPLES "samples"   /* uint64, a channel */
#define GST_DREAMVERSE_FIELD_ABORTED "aborted"   /* boolean */
#define GST_DREAMVERSE_FIELD_LAST "last"         /* boolean */
#define GST_DREAMVERSE_FIELD_STAGE "stage"       /* string */
#define GST_DREAMVERSE_FIELD_FRACTION "fraction" /* double, 0 to 1 */
#define GST_DREAMVERSE_FIELD_GENERATION_MS "generation-ms" /* double */
#define GST_DREAMVERSE_FIELD_TIMINGS "timings"   /* GstStructure: stage = ms */
#define GST_DREAMVERSE_FIELD_SEGMENTS "segments" /* uint */
#define GST_DREAMVERSE_FIELD_BYTES "bytes"       /* uint64 */
#define GST_DREAMVERSE_FIELD_FRAGMENTS "fragments"     /* uint */
#define GST_DREAMVERSE_FIELD_CODE "code"               /* string, kebab-case */
#define GST_DREAMVERSE_FIELD_MESSAGE "message"         /* string, a sentence */
#define GST_DREAMVERSE_FIELD_COMMAND "command"         /* string */
#define GST_DREAMVERSE_FIELD_ID "id"                   /* string */
#define GST_DREAMVERSE_FIELD_PROMPT_ID "prompt-id"     /* string */
#define GST_DREAMVERSE_FIELD_QUEUE_DEPTH "queue-depth" /* uint */
#define GST_DREAMVERSE_FIELD_PAUSED "paused"           /* boolean */

/* ---- element messages of dreamversesrc ---- */

/* Generation of a segment begins: the segment fields, model, procedural,
 * start, end (planned), frames, prompt-id (if the prompt has one). */
#define GST_DREAMVERSE_MESSAGE_SEGMENT_START "dreamverse-segment-start"
/* Generation goes on: the segment fields, stage, fraction. */
#define GST_DREAMVERSE_MESSAGE_PROGRESS "dreamverse-progress"
/* Generation is done and continuation state saved; waits for nobody
 * downstream: the segment fields, frames, samples, start, end, generation-ms,
 * timings. */
#define GST_DREAMVERSE_MESSAGE_STEP_COMPLETE "dreamverse-step-complete"
/* A step was given up (reset, stop, error): the segment fields, frames (those
 * that were committed and will be sent; with 0 the segment has no media),
 * start, end. */
#define GST_DREAMVERSE_MESSAGE_STEP_ABORTED "dreamverse-step-aborted"
/* No further segment will be made in this epoch: epoch, segments (completed
 * steps of this epoch), last (TRUE: the source sends EOS next; FALSE: a new
 * epoch follows). */
#define GST_DREAMVERSE_MESSAGE_STREAM_COMPLETE "dreamverse-stream-complete"
/* Steering took effect. */
#define GST_DREAMVERSE_MESSAGE_PROMPT_RECEIVED                                 \
  "dreamverse-prompt-received" /* id, prompt, prompt-id, queue-depth */
/* A prompt was not taken: missing, too long, or one too many: id, message. */
#define GST_DREAMVERSE_MESSAGE_PROMPT_REFUSED "dreamverse-prompt-refused"
#define GST_DREAMVERSE_MESSAGE_PAUSED "dreamverse-paused" /* id, paused */
#define GST_DREAMVERSE_MESSAGE_RESET "dreamverse-reset"   /* id, epoch (new) */

/* ---- element messages of dreamversemux ---- */

/* Every byte of the segment left the mux: the segment fields, start, end,
 * aborted, bytes, fragments, timings (first-fragment, encode, drain, reset in
 * ms). */
#define GST_DREAMVERSE_MESSAGE_MEDIA_COMPLETE "dreamverse-media-complete"
/* An encoder, the mux or the relay failed, or a segment ended short: the
 * segment fields, stage ("generate", "encode", "mux", "relay"), code,
 * message. Posted before the ERROR where one follows. */
#define GST_DREAMVERSE_MESSAGE_MEDIA_ERROR "dreamverse-media-error"

/* ---- events downstream ---- */

/* Serialized, before the first buffer of a segment, on both pads: the segment
 * fields, model, procedural, start, end, frames, samples, last (closing silence
 * and EOS follow it, as far as one knows). dreamversemux sends it once, before
 * the segment's init segment. */
#define GST_DREAMVERSE_EVENT_SEGMENT "dreamverse-segment"
/* Out of band (CUSTOM_DOWNSTREAM_OOB): the segment ends earlier than it was
 * announced: the segment fields, start, end (new). It overtakes data: what
 * counts is the time in it. */
#define GST_DREAMVERSE_EVENT_SEGMENT_ABORTED "dreamverse-segment-aborted"
/* Out of band: the segment turned out to be the last of the stream: the
 * segment fields, last. What follows it is closing silence, and EOS. */
#define GST_DREAMVERSE_EVENT_SEGMENT_LAST "dreamverse-segment-last"
/* Serialized, from dreamversemux, after the last byte of a segment: fields as
 * the message of this name. */
#define GST_DREAMVERSE_EVENT_MEDIA_COMPLETE "dreamverse-media-complete"

/* ---- event upstream ---- */

/* Steering: command ("prompt", "pause", "resume", "reset"), id (repeats are
 * ignored: the event arrives once a pad), for "prompt" also prompt and
 * prompt-id. */
#define GST_DREAMVERSE_EVENT_CONTROL "dreamverse-control"
#define GST_DREAMVERSE_COMMAND_PROMPT "prompt"
#define GST_DREAMVERSE_COMMAND_PAUSE "pause"
#define GST_DREAMVERSE_COMMAND_RESUME "resume"
#define GST_DREAMVERSE_COMMAND_RESET "reset"

/* ---- reading ---- */

/**
 * GstDreamverseSegment:
 *
 * What names a segment. Strings belong to the structure it was read from.
 */
typedef struct {
  guint epoch;
  guint index;
  guint64 sequence;
  const gchar *stream_id;
  const gchar *prompt;
  GstClockTime start; /* running time; GST_CLOCK_TIME_NONE if not given */
  GstClockTime end;
} GstDreamverseSegment;

/**
 * gst_dreamverse_parse_segment:
 * @structure: the structure of one of the messages or events above
 * @segment: (out): what names the segment
 *
 * Returns: %FALSE if @structure does not name a segment.
 */
static inline gboolean
gst_dreamverse_parse_segment (
    const GstStructure *structure, GstDreamverseSegment *segment)
{
  segment->start = segment->end = GST_CLOCK_TIME_NONE;
  gst_structure_get_uint64 (
      structure, GST_DREAMVERSE_FIELD_START, &segment->start);
  gst_structure_get_uint64 (structure, GST_DREAMVERSE_FIELD_END, &segment->end);
  segment->stream_id =
      gst_structure_get_string (structure, GST_DREAMVERSE_FIELD_STREAM_ID);
  segment->prompt =
      gst_structure_get_string (structure, GST_DREAMVERSE_FIELD_PROMPT);
  return segment->stream_id &&
         gst_structure_get_uint (
             structure, GST_DREAMVERSE_FIELD_EPOCH, &segment->epoch) &&
         gst_structure_get_uint (
             structure, GST_DREAMVERSE_FIELD_INDEX, &segment->index) &&
         gst_structure_get_uint64 (
             structure, GST_DREAMVERSE_FIELD_SEQUENCE, &segment->sequence);
}

/**
 * gst_dreamverse_message_has_name:
 * @message: any message
 * @name: one of the GST_DREAMVERSE_MESSAGE_ names
 */
static inline gboolean
gst_dreamverse_message_has_name (GstMessage *message, const gchar *name)
{
  return GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT &&
         gst_message_has_name (message, name);
}

/**
 * gst_dreamverse_message_parse_step_complete:
 * @message: a GST_DREAMVERSE_MESSAGE_STEP_COMPLETE
 * @segment: (out): the segment
 * @generation_ms: (out): generation and saving of the continuation state
 * @timings: (out) (transfer none) (nullable): one double a stage, ms
 */
static inline gboolean
gst_dreamverse_message_parse_step_complete (GstMessage *message,
    GstDreamverseSegment *segment, gdouble *generation_ms,
    const GstStructure **timings)
{
  const GstStructure *s = gst_message_get_structure (message);
  const GValue *value;

  if (!gst_dreamverse_message_has_name (
          message, GST_DREAMVERSE_MESSAGE_STEP_COMPLETE) ||
      !gst_dreamverse_parse_segment (s, segment))
    return FALSE;
  value = gst_structure_get_value (s, GST_DREAMVERSE_FIELD_TIMINGS);
  *timings = value && GST_VALUE_HOLDS_STRUCTURE (value)
                 ? gst_value_get_structure (value)
                 : NULL;
  return gst_structure_get_double (
      s, GST_DREAMVERSE_FIELD_GENERATION_MS, generation_ms);
}

/**
 * gst_dreamverse_message_parse_media_error:
 * @message: a GST_DREAMVERSE_MESSAGE_MEDIA_ERROR
 * @segment: (out): the segment
 * @stage: (out): where it failed
 * @text: (out): a sentence for a person
 */
static inline gboolean
gst_dreamverse_message_parse_media_error (GstMessage *message,
    GstDreamverseSegment *segment, const gchar **stage, const gchar **text)
{
  const GstStructure *s = gst_message_get_structure (message);

  if (!gst_dreamverse_message_has_name (
          message, GST_DREAMVERSE_MESSAGE_MEDIA_ERROR) ||
      !gst_dreamverse_parse_segment (s, segment))
    return FALSE;
  *stage = gst_structure_get_string (s, GST_DREAMVERSE_FIELD_STAGE);
  *text = gst_structure_get_string (s, GST_DREAMVERSE_FIELD_MESSAGE);
  return *stage && *text;
}

/**
 * gst_dreamverse_control_event_new:
 * @command: one of the GST_DREAMVERSE_COMMAND_ names
 * @id: names this command; repeats of an id are ignored
 * @prompt: (nullable): the prompt, for "prompt"
 * @prompt_id: (nullable): what the sender calls the prompt
 *
 * Returns: (transfer full): an event to send upstream
 */
static inline GstEvent *
gst_dreamverse_control_event_new (const gchar *command, const gchar *id,
    const gchar *prompt, const gchar *prompt_id)
{
  return gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM,
      gst_structure_new (GST_DREAMVERSE_EVENT_CONTROL,
          GST_DREAMVERSE_FIELD_COMMAND, G_TYPE_STRING, command,
          GST_DREAMVERSE_FIELD_ID, G_TYPE_STRING, id,
          GST_DREAMVERSE_FIELD_PROMPT, G_TYPE_STRING, prompt,
          GST_DREAMVERSE_FIELD_PROMPT_ID, G_TYPE_STRING, prompt_id, NULL));
}

G_END_DECLS

#endif
