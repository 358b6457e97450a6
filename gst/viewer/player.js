/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Media Source playback of one endless stream: appends units in order, starts
 * when enough is buffered, throws away what was played, seeks over holes and
 * catches up with the live edge. Everything it holds is bounded.
 */

import { sameBytes } from './fmp4.js';

/* Tests change these; nothing else does. */
export const LIMITS = {
  keepBehind: 30, /* s of played media that stay */
  keepSlack: 5, /* s more before a removal is worth it */
  startAhead: 1.0, /* s buffered before playback starts */
  startAheadMax: 6, /* s: what it grows to after underruns */
  patience: 1500, /* ms without data before playing what there is */
  pausedAhead: 60, /* s buffered during a pause before it is cut … */
  pausedKeep: 20, /* … to this */
  stuck: 8000, /* ms that data may come without becoming media */
  lagRate: 3, /* s lost by ourselves: play faster */
  lagJump: 20, /* s lost by ourselves: jump */
  nearEdge: 8, /* s that catching up always leaves buffered */
  catchUpRate: 1.06,
  queue: 64 * 1024 * 1024, /* bytes that wait for the SourceBuffer */
};
const EDGE = 0.15; /* s: closer to the end of a range than this is its end */

const FALLBACK_MIME = 'video/mp4; codecs="avc1.42E01E,mp4a.40.2"';
const Source = globalThis.ManagedMediaSource ?? globalThis.MediaSource;

/* Events: state (detail: its name), appended (detail: {unit, start, end} in
 * playing time), trouble (detail: {code, text}), jumped (detail: {seconds,
 * why: 'hole' | 'live'}).
 *
 * States: idle, buffering, playing, paused, blocked (needs a click), ended. */
export class Player extends EventTarget {
  constructor(video, { sequence = false } = {}) {
    super();
    this.video = video;
    this.sequence = sequence;
    this.state = 'idle';
    this.stalls = 0;
    this.jumps = 0;
    this.hold = false; /* paused by the person */
    this.clear();
    video.addEventListener('waiting', () => this.tick());
    video.addEventListener('ended', () => this.ended());
    video.addEventListener('error', () => this.mediaError());
    /* The browser itself (headphones unplugged, media keys) may pause. The
     * event of a pause of ours may come after playback was resumed. */
    video.addEventListener('pause', () => {
      if (this.state === 'playing' && video.paused && !video.ended)
        this.pause();
    });
    setInterval(() => this.tick(), 200);
  }

  static get supported() {
    return !!Source;
  }

  clear() {
    this.source = null;
    this.buffer = null;
    this.queue = [];
    this.queued = 0;
    this.appending = null;
    this.init = null;
    this.finishing = false;
    this.full = false; /* the SourceBuffer takes no more for now */
    this.startAhead = LIMITS.startAhead;
    this.played = false;
    this.lost = 0; /* s of live time spent not playing, not yet made up */
    this.arrivals = []; /* {end, at}: when media up to `end` came */
    this.lastArrival = 0;
    this.silence = 0; /* s: the longest wait for data while playing */
    this.lastTick = performance.now();
  }

  /* A fresh MediaSource for what the server calls `mime`. */
  open(mime) {
    const type = [mime, FALLBACK_MIME]
      .find((name) => name && Source.isTypeSupported(name));
    if (!type) {
      this.trouble('codec-unsupported', mime);
      return;
    }
    this.close();
    const source = new Source();
    this.source = source;
    this.mime = mime;
    this.url = URL.createObjectURL(source);
    this.video.disableRemotePlayback = true; /* ManagedMediaSource asks it */
    this.video.src = this.url;
    this.setState('buffering');
    source.addEventListener('sourceopen', () => {
      if (source !== this.source || this.buffer)
        return;
      const buffer = source.addSourceBuffer(type);
      this.buffer = buffer;
      if (this.sequence) {
        buffer.mode = 'sequence';
        /* Room for the audio frame that begins before its first picture:
         * below zero the whole first group of pictures would be dropped. */
        buffer.timestampOffset = 1;
      }
      buffer.addEventListener('updateend', () => {
        if (buffer === this.buffer)
          this.updated();
      });
      this.pump();
    });
  }

  close() {
    const { source, url } = this;
    this.clear();
    if (source) {
      this.setState('idle');
      this.video.removeAttribute('src');
      this.video.load();
      URL.revokeObjectURL(url);
    }
  }

