/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Plays the segments of a session as Dreamverse's client does: one SourceBuffer
 * in mode `sequence`, every message appended as it comes. Keeps what came, so
 * that it can be saved.
 */

const Source = globalThis.ManagedMediaSource ?? globalThis.MediaSource;
const FALLBACK = 'video/mp4; codecs="avc1.42E01E,mp4a.40.2"';
const AHEAD = 1; /* s buffered before playback starts, */
const PATIENCE = 500; /* or ms since the first bytes with anything buffered */
const EDGE = 0.1;

export class Player {
  constructor(video, trouble) {
    this.video = video;
    this.trouble = trouble;
    this.clear();
    setInterval(() => this.tick(), 100);
  }

  clear() {
    this.source = null;
    this.buffer = null;
    this.queue = [];
    this.kept = [];
    this.since = 0;
    this.complete = false;
    this.started = false;
  }

  /* A new stream: what is buffered of the old one goes. */
  reset() {
    const url = this.url;
    this.clear();
    this.url = null;
    if (url) {
      this.video.removeAttribute('src');
      this.video.load();
      URL.revokeObjectURL(url);
    }
  }

  init(mime) {
    if (this.source)
      return;
    const type = [mime, FALLBACK].find((name) => Source?.isTypeSupported(name));
    if (!type) {
      this.trouble('This browser cannot play H.264 with AAC.');
      return;
    }
    const source = new Source();
    this.source = source;
    this.url = URL.createObjectURL(source);
    this.video.disableRemotePlayback = true; /* ManagedMediaSource asks it */
    this.video.src = this.url;
    source.addEventListener('sourceopen', () => {
      if (source !== this.source || this.buffer)
        return;
      this.buffer = source.addSourceBuffer(type);
      this.buffer.mode = 'sequence';
      this.buffer.addEventListener('updateend', () => this.pump());
      this.buffer.addEventListener('error', () =>
        this.trouble('The browser could not read the stream.'));
      this.pump();
    }, { once: true });
  }

  append(bytes) {
    if (!this.source)
      return;
    this.since ||= performance.now();
    this.queue.push(bytes);
    this.kept.push(bytes);
    this.pump();
  }

  finish() {
    this.complete = true;
    this.pump();
  }

  pump() {
    const { buffer, source } = this;
    if (!buffer || buffer.updating || source.readyState !== 'open')
      return;
    if (this.queue.length) {
      try {
        buffer.appendBuffer(this.queue[0]);
        this.queue.shift();
      } catch (error) {
        if (error.name !== 'QuotaExceededError')
          this.trouble(error.message);
        else
          this.forget();
      }
    } else if (this.complete) {
      source.endOfStream();
    }
  }

  /* The SourceBuffer is full: what was played makes room; tick() tries again. */
  forget() {
    const until = this.video.currentTime - 5;
    if (until > 0 && !this.buffer.updating)
      this.buffer.remove(0, until);
  }

  get ahead() {
    const { buffered, currentTime } = this.video;
    for (let i = 0; i < buffered.length; i++) {
      if (currentTime >= buffered.start(i) - EDGE
        && currentTime < buffered.end(i))
        return buffered.end(i) - currentTime;
    }
    return 0;
  }

  tick() {
    if (!this.buffer)
      return;
    this.pump();
    const { ahead } = this;
    const waited = performance.now() - this.since;
    if (!this.started && ahead > 0
      && (ahead >= AHEAD || waited > PATIENCE || this.complete))
      this.start();
  }

  async start() {
    this.started = true;
    try {
      await this.video.play();
    } catch (error) {
      if (error.name !== 'NotAllowedError')
        return;
      this.video.muted = true; /* silent video may start by itself */
      this.video.play().catch(() => {});
    }
  }

  /* All that came, as one file. */
  clip() {
    return new Blob(this.kept, { type: 'video/mp4' });
  }
}
