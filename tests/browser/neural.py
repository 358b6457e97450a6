#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Three continued segments of an LTX-2 model, of random weights, play in the
page, which says that no drawing is seen. Usage: neural.py DREAMVERSE-GENERATE"""

import os
import subprocess
import sys
import tempfile

from stream import Stream
from viewer import Viewer, check, need_browser

need_browser()

with tempfile.TemporaryDirectory() as folder:
    model = os.path.join(folder, 'model')
    subprocess.run([sys.argv[1], '--quiet', '--make-random', 'tiny',
                    '--tokenizer', model], check=True)
    with Stream(source=f'model={model} width=128 height=64 steps=2+1 '
                'frames-per-segment=49 audio-overlap-frames=17 '
                'prompt="a lighthouse at dusk"') as stream, \
            Viewer(800, 600) as view:
        view.open(stream.url)
        view.wait_playing(60)
        view.wait_until('window.seen?.entered >= 3', 60, 'three segments')
        state = view.state()
        check(state['frames'] > 49 and state['audio'] > 0,
              f'pictures and sound: {state["frames"]} frames')
        check(len(state['ranges']) == 1,
              f'one buffered range {state["ranges"]}')
        name = view.js(
            "return document.getElementById('model-name').textContent")
        kind = view.js(
            "return document.getElementById('model-kind').textContent")
        check(name.startswith('LTX-2') and kind == 'Neural model',
              f'the page says "{name}", "{kind}"')
        check(view.complaints() == [], 'the console is quiet')
