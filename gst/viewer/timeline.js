/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The segments as three lanes over the clock: generated, encoded, played, with
 * what is buffered to the right of now. The canvas is for the eye; the list
 * beneath it says the same in words.
 */

import { Segments } from './segments.js';
import { millis, size } from './words.js';

const PAST = 50; /* s */
const FUTURE = 16;
const LANES = ['Generate', 'Encode', 'Play'];
const HUES = 7;

function css(name) {
  return getComputedStyle(document.documentElement)
    .getPropertyValue(name).trim();
}

export class Timeline {
  constructor(canvas, list, segments) {
    this.canvas = canvas;
    this.list = list;
    this.segments = segments;
    this.rows = new Map();
    this.theme();
  }

  theme() {
    this.colors = { text: css('--text'), faint: css('--faint'),
      line: css('--line'), accent: css('--accent'), bad: css('--bad'),
      on: css('--on-seg'),
      hues: Array.from({ length: HUES }, (_, i) => css(`--seg-${i}`)),
      font: `500 11px ${css('--sans')}` };
  }

  /* `player` may have nothing to play yet. */
  draw(player) {
    const { canvas } = this;
    const scale = globalThis.devicePixelRatio || 1;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    if (!width)
      return;
    if (canvas.width !== Math.round(width * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    const paper = canvas.getContext('2d');
    paper.setTransform(scale, 0, 0, scale, 0, 0);
    paper.clearRect(0, 0, width, height);
    paper.font = this.colors.font;
    paper.textBaseline = 'middle';
    const gutter = 66;
    const past = width < 520 ? PAST / 2 : PAST;
    const now = performance.now();
    const perSecond = (width - gutter) / (past + FUTURE);
    const x = (at) => gutter + ((at - now) / 1000 + past) * perSecond;
    const axis = 18;
    const lane = (height - axis) / LANES.length;

    this.grid(paper, { width, height, gutter, lane, axis, x, now, past });
    paper.save();
    paper.beginPath();
    paper.rect(gutter, 0, width - gutter, height);
    paper.clip();
    for (const segment of this.segments.list) {
      const color = this.colors.hues[segment.index % HUES];
      this.generation(paper, segment, color, x, 0, lane, now);
      this.encoding(paper, segment, color, x, lane, lane, now);
      this.playing(paper, segment, color, x, 2 * lane, lane, now, player);
    }
    paper.fillStyle = this.colors.accent;
    paper.fillRect(Math.round(x(now)), 0, 1.5, height - axis);
    paper.restore();
  }

  grid(paper, { width, height, gutter, lane, axis, x, now, past }) {
    paper.fillStyle = this.colors.faint;
    LANES.forEach((name, i) => paper.fillText(name, 0, lane * (i + 0.5)));
    paper.strokeStyle = this.colors.line;
    paper.lineWidth = 1;
    for (let i = 1; i <= LANES.length; i++) {
      paper.beginPath();
      paper.moveTo(gutter, Math.round(lane * i) + 0.5);
      paper.lineTo(width, Math.round(lane * i) + 0.5);
      paper.stroke();
    }
    paper.textAlign = 'center';
    for (let at = -past + 10 - (past % 10); at <= FUTURE; at += 10) {
      const label = at === 0 ? 'now' : `${at > 0 ? '+' : '−'}${Math.abs(at)} s`;
      paper.fillText(label, x(now + at * 1000), height - axis / 2);
    }
    paper.textAlign = 'left';
  }

  /* One bar; `fill` of it (0 to 1) solid, the rest pale. */
  bar(paper, from, to, top, lane, color, fill, label) {
    const inset = 5;
    const width = Math.max(to - from - 1.5, 2);
    const height = lane - 2 * inset;
    paper.beginPath();
    paper.roundRect(from, top + inset, width, height, Math.min(5, width / 2));
    paper.fillStyle = color;
    paper.globalAlpha = 0.3;
    paper.fill();
    paper.save();
    paper.clip();
    paper.globalAlpha = 1;
    paper.fillRect(from, top + inset, width * fill, height);
    paper.restore();
    paper.globalAlpha = 1;
    const text = [label, label.split(' ')[0]]
      .find((words) => width > paper.measureText(words).width + 10);
    if (text) {
      paper.fillStyle = fill > 0.4 ? this.colors.on : this.colors.text;
      paper.fillText(text, from + 6, top + lane / 2 + 0.5);
    }
  }

  generation(paper, segment, color, x, top, lane, now) {
    if (!segment.generating)
      return;
    const from = x(segment.generating);
    const to = x(segment.generated ?? now);
    this.bar(paper, from, to, top, lane,
      segment.failed ? this.colors.bad : color,
      segment.generated && !segment.aborted ? 1 : segment.fraction,
      segment.generationMs ? `${segment.index} · ${millis(segment.generationMs)}`
        : `${segment.index}`);
  }

  encoding(paper, segment, color, x, top, lane, now) {
    if (!segment.encoding)
      return;
    const took = Segments.mediaMs(segment);
    this.bar(paper, x(segment.encoding), x(segment.encoded ?? now), top, lane,
      segment.failed ? this.colors.bad : color, segment.encoded ? 1 : 0.45,
      took === null ? `${segment.index}` : `${segment.index} · ${millis(took)}`);
  }

  playing(paper, segment, color, x, top, lane, now, player) {
    if (segment.from === undefined)
      return;
    const time = player.video.currentTime;
    const whole = segment.to - segment.from;
    if (segment === this.segments.playing || !segment.entered) {
      if (segment.to <= time && !segment.entered)
        return; /* jumped over */
      const from = segment.entered ?? now + (segment.from - time) * 1000;
      const to = now + (segment.to - time) * 1000;
      this.bar(paper, x(from), x(to), top, lane, color,
        segment.entered ? Math.min((now - from) / (to - from), 1) : 0,
        `${segment.index}`);
    } else {
      this.bar(paper, x(segment.entered), x(segment.left), top, lane, color, 1,
        `${segment.index} · ${whole.toFixed(1)} s`);
    }
  }

  /* The list: newest first, one row a segment. */
  describe() {
    const shown = this.segments.list.slice(-8).reverse();
    const keep = new Set(shown);
    for (const [segment, row] of this.rows) {
      if (!keep.has(segment)) {
        row.remove();
        this.rows.delete(segment);
      }
    }
    shown.forEach((segment, i) => {
      let row = this.rows.get(segment);
      if (!row) {
        row = document.createElement('tr');
        for (let cell = 0; cell < 6; cell++)
          row.append(document.createElement(cell ? 'td' : 'th'));
        row.firstChild.scope = 'row';
        row.firstChild.className = `hue-${segment.index % HUES}`;
        this.rows.set(segment, row);
      }
      const took = Segments.mediaMs(segment);
      const cells = [segment.index, this.status(segment),
        segment.generationMs ? millis(segment.generationMs) : '–',
        took === null ? '–' : millis(took),
        segment.bytes ? size(segment.bytes) : '–', segment.prompt];
      cells.forEach((text, n) => {
        const cell = row.children[n];
        if (cell.textContent !== String(text))
          cell.textContent = text;
      });
      row.classList.toggle('current', segment === this.segments.playing);
      if (this.list.children[i] !== row)
        this.list.insertBefore(row, this.list.children[i] ?? null);
    });
  }

  status(segment) {
    if (segment.failed)
      return 'failed';
    if (segment === this.segments.playing)
      return 'on screen';
    if (segment.entered)
      return segment.aborted ? 'played, cut' : 'played';
    if (segment.encoded)
      return 'ready';
    if (segment.encoding)
      return 'arriving';
    if (segment.aborted)
      return 'given up';
    if (segment.generated)
      return 'encoding';
    return segment.fraction
      ? `generating ${Math.round(segment.fraction * 100)} %` : 'generating';
  }
}