  append(unit) {
    if (!this.source)
      return;
    const now = performance.now();
    this.finishing = false;
    if (this.played)
      this.silence = Math.max(this.silence, (now - this.lastArrival) / 1000);
    this.lastArrival = now;
    this.queue.push({ ...unit, at: now });
    this.queued += unit.bytes.length;
    if (this.queued > LIMITS.queue)
      this.shorten();
    this.pump();
  }

  /* No more media follows unless append() is called again. */
  finish() {
    this.finishing = true;
  }

  /* Gives up waiting units until the queue begins with a picture that can be
   * shown by itself, less than half full. */
  shorten() {
    let init = null;
    while (this.queue.length) {
      const unit = this.queue[0];
      if (unit.key && this.queued < LIMITS.queue / 2)
        break;
      if (unit.kind === 'init')
        init = unit;
      this.queued -= unit.bytes.length;
      this.queue.shift();
    }
    if (init) {
      this.queue.unshift(init);
      this.queued += init.bytes.length;
    }
  }

  pump() {
    const { buffer, source } = this;
    if (!buffer || buffer.updating || source.readyState === 'closed')
      return;
    /* An init segment that says nothing new would only ask for a keyframe. */
    while (this.queue[0]?.kind === 'init'
      && sameBytes(this.queue[0].bytes, this.init))
      this.queued -= this.queue.shift().bytes.length;
    const unit = this.queue[0];
    if (!unit)
      return;
    try {
      buffer.appendBuffer(unit.bytes);
    } catch (error) {
      if (error.name !== 'QuotaExceededError')
        this.trouble('append-failed', error.message);
      else if (!this.evict(LIMITS.keepSlack))
        this.full = true; /* tick() tries again as playback frees room */
      return;
    }
    this.queue.shift();
    this.queued -= unit.bytes.length;
    this.appending = unit;
    if (unit.kind === 'init')
      this.init = unit.bytes;
  }

  updated() {
    const unit = this.appending;
    this.appending = null;
    if (unit?.kind === 'fragment') {
      const offset = this.buffer.timestampOffset;
      const detail = { unit, start: unit.start + offset,
        end: unit.end + offset };
      const last = this.arrivals.at(-1);
      if (!last || detail.end > last.end)
        this.arrivals.push({ end: detail.end, at: unit.at });
      this.dispatchEvent(new CustomEvent('appended', { detail }));
      if (this.state !== 'playing')
        this.tick();
    }
    this.pump();
  }

  /* ---- where we are ---- */

  range() {
    const { buffered, currentTime } = this.video;
    for (let i = 0; i < buffered.length; i++) {
      if (currentTime >= buffered.start(i) - 0.05
        && currentTime < buffered.end(i))
        return { start: buffered.start(i), end: buffered.end(i) };
    }
    return null;
  }

  get ahead() {
    const range = this.range();
    return range ? range.end - this.video.currentTime : 0;
  }

  get edge() {
    const { buffered } = this.video;
    return buffered.length ? buffered.end(buffered.length - 1) : 0;
  }

  /* Seconds since the media on the screen came from the server. */
  get age() {
    const { currentTime } = this.video;
    while (this.arrivals.length > 1 && this.arrivals[0].end < currentTime - 1)
      this.arrivals.shift();
    const arrival = this.arrivals.find(({ end }) => end >= currentTime);
    return arrival && this.played && this.state !== 'ended'
      ? (performance.now() - arrival.at) / 1000 : null;
  }

  /* ---- the clockwork ---- */

  tick() {
    const now = performance.now();
    const passed = (now - this.lastTick) / 1000;
    this.lastTick = now;
    if (!this.buffer)
      return;
    if (this.full) {
      this.full = false;
      this.pump();
    }
    this.bridge();
    const { ahead } = this;
    if (this.played && this.state !== 'playing' && this.state !== 'ended')
      this.lost += passed;
    if (this.state === 'playing' && ahead < EDGE && this.video.readyState < 3
      && !this.video.seeking && !this.video.ended)
      this.underrun();
    else if (this.state === 'buffering' && this.enough(ahead, now))
      this.start();
    else if (this.state === 'buffering' && ahead < EDGE
      && now - this.since > LIMITS.stuck && now - this.lastArrival < 2000) {
      this.trouble('nothing-plays');
      return;
    }
    this.catchUp(ahead, passed);
    this.trim(ahead);
    if (this.finishing && !this.queue.length && !this.buffer.updating
      && this.source.readyState === 'open' && now - this.lastArrival > 700)
      this.source.endOfStream();
  }

