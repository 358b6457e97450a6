#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plays at least a minute over at least twelve joins, in `segments` and in
`sequence` mode side by side: no stall, pictures and sound all the time, one
buffered range, bounded memory."""

import time

from stream import Stream
from viewer import Viewer, check, need_browser, setting

need_browser()
SECONDS = setting('DREAMVERSE_BROWSER_SECONDS', 60)
JOINS = setting('DREAMVERSE_BROWSER_JOINS', 12)


def watch(views):
    """Samples both until they are through."""
    for view in views.values():
        view.wait_playing()
    last = {mode: view.state() for mode, view in views.items()}
    end = time.monotonic() + SECONDS * 1.5 + 30
    while time.monotonic() < end:
        time.sleep(5)
        for mode, view in views.items():
            now = view.state()
            before = last[mode]
            check(now['time'] > before['time'] + 4,
                  f'{mode}: {now["played"]:.1f} s played, {now["joins"]} joins, '
                  f'{now["ahead"]:.1f} s ahead, {now["frames"]} frames')
            check(now['frames'] > before['frames'] + 80,
                  f'{mode}: pictures go on')
            check(now['audio'] > before['audio'], f'{mode}: sound goes on')
            check(len(now['ranges']) == 1,
                  f'{mode}: one buffered range {now["ranges"]}')
            last[mode] = now
        if all(state['played'] >= SECONDS and state['joins'] >= JOINS
               for state in last.values()):
            return last
    raise SystemExit('too few joins in the time')


with Stream(source='prompt="a lighthouse at dusk, waves"') as stream, \
        Viewer(960, 700) as one, Viewer(960, 700) as two:
    views = {'segments': one, 'sequence': two}
    one.open(stream.url)
    two.open(stream.url + '?mode=sequence')
    for mode, state in watch(views).items():
        check(state['stalls'] == 0 and not state['waiting'],
              f'{mode}: no stall ({state["stalls"]}, {state["waiting"]})')
        check(state['jumps'] == 0, f'{mode}: no jump')
        check(abs(state['played'] - state['wall']) < 1.5,
              f'{mode}: {state["played"]:.2f} s played in {state["wall"]:.2f} s')
        check(state['frames'] > 24 * state['played'] * 0.95,
              f'{mode}: {state["frames"]} frames, {state["dropped"]} dropped')
        start, stop = state['ranges'][0]
        check(state['time'] - start < 46 and stop - state['time'] < 30,
              f'{mode}: what was played is evicted ({start:.1f} to {stop:.1f})')
        check(state['clip'] <= 12 * 5.1, f'{mode}: the clip is bounded')
    for mode, view in views.items():
        check(view.complaints() == [], f'{mode}: the console is quiet')
