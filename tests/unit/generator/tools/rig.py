# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs dreamverse-generate and reads what it wrote. Test programs are called
# with the path of dreamverse-generate as their only argument.
import os
import struct
import subprocess
import sys
import tempfile
import unittest
import wave

PROGRAM = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else None
RATE = 24000
SMALL = ["--size", "64x32", "--frames", "17"]


def boundary(frames, fps_n=24, fps_d=1):
    """Samples that belong to the first frames of a stream."""
    return (frames * RATE * fps_d + fps_n // 2) // fps_n


class Y4m:
    def __init__(self, data):
        line, self.body = data.split(b"\n", 1)
        self.words = line.decode().split(" ")
        values = {word[0]: word[1:] for word in self.words[1:]}
        self.width, self.height = int(values["W"]), int(values["H"])
        self.rate = values["F"]
        size = self.width * self.height * 3 // 2
        each = len(b"FRAME\n") + size
        self.frames = []
        self.rest = len(self.body) % each
        for at in range(0, len(self.body) - self.rest, each):
            assert self.body[at : at + 6] == b"FRAME\n", at
            self.frames.append(self.body[at + 6 : at + each])


class Case(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, *options, **more):
        return subprocess.Popen(
            [PROGRAM, *options],
            cwd=self.folder,
            bufsize=0,
            stdin=subprocess.DEVNULL,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},
        )

    def run_program(self, *options, status=0, **more):
        """Its standard output, bytes, and standard error, text."""
        with self.start(*options, **more) as process:
            out, said = process.communicate(timeout=300)
        said = said.decode()
        if status is not None:
            self.assertEqual(process.returncode, status, said)
        return out, said

    def generate(self, *options, **more):
        return self.run_program("--prompt", "a lake", *SMALL, *options, **more)

    def refused(self, *options, words, status=2):
        """It fails, and says so in one sentence with these words."""
        _, said = self.run_program(*options, status=status)
        for word in words:
            self.assertIn(word, said)
        return said

    def data(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def y4m(self, name):
        return Y4m(self.data(name))

    def wav(self, name):
        """The samples; the header must say how many there are."""
        data = self.data(name)
        riff, = struct.unpack_from("<I", data, 4)
        self.assertEqual(riff, len(data) - 8)
        with wave.open(self.path(name)) as file:
            self.assertEqual(file.getframerate(), RATE)
            self.assertEqual(file.getnchannels(), 2)
            self.assertEqual(file.getsampwidth(), 2)
            samples = file.readframes(file.getnframes())
            self.assertEqual(len(samples), 4 * file.getnframes())
        self.assertEqual(data[44:], samples)
        return samples

    def tiny_model(self):
        self.run_program(
            "--make-random", "tiny", "--tokenizer", "--layout", "single", "tiny"
        )
        return "tiny"
