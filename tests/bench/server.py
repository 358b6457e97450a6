#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What dreamverse-server costs: time from connecting to the first fragment, and
how much of that is not the generator's; memory of sessions and of clients that
wait; its front's processor time for each gigabyte it relays; how soon a killed
worker is told of and replaced.

Usage: server.py BUILD"""

import asyncio
import os
import re
import signal
import statistics
import subprocess
import sys
import time

BUILD = os.path.abspath(sys.argv[1])
os.environ["DREAMVERSE_TEST_BUILD"] = BUILD
os.environ["GST_PLUGIN_PATH_1_0"] = os.path.join(BUILD, "gst", "plugin")
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "server"))

# pylint: disable=wrong-import-position
from rig import Server, until  # noqa: E402

GENERATE = os.path.join(BUILD, "gst", "generator", "tools",
                        "dreamverse-generate")
ONE = {"initial_rollout_prompt": "", "curated_prompts": ["a storm at sea"]}


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def frames_of(fragment):
    """Frames of picture in a fragment: samples of its first track's run."""
    at = fragment.index(b"trun") + 8
    return int.from_bytes(fragment[at : at + 4], "big")


def generator_alone(size, frames, count):
    """Milliseconds from nothing to the first @count frames of a segment, without
    a server: the first, and a part of the others. The better of two."""
    said = subprocess.run(
        [GENERATE, "--bench=2", "--size", size, "--frames", str(frames),
         "--overlap", "1", "--audio-overlap", "5",
         "--prompt", ONE["curated_prompts"][0]],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True,
        text=True).stdout
    best = dict(re.findall(r"^(all|first frame) +([0-9.]+)", said, re.M))
    first = float(best["first frame"])
    return first + (float(best["all"]) - first) * (count - 1) / (frames - 1)


async def first_fragment(size, frames, rounds):
    """Both take turns, so that other work of the machine meets both alike."""
    width, height = size.split("x")
    flags = [f"--width={width}", f"--height={height}", f"--frames={frames}",
             "--overlap=1", "--audio-overlap=5", "--providers=none"]
    waits, own, beyond = [], [], []
    async with Server(*flags, "--segment-cap=1", small=False) as server:
        for _ in range(rounds + 1):
            await server.ready(slots=1)
            began = time.monotonic()
            async with server.client() as client:
                await client.init(**ONE)
                # The first is the init segment.
                media = await client.until("a fragment", lambda: [
                    (at, what) for at, what in client.got
                    if isinstance(what, bytes)][1:2])
                waits.append(1000 * (media[0][0] - began))
                count = frames_of(media[0][1])
                await client.text("ltx2_stream_complete")
            own.append(await asyncio.to_thread(
                generator_alone, size, frames, count))
            beyond.append(waits[-1] - own[-1])
    # The first of each is cold.
    waits, own, beyond = waits[1:], own[1:], beyond[1:]
    print(f"{size}: connect to first fragment ({count} frames) "
          f"{statistics.median(waits):.0f} ms (median of {rounds}, worst "
          f"{max(waits):.0f}); the generator alone makes them in "
          f"{statistics.median(own):.0f} ms; beyond that "
          f"{statistics.median(beyond):.0f} ms (least {min(beyond):.0f}, most "
          f"{max(beyond):.0f})")


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def memory_of_sessions(size, count):
    """Sessions in one and the same state: paused behind their first segment,
    which is a second, all of it sent."""
    width, height = size.split("x")

    async def begin(server):
        client = await server.client().__aenter__()
        await client.init(**ONE, loop_generation_enabled=True)
        await client.text("ltx2_segment_start")
        await client.send({"type": "set_generation_paused", "paused": True})
        await client.text("ltx2_segment_complete")
        return client

    async def end(server, clients):
        for client in clients:
            await client.send({"type": "leave"})
            await client.closed()
        await server.ready(slots=count)

    async def look(server):
        status = await server.status()
        return resident(server.process.pid), sorted(
            (resident(slot["pid"]) for slot in status["gpu_status"].values()),
            reverse=True)

    async with Server(f"--width={width}", f"--height={height}", "--frames=25",
                      "--overlap=1", "--audio-overlap=5", "--providers=none",
                      f"--slots={count}", "--segment-cap=0", small=False,
                      env={"MALLOC_ARENA_MAX": "1",
                           "MALLOC_TRIM_THRESHOLD_": "65536"}) as server:
        await server.ready(slots=count)
        for _ in range(2):  # what comes once with the first
            await end(server, [await begin(server) for _ in range(count)])
        front0, idle = await look(server)
        clients = [await begin(server)]
        front1, one = await look(server)
        while len(clients) < count:
            clients.append(await begin(server))
        frontn, busy = await look(server)
        await end(server, clients)
    print(f"{size}: {count} idle workers have {statistics.mean(idle):.1f} MB "
          f"each, the front {front0:.1f}; a session takes its worker "
          f"{one[0] - statistics.mean(idle):.1f} MB more, the front "
          f"{front1 - front0:.2f}; {count} of them take theirs "
          f"{statistics.mean(busy) - statistics.mean(idle):.1f} each, the front "
          f"{(frontn - front0) / count:.2f} each")


