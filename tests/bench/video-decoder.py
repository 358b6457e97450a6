#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The video VAE's decoder against the same module in PyTorch, in one run.

Usage: video-decoder.py BUILD-FOLDER [--dtype f32|bf16] [--rounds N]
                        [--threads N] [--size WxH] [--frames N]

Real channel counts, random weights. Prints seconds, MiB beside the weights,
and ratios: PyTorch's time over ours, our memory over PyTorch's. PyTorch is
Debian's python3-torch with libopenblas0-pthread.
"""
import argparse
import math
import os
import re
import subprocess
import sys
import time


def memory(key):
    with open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(key + ":"):
                return int(line.split()[1]) / 1024
    return 0


def torch_decoder(torch, dtype):
    """Section 9.3 of docs/ltx2-model.md."""
    functional = torch.nn.functional

    class Conv(torch.nn.Module):
        def __init__(self, inner, outer):
            super().__init__()
            weight = torch.empty(outer, inner, 3, 3, 3)
            weight.uniform_(-1, 1).mul_(math.sqrt(3 / (27 * inner)))
            self.weight = torch.nn.Parameter(weight.to(dtype))
            self.bias = torch.nn.Parameter(
                torch.empty(outer).uniform_(-0.1, 0.1).to(dtype))

        def forward(self, x):
            x = torch.cat([x[:, :, :1], x, x[:, :, -1:]], 2)
            x = functional.pad(x, (1, 1, 1, 1, 0, 0), mode="reflect")
            return functional.conv3d(x, self.weight, self.bias)

    def norm(x):
        return x * torch.rsqrt(
            x.square().mean(1, keepdim=True) + 1e-8)

    class Res(torch.nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.conv1 = Conv(channels, channels)
            self.conv2 = Conv(channels, channels)

        def forward(self, x):
            y = self.conv1(functional.silu(norm(x), inplace=True))
            return x + self.conv2(functional.silu(norm(y), inplace=True))

    def to_space(x):
        b, c, f, h, w = x.shape
        x = x.reshape(b, c // 8, 2, 2, 2, f, h, w)
        x = x.permute(0, 1, 5, 2, 6, 3, 7, 4)
        return x.reshape(b, c // 8, 2 * f, 2 * h, 2 * w)[:, :, 1:]

    class Up(torch.nn.Module):
        def __init__(self, inner, outer):
            super().__init__()
            self.conv = Conv(inner, 8 * outer)

        def forward(self, x):
            return to_space(self.conv(x)) + to_space(x).repeat(1, 4, 1, 1, 1)

    class Decoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            blocks = [Conv(128, 1024)]
            for channels in (1024, 512, 256, 128):
                blocks += [Res(channels) for _ in range(5)]
                if channels > 128:
                    blocks.append(Up(channels, channels // 2))
            self.blocks = torch.nn.Sequential(*blocks)
            self.out = Conv(128, 48)

        def forward(self, x):
            x = self.out(functional.silu(norm(self.blocks(x)), inplace=True))
            b, _, f, h, w = x.shape
            x = x.reshape(b, 3, 4, 4, f, h, w).permute(0, 1, 4, 5, 3, 6, 2)
            return x.reshape(b, 3, f, 4 * h, 4 * w)

    return Decoder()


def run_torch(args):
    """In a process of its own."""
    import torch  # pylint: disable=import-outside-toplevel
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    dtype = torch.float32 if args.dtype == "f32" else torch.bfloat16
    width, height = map(int, args.size.split("x"))
    with torch.no_grad():
        model = torch_decoder(torch, dtype)
        x = torch.randn(1, 128, (args.frames - 1) // 8 + 1, height // 32,
                        width // 32).to(dtype)
        for _ in range(args.runs):
            with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
                file.write("5")
            before = memory("VmRSS")
            began, work = time.monotonic(), time.process_time()
            y = model(x)
            seconds = time.monotonic() - began
            work = time.process_time() - work
            assert y.shape == (1, 3, args.frames, height, width), y.shape
            del y
            print(f"seconds {seconds:.3f} cpu {work:.3f} "
                  f"peak {memory('VmHWM') - before:.1f}",
                  flush=True)


def best(command):
    """The fastest of the runs that the command prints: seconds, of all
    processors, and the most memory."""
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE,
                          encoding="utf-8").stdout
    rows = re.findall(r"seconds ([0-9.]+) cpu ([0-9.]+) .*"
                      r"peak ([0-9.]+)", text)
    rows = [[float(value) for value in row] for row in rows]
    return (min(row[0] for row in rows), min(row[1] for row in rows),
            max(row[2] for row in rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", nargs="?")
    parser.add_argument("--dtype", choices=["f32", "bf16"])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", default="256x160")
    parser.add_argument("--frames", type=int, default=25)
    parser.add_argument("--torch", action="store_true",
                        help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.torch:
        run_torch(args)
        return
    if not args.build:
        sys.exit(__doc__)
    ours = os.path.join(args.build, "tests", "bench", "bench-video-decoder")
    common = ["--threads", str(args.threads), "--size", args.size,
              "--frames", str(args.frames), "--runs", str(args.runs)]
    for dtype in [args.dtype] if args.dtype else ["f32", "bf16"]:
        times, works, peaks = {}, {}, {}
        for _ in range(args.rounds):
            for name, command in (
                    ("ours", [ours]),
                    ("PyTorch", ["/usr/bin/python3", __file__, "--torch"])):
                seconds, work, peak = best(command + common + ["--dtype", dtype])
                times.setdefault(name, []).append(seconds)
                works.setdefault(name, []).append(work)
                peaks.setdefault(name, []).append(peak)
        for name, seconds in times.items():
            print(f"{dtype} {name}: {min(seconds):.2f} s, "
                  f"{min(works[name]):.2f} s of processors, "
                  f"{max(peaks[name]):.0f} MiB")
        print(f"{dtype} {args.size}x{args.frames}: "
              f"{min(times['PyTorch']) / min(times['ours']):.2f} times as "
              f"fast, {min(works['PyTorch']) / min(works['ours']):.2f} by the "
              f"processors' time, {max(peaks['ours']) / max(peaks['PyTorch']):.2f} of the "
              "memory", flush=True)


main()
