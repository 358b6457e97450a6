#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Joins late, and is brought forward after its page stood still."""

import os
import signal
import time

from stream import Stream
from viewer import Viewer, check, need_browser

need_browser()


def stand_still(view, seconds):
    """Stops the page's processes, as a suspended laptop would."""
    pids = view.renderers()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


# A viewer is brought forward early and dropped late.
SINK = 'soft-limit-time=1000000000 hard-limit-time=120000000000'
# Enough bytes that what the kernel holds for a page that stands still is full.
ENCODER = 'pass=quant quantizer=2'

for mode in ('segments', 'sequence'):
    with Stream(source='prompt="snow over a pine forest" max-lead=2000000000',
                sink=SINK, encoder=ENCODER) as stream, Viewer(960, 700) as view:
        time.sleep(7)
        view.open(f'{stream.url}?mode={mode}')
        view.wait_playing()
        state = view.state()
        if mode == 'segments':
            check(state['ranges'][0][0] > 1,
                  f'joined late, at {state["ranges"][0][0]:.2f} s')
        check(len(state['ranges']) == 1, 'one buffered range')
        frames = state['frames']
        view.wait_until('player.video.currentTime - seen.began.time > 4', 15,
                        'the late joiner to play on')
        check(view.state()['frames'] > frames + 60, 'pictures after joining')
        check(view.state()['stalls'] == 0, 'no stall after joining late')

        stand_still(view, 14)
        view.wait_until('page.skipped > 0', 20, 'media_skipped')
        view.js('seen.mark = dreamverse.player.video.currentTime')
        view.wait('''const { player } = dreamverse;
            return player.state === 'playing'
              && player.video.currentTime > seen.mark + 5''', 30,
                  'playback after being brought forward')
        state = view.state()
        check(state['connected'], f'{mode}: brought forward, plays on at '
              f'{state["time"]:.1f} s, {state["jumps"]} jumps')
        check(state['ahead'] < 12, f'{mode}: near the live edge '
              f'({state["ahead"]:.1f} s)')