# So many bits that making them costs less than the kernel's part of sending.
RICH = ["--width=832", "--height=480", "--providers=none", "--video-encoder="
        "x264enc tune=zerolatency speed-preset=ultrafast pass=qual quantizer=1 "
        "vbv-buf-capacity=0 bframes=0 key-int-max=48 byte-stream=false"]


async def relay():
    async with Server(*RICH, "--segment-cap=0", small=False) as server:
        async with server.client() as client:
            await client.init(**ONE, loop_generation_enabled=True)
            await client.media()
            cpu, have = cpu_seconds(server.process.pid), client.bytes
            began = time.monotonic()
            await client.text("ltx2_segment_complete", 12, patience=240)
            spent = cpu_seconds(server.process.pid) - cpu
            size = client.bytes - have
            took = time.monotonic() - began
            memory = await server.metric('resident_bytes{process="front"}')
            worker = await server.metric('resident_bytes{process="slot0"}')
    print(f"relay: {1e9 * spent / size:.2f} s of processor time of the front a "
          f"GB ({size / 1e6:.0f} MB in {took:.1f} s); it has "
          f"{memory / 1e6:.1f} MB, the worker {worker / 1e6:.0f} MB")


async def idle():
    async with Server("--max-queue=600", "--ping-interval-s=600") as server:
        before = await server.metric('resident_bytes{process="front"}')
        clients = []
        for _ in range(500):
            client = await server.client(ping_interval=None).__aenter__()
            await client.init(**ONE)
            clients.append(client)

        async def all_there():
            return await server.metric("connections") == 500

        await until("all there", all_there)
        after = await server.metric('resident_bytes{process="front"}')
        print(f"memory: the front has {before / 1e6:.1f} MB, and "
              f"{(after - before) / 500 / 1e3:.1f} KB more for each client that "
              "waits (500)")
        for client in clients:
            client.socket.transport.abort()


async def killed():
    told, back = [], []
    async with Server("--pace=0.5", "--segment-cap=0") as server:
        for _ in range(5):
            await server.ready(slots=1)
            async with server.client() as client:
                await client.init(**ONE, loop_generation_enabled=True)
                await client.media()
                pid = await server.worker()
                began = time.monotonic()
                os.kill(pid, signal.SIGKILL)
                await client.text("error")
                told.append(client.when("error") - began)
            await server.ready(slots=1)
            back.append(time.monotonic() - began)
    print(f"SIGKILL: the error after {1000 * max(told):.0f} ms at worst, ready "
          f"again after {statistics.median(back):.1f} s (median of 5)")


async def main():
    await first_fragment("128x128", 25, 10)
    await first_fragment("1920x1088", 25, 8)
    await memory_of_sessions("128x128", 4)
    await memory_of_sessions("1920x1088", 4)
    await relay()
    await idle()
    await killed()


asyncio.run(main())
