#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: faults.py DREAMVERSE-GENERATE
#
# Wrong requests, files that cannot be read or written, and being stopped.
import os
import resource
import signal
import unittest

import rig

# Options, words of the sentence
WRONG = [
    ([], ["no prompt"]),
    (["--prompt", "x"], ["nothing is to be written"]),
    (["--nonsense"], ["no option --nonsense"]),
    (["--prompt"], ["--prompt needs a value"]),
    (["--one-stage=3"], ["--one-stage=3 takes no value"]),
    (["lake"], ['"lake" belongs to no option']),
    (["--model", ""], ["empty"]),
    (["--threads", "0"], ["--threads", "1 to 1024"]),
    (["--threads", "-1"], ["--threads", '"-1"']),
    (["--memory", "24X"], ["--memory", "24G"]),
    (["--memory", "18446744073709551615K"], ["--memory"]),
    (["--lora", ":0.5"], ["--lora", "no file"]),
    (["--size", "64"], ["--size", "960x544"]),
    (["--size", "64x"], ["--size"]),
    (["--size", "0x64"], ["--size"]),
    (["--size", "99999999999x64"], ["--size"]),
    (["--fps", "0"], ["--fps", "30000/1001"]),
    (["--fps", "24/0"], ["--fps"]),
    (["--fps", "24/1/1"], ["--fps"]),
    (["--frames", "0"], ["--frames"]),
    (["--frames", " 9"], ["--frames"]),
    (["--overlap", "x"], ["--overlap"]),
    (["--segments", "0"], ["--segments"]),
    (["--seed", "18446744073709551616"], ["--seed"]),
    (["--steps", ""], ["--steps", "stage 1"]),
    (["--steps", "5+"], ["--steps", "stage 2"]),
    (["--steps", "9+2"], ["1 to 8"]),
    (["--steps", "8+4"], ["1 to 3"]),
    (["--steps", "1,0.5"], ["0"]),
    (["--steps", "0.5,1,0"], ["noise level"]),
    (["--steps", "1,x,0"], ["--steps"]),
    (["--steps", ",".join(["1"] * 70)], ["at most 64"]),
    (["--image-strength", "0"], ["--image-strength"]),
    (["--image-strength", "nan"], ["--image-strength"]),
    (["--bench=0"], ["--bench"]),
    (["--plan", "--bench"], ["name one"]),
    (["--make-random", "tiny"], ["folder"]),
    (["--make-random", "tiny", "--layout", "x", "f"], ["single"]),
    (["--make-random", "tiny", "f", "g"], ['"g" belongs']),
    (["--tokenizer"], ["--make-random"]),
]

# The same, after a request that would be right
WRONG_TOGETHER = [
    (["--one-stage", "--steps", "5+2"], ["--one-stage"]),
    (["--image-strength", "0.5"], ["--image"]),
    (["--frames", "9", "--overlap", "9"], ["--overlap 9", "9 frames"]),
    (["--overlap", "9", "--audio-overlap", "8"], ["--audio-overlap 8"]),
    (["--bench"], ["--bench writes nothing"]),
    (["--layout", "single"], ["--make-random"]),
    (["--size", "65x32"], ["width of 65", "in steps of 2"]),
    (["--size", "64x8"], ["height of 8"]),
    (["--output", "frames.avi"], ["frames.avi", "frame-%06d.png"]),
    (["--output", "%d-%d.png"], ["%d-%d.png"]),
    (["--output", "%s.png"], ["%s.png"]),
]


