/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Keeps the last segments as they came and saves them as one MP4 file that
 * begins at 0 s. Bounded by segments and by bytes.
 */

import { moveFragment, sameBytes } from './fmp4.js';

const MAX_SEGMENTS = 12;
const MAX_BYTES = 160 * 1024 * 1024;
const AUDIO_FRAME = 0.025; /* s: a sound frame that lies over a cut */

export class Clip {
  constructor() {
    this.clear();
  }

  clear() {
    this.segments = []; /* {key, units, bytes, start, end} */
    this.init = null;
    this.bytes = 0;
  }

  /* `key` names the segment the unit belongs to. */
  add(key, unit) {
    if (unit.kind === 'init') {
      if (!sameBytes(unit.bytes, this.init?.bytes)) {
        this.clear();
        this.init = unit;
      }
      return;
    }
    let segment = this.segments.at(-1);
    if (segment?.key !== key) {
      segment = { key, units: [], bytes: 0, start: unit.start, end: unit.end };
      this.segments.push(segment);
    }
    segment.units.push(unit);
    segment.bytes += unit.bytes.length;
    segment.start = Math.min(segment.start, unit.start);
    segment.end = Math.max(segment.end, unit.end);
    this.bytes += unit.bytes.length;
    while (this.segments.length > MAX_SEGMENTS
      || (this.bytes > MAX_BYTES && this.segments.length > 1))
      this.bytes -= this.segments.shift().bytes;
  }

  /* Media is missing from here on: what was kept before cannot be joined. */
  broken() {
    this.segments = [];
    this.bytes = 0;
  }

  get seconds() {
    return this.segments.length
      ? this.segments.at(-1).end - this.segments[0].start : 0;
  }

  /* The file, or null when there is nothing that can be shown by itself. */
  build() {
    const units = this.segments.flatMap((segment) => segment.units);
    const first = units.findIndex((unit) => unit.key);
    if (!this.init || first < 0)
      return null;
    /* Sound that begins beside the first picture may have come before it. */
    const from = units[first].start - AUDIO_FRAME;
    const kept = units.filter((unit, i) => (i >= first || !unit.video)
      && unit.start >= from);
    const base = Math.min(...kept.map((unit) => unit.start));
    const parts = kept.map((unit, i) =>
      moveFragment(unit.bytes, unit.tracks, base, i + 1));
    return new Blob([this.init.bytes, ...parts], { type: 'video/mp4' });
  }

  save(name) {
    const blob = this.build();
    if (!blob)
      return null;
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    return blob;
  }
}
