#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""One block of the diffusion transformer against the same block in PyTorch.

Width 1024 (audio 512), 16 heads, 2,000 video tokens, 126 of audio, 256 of
text, two threads. Ours and PyTorch's take turns in one run; the best time of
each counts. The results are compared first. Memory is the peak of resident
memory above what was there with weights and inputs loaded.

Needs Debian's python3-torch (and libopenblas0-pthread, without which its f32
is no peer): run it with /usr/bin/python3.

Usage: dit.py BUILD-FOLDER [f32|bf16 ...]
"""
import math
import os
import subprocess
import sys
import tempfile
import time

THREADS, VIDEO, AUDIO, TEXT, RUNS, TURNS = 2, 2000, 126, 256, 3, 3
WIDTH, HEADS = (1024, 512), 16


def read(path):
    """The tensors that bench-dit left."""
    import numpy
    import torch

    found = {}
    with open(path, "rb") as file:
        while line := file.readline():
            name, count = line.decode().split()
            data = numpy.frombuffer(file.read(4 * int(count)), numpy.float32)
            found[name] = torch.from_numpy(data.copy())
    return found


def rms(x, weight=None):
    import torch

    wide = x.float()
    wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)
    wide = wide.to(x.dtype)
    return wide if weight is None else wide * weight


def rotate(x, table):
    """x [heads, tokens, size], halves inside each head."""
    import torch

    cos, sin = table
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Block:
    """The reference's block, batch 1, one timestep for all tokens."""

    def __init__(self, found, dtype):
        import torch

        head = "transformer_blocks.0."
        self.w = {name[len(head):]: t.to(dtype)
                  for name, t in found.items() if name.startswith(head)}
        for name, t in self.w.items():
            if name.endswith(".weight") and "norm_" not in name:
                self.w[name] = t.reshape(len(self.w[name[:-6] + "bias"]), -1)
            if name.endswith("table"):
                rows = 5 if "a2v" in name else 6
                self.w[name] = t.reshape(rows, -1)
        self.mod, self.cross, self.gate, self.table = [], [], [], {}
        for i, side in enumerate(("video", "audio")):
            get = lambda name: found[f"{side}.{name}"].to(dtype)
            prefix = ("", "audio_")[i]
            width = WIDTH[i]
            self.mod.append(self.w[prefix + "scale_shift_table"]
                            + get("y").reshape(6, width))
            table = self.w[side + "_a2v_cross_attn_scale_shift_table"]
            self.cross.append(table[:4] + get("cross").reshape(4, width))
            self.gate.append(table[4] + get("gate"))
            for kind in (0, 1):
                self.table[i, kind] = self.spread(found, side, kind, i, dtype)
        self.text = [found[s + ".text"].to(dtype).reshape(TEXT, -1)
                     for s in ("video", "audio")]
        self.torch = torch

    def spread(self, found, side, kind, i, dtype):
        """Rotary tables [heads, tokens, half], as the reference keeps them."""
        import torch

        tokens = (VIDEO, AUDIO)[i]
        axes = [a for a in range(3) if f"{side}.rope{kind}.cos{a}" in found]
        half = (WIDTH[1] if kind else WIDTH[i]) // 2
        columns = half // len(axes)
        grid = torch.arange(tokens)
        place = [grid // 200, grid // 20 % 10, grid % 20] if i == 0 else [grid]
        out = []
        for part, empty in (("cos", 1.0), ("sin", 0.0)):
            rows = [found[f"{side}.rope{kind}.{part}{a}"].reshape(-1, columns)
                    [place[a]] for a in axes]
            full = torch.stack(rows, -1).reshape(tokens, -1)
            pad = torch.full((tokens, half - full.shape[1]), empty)
            full = torch.cat((pad, full), 1).reshape(tokens, HEADS, -1)
            out.append(full.transpose(0, 1).contiguous().to(dtype))
        return out

    def linear(self, x, name):
        return self.torch.nn.functional.linear(
            x, self.w[name + ".weight"], self.w[name + ".bias"])

    def attend(self, name, x, source, q_table=None, k_table=None):
        torch = self.torch
        q = rms(self.linear(x, name + ".to_q"), self.w[name + ".norm_q.weight"])
        k = rms(self.linear(source, name + ".to_k"),
                self.w[name + ".norm_k.weight"])
        v = self.linear(source, name + ".to_v")
        q, k, v = (t.reshape(len(t), HEADS, -1).transpose(0, 1)
                   for t in (q, k, v))
        if q_table is not None:
            q, k = rotate(q, q_table), rotate(k, k_table)
        scores = torch.bmm(q, k.transpose(1, 2)) * (1 / math.sqrt(q.shape[2]))
        out = torch.bmm(torch.softmax(scores, -1), v)
        return self.linear(out.transpose(0, 1).reshape(len(x), -1),
                           name + ".to_out.0")

    def ff(self, name, x):
        gelu = self.torch.nn.functional.gelu
        hidden = gelu(self.linear(x, name + ".net.0.proj"), approximate="tanh")
        return self.linear(hidden, name + ".net.2")

    def run(self, x):
        for i, prefix in enumerate(("", "audio_")):
            mod, table = self.mod[i], self.table[i, 0]
            y = rms(x[i]) * (1 + mod[1]) + mod[0]
            x[i] = x[i] + mod[2] * self.attend(prefix + "attn1", y, y, table,
                                               table)
            x[i] = x[i] + self.attend(prefix + "attn2", rms(x[i]),
                                      self.text[i])
        v, a = rms(x[0]), rms(x[1])
        cv, ca = self.cross
        x[0] = x[0] + self.gate[0] * self.attend(
            "audio_to_video_attn", v * (1 + cv[0]) + cv[1],
            a * (1 + ca[0]) + ca[1], self.table[0, 1], self.table[1, 1])
        x[1] = x[1] + self.gate[1] * self.attend(
            "video_to_audio_attn", a * (1 + ca[2]) + ca[3],
            v * (1 + cv[2]) + cv[3], self.table[1, 1], self.table[0, 1])
        for i, prefix in enumerate(("", "audio_")):
            mod = self.mod[i]
            y = rms(x[i]) * (1 + mod[4]) + mod[3]
            x[i] = x[i] + mod[5] * self.ff(prefix + "ff", y)
        return x


def status(field):
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(field):
                return 1024 * int(line.split()[1])
    return 0


def theirs(path, dtype_name):
    """PyTorch's turn, a process of its own."""
    import torch

    torch.set_num_threads(THREADS)
    torch.set_grad_enabled(False)
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype_name]
    found = read(path)
    block = Block(found, dtype)
    x = [found[s + ".in"].to(dtype).reshape(-1, WIDTH[i])
         for i, s in enumerate(("video", "audio"))]
    out = [found[s + ".out"].reshape(-1, WIDTH[i])
           for i, s in enumerate(("video", "audio"))]
    del found
    before = status("VmRSS")
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    best = math.inf
    for _ in range(RUNS):
        start = time.monotonic()
        result = block.run(list(x))
        best = min(best, time.monotonic() - start)
    peak = status("VmHWM") - before
    off = max(float((r.float() - o).norm() / o.norm())
              for r, o in zip(result, out))
    print(f"{best:.6f} {peak} {off:.3g}")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--theirs":
        return theirs(sys.argv[2], sys.argv[3])
    program = os.path.join(sys.argv[1], "tests", "bench", "bench-dit")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "block")
        for dtype in sys.argv[2:] or ["f32", "bf16"]:
            best = [[math.inf, 0], [math.inf, 0]]
            for _ in range(TURNS):
                for i, command in enumerate((
                        [program, dtype] + [str(n) for n in (
                            THREADS, VIDEO, AUDIO, TEXT, RUNS)] + [path],
                        ["/usr/bin/python3", __file__, "--theirs", path,
                         dtype])):
                    words = subprocess.run(
                        command, check=True, stdout=subprocess.PIPE,
                        text=True).stdout.split(None, 2)
                    best[i][0] = min(best[i][0], float(words[0]))
                    best[i][1] = max(best[i][1], float(words[1]))
                    if i == 0:
                        about = words[2].strip()
                    else:
                        off = words[2].strip()
            (a, m), (b, n) = best
            print(f"block {dtype}: ours {1e3 * a:.0f} ms, PyTorch "
                  f"{1e3 * b:.0f} ms: {b / a:.2f} times as fast; memory "
                  f"{m / 1e6:.0f} MB against {n / 1e6:.0f} MB: {m / n:.2f} of "
                  f"it; relative L2 {off} ({about})", flush=True)


if __name__ == "__main__":
    main()
