#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""CPU seconds per gigabyte relayed, soupwebsocketsink against Node's ws.

Both broadcast the same fragments of one 1920x1088 recording, at the same
times, to the same program that opens the WebSockets and reads. What is
counted is the CPU time of the serving process from the middle of a run to the
last byte, divided by the bytes of that half. The first half is not counted:
Node compiles its JavaScript in it, which a server that runs for hours does
once.

Needs node and npm (fetches the ws package into a temporary folder).

usage: relay.py BUILD_DIR [RUNS]
"""
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
# viewers: units to send, microseconds between two
CASES = {1: (6000, 1000), 50: (800, 12500), 500: (80, 125000)}


def plugin_env(build):
    env = dict(os.environ)
    env['GST_PLUGIN_PATH'] = os.path.join(build, 'gst', 'plugin')
    env['GST_REGISTRY'] = os.path.join(build, 'bench-registry.bin')
    return env


def record(build, folder):
    path = os.path.join(folder, 'stream.mp4')
    subprocess.run([
        'gst-launch-1.0', '-q', 'dreamversesrc', 'name=s', 'segments=1',
        'max-lead=18446744073709551615', 'width=1920', 'height=1088',
        's.video', '!', 'queue', '!', 'x264enc', 'tune=zerolatency',
        'speed-preset=ultrafast', 'pass=qual', 'quantizer=23',
        'vbv-buf-capacity=0', 'bframes=0', 'key-int-max=48', '!', 'queue', '!',
        'mux.video', 's.audio', '!', 'queue', '!', 'audioconvert', '!',
        'audioresample', '!', 'audio/x-raw,rate=48000', '!', 'voaacenc', '!',
        'queue', '!', 'mux.audio', 'dreamversemux', 'name=mux', '!',
        'filesink', f'location={path}'],
        env=plugin_env(build), check=True, timeout=300)
    return path


def serve(command, env, build, viewers):
    server = subprocess.Popen(command, env=env, stdout=subprocess.PIPE,
                              text=True)
    port = server.stdout.readline().strip()
    program = os.path.join(build, 'tests', 'bench', 'relay-viewers')
    got = subprocess.run([program, port, '/ws', str(viewers)], check=True,
                         stdout=subprocess.PIPE, text=True, timeout=300)
    cost = json.loads(server.stdout.readline())
    server.wait(timeout=60)
    return cost['cpu_s'] / (cost['bytes'] / 1e9), int(got.stdout)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    build = os.path.abspath(sys.argv[1])
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as folder:
        path = record(build, folder)
        subprocess.run(['npm', 'install', '--silent', '--no-audit',
                        '--no-fund', '--prefix', folder, 'ws@8'], check=True)
        script = os.path.join(folder, 'relay-ws.mjs')
        shutil.copy(os.path.join(HERE, 'relay-ws.mjs'), script)
        for viewers, (units, interval) in CASES.items():
            args = [path, str(viewers), str(units), str(interval),
                    str(units // 2)]
            ratios, costs = [], []
            for _ in range(runs):
                pair = []
                for command in ([os.path.join(build, 'tests', 'bench',
                                              'relay-ours')],
                                ['node', script]):
                    pair.append(serve(command + args, plugin_env(build),
                                      build, viewers))
                ratios.append(pair[0][0] / pair[1][0])
                costs.append((pair[0][0], pair[1][0], pair[0][1] / pair[1][1]))
            print(f'{viewers} viewers: CPU s/GB ours/peer median '
                  f'{statistics.median(ratios):.3f} '
                  f'(min {min(ratios):.3f}, max {max(ratios):.3f}; ours '
                  f'{statistics.median(c[0] for c in costs):.3f}, peer '
                  f'{statistics.median(c[1] for c in costs):.3f}, bytes '
                  f'ours/peer {min(c[2] for c in costs):.4f})')


main()
