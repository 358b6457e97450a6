# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real pipeline behind a port, for the browser to watch."""

import http.client
import os
import shlex
import signal
import socket
import subprocess
import time

LAUNCH = os.environ.get('GST_LAUNCH', 'gst-launch-1.0')

LINE = '''
dreamversesrc name=source width=640 height=352 {source}
source.video ! queue max-size-bytes=0 max-size-time=0 max-size-buffers=4 {video}
  ! videoconvert ! video/x-raw,format=I420
  ! x264enc tune=zerolatency speed-preset=ultrafast bframes=0 key-int-max=48
    threads=1 {encoder}
  ! queue ! mux.video
source.audio ! queue ! audioconvert ! audioresample
  ! audio/x-raw,rate=48000,channels=2 ! voaacenc ! queue ! mux.audio
dreamversemux name=mux ! soupwebsocketsink name=sink port={port} {sink}
'''


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class Stream:
    """gst-launch-1.0 with properties of the source and the sink, and elements
    between the source and the video encoder."""

    def __init__(self, source='', sink='', video='', port=None,
                 encoder='pass=qual quantizer=23 vbv-buf-capacity=0'):
        self.port = port or free_port()
        line = LINE.format(source=source, sink=sink, port=self.port,
                           encoder=encoder,
                           video='! ' + video if video else '')
        self.process = subprocess.Popen([LAUNCH, '-q'] + shlex.split(line),
                                        stdin=subprocess.DEVNULL)
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise

    @property
    def url(self):
        return f'http://127.0.0.1:{self.port}/'

    def fetch(self, path):
        link = http.client.HTTPConnection('127.0.0.1', self.port, timeout=5)
        try:
            link.request('GET', path)
            answer = link.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            link.close()

    def wait_ready(self, timeout=20):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            assert self.process.poll() is None, 'the pipeline ended at once'
            try:
                if self.fetch('/healthz')[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError(f'no answer on port {self.port}')

    def stop(self):
        """Ends it; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stop()
