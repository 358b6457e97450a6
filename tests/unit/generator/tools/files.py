#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: files.py DREAMVERSE-GENERATE
#
# What dreamverse-generate writes: frames, sound, states.
import os
import pty
import resource
import unittest

import rig


class Files(rig.Case):
    def test_frames_and_sound_of_segments_end_together(self):
        self.generate(
            "--prompt", "a storm", "--segments", "3",
            "--output", "a.y4m", "--wav", "a.wav",
        )  # fmt: skip
        video = self.y4m("a.y4m")
        self.assertEqual((video.width, video.height), (64, 32))
        self.assertEqual(video.rate, "24:1")
        self.assertIn("C420jpeg", video.words)
        self.assertIn("XCOLORRANGE=LIMITED", video.words)
        self.assertEqual(video.rest, 0)
        # Each later segment repeats nine frames.
        self.assertEqual(len(video.frames), 17 + 8 + 8)
        self.assertEqual(len(self.wav("a.wav")), 4 * rig.boundary(33))

    def test_a_fractional_rate_keeps_to_the_cumulative_boundary(self):
        self.generate(
            "--fps", "30000/1001", "--segments", "2", "--frames", "7",
            "--overlap", "2", "--wav", "a.wav", "--output", "a.y4m",
        )  # fmt: skip
        self.assertEqual(self.y4m("a.y4m").rate, "30000:1001")
        self.assertEqual(len(self.y4m("a.y4m").frames), 12)
        self.assertEqual(
            len(self.wav("a.wav")), 4 * rig.boundary(12, 30000, 1001)
        )

    def test_the_same_request_makes_the_same_files(self):
        for name in ("a", "b"):
            self.generate("--output", name + ".y4m", "--wav", name + ".wav")
        self.generate("--seed", "11", "--output", "c.y4m")
        self.assertEqual(self.data("a.y4m"), self.data("b.y4m"))
        self.assertEqual(self.data("a.wav"), self.data("b.wav"))
        self.assertNotEqual(self.data("a.y4m"), self.data("c.y4m"))

    def test_standard_output_gets_the_same_frames(self):
        self.generate("--output", "a.y4m")
        out, said = self.generate("--output", "-", "--quiet")
        self.assertEqual(out, self.data("a.y4m"))
        self.assertEqual(said, "")

    def test_prompts_from_a_file_are_those_of_the_command_line(self):
        with open(self.path("prompts"), "w", encoding="utf-8") as file:
            file.write("a lake\n\n  \na storm over the sea\r\n")
        options = [*rig.SMALL, "--segments", "3", "--output"]
        self.run_program(
            "--prompt", "a lake", "--prompt", "a storm over the sea",
            *options, "a.y4m",
        )  # fmt: skip
        self.run_program("--prompts", "prompts", *options, "b.y4m")
        self.assertEqual(self.data("a.y4m"), self.data("b.y4m"))
        # As many segments as prompts.
        self.run_program(
            "--prompts", "prompts", *rig.SMALL, "--output", "c.y4m"
        )
        self.assertEqual(len(self.y4m("c.y4m").frames), 25)

    def test_numbered_pictures_show_the_same_as_the_stream(self):
        options = ["--segments", "2", "--output"]
        self.generate(*options, "a.y4m")
        self.generate(*options, "frame-%03d-100%%.ppm")
        video = self.y4m("a.y4m")
        self.assertEqual(len(os.listdir(self.folder)), 1 + 25)
        for n in (1, 12, 25):
            ppm = self.data(f"frame-{n:03d}-100%.ppm")
            self.assertEqual(ppm[:13], b"P6\n64 32\n255\n")
            self.compare_colours(video, video.frames[n - 1], ppm[13:])

    def compare_colours(self, video, frame, rgb):
        """Limited-range BT.709, within half a step."""
        luma = video.width * video.height
        for y in range(video.height):
            for x in range(video.width):
                at = luma + y // 2 * (video.width // 2) + x // 2
                l = (frame[y * video.width + x] - 16) * 255 / 219
                cb = (frame[at] - 128) * 255 / 224
                cr = (frame[at + luma // 4] - 128) * 255 / 224
                colours = (
                    l + 1.5748 * cr,
                    l - 0.1873 * cb - 0.4681 * cr,
                    l + 1.8556 * cb,
                )
                for i, colour in enumerate(colours):
                    there = rgb[3 * (y * video.width + x) + i]
                    wanted = min(max(colour, 0), 255)
                    self.assertLess(abs(there - wanted), 0.6, (x, y, i))

    def test_png_and_ppm_hold_the_same_picture(self):
        _, said = self.run_program(
            "--prompt", "x", *rig.SMALL, "--output", "folder/", status=None
        )
        if "no PNG" in said:
            self.skipTest("built without PNG")
        self.generate("--output", "folder/")
        self.generate("--output", "%d.ppm")
        names = sorted(os.listdir(self.path("folder")))
        self.assertEqual(
            names, [f"frame-{n:06d}.png" for n in range(1, 18)]
        )
        # As start images they begin the same stream; without one it differs.
        for name, options in (
            ("png", ["--image", "folder/frame-000003.png"]),
            ("ppm", ["--image", "3.ppm"]),
            ("none", []),
        ):
            self.run_program(
                "--prompt", "a meadow", *rig.SMALL, *options,
                "--output", name + ".y4m",
            )  # fmt: skip
        self.assertEqual(self.data("png.y4m"), self.data("ppm.y4m"))
        self.assertNotEqual(self.data("png.y4m"), self.data("none.y4m"))

    def test_a_state_continues_as_one_run_does(self):
        self.continue_stream([])

    def test_a_state_of_ltx2_continues_as_one_run_does(self):
        self.continue_stream(["--model", self.tiny_model(), "--size", "64x64"])

    def continue_stream(self, model):
        self.generate(
            *model, "--prompt", "a storm", "--segments", "3",
            "--output", "all.y4m", "--wav", "all.wav", "--state-out", "all",
        )  # fmt: skip
        self.generate(
            *model, "--output", "a.y4m", "--wav", "a.wav",
            "--state-out", "state",
        )  # fmt: skip
        self.run_program(
            "--prompt", "a storm", *rig.SMALL, *model, "--segments", "2",
            "--state-in", "state", "--state-out", "state",
            "--output", "b.y4m", "--wav", "b.wav",
        )  # fmt: skip
        self.assertEqual(
            self.y4m("all.y4m").body,
            self.y4m("a.y4m").body + self.y4m("b.y4m").body,
        )
        self.assertEqual(
            self.wav("all.wav"), self.wav("a.wav") + self.wav("b.wav")
        )
        self.assertEqual(self.data("all"), self.data("state"))

    def test_pictures_of_a_continued_stream_go_on_counting(self):
        self.generate("--output", "%03d.ppm", "--state-out", "state")
        self.generate("--output", "%03d.ppm", "--state-in", "state")
        names = [name for name in os.listdir(self.folder) if ".ppm" in name]
        self.assertEqual(
            sorted(names), [f"{n:03d}.ppm" for n in range(1, 26)]
        )

    def test_what_was_there_is_replaced(self):
        for name in ("a.y4m", "a.wav"):
            with open(self.path(name), "wb") as file:
                file.write(b"x" * 1000000)
        self.generate("--output", "a.y4m", "--wav", "a.wav")
        self.assertEqual(len(self.y4m("a.y4m").frames), 17)
        self.assertEqual(len(self.wav("a.wav")), 4 * rig.boundary(17))

    def test_a_short_segment_needs_no_overlap_named(self):
        self.generate("--frames", "9", "--segments", "2", "--output", "a.y4m")
        self.assertEqual(len(self.y4m("a.y4m").frames), 9 + 8)
        self.generate("--frames", "1", "--segments", "2", "--output", "b.y4m")
        self.assertEqual(len(self.y4m("b.y4m").frames), 2)

    def test_ltx2_writes_what_it_is_asked_for(self):
        model = ["--model", self.tiny_model(), "--size", "128x64"]
        for name, options in (
            ("two", []),
            ("same", ["--steps", "5+2"]),
            ("more", ["--steps", "8+3"]),
            ("list", ["--steps", "1,0.9,0.5,0+0.9,0.4,0"]),
            ("one", ["--one-stage", "--steps", "4"]),
        ):
            self.generate(
                *model, *options, "--frames", "9", "--dtype", "f32",
                "--output", name + ".y4m", "--wav", name + ".wav",
            )  # fmt: skip
            self.assertEqual(len(self.y4m(name + ".y4m").frames), 9)
            self.assertEqual(len(self.wav(name + ".wav")), 4 * 9000)
        bodies = {
            name: self.y4m(name + ".y4m").body
            for name in ("two", "same", "more", "list", "one")
        }
        self.assertEqual(bodies.pop("same"), bodies["two"])
        self.assertEqual(len(set(bodies.values())), 4)


class Printed(rig.Case):
    def test_help_and_version(self):
        out, said = self.run_program("--help")
        self.assertTrue(out.startswith(b"Usage: dreamverse-generate "))
        self.assertEqual(said, "")
        out, _ = self.run_program("--version")
        self.assertRegex(out.decode(), r"^dreamverse-generate \d+\.\d+\.\d+\n$")

    def test_times_are_said_segment_by_segment(self):
        _, said = self.generate("--segments", "2", "--output", "a.y4m")
        lines = said.splitlines()
        for n in (1, 2):
            self.assertTrue(
                any(line.startswith(f"segment {n}/2: draw") for line in lines),
                said,
            )
        self.assertRegex(said, r"segment 2/2: 8 frames .* times real time; .*")
        self.assertRegex(lines[-1], r"^2 segments, 25 frames, 25000 samples: ")
        # Nothing is drawn over where there is no terminal.
        self.assertNotIn("\r", said)
        _, more = self.generate("--verbose", "--output", "a.y4m")
        self.assertIn("samples 1 to 17000", more)

    def test_a_terminal_gets_a_bar_and_then_the_times(self):
        master, terminal = pty.openpty()
        with self.start(
            "--prompt", "x", "--size", "640x352", "--frames", "25",
            "--output", "a.y4m", stderr=terminal,
        ) as process:  # fmt: skip
            os.close(terminal)
            said = b""
            try:
                while data := os.read(master, 65536):
                    said += data
            except OSError:
                pass  # how a terminal says that nobody writes any more
        os.close(master)
        self.assertEqual(process.returncode, 0)
        self.assertRegex(
            said, rb"\rsegment 1/1: draw +\[#+\.*\] +\d+ %  0:\d\d, .* left"
        )
        # The bar is gone from the line that stays.
        self.assertRegex(said, rb"\r\033\[Ksegment 1/1: 25 frames")

    def test_the_plan_is_printed_and_nothing_made(self):
        out, _ = self.run_program("--plan")
        self.assertIn(b"procedural", out)
        model = self.tiny_model()
        before = os.listdir(self.folder)
        out, said = self.run_program(
            "--plan", "--model", model, "--size", "128x64", "--frames", "9"
        )
        self.assertIn("memory plan of LTX-2", out.decode())
        self.assertIn("128x64, 9 frames", out.decode())
        self.assertRegex(out.decode(), r"needed +[\d.]+ MiB")
        self.assertEqual(said, "")
        self.assertEqual(os.listdir(self.folder), before)
        # What is too much is printed, and refused with numbers.
        self.refused(
            "--plan", "--model", model, "--size", "128x64", "--frames", "9",
            "--memory", "1M", words=["does not fit", "128x64"], status=1,
        )  # fmt: skip

    def test_a_bench_prints_ratios_and_writes_nothing(self):
        out, _ = self.generate("--bench=2", "--segments", "2", "--quiet")
        rows = out.decode().splitlines()
        self.assertIn("procedural on cpu, 64x32", rows[0])
        self.assertIn("2 runs of 1.042 s", rows[1])
        self.assertEqual(
            [row.split("  ")[0] for row in rows[3:]],
            ["prepare", "draw", "synthesise", "all", "first frame"],
        )
        self.assertEqual(os.listdir(self.folder), [])

    @unittest.skipIf(
        {"ASAN_OPTIONS", "TSAN_OPTIONS"} & set(os.environ), "slowed down"
    )
    def test_a_small_model_shows_its_first_frame_within_a_second(self):
        model = self.tiny_model()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with self.start(
            "--model", model, "--prompt", "x", "--size", "64x64",
            "--frames", "121", "--output", "-", "--quiet",
        ) as process:  # fmt: skip
            self.assertEqual(process.stdout.read(10), b"YUV4MPEG2 ")
            process.stdout.readline()
            self.assertEqual(process.stdout.read(6), b"FRAME\n")
            process.stdout.close()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        # Its time on processors, so that others on the machine do not count.
        spent = after.ru_utime + after.ru_stime
        spent -= before.ru_utime + before.ru_stime
        self.assertLess(spent, 1)

    def test_a_model_is_written_in_every_layout(self):
        for layout in ("diffusers", "fastvideo", "single"):
            self.run_program(
                "--make-random", "tiny", "--tokenizer", "--layout", layout,
                "--seed", "3", layout, "--quiet",
            )  # fmt: skip
            self.generate(
                "--model", layout, "--size", "64x64", "--dtype", "f32",
                "--output", layout + ".y4m",
            )  # fmt: skip
        self.assertEqual(self.data("diffusers.y4m"), self.data("single.y4m"))
        self.assertEqual(self.data("fastvideo.y4m"), self.data("single.y4m"))


if __name__ == "__main__":
    unittest.main()
