/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fragmented MP4 as far as a viewer needs it: cut bytes into init segment and
 * fragments, read their times, move them in time. Nothing in the input is
 * trusted: every size is checked against what is there.
 */

const MAX_UNIT = 64 * 1024 * 1024;

function view(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function fourcc(data, at) {
  return String.fromCharCode(data.getUint8(at), data.getUint8(at + 1),
    data.getUint8(at + 2), data.getUint8(at + 3));
}

/* The box at `at`, or null when its header is not there yet. */
function header(data, at, end) {
  if (end - at < 8)
    return null;
  let size = data.getUint32(at);
  let body = at + 8;
  if (size === 1) {
    if (end - at < 16)
      return null;
    size = Number(data.getBigUint64(at + 8));
    body = at + 16;
  }
  if (size < body - at)
    throw new Error(`a box of ${size} bytes is too short`);
  return { type: fourcc(data, at + 4), at, body, end: at + size };
}

function* boxes(data, at, end) {
  while (at < end) {
    const box = header(data, at, end);
    if (!box || box.end > end)
      throw new Error('a box is cut short');
    yield box;
    at = box.end;
  }
}

function find(data, at, end, ...path) {
  for (const box of boxes(data, at, end)) {
    if (box.type === path[0])
      return path.length === 1 ? box
        : find(data, box.body, box.end, ...path.slice(1));
  }
  return null;
}

function tracksOf(bytes) {
  const data = view(bytes);
  const moov = find(data, 0, bytes.length, 'moov');
  const tracks = new Map();
  for (const trak of boxes(data, moov.body, moov.end)) {
    if (trak.type !== 'trak')
      continue;
    const tkhd = find(data, trak.body, trak.end, 'tkhd');
    const mdhd = find(data, trak.body, trak.end, 'mdia', 'mdhd');
    const hdlr = find(data, trak.body, trak.end, 'mdia', 'hdlr');
    const id = data.getUint32(
      tkhd.body + (data.getUint8(tkhd.body) === 1 ? 20 : 12));
    const timescale = data.getUint32(
      mdhd.body + (data.getUint8(mdhd.body) === 1 ? 20 : 12));
    tracks.set(id, { id, timescale: timescale || 1,
      kind: fourcc(data, hdlr.body + 8) === 'vide' ? 'video' : 'audio',
      duration: 0, flags: 0 });
  }
  const mvex = find(data, moov.body, moov.end, 'mvex');
  for (const trex of mvex ? boxes(data, mvex.body, mvex.end) : []) {
    const track = trex.type === 'trex'
      && tracks.get(data.getUint32(trex.body + 4));
    if (track) {
      track.duration = data.getUint32(trex.body + 12);
      track.flags = data.getUint32(trex.body + 20);
    }
  }
  return tracks;
}

function tfhdOf(data, box) {
  const flags = data.getUint32(box.body) & 0xffffff;
  const id = data.getUint32(box.body + 4);
  let at = box.body + 8;
  const out = { id };
  if (flags & 0x1) at += 8;
  if (flags & 0x2) at += 4;
  if (flags & 0x8) { out.duration = data.getUint32(at); at += 4; }
  if (flags & 0x10) at += 4;
  if (flags & 0x20) out.flags = data.getUint32(at);
  return out;
}

/* Duration of the samples and the flags of the first. */
function trunOf(data, box, duration, sampleFlags) {
  const flags = data.getUint32(box.body) & 0xffffff;
  const count = data.getUint32(box.body + 4);
  let at = box.body + 8;
  if (flags & 0x1) at += 4;
  let first = sampleFlags;
  const haveFirst = flags & 0x4;
  if (haveFirst) { first = data.getUint32(at); at += 4; }
  const stride = 4 * [0x100, 0x200, 0x400, 0x800]
    .filter((bit) => flags & bit).length;
  if (at + stride * count > box.end)
    throw new Error('trun is cut short');
  if (flags & 0x400 && count > 0 && !haveFirst)
    first = data.getUint32(at + (flags & 0x100 ? 4 : 0)
      + (flags & 0x200 ? 4 : 0));
  if (!(flags & 0x100))
    return { total: duration * count, first };
  let total = 0;
  for (let i = 0; i < count; i++)
    total += data.getUint32(at + i * stride);
  return { total, first };
}

function* trafs(data, bytes) {
  const moof = find(data, 0, bytes.length, 'moof');
  if (!moof)
    throw new Error('a fragment has no moof');
  for (const traf of boxes(data, moof.body, moof.end)) {
    if (traf.type === 'traf')
      yield { traf, tfhd: find(data, traf.body, traf.end, 'tfhd'),
        tfdt: find(data, traf.body, traf.end, 'tfdt') };
  }
}

function decodeTime(data, tfdt) {
  return data.getUint8(tfdt.body) === 1
    ? data.getBigUint64(tfdt.body + 4) : BigInt(data.getUint32(tfdt.body + 4));
}

/* When a fragment plays: {start, end} in seconds, `key` if a video run of it
 * begins with a sync sample, `video` if it holds video at all. */
export function fragmentTimes(bytes, tracks) {
  const data = view(bytes);
  const times = { start: Infinity, end: 0, key: false, video: false };
  for (const { traf, tfhd, tfdt } of trafs(data, bytes)) {
    const head = tfhdOf(data, tfhd);
    const track = tracks.get(head.id);
    if (!track || !tfdt)
      continue;
    let ticks = 0;
    let first = null;
    for (const box of boxes(data, traf.body, traf.end)) {
      if (box.type !== 'trun')
        continue;
      const run = trunOf(data, box, head.duration ?? track.duration,
        head.flags ?? track.flags);
      ticks += run.total;
      first ??= run.first;
    }
    const start = Number(decodeTime(data, tfdt)) / track.timescale;
    times.start = Math.min(times.start, start);
    times.end = Math.max(times.end, start + ticks / track.timescale);
    if (track.kind === 'video') {
      times.video = true;
      times.key ||= first !== null && !(first & 0x10000);
    }
  }
  if (times.start === Infinity)
    times.start = 0;
  return times;
}

/* A copy of the fragment, `seconds` earlier and numbered `sequence`. */
export function moveFragment(bytes, tracks, seconds, sequence) {
  const copy = bytes.slice();
  const data = view(copy);
  const mfhd = find(data, 0, copy.length, 'moof', 'mfhd');
  if (mfhd)
    data.setUint32(mfhd.body + 4, sequence);
  for (const { tfhd, tfdt } of trafs(data, copy)) {
    const track = tracks.get(tfhdOf(data, tfhd).id);
    if (!track || !tfdt)
      continue;
    const shift = BigInt(Math.round(seconds * track.timescale));
    const now = decodeTime(data, tfdt);
    const then = now > shift ? now - shift : 0n;
    if (data.getUint8(tfdt.body) === 1)
      data.setBigUint64(tfdt.body + 4, then);
    else
      data.setUint32(tfdt.body + 4, Number(then));
  }
  return copy;
}

export function sameBytes(a, b) {
  return a === b || (!!a && !!b && a.length === b.length
    && a.every((value, i) => value === b[i]));
}

/* Bytes in any slices -> whole units {kind: 'init', bytes, tracks} and
 * {kind: 'fragment', bytes, tracks, start, end, key, video}. */
export class Units {
  constructor() {
    this.rest = new Uint8Array(0);
    this.tracks = new Map();
  }

  push(slice) {
    let bytes = slice;
    if (this.rest.length) {
      bytes = new Uint8Array(this.rest.length + slice.length);
      bytes.set(this.rest);
      bytes.set(slice, this.rest.length);
    }
    const data = view(bytes);
    const units = [];
    let from = 0;
    let at = 0;
    let moov = false;
    for (;;) {
      const box = header(data, at, bytes.length);
      if (box && box.end - from > MAX_UNIT)
        throw new Error('a box is larger than 64 MiB');
      if (!box || box.end > bytes.length)
        break;
      at = box.end;
      moov ||= box.type === 'moov';
      if (box.type === 'moov' || (box.type === 'mdat' && !moov)) {
        units.push(this.unit(box.type, bytes.subarray(from, at)));
        from = at;
        moov = false;
      }
    }
    this.rest = from === bytes.length ? new Uint8Array(0) : bytes.slice(from);
    return units;
  }

  unit(type, bytes) {
    if (type === 'moov') {
      this.tracks = tracksOf(bytes);
      return { kind: 'init', bytes, tracks: this.tracks };
    }
    return { kind: 'fragment', bytes, tracks: this.tracks,
      ...fragmentTimes(bytes, this.tracks) };
  }
}