class Requests(rig.Case):
    def test_wrong_options_are_named(self):
        for options, words in WRONG:
            with self.subTest(options=options):
                said = self.refused(*options, words=words)
                self.assertLessEqual(len(said.splitlines()), 2)
        self.assertEqual(os.listdir(self.folder), [])

    def test_wrong_combinations_are_named_and_leave_nothing(self):
        for options, words in WRONG_TOGETHER:
            with self.subTest(options=options):
                self.refused(
                    "--prompt", "x", *rig.SMALL, "--output", "a.y4m",
                    *options, words=words,
                )  # fmt: skip
        self.assertEqual(os.listdir(self.folder), [])

    def test_what_a_model_cannot_make_is_a_wrong_request(self):
        model = ["--model", self.tiny_model(), "--output", "a.y4m"]
        for options, words in (
            (["--size", "96x64"], ["96", "steps of 64"]),
            (["--size", "64x64", "--frames", "16"], ["8 k + 1"]),
        ):
            self.refused(
                "--prompt", "x", *model, *options, words=words
            )  # fmt: skip
        self.assertFalse(os.path.exists(self.path("a.y4m")))

    def test_what_is_not_there_is_named(self):
        write = ["--prompt", "x", "--output", "a.y4m"]
        with open(self.path("empty"), "wb"):
            pass
        for options, words in (
            (["--model", "nowhere"], ["nowhere"]),
            (["--device", "abacus"], ["abacus"]),
            (["--lora", "nowhere:0.5"], ["LoRA"]),
            (["--prompts", "nowhere"], ["nowhere", "No such file"]),
            (["--prompts", "empty"], ["empty", "no prompt"]),
            (["--prompts", "."], ["directory"]),
            (["--image", "nowhere.png"], ["nowhere.png"]),
            (["--image", "empty"], ["empty", "neither PNG nor PPM"]),
            (["--state-in", "nowhere"], ["nowhere"]),
            (["--state-in", "empty"], ["--state-out"]),
            (["--state-in", "/dev/zero"], ["--state-out"]),
        ):
            with self.subTest(options=options):
                _, said = self.run_program(*write, *options, status=None)
                for word in words:
                    self.assertIn(word, said)
        self.assertEqual(os.listdir(self.folder), ["empty"])

    def test_pictures_that_are_none_are_refused(self):
        def short_png():
            return b"\x89PNG\r\n\x1a\n" + b"\0" * 40

        for name, data, words in (
            ("a.ppm", b"P6\n4 4\n255\n" + b"x" * 47, ["ends before"]),
            ("b.ppm", b"P6\n4 4\n65535\n" + b"x" * 96, ["8 bits"]),
            ("c.ppm", b"P6 99999 1 255\n", ["99999x1", "16384"]),
            ("d.ppm", b"P6 99999999999 1 255\n", ["8 bits"]),
            ("e.ppm", b"P6\n# 4 4\n", ["8 bits"]),
            ("f.png", short_png(), ["PNG"]),
        ):
            with open(self.path(name), "wb") as file:
                file.write(data)
            with self.subTest(name=name):
                self.refused(
                    "--prompt", "x", "--output", "a.y4m", "--image", name,
                    words=[name, *words], status=1,
                )  # fmt: skip

    def test_states_that_do_not_fit_are_refused(self):
        self.generate("--output", "a.y4m", "--state-out", "state")
        whole = self.data("state")
        for at in (0, 4, 8, 20, len(whole) - 1):
            with open(self.path("bad"), "wb") as file:
                file.write(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            self.refused(
                "--prompt", "x", *rig.SMALL, "--state-in", "bad",
                "--output", "b.y4m", words=["bad"], status=1,
            )  # fmt: skip
        self.refused(
            "--prompt", "x", *rig.SMALL, "--state-in", "state", "--fps", "25",
            "--output", "b.y4m", words=["24/1"],
        )  # fmt: skip
        self.refused(
            "--prompt", "x", "--model", self.tiny_model(), "--size", "64x64",
            "--state-in", "state", "--output", "b.y4m", words=["state"],
            status=1,
        )  # fmt: skip
        self.assertFalse(os.path.exists(self.path("b.y4m")))


class Writing(rig.Case):
    def test_what_cannot_be_written_is_refused_at_once(self):
        for option, place in (
            ("--output", "nowhere/a.y4m"),
            ("--output", "nowhere/folder/"),
            ("--wav", "nowhere/a.wav"),
            ("--wav", "."),
            ("--state-out", "nowhere/state"),
        ):
            with self.subTest(option=option, place=place):
                # Before the model, which is not there.
                more = [] if option == "--wav" else ["--wav", "a.wav"]
                _, said = self.generate(
                    *more, "--model", "absent", option, place, status=1
                )
                self.assertIn(place, said)
                self.assertNotIn("absent", said)
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_failure_leaves_what_was_there(self):
        with open(self.path("a.y4m"), "wb") as file:
            file.write(b"precious")
        self.generate("--output", "a.y4m", "--model", "absent", status=1)
        self.assertEqual(self.data("a.y4m"), b"precious")

    def test_a_full_disk_is_said(self):
        os.symlink("/dev/full", self.path("frame-000001.png"))
        os.symlink("/dev/full", self.path("1.ppm"))
        for options in (
            ["--output", "/dev/full"],
            ["--wav", "/dev/full"],
            ["--output", "./"],
            ["--output", "%d.ppm"],
            ["--wav", "a.wav", "--state-out", "/dev/full"],
        ):
            with self.subTest(options=options):
                _, said = self.generate(*options, status=None)
                if "no PNG" not in said:
                    self.assertIn("No space left on device", said)
        with open("/dev/full", "wb") as full:
            for options in (["--help"], ["--version"], ["--plan"]):
                self.run_program(*options, status=1, stdout=full)
            self.generate("--bench=1", "--quiet", status=1, stdout=full)

    def test_a_disk_that_fills_up_holds_whole_frames(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))

        self.generate(
            "--output", "a.y4m", "--wav", "a.wav", status=1, preexec_fn=limit
        )
        video = self.y4m("a.y4m")
        self.assertEqual(video.rest, 0)
        self.assertEqual(len(video.frames), 6)
        self.wav("a.wav")
        self.generate("--wav", "b.wav", status=1, preexec_fn=limit)
        self.assertLessEqual(len(self.wav("b.wav")), 20000)
        self.assertGreater(len(self.wav("b.wav")), 0)

    def test_a_reader_that_goes_away_is_an_error(self):
        process = self.start(
            "--prompt", "x", "--size", "64x32", "--frames", "10000",
            "--output", "-",
        )  # fmt: skip
        process.stdout.read(1000)
        process.stdout.close()
        self.assertIn("standard output", process.stderr.read().decode())
        process.stderr.close()
        self.assertEqual(process.wait(timeout=60), 1)


