#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What dreamverse-server costs: time from connecting to the first media, its
front's processor time for each gigabyte it relays, memory of connections and
sessions, and how soon a killed worker is told of and replaced.

Usage: server.py BUILD"""

import asyncio
import os
import signal
import statistics
import sys
import time

BUILD = os.path.abspath(sys.argv[1])
os.environ["DREAMVERSE_TEST_BUILD"] = BUILD
os.environ["GST_PLUGIN_PATH_1_0"] = os.path.join(BUILD, "gst", "plugin")
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "server"))

# pylint: disable=wrong-import-position
from rig import Server, until  # noqa: E402

LARGE = ["--width=1920", "--height=1088", "--providers=none"]
ONE = {"initial_rollout_prompt": "", "curated_prompts": ["a storm at sea"]}


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def first_media(name, flags, rounds):
    async with Server(*flags, "--segment-cap=1", small=False) as server:
        waits, own = [], []
        for _ in range(rounds):
            await server.ready(slots=1)
            began = time.monotonic()
            async with server.client() as client:
                await client.init(**ONE)
                await client.media()
                waits.append(1000 * (time.monotonic() - began))
                step = await client.text("step_complete")
                own.append(step["latency_ms"]["worker_e2e"])
                await client.text("ltx2_stream_complete")
        print(f"{name}: connect to first media {statistics.median(waits):.0f} ms "
              f"(median of {rounds}, worst {max(waits):.0f}); a whole segment is "
              f"made in {statistics.median(own):.0f} ms")


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
    await first_media("128x128", ["--width=128", "--height=128", "--frames=9",
                                  "--overlap=1", "--audio-overlap=5",
                                  "--providers=none"], 10)
    await first_media("1920x1088", LARGE, 5)
    await relay()
    await idle()
    await killed()


asyncio.run(main())
