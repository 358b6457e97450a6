#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""dreamverse-server's own page: a session from a prompt to the saved clip,
played as Dreamverse's client plays it (one SourceBuffer in mode `sequence`, an
init segment with each segment), then a second project on the same socket.

Usage: session.py SERVER"""

import signal
import subprocess
import sys

from viewer import check, need_browser
from webdriver import Browser

need_browser()
SEGMENTS = 6
SECONDS = (121 + (SEGMENTS - 1) * 112) / 24

STATE = '''
const { seen, player } = dreamverse;
const { video } = player;
return {
  types: seen.types, errors: seen.errors, bytes: seen.bytes,
  time: video.currentTime, ended: video.ended, duration: video.duration,
  audio: video.webkitAudioDecodedByteCount, started: player.started,
  frames: video.getVideoPlaybackQuality().totalVideoFrames,
  ranges: Array.from({ length: video.buffered.length },
    (_, i) => [video.buffered.start(i), video.buffered.end(i)]),
  state: document.getElementById('state').textContent,
  model: document.getElementById('model').textContent,
  save: document.getElementById('save').href,
  listed: document.getElementById('segments').children.length,
};
'''


class Server:
    def __init__(self, program):
        self.process = subprocess.Popen(
            [program, '--port=0', '--providers=none', '--width=320',
             '--height=192', '--pace=1', '--session-timeout-s=200'],
            stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        line = self.process.stdout.readline()
        check(line.startswith('Listening at '), f'it listens: {line}')
        self.url = line.split()[2]
        return self

    def __exit__(self, *error):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)


def await_text(browser, text, timeout):
    browser.wait('return document.getElementById("state").textContent'
                 f'.startsWith("{text}")', timeout, text)


def generate(browser, prompt):
    browser.js('document.getElementById("prompt").value = arguments[0]', prompt)
    browser.js('document.getElementById("go").click()')


with Server(sys.argv[1]) as server, Browser(1000, 800) as browser:
    browser.get(server.url)
    browser.wait('return !!globalThis.dreamverse', 20, 'the page to load')
    browser.wait('return fetch("readyz").then((answer) => answer.ok)', 30,
                 'a slot')
    generate(browser, 'a lighthouse in a storm, waves')
    browser.wait('return dreamverse.player.video.currentTime > 1', 40, 'playback')
    state = browser.js(STATE)
    check('drawing' in state['model'], f'it says what it is: {state["model"]}')
    check(state['audio'] > 0, 'sound is decoded')
    await_text(browser, 'Complete', 60)
    browser.wait('return dreamverse.player.video.ended', 60, 'the end')
    state = browser.js(STATE)
    check(state['errors'] == [], f'no trouble: {state["errors"]}')
    check(len(state['ranges']) == 1, f'one range: {state["ranges"]}')
    start, end = state['ranges'][0]
    check(start < 0.1 and abs(end - start - SECONDS) < 0.06,
          f'{SECONDS:.3f} s: {state["ranges"]}')
    check(state['frames'] > 0.9 * 24 * SECONDS, f'{state["frames"]} frames')
    check(state['listed'] == SEGMENTS, f'{state["listed"]} segments listed')
    check(state['save'].startswith('blob:'), 'the clip is offered')
    size = browser.js('return dreamverse.player.clip().size')
    check(size == state['bytes'], f'the clip has {size} of {state["bytes"]} bytes')

    browser.js('document.getElementById("again").click()')
    browser.wait('return dreamverse.seen.types.includes("project_idle")', 30,
                 'the project to end')
    browser.wait('return dreamverse.player.started '
                 '&& dreamverse.player.video.currentTime > 0.5', 40,
                 'the second project')
    browser.js('document.getElementById("leave").click()')
    await_text(browser, 'Session ended', 20)
    state = browser.js(STATE)
    check(state['errors'] == [], f'no trouble: {state["errors"]}')
    check([line for line in browser.log() if line['level'] == 'SEVERE'] == [],
          'the console is quiet')
