#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A person steers: prompt, history, pause, resume, a new scene, keys."""

from stream import Stream
from viewer import Viewer, check, difference, need_browser
from webdriver import ENTER

need_browser()
NIGHT = 'a black night, stars over the sea'
SNOW = 'white snow field at noon, bright fog'

with Stream(source=f'prompt="{NIGHT}" max-lead=2000000000 '
            'frames-per-segment=49 seed=7') as stream, \
        Viewer(1280, 860) as view:
    view.open(stream.url)
    view.wait_playing()
    check(view.text('#model-kind') == 'A procedural drawing, not a neural model',
          'a drawing is called a drawing')
    view.wait_until(f"segments.playing?.prompt === '{NIGHT}'", 10)
    dark = view.picture()

    view.key('/')
    view.type('#prompt', SNOW + ENTER)
    view.wait('return /takes effect|being made|on the screen/.test('
              'document.getElementById("prompt-status").textContent)', 10,
              'the prompt to be confirmed')
    check(True, 'confirmed: ' + view.text('#prompt-status'))
    view.wait_until(f"segments.list.some((s) => s.generating && s.prompt === '{SNOW}')",
                    15, 'a segment of the new prompt')
    view.wait_until(f"segments.playing?.prompt === '{SNOW}'", 30,
                    'the new prompt on the screen')
    view.wait('return /is on the screen\\.$/.test('
              'document.getElementById("prompt-status").textContent)', 10)
    check(True, view.text('#prompt-status'))
    start = view.state()['time']
    view.wait_until(f'player.video.currentTime > {start + 3}', 10)
    bright = view.picture()
    apart = difference(dark, bright)
    check(apart > 25, f'the picture changed by {apart:.0f} of 255 levels')
    check(sum(bright) > sum(dark), 'and is brighter')

    view.js('document.activeElement.blur()')
    view.key('p')
    view.wait_until('page.held', 10, 'the generator to pause')
    check(view.text('#link-text') == 'Generator paused', 'pause is said')
    view.click('#hold')
    view.wait_until('!page.held', 10, 'the generator to resume')
    view.wait_playing()

    epoch = view.state()['epoch']
    view.js('document.activeElement.blur()')
    view.key('rr')
    view.wait_until(f'segments.epoch === {epoch + 1}', 15, 'a new epoch')
    view.wait_until(f'segments.playing?.epoch === {epoch + 1}', 30,
                    'the new scene on the screen')
    check(True, 'a new scene')

    view.key(' ')
    view.wait_until("player.state === 'paused' && player.video.paused", 5)
    view.key(' ')
    view.wait_playing()
    # The event of a pause comes late: it must not undo the play after it.
    view.js('dreamverse.player.pause(); dreamverse.player.play();'
            'return new Promise((done) => setTimeout(done, 500))')
    check(not view.js('return dreamverse.player.hold'),
          'play right after pause plays')
    muted = view.js('return dreamverse.player.video.muted')
    check(muted, 'starts without sound')
    view.click('#unmute')
    check(not view.js('return dreamverse.player.video.muted'), 'sound by a click')
    view.key('m')
    check(view.js('return dreamverse.player.video.muted'), 'sound off by a key')

    view.open(stream.url)
    check(view.text('#history li button') == SNOW, 'the history is remembered')
    view.click('#history li button')
    check(view.js('return document.getElementById("prompt").value') == SNOW,
          'and used again')
    check(view.complaints() == [], 'the console is quiet')

with Stream(sink='control-token=conductor') as stream, \
        Viewer(1280, 860) as view:
    view.open(stream.url)
    view.wait('return document.getElementById("prompt").disabled', 15,
              'a viewer without control to be told')
    check('not steer' in view.js('return document.getElementById("prompt")'
                                 '.placeholder'), 'watching only is said')