  enough(ahead, now) {
    return ahead >= this.startAhead
      || (ahead > EDGE && (this.finishing
        || now - this.lastArrival > LIMITS.patience));
  }

  async start() {
    if (this.hold) {
      this.setState('paused');
      return;
    }
    this.setState('playing');
    try {
      await this.video.play();
      this.played = true;
    } catch (error) {
      if (error.name !== 'NotAllowedError' || this.state !== 'playing')
        return; /* a later pause() or load() won */
      if (this.video.muted) {
        this.setState('blocked');
        return;
      }
      this.video.muted = true; /* browsers let silent video start by itself */
      this.start();
    }
  }

  /* Next time more is gathered first: enough for a silence like this one. */
  underrun() {
    const silence = Math.max(this.silence,
      (performance.now() - this.lastArrival) / 1000);
    this.stalls++;
    this.startAhead = Math.min(Math.max(this.startAhead * 1.6, silence + 0.5),
      LIMITS.startAheadMax);
    this.setState('buffering');
    this.video.pause();
  }

  /* Leaves a place without media for the next one that has some. */
  bridge() {
    const { video } = this;
    const { buffered, currentTime } = video;
    const range = this.range();
    if (!buffered.length || video.seeking
      || (range && (range.end - currentTime > EDGE || video.readyState > 2)))
      return;
    for (let i = 0; i < buffered.length; i++) {
      if (buffered.start(i) > currentTime + 0.001
        && !(range && buffered.start(i) <= range.end)) {
        this.seek(buffered.start(i) + 0.001, 'hole');
        return;
      }
    }
  }

  /* Makes up for what we lost ourselves, never for a server that is ahead. */
  catchUp(ahead, passed) {
    const lag = Math.min(this.lost, ahead - LIMITS.nearEdge);
    if (this.state !== 'playing')
      return;
    if (lag > LIMITS.lagJump)
      this.seek(this.video.currentTime + lag, 'live');
    const fast = this.video.playbackRate > 1;
    if (fast)
      this.lost = Math.max(0, this.lost - passed * (LIMITS.catchUpRate - 1));
    if (fast ? lag < 0.3 : lag > LIMITS.lagRate)
      this.video.playbackRate = fast ? 1 : LIMITS.catchUpRate;
  }

  seek(time, why) {
    const seconds = time - this.video.currentTime;
    this.video.currentTime = time;
    if (!this.played)
      return;
    this.jumps++;
    this.lost = Math.max(0, this.lost - seconds);
    this.dispatchEvent(
      new CustomEvent('jumped', { detail: { seconds, why } }));
  }

  trim(ahead) {
    this.evict(LIMITS.keepBehind);
    if (this.state !== 'playing' && ahead > LIMITS.pausedAhead
      && !this.buffer.updating)
      this.buffer.remove(0, this.edge - LIMITS.pausedKeep);
  }

  /* Removes what was played longer than `behind` seconds ago. */
  evict(behind) {
    const { buffer, video } = this;
    const { buffered } = video;
    if (!buffered.length || buffer.updating
      || buffered.start(0) > video.currentTime - behind - LIMITS.keepSlack)
      return false;
    buffer.remove(0, video.currentTime - behind);
    return true;
  }

  /* ---- what a person may do ---- */

  play() {
    this.hold = false;
    if (this.state === 'blocked')
      this.start();
    else if (this.state === 'paused')
      this.setState('buffering');
    this.tick();
  }

  pause() {
    this.hold = true;
    if (this.state === 'playing') {
      this.setState('paused');
      this.video.pause();
    }
  }

  /* ---- ends ---- */

  ended() {
    if (this.video.ended)
      this.setState(this.finishing ? 'ended' : 'buffering');
  }

  mediaError() {
    const { error } = this.video;
    if (error && this.source)
      this.trouble(error.code === 3 ? 'decode-failed' : 'media-failed',
        error.message);
  }

  trouble(code, text) {
    this.close();
    this.dispatchEvent(
      new CustomEvent('trouble', { detail: { code, text } }));
  }

  setState(state) {
    if (state === this.state)
      return;
    this.state = state;
    this.since = performance.now();
    this.dispatchEvent(new CustomEvent('state', { detail: state }));
  }
}
