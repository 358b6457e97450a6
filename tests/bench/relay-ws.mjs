// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The peer of relay-ours: the Node `ws` library broadcasting the same units
// of the same file at the same times.
//
//   node relay-ws.mjs FILE VIEWERS UNITS INTERVAL_US WARM
import { readFileSync } from 'node:fs';
import { WebSocketServer } from 'ws';

const [file, viewers, count, interval, warm] = process.argv.slice(2);

function loadUnits(data) {
  const units = [];
  let start = 0;
  for (let at = 0; at + 8 <= data.length;) {
    const size = data.readUInt32BE(at);
    const kind = data.toString('latin1', at + 4, at + 8);
    at += size;
    if (kind === 'moov' || kind === 'mdat') {
      units.push(data.subarray(start, at));
      start = at;
    }
  }
  return units;
}

const units = loadUnits(readFileSync(file));
const server = new WebSocketServer(
  { port: 0, host: '127.0.0.1', perMessageDeflate: false, path: '/ws' },
  () => console.log(server.address().port));
let before;
let n = 0;
let bytes = 0;
let started;

function broadcast() {
  const now = process.hrtime.bigint();
  while (n < count && started + BigInt(n) * BigInt(interval) * 1000n <= now) {
    const unit = units[n === 0 ? 0 : 1 + (n - 1) % (units.length - 1)];
    if (n === Number(warm)) {
      before = process.cpuUsage();
    }
    if (n >= Number(warm)) {
      bytes += unit.length * Number(viewers);
    }
    for (const client of server.clients) {
      client.send(unit);
    }
    n++;
  }
  if (n < count) {
    const next = started + BigInt(n) * BigInt(interval) * 1000n;
    setTimeout(broadcast, Math.max(0, Number((next - now) / 1000000n)));
  } else {
    drain();
  }
}

// Closed once everything was handed to the kernel.
function drain() {
  const waiting = [...server.clients].some((c) => c.bufferedAmount > 0);
  if (waiting) {
    setTimeout(drain, 5);
    return;
  }
  const { user, system } = process.cpuUsage(before);
  console.log(JSON.stringify({ cpu_s: (user + system) / 1e6, bytes }));
  process.exit(0);
}

server.on('connection', () => {
  if (server.clients.size === Number(viewers)) {
    started = process.hrtime.bigint();
    broadcast();
  }
});