class Stopping(rig.Case):
    def wait_for(self, process, text):
        """Reads what it says up to a line that begins so."""
        for line in process.stderr:
            if line.startswith(text):
                return
        self.fail(f"it never said {text!r}")

    def stop(self, process, number):
        process.send_signal(number)
        _, said = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 128 + number)
        self.assertIn(b"stopped in segment", said)

    def test_a_pipe_gets_whole_frames(self):
        process = self.start(
            "--prompt", "x", "--size", "64x32", "--frames", "100000",
            "--output", "-", "--wav", "a.wav", "--quiet",
        )  # fmt: skip
        # Some of it, so that there is something to be cut off.
        data = process.stdout.read(10000)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 130)
        video = rig.Y4m(data + rest)
        self.assertEqual(video.rest, 0)
        self.assertGreater(len(video.frames), 0)
        self.assertLess(len(video.frames), 100000)
        self.assertEqual(
            len(self.wav("a.wav")), 4 * rig.boundary(len(video.frames))
        )

    def test_files_are_whole_and_the_state_goes_on(self):
        options = [
            "--prompt", "x", *rig.SMALL, "--model", self.tiny_model(),
            "--size", "64x64", "--output", "a.y4m", "--wav", "a.wav",
        ]  # fmt: skip
        process = self.start(
            *options, "--state-out", "state", "--segments", "1000"
        )
        self.wait_for(process, b"segment 3/1000: denoise")
        self.stop(process, signal.SIGTERM)
        video = self.y4m("a.y4m")
        self.assertEqual(video.rest, 0)
        self.assertGreaterEqual(len(video.frames), 25)
        self.assertEqual(
            len(self.wav("a.wav")), 4 * rig.boundary(len(video.frames))
        )
        self.run_program(*options, "--state-in", "state")
        self.assertEqual(len(self.y4m("a.y4m").frames), 8)

    def test_nothing_is_left_of_what_was_not_begun(self):
        process = self.start(
            "--prompt", "x", "--model", self.tiny_model(), "--size", "512x512",
            "--frames", "121", "--output", "a.y4m", "--wav", "a.wav",
        )  # fmt: skip
        self.wait_for(process, b"segment 1/1: denoise")
        self.stop(process, signal.SIGINT)
        self.assertEqual(os.listdir(self.folder), ["tiny"])


if __name__ == "__main__":
    unittest.main()
