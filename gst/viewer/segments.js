/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is known of each recent segment: when it was generated, encoded and
 * played, how long that took, what it shows. Times are performance.now() in ms
 * unless they are playing times, in seconds. Only the last ones are kept.
 */

const KEEP = 48;

export class Segments {
  constructor() {
    this.list = [];
    this.epoch = 1;
    this.media = null; /* the segment that bytes now belong to */
    this.model = '';
    this.procedural = null; /* unknown until the server says */
    this.playing = null;
  }

  /* The connection is gone: nothing of what was announced goes on, though what
   * is buffered still plays. A restarted server may use the same numbers. */
  retire(now = performance.now()) {
    this.media = null;
    for (const segment of this.list) {
      segment.retired = true;
      this.giveUp(segment, now);
    }
  }

  /* Playback starts anew with another connection's media. */
  replaced() {
    this.playing = null;
    for (const segment of this.list)
      segment.gone ||= segment.retired;
    this.list = this.list.filter(({ gone, entered }) => !gone || entered);
  }

  giveUp(segment, now) {
    if (segment.generating && !segment.generated) {
      segment.generated = now;
      segment.aborted = true;
    }
    if (segment.retired && segment.encoding)
      segment.encoded ??= now;
  }

  find(message) {
    const { stream_id: id, segment_idx: index } = message;
    const epoch = message.epoch ?? this.epoch;
    return this.list.findLast((segment) => !segment.retired
      && (id && segment.id ? segment.id === id
        : segment.index === index && segment.epoch === epoch));
  }

  /* The segment a message is about, made known if it is not. */
  get(message) {
    let segment = this.find(message);
    if (!segment) {
      segment = { index: message.segment_idx ?? 0,
        epoch: message.epoch ?? this.epoch, id: message.stream_id ?? '',
        prompt: '', bytes: 0, fraction: 0 };
      this.list.push(segment);
      if (this.list.length > KEEP)
        this.list.shift();
    }
    segment.id ||= message.stream_id ?? '';
    segment.prompt = message.prompt ?? segment.prompt;
    this.model = message.model ?? this.model;
    this.procedural = message.procedural ?? this.procedural;
    return segment;
  }

  /* Takes any text message; true if it changed something here. */
  take(message, now = performance.now()) {
    switch (message.type) {
    case 'ltx2_stream_start':
      this.begin(message.epoch ?? this.epoch + (this.list.length ? 1 : 0), now);
      return true;
    case 'ltx2_segment_start':
      this.get(message).generating = now;
      return true;
    case 'segment_progress': {
      const segment = this.get(message);
      segment.stage = message.stage;
      segment.fraction = message.fraction ?? segment.fraction;
      return true;
    }
    case 'step_complete': {
      const segment = message.segment_idx ? this.get(message)
        : this.list.findLast(({ generating, generated }) =>
          generating && !generated);
      if (segment) {
        segment.generated = now;
        segment.fraction = 1;
        segment.generationMs = message.latency_ms?.worker_e2e
          ?? message.latency_ms?.total;
        segment.timings = message.timings_ms;
      }
      return true;
    }
    case 'media_init':
      this.media = this.get(message);
      this.media.encoding = now;
      return true;
    case 'media_segment_complete': {
      const segment = this.find(message);
      if (segment) {
        segment.encoded = now;
        segment.aborted = message.aborted === true;
        segment.mediaTimings = message.timings_ms;
      }
      return true;
    }
    case 'error': {
      const segment = message.segment_idx && this.find(message);
      if (segment)
        segment.failed = true;
      return true;
    }
    default:
      return false;
    }
  }

  /* A new epoch: what was still being generated of the old one never ends. */
  begin(epoch, now) {
    if (epoch === this.epoch)
      return;
    this.epoch = epoch;
    for (const segment of this.list)
      this.giveUp(segment, now);
  }

  bytes(segment, count) {
    if (segment)
      segment.bytes += count;
  }

  /* Media of a segment can be played from `start` to `end`. */
  appended(segment, start, end) {
    if (!segment)
      return;
    segment.from = Math.min(segment.from ?? start, start);
    segment.to = Math.max(segment.to ?? end, end);
  }

  /* The picture at `time` is on the screen. Returns the segment it is of. */
  at(time, now = performance.now()) {
    const segment = this.list.findLast(({ from, to, gone }) => !gone
      && from !== undefined && time >= from && time < to) ?? this.playing;
    if (segment !== this.playing) {
      if (this.playing)
        this.playing.left = now;
      this.playing = segment;
      segment.entered = now;
    }
    if (segment)
      segment.left = now;
    return segment;
  }

  /* ms from the first byte of a segment to its last. */
  static mediaMs(segment) {
    return segment.encoded ? segment.encoded - segment.encoding : null;
  }
}
