#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""LTX-2's vocoder against the same module in PyTorch, in one run.

Usage: vocoder.py BUILD-FOLDER [--dtype f32|bf16] [--rounds N] [--threads N]
                  [--mels T]

Real channel counts, random weights, about a second of sound (a hundred mel
frames a second). Prints seconds, MiB beside the weights, and ratios:
PyTorch's time over ours, our memory over PyTorch's. Both take turns. On a busy
machine look at the processor's time, with one thread: PyTorch's threads count
while they wait. PyTorch is Debian's python3-torch with libopenblas0-pthread.
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


def torch_vocoder(torch):
    """Section 11.1 of docs/ltx2-model.md."""
    leaky = torch.nn.functional.leaky_relu

    def init(conv, fan):
        with torch.no_grad():
            conv.weight.uniform_(-1, 1).mul_(math.sqrt(3 / fan))
        return conv

    def same(channels, out, kernel, dilation=1):
        return init(
            torch.nn.Conv1d(channels, out, kernel, dilation=dilation,
                            padding=(kernel - 1) * dilation // 2),
            channels * kernel)

    class Block(torch.nn.Module):
        def __init__(self, channels, kernel):
            super().__init__()
            self.convs1 = torch.nn.ModuleList(
                same(channels, channels, kernel, d) for d in (1, 3, 5))
            self.convs2 = torch.nn.ModuleList(
                same(channels, channels, kernel) for _ in range(3))

        def forward(self, x):
            for conv1, conv2 in zip(self.convs1, self.convs2):
                y = conv1(leaky(x, 0.1))
                x = x + conv2(leaky(y, 0.1, inplace=True))
            return x

    class Vocoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv_in = same(128, 1024, 7)
            self.ups = torch.nn.ModuleList()
            self.blocks = torch.nn.ModuleList()
            channels = 1024
            for rate, kernel in zip((6, 5, 2, 2, 2), (16, 15, 8, 4, 4)):
                self.ups.append(init(
                    torch.nn.ConvTranspose1d(channels, channels // 2, kernel,
                                             stride=rate,
                                             padding=(kernel - rate) // 2),
                    channels * kernel / rate))
                channels //= 2
                self.blocks.append(torch.nn.ModuleList(
                    Block(channels, k) for k in (3, 7, 11)))
            self.conv_out = same(32, 2, 7)

        def forward(self, x):
            x = self.conv_in(x)
            for up, blocks in zip(self.ups, self.blocks):
                # PyTorch 1.13 has no transposed convolution in bf16.
                x = leaky(x, 0.1, inplace=True)
                x = up(x.to(up.weight.dtype)).to(self.conv_in.weight.dtype)
                y = blocks[0](x)
                for block in blocks[1:]:
                    y += block(x)
                x = y.div_(len(blocks))
            return self.conv_out(leaky(x, 0.01, inplace=True)).tanh_()

    return Vocoder()


def run_torch(args):
    """In a process of its own."""
    import torch  # pylint: disable=import-outside-toplevel
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    dtype = torch.float32 if args.dtype == "f32" else torch.bfloat16
    with torch.no_grad():
        model = torch_vocoder(torch).to(dtype)
        model.ups.float()
        x = (torch.rand(1, 128, args.mels) * 6 - 3).to(dtype)
        for _ in range(args.runs):
            with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
                file.write("5")
            before = memory("VmRSS")
            began, worked = time.monotonic(), time.process_time()
            y = model(x)
            seconds = time.monotonic() - began
            worked = time.process_time() - worked
            assert y.shape == (1, 2, 240 * args.mels), y.shape
            del y
            print(f"seconds {seconds:.3f} cpu {worked:.3f} "
                  f"peak {memory('VmHWM') - before:.1f}", flush=True)


def best(command):
    """The least seconds and processor seconds that the command prints, and the
    most memory."""
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE,
                          encoding="utf-8").stdout
    rows = re.findall(r"seconds ([0-9.]+) cpu ([0-9.]+).* peak ([0-9.]+)",
                      text)
    return (min(float(row[0]) for row in rows),
            min(float(row[1]) for row in rows),
            max(float(row[2]) for row in rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", nargs="?")
    parser.add_argument("--dtype", choices=["f32", "bf16"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--mels", type=int, default=101)
    parser.add_argument("--torch", action="store_true",
                        help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.torch:
        run_torch(args)
        return
    if not args.build:
        sys.exit(__doc__)
    ours = os.path.join(args.build, "tests", "bench", "bench-vocoder")
    common = ["--threads", str(args.threads), "--mels", str(args.mels),
              "--runs", str(args.runs)]
    for dtype in [args.dtype] if args.dtype else ["f32", "bf16"]:
        found = {}
        for _ in range(args.rounds):
            for name, command in (
                    ("ours", [ours]),
                    ("PyTorch", ["/usr/bin/python3", __file__, "--torch"])):
                row = best(command + common + ["--dtype", dtype])
                found.setdefault(name, []).append(row)
        for name, rows in found.items():
            seconds, worked, peaks = zip(*rows)
            found[name] = min(seconds), min(worked), max(peaks)
            print(f"{dtype} {name}: {min(seconds):.2f} s, {min(worked):.2f} s "
                  f"of the processor, {max(peaks):.0f} MiB")
        seconds, worked, _ = (
            theirs / ours for theirs, ours in
            zip(found["PyTorch"], found["ours"]))
        print(f"{dtype} {args.mels} mel frames: {seconds:.2f} times as fast, "
              f"{worked:.2f} by processor time, "
              f"{found['ours'][2] / found['PyTorch'][2]:.2f} of the memory",
              flush=True)


main()
