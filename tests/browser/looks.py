#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Dark, light and a phone: nothing overflows, everything has a name, and
pictures are left in DREAMVERSE_SCREENSHOTS for a person to look at."""

import os
import sys
import tempfile
import time

from stream import Stream
from viewer import Viewer, check, need_browser

need_browser()
shots = (sys.argv[1] if len(sys.argv) > 1
         else os.environ.get('DREAMVERSE_SCREENSHOTS') or tempfile.mkdtemp())
PROMPT = 'a lighthouse on a cliff at dusk, calm sea, first stars'

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
GROUND = '''return getComputedStyle(document.body).backgroundColor'''


def look(view, name, width, height, scale, theme):
    view.size(width, height, scale, mobile=scale > 1)
    view.theme(theme)
    view.js('scrollTo(0, 0)')
    time.sleep(1.5)
    check(view.js(OVERFLOW) <= 0, f'{name}: no sideways scrolling')
    check(view.js(SMALL) == [], f'{name}: buttons are large enough')
    view.screenshot(os.path.join(shots, f'viewer-{name}.jpg'), jpeg=88)
    return view.js(GROUND)


with Stream(source=f'prompt="{PROMPT}" width=1280 height=704'
            if os.environ.get('DREAMVERSE_SCREENSHOTS')
            else f'prompt="{PROMPT}"') as stream, Viewer(1440, 900) as view:
    view.size(1440, 900)
    view.theme('dark')
    view.open(stream.url)
    view.wait_playing()
    check(view.js(NAMELESS) == [], 'every control has a name')
    time.sleep(20 if os.environ.get('DREAMVERSE_SCREENSHOTS') else 2)
    dark = look(view, 'dark', 1440, 900, 1, 'dark')
    light = look(view, 'light', 1440, 900, 1, 'light')
    check(dark != light, f'dark {dark} and light {light}')
    look(view, 'phone', 390, 844, 2, 'dark')
    view.size(1440, 900)
    view.click('#theme')
    check(view.js(GROUND) == light, 'the theme is switched by hand')
    view.key('?')
    check(view.js('return document.getElementById("help").open'),
          'the keys are listed')
    check(view.complaints() == [], 'the console is quiet')
    print(shots)
