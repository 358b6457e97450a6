/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Three quiet line graphs of the last minute: seconds buffered, age of the
 * picture since it came from the server, bits a second.
 */

const SAMPLES = 120; /* twice a second */
const RATE_WINDOW = 4000; /* ms over which the bit rate is taken */

class Graph {
  constructor(root, format, floor) {
    this.canvas = root.querySelector('canvas');
    this.value = root.querySelector('.value');
    this.peak = root.querySelector('.peak');
    this.format = format;
    this.floor = floor; /* the scale is never finer than this */
    this.samples = [];
  }

  add(sample) {
    this.samples.push(sample);
    if (this.samples.length > SAMPLES)
      this.samples.shift();
    this.value.textContent = sample === null ? '–' : this.format(sample);
  }

  draw(color) {
    const { canvas, samples } = this;
    const scale = globalThis.devicePixelRatio || 1;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    if (!width)
      return;
    if (canvas.width !== Math.round(width * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    const top = Math.max(this.floor, ...samples) * 1.1;
    this.peak.textContent = `max ${this.format(Math.max(0, ...samples))}`;
    const paper = canvas.getContext('2d');
    paper.setTransform(scale, 0, 0, scale, 0, 0);
    paper.clearRect(0, 0, width, height);
    const x = (i) => (i + SAMPLES - samples.length) / (SAMPLES - 1) * width;
    const y = (value) => height - 2 - (value / top) * (height - 4);
    paper.beginPath();
    samples.forEach((value, i) => paper.lineTo(x(i), y(value ?? 0)));
    paper.strokeStyle = color;
    paper.lineWidth = 1.5;
    paper.lineJoin = 'round';
    paper.stroke();
    if (!samples.length)
      return;
    paper.lineTo(width, height);
    paper.lineTo(x(0), height);
    paper.globalAlpha = 0.12;
    paper.fillStyle = color;
    paper.fill();
    paper.globalAlpha = 1;
  }
}

export class Graphs {
  constructor(root) {
    const one = (value) => `${value.toFixed(1)} s`;
    this.buffer = new Graph(root.querySelector('#graph-buffer'), one, 2);
    this.latency = new Graph(root.querySelector('#graph-latency'), one, 2);
    this.rate = new Graph(root.querySelector('#graph-rate'),
      (value) => `${value.toFixed(1)} Mbit/s`, 1);
    this.received = []; /* {at, bytes} */
    this.theme();
  }

  theme() {
    const style = getComputedStyle(document.documentElement);
    this.color = style.getPropertyValue('--accent').trim();
  }

  bytes(count) {
    const at = performance.now();
    const last = this.received.at(-1);
    if (last && at - last.at < 100)
      last.bytes += count;
    else
      this.received.push({ at, bytes: count });
  }

  get megabits() {
    const since = performance.now() - RATE_WINDOW;
    while (this.received.length && this.received[0].at < since)
      this.received.shift();
    return this.received.reduce((sum, { bytes }) => sum + bytes, 0)
      * 8 / 1e6 / (RATE_WINDOW / 1000);
  }

  sample(player) {
    this.buffer.add(player.ahead);
    this.latency.add(player.age);
    this.rate.add(this.megabits);
    for (const graph of [this.buffer, this.latency, this.rate])
      graph.draw(this.color);
  }
}
