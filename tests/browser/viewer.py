# SPDX-License-Identifier: LGPL-2.1-or-later
"""The viewer's page in a browser, and what tests ask it."""

import os
import sys

from webdriver import Browser, available

MONITOR = '''
const video = document.querySelector('video');
const seen = { waiting: [], entered: 0, last: null, began: null };
video.addEventListener('waiting', () => {
  if (seen.began !== null && !video.seeking)
    seen.waiting.push(video.currentTime);
});
const begin = () => {
  seen.began ??= { time: video.currentTime, at: performance.now() };
};
video.addEventListener('playing', begin);
// A page may be quicker than whoever watches it.
if (!video.paused && video.currentTime > 0 && video.readyState > 2)
  begin();
setInterval(() => {
  const { playing } = dreamverse.segments;
  if (playing && playing !== seen.last) {
    seen.last = playing;
    seen.entered++;
  }
}, 100);
window.seen = seen;
'''

STATE = '''
const { player, segments, clip, page, wire, graphs } = dreamverse;
const video = player.video;
const quality = video.getVideoPlaybackQuality();
return {
  state: player.state, stalls: player.stalls, jumps: player.jumps,
  time: video.currentTime, ready: video.readyState, rate: video.playbackRate,
  ranges: Array.from(video.buffered, (_, i) => i).concat(
    Array.from({ length: video.buffered.length }, (_, i) =>
      [video.buffered.start(i), video.buffered.end(i)])),
  ahead: player.ahead, age: player.age, lost: player.lost,
  frames: quality.totalVideoFrames, dropped: quality.droppedVideoFrames,
  audio: video.webkitAudioDecodedByteCount,
  width: video.videoWidth, height: video.videoHeight,
  epoch: segments.epoch, index: segments.playing?.index ?? 0,
  prompt: segments.playing?.prompt ?? '', known: segments.list.length,
  clip: clip.seconds, clipBytes: clip.bytes, queued: player.queued,
  arrivals: player.arrivals.length, held: page.held,
  connected: wire.connected, megabits: graphs.megabits,
  joins: Math.max(0, (window.seen?.entered ?? 0) - 1),
  waiting: window.seen?.waiting ?? [],
  wall: window.seen?.began
    ? (performance.now() - window.seen.began.at) / 1000 : 0,
  played: window.seen?.began
    ? video.currentTime - window.seen.began.time : 0,
  alert: document.getElementById('alert').hidden ? ''
    : document.getElementById('alert-text').textContent,
  link: document.getElementById('link-text').textContent,
  notice: document.getElementById('notice').textContent,
  promptStatus: document.getElementById('prompt-status').textContent,
};
'''

PICTURE = '''
const video = dreamverse.player.video;
const canvas = document.createElement('canvas');
canvas.width = 32;
canvas.height = 18;
const paper = canvas.getContext('2d');
paper.drawImage(video, 0, 0, 32, 18);
return Array.from(paper.getImageData(0, 0, 32, 18).data)
  .filter((_, i) => i % 4 !== 3);
'''


def need_browser():
    if not available():
        print('skipped: no chromium or no chromedriver')
        sys.exit(77)


class Viewer(Browser):
    def open(self, url, monitor=True):
        self.get(url)
        self.wait('return !!globalThis.dreamverse', 20, 'the page to load')
        if monitor:
            self.js(MONITOR)

    def state(self):
        state = self.js(STATE)
        state['ranges'] = [r for r in state['ranges'] if isinstance(r, list)]
        return state

    def wait_playing(self, timeout=30):
        try:
            self.wait('''const { player } = dreamverse;
                return player.state === 'playing' && player.played
                  && player.video.currentTime > 0
                  && player.video.readyState > 2;''', timeout, 'playback')
        except AssertionError:
            print(self.state(), flush=True)
            raise

    def wait_until(self, expression, timeout=30, what=None):
        """`expression` over the names player, segments, page, wire."""
        return self.wait('const { player, segments, page, wire, clip } = dreamverse;'
                         f'return {expression};', timeout, what or expression)

    def picture(self):
        return self.js(PICTURE)

    def complaints(self):
        """What the console says that should not be said."""
        return [line['message'] for line in self.log()
                if line['level'] == 'SEVERE']


def difference(a, b):
    """Mean distance of two pictures, in levels of 255."""
    return sum(abs(x - y) for x, y in zip(a, b)) / len(a)


def check(condition, text):
    print(('ok   ' if condition else 'FAIL ') + text, flush=True)
    if not condition:
        raise SystemExit(1)


def setting(name, default):
    return float(os.environ.get(name, default))
