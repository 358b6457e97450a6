#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Is the whole pipeline faster than real time at 1920x1088?

Generation, x264enc, voaacenc, dreamversemux and soupwebsocketsink in one
process, as pipelines/watch.sh runs them but without a limit on the lead, for
each of several prompts; prints media time over wall time. More than 1 keeps
up. The prompts change at every segment in the last run, so that every segment
begins with a morph.

usage: realtime.py BUILD_DIR [SEGMENTS]
"""
import os
import subprocess
import sys
import time

PROMPTS = {
    'one prompt': ['a moonlit lake with fireflies'],
    'another': ['a neon city by a river at night in the rain'],
    'a new prompt each segment': [
        'a stormy sea', 'a canyon at sunset', 'a tropical beach at noon',
        'aurora over an icy glacier', 'cherry blossom on hills in spring',
        'a volcano at night'],
}


def run(build, prompts, segments):
    env = dict(os.environ)
    env['GST_PLUGIN_PATH'] = os.path.join(build, 'gst', 'plugin')
    env['GST_REGISTRY'] = os.path.join(build, 'bench-registry.bin')
    # Quoted twice: once for the launch line, once for the array in it.
    listed = ', '.join(f'\\"{p}\\"' for p in prompts)
    started = time.monotonic()
    subprocess.run([
        'gst-launch-1.0', '-q', 'dreamversesrc', 'name=s', 'width=1920',
        'height=1088', 'max-lead=18446744073709551615', 'loop=true',
        f'segments={segments}', f'prompts="<{listed}>"',
        's.video', '!', 'queue', 'max-size-bytes=0', 'max-size-time=0',
        'max-size-buffers=3', '!', 'x264enc', 'tune=zerolatency',
        'speed-preset=ultrafast', 'pass=qual', 'quantizer=23',
        'vbv-buf-capacity=0', 'bframes=0', 'key-int-max=48', '!', 'queue', '!',
        'mux.video', 's.audio', '!', 'queue', '!', 'audioconvert', '!',
        'audioresample', '!', 'audio/x-raw,rate=48000', '!', 'voaacenc', '!',
        'queue', '!', 'mux.audio', 'dreamversemux', 'name=mux', '!',
        'soupwebsocketsink', 'port=0'], env=env, check=True, timeout=600)
    return time.monotonic() - started


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    build = os.path.abspath(sys.argv[1])
    segments = int(sys.argv[2]) if len(sys.argv) > 2 else 6
    media = (121 + (segments - 1) * 112) / 24
    for name, prompts in PROMPTS.items():
        wall = run(build, prompts, segments)
        print(f'{name}: {media / wall:.2f} times real time '
              f'({media:.1f} s of media in {wall:.1f} s)')


main()
