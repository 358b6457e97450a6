#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What bounds the viewer: eviction, a full SourceBuffer, a long pause, and
catching up afterwards. The limits are made small so that seconds do."""

from stream import Stream
from viewer import Viewer, check, need_browser

need_browser()

SMALL = '''
return import('/player.js').then(({ LIMITS }) => Object.assign(LIMITS,
  { keepBehind: 3, keepSlack: 1, pausedAhead: 12, pausedKeep: 6, lagJump: 5,
    nearEdge: 2 }));
'''
FULL = '''
const { appendBuffer } = SourceBuffer.prototype;
seen.refused = 0;
SourceBuffer.prototype.appendBuffer = function (bytes) {
  if (seen.refused < 8) {
    seen.refused++;
    throw new DOMException('full', 'QuotaExceededError');
  }
  return appendBuffer.call(this, bytes);
};
'''

with Stream(source='max-lead=4000000000') as stream, Viewer(960, 700) as view:
    view.open(stream.url)
    view.js(SMALL)
    view.wait_playing()
    view.wait_until('player.video.currentTime - seen.began.time > 9', 20)
    state = view.state()
    check(state['time'] - state['ranges'][0][0] < 8,
          f'played media is evicted: {state["ranges"]} at {state["time"]:.1f}')

    view.js(FULL)
    view.wait('return seen.refused === 8', 20, 'a full buffer')
    start = view.state()['time']
    view.wait_until(f'player.video.currentTime > {start + 3}', 15)
    state = view.state()
    check(state['stalls'] == 0 and state['queued'] < 1e6,
          'a full buffer is waited for, without a stall')

    view.key(' ')
    view.wait_until('player.jumps > 0 && player.lost > 5.5 '
                    '&& player.ahead > 9', 40, 'a long pause')
    state = view.state()
    span = state['ranges'][-1][1] - state['ranges'][0][0]
    check(span < 16, f'a pause is bounded: {span:.1f} s are buffered')
    view.key(' ')
    view.wait_playing()
    start = view.state()['time']
    view.wait_until(f'player.video.currentTime > {start + 2}', 15)
    state = view.state()
    check(state['jumps'] > 0 and 'live again' in state['notice'],
          'caught up: ' + state['notice'])
    check(state['ahead'] < 8 and len(state['ranges']) == 1,
          f'{state["ahead"]:.1f} s ahead')
