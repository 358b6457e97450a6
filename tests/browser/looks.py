#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Dark, light and a phone: nothing overflows, everything has a name, and
pictures are left in DREAMVERSE_SCREENSHOTS for a person to look at."""

import os
import re
import time

from stream import Stream
from viewer import Viewer, check, need_browser
from webdriver import ENTER

need_browser()
KEEP = os.environ.get('DREAMVERSE_SCREENSHOTS')
FOR_DOCS = KEEP is not None
PROMPTS = [
    'a canyon at sunset, a flock of birds',
    'cherry blossom on gentle hills in spring, a sunny morning',
    'a moonlit lake under mountains, fireflies over the still water',
    'a snowy mountain village at dusk, glowing windows and lanterns',
    'a tropical beach at noon, palms by a clear sea',
]

NAMELESS = '''
return [...document.querySelectorAll('button, input, textarea, video')]
  .filter((e) => !(e.ariaLabel || e.textContent.trim() || e.labels?.length))
  .map((e) => e.outerHTML);
'''
OVERFLOW = '''return document.documentElement.scrollWidth - innerWidth'''
SMALL = '''
return [...document.querySelectorAll('button')]
  .filter((e) => e.offsetParent && !e.closest('.history, dialog, .alert'))
  .filter((e) => e.offsetHeight < 38).map((e) => e.id);
'''
STRANGERS = '''
return performance.getEntriesByType('resource').map((e) => e.name)
  .filter((name) => !/^(blob|data):/.test(name)
    && new URL(name).host !== location.host);
'''
# Colours in each lane of the timeline, of bars left and right of now.
LANES = '''
const canvas = document.getElementById('timeline');
const paper = canvas.getContext('2d');
const lane = (canvas.height - 18 * devicePixelRatio) / 3;
return [0, 1, 2].map((n) => {
  const row = paper.getImageData(70 * devicePixelRatio, lane * (n + 0.5),
    canvas.width - 70 * devicePixelRatio, 1).data;
  let drawn = 0;
  for (let i = 3; i < row.length; i += 4)
    drawn += row[i] > 40;
  return drawn;
});
'''
ROWS = '''
return [...document.querySelectorAll('#segments tr')]
  .map((row) => [...row.children].map((cell) => cell.textContent));
'''
GRAPHS = '''
return ['buffer', 'latency', 'rate'].map((name) =>
  [document.querySelector(`#graph-${name} .value`).textContent,
   dreamverse.graphs[name].samples.length]);
'''
GROUND = '''return getComputedStyle(document.body).backgroundColor'''


def dream(view, prompt):
    """Steers there and waits until the picture has changed."""
    view.type('#prompt', prompt + ENTER)
    view.wait_until(f"segments.playing?.prompt === '{prompt}'", 60)
    time.sleep(11)
    view.js('document.activeElement.blur()')


def look(view, name, width, height, scale, theme):
    view.size(width, height, scale, mobile=scale > 1)
    view.theme(theme)
    view.js('scrollTo(0, 0)')
    time.sleep(1.5)
    check(view.js(OVERFLOW) <= 0, f'{name}: no sideways scrolling')
    check(view.js(SMALL) == [], f'{name}: buttons are large enough')
    view.screenshot(os.path.join(KEEP or view.home, f'viewer-{name}.jpg'), jpeg=88)
    return view.js(GROUND)


SIZE = 'width=1280 height=704' if FOR_DOCS else ''
HEIGHT = 1080 if FOR_DOCS else 900

with Stream(source=f'prompt="{PROMPTS[0]}" {SIZE}') as stream, \
        Viewer(1440, HEIGHT) as view:
    view.size(1440, HEIGHT)
    view.theme('dark')
    view.open(stream.url)
    view.wait_playing()
    check(view.js(NAMELESS) == [], 'every control has a name')
    view.wait_until('segments.list.some((s) => s.generationMs && s.encoded)', 40)
    view.wait_until('player.video.currentTime > 6', 30)
    # A page that joins late has 6 s behind it at once, and plays the rest of a
    # segment first; and the list is written four times a second.
    for _ in range(40):
        rows = view.js(ROWS)
        states = {row[1] for row in rows}
        timed = any(all(re.match(r'[\d.,]+\s*\w+', cell) for cell in row[2:5])
                    for row in rows)
        if timed and {'on screen', 'played'} <= states:
            break
        time.sleep(0.5)
    check({'on screen', 'played'} <= states, f'states: {states}')
    check(timed, f'with their timings: {rows}')
    # Drawing by words is fast: of its lane a few pixels may be all there is.
    lanes = view.js(LANES)
    check(lanes[0] > 0 and min(lanes[1:]) > 20,
          f'generated, encoded and played are drawn: {lanes}')
    graphs = view.js(GRAPHS)
    check(all(re.match(r'\d', text) and count > 5 for text, count in graphs),
          f'graphs of buffer, latency and bit rate: {graphs}')
    check(view.js(STRANGERS) == [], 'nothing comes from elsewhere')
    if FOR_DOCS: # a full timeline, some prompts, pictures worth looking at
        view.click('#unmute')
        dream(view, PROMPTS[1])
        dream(view, PROMPTS[2])
    dark = look(view, 'dark', 1440, HEIGHT, 1, 'dark')
    if FOR_DOCS:
        dream(view, PROMPTS[3])
    light = look(view, 'light', 1440, HEIGHT, 1, 'light')
    check(dark != light, f'dark {dark} and light {light}')
    if FOR_DOCS:
        dream(view, PROMPTS[4])
    look(view, 'phone', 390, 844, 2, 'dark')
    view.size(1440, 900)
    view.click('#theme')
    check(view.js(GROUND) == light, 'the theme is switched by hand')
    view.key('?')
    check(view.js('return document.getElementById("help").open'),
          'the keys are listed')
    check(view.complaints() == [], 'the console is quiet')
