#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The saved clip begins at 0 s and decodes, also when joined late."""

import json
import os
import subprocess
import time

from stream import Stream
from viewer import Viewer, check, need_browser

need_browser()

# The same bytes in slices of any size give the same units; damage is noticed.
SLICES = '''
const { Units } = await import('/fmp4.js');
const { clip } = dreamverse;
const parts = [clip.init.bytes,
  ...clip.segments[0].units.slice(0, 4).map((unit) => unit.bytes)];
const whole = new Uint8Array(await new Blob(parts).arrayBuffer());
const told = [];
for (const step of [1, 7, 1000, 65536, whole.length]) {
  const units = new Units();
  const found = [];
  for (let at = 0; at < whole.length; at += step)
    found.push(...units.push(whole.subarray(at, at + step)));
  told.push(JSON.stringify(found.map(
    ({ kind, bytes, start, end, key, video }) =>
      [kind, bytes.length, start, end, key, video])));
}
const damage = whole.slice(clip.init.bytes.length);
damage.set([0, 0, 0, 3], 0);
let noticed = false;
try {
  new Units().push(damage);
} catch {
  noticed = true;
}
return { same: told.every((text) => text === told[0]),
  count: JSON.parse(told[0]).length, parts: parts.length, noticed };
'''

with Stream(source='prompt="a meadow at noon"') as stream, \
        Viewer(960, 700) as view:
    time.sleep(6)
    view.open(stream.url)
    view.wait_until('clip.seconds > 12', 40, 'twelve seconds of stream')
    seconds = view.state()['clip']
    view.click('#save')
    end = time.monotonic() + 20
    files = []
    while not files and time.monotonic() < end:
        time.sleep(0.2)
        files = [name for name in os.listdir(view.downloads)
                 if name.endswith('.mp4')]
    check(len(files) == 1, f'saved as {files}')
    path = os.path.join(view.downloads, files[0])
    probe = json.loads(subprocess.check_output(
        ['ffprobe', '-v', 'error', '-count_packets', '-show_streams',
         '-show_format', '-of', 'json', path]))
    kinds = sorted(s['codec_name'] for s in probe['streams'])
    check(kinds == ['aac', 'h264'], f'tracks: {kinds}')
    check(abs(float(probe['format']['start_time'])) < 0.001, 'it begins at 0 s')
    for track in probe['streams']:
        limit = 0.03 if track['codec_name'] == 'h264' else 0.15
        check(0 <= float(track['start_time']) < limit,
              f'{track["codec_name"]} begins at {track["start_time"]} s')
    duration = float(probe['format']['duration'])
    check(abs(duration - seconds) < 2, f'{duration:.2f} s of {seconds:.2f} s')
    done = subprocess.run(['ffmpeg', '-v', 'error', '-i', path, '-f', 'null',
                           '-'], capture_output=True, text=True, check=False)
    check(done.returncode == 0 and done.stderr == '',
          f'decodes without a word {done.stderr[:200]}')
    frames = int(next(s['nb_read_packets'] for s in probe['streams']
                      if s['codec_name'] == 'h264'))
    check(abs(frames - duration * 24) < 4, f'{frames} frames')
    sliced = view.js('return (async () => {' + SLICES + '})()')
    check(sliced['same'] and sliced['count'] == sliced['parts'],
          f'slices of any size give the same units {sliced}')
    check(sliced['noticed'], 'damaged boxes are noticed')
