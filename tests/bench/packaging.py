#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Packages one 1920x1088 segment twice, side by side, and prints ratios.

The peer is the way the reference application does it: one ffmpeg process a
segment, fed RGB24 frames on its standard input and a 16-bit WAV file, libx264
ultrafast/zerolatency/baseline with a keyframe every 12 frames at CRF 23,
fragmented MP4 out. Ours gets the same pictures as I420, straight from memory.
Both are given frames that are already made; generation is not measured.

CPU time of the peer is that of the ffmpeg process alone; ours is that of the
whole process. Runs alternate, the median of the pairwise ratios is printed.

usage: packaging.py BUILD_DIR [RUNS]
"""
import json
import os
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

WIDTH, HEIGHT, FRAMES, RATE = 1920, 1088, 121, 24000
PROMPT = 'a moonlit lake with fireflies under drifting clouds'


def generate(build, folder):
    """One segment of the procedural generator, as I420, RGB24, f32 and WAV."""
    i420, f32 = os.path.join(folder, 'v.i420'), os.path.join(folder, 'a.f32')
    subprocess.run([
        'gst-launch-1.0', '-q', 'dreamversesrc', 'name=s', 'segments=1',
        'max-lead=18446744073709551615', f'prompt={PROMPT}',
        f'width={WIDTH}', f'height={HEIGHT}',
        's.video', '!', 'filesink', f'location={i420}',
        's.audio', '!', 'audio/x-raw,format=F32LE', '!',
        'filesink', f'location={f32}'],
        env=plugin_env(build), check=True, timeout=300)
    size = WIDTH * HEIGHT * 3 // 2 * FRAMES
    samples = round(FRAMES * RATE / 24) * 8
    with open(i420, 'r+b') as f:
        f.truncate(size)
    with open(f32, 'r+b') as f:
        f.truncate(samples)
    rgb, wav = os.path.join(folder, 'v.rgb'), os.path.join(folder, 'a.wav')
    run_quiet(['ffmpeg', '-y', '-f', 'rawvideo', '-pix_fmt', 'yuv420p', '-s',
               f'{WIDTH}x{HEIGHT}', '-r', '24', '-i', i420, '-f', 'rawvideo',
               '-pix_fmt', 'rgb24', rgb])
    run_quiet(['ffmpeg', '-y', '-f', 'f32le', '-ar', str(RATE), '-ac', '2',
               '-i', f32, '-c:a', 'pcm_s16le', wav])
    return i420, f32, rgb, wav


def run_quiet(command):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def plugin_env(build):
    env = dict(os.environ)
    env['GST_PLUGIN_PATH'] = os.path.join(build, 'gst', 'plugin')
    env['GST_REGISTRY'] = os.path.join(build, 'bench-registry.bin')
    return env


def first_fragment_end(data):
    """Bytes up to the end of the first mdat after a moof, or None."""
    at, seen_moof = 0, False
    while at + 8 <= len(data):
        size, kind = struct.unpack('>I4s', data[at:at + 8])
        if size < 8 or at + size > len(data):
            return None
        seen_moof = seen_moof or kind == b'moof'
        at += size
        if kind == b'mdat' and seen_moof:
            return at
    return None


def peer(rgb, wav):
    """One ffmpeg process for one segment, as the reference starts it."""
    with open(rgb, 'rb') as f:
        frames = f.read()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    process = subprocess.Popen([
        'ffmpeg', '-loglevel', 'error', '-f', 'rawvideo', '-pix_fmt', 'rgb24',
        '-s', f'{WIDTH}x{HEIGHT}', '-r', '24', '-i', 'pipe:0', '-i', wav,
        '-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency',
        '-profile:v', 'baseline', '-g', '12', '-keyint_min', '12',
        '-x264-params', 'scenecut=0', '-pix_fmt', 'yuv420p', '-c:a', 'aac',
        '-shortest', '-movflags', '+frag_keyframe+empty_moov+default_base_moof',
        '-frag_duration', '250000', '-flush_packets', '1', '-muxdelay', '0',
        '-muxpreload', '0', '-f', 'mp4', 'pipe:1'],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def feed():
        process.stdin.write(frames)
        process.stdin.close()

    feeder = threading.Thread(target=feed)
    feeder.start()
    data, first = bytearray(), None
    while chunk := os.read(process.stdout.fileno(), 1 << 20):
        data += chunk
        if first is None and first_fragment_end(data) is not None:
            first = time.monotonic() - started
    wall = time.monotonic() - started
    feeder.join()
    if process.wait() != 0:
        raise RuntimeError('ffmpeg failed')
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = (after.ru_utime + after.ru_stime
           - before.ru_utime - before.ru_stime)
    return {'cpu_ms': cpu * 1e3, 'first_ms': first * 1e3,
            'wall_ms': wall * 1e3, 'bytes': len(data)}


def ours(build, i420, f32):
    program = os.path.join(build, 'tests', 'bench', 'packaging-ours')
    result = subprocess.run(
        [program, i420, str(WIDTH), str(HEIGHT), f32, str(RATE)],
        env=plugin_env(build), check=True, stdout=subprocess.PIPE, timeout=300)
    return json.loads(result.stdout)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    build = os.path.abspath(sys.argv[1])
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory(dir='/dev/shm') as folder:
        i420, f32, rgb, wav = generate(build, folder)
        pairs = []
        for n in range(runs + 1):  # the first pair warms caches
            pair = (ours(build, i420, f32), peer(rgb, wav))
            if n:
                pairs.append(pair)
    for key, label in (('cpu_ms', 'CPU time'),
                       ('first_ms', 'first raw frame to first fragment'),
                       ('wall_ms', 'wall time'), ('bytes', 'bytes')):
        ratios = [a[key] / b[key] for a, b in pairs]
        print(f'{label}: ours/peer median {statistics.median(ratios):.3f} '
              f'(min {min(ratios):.3f}, max {max(ratios):.3f}, {runs} pairs; '
              f'ours {statistics.median(a[key] for a, _ in pairs):.0f}, '
              f'peer {statistics.median(b[key] for _, b in pairs):.0f})')


main()
