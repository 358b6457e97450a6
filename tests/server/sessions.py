# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Sessions at a real socket: a whole one, the queue, workers that die, clients
# that do not read. sessions.py TEST
import asyncio
import base64
import contextlib
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib

import websockets

from rig import Client, Server, check, check_stream, descendants, main, test, until


@test
async def six_segments():
    async with Server("--segment-cap=6") as server:
        async with server.client() as client:
            await client.init()
            await client.text("ltx2_stream_complete")
            check(
                client.types[:4]
                == ["queue_status", "gpu_assigned", "loop_generation_updated",
                    "generation_paused_updated"],
                f"{client.types[:4]}",
            )
            check(client.texts("queue_status")[0]["position"] == 0, "queued")
            check_stream(client, 6)
            # Each segment begins with the same init segment.
            blobs, current = [], []
            for _, message in client.got:
                if isinstance(message, bytes):
                    current.append(message)
                elif message["type"] == "media_segment_complete":
                    blobs.append(b"".join(current))
                    current = []
            check(all(blob[4:8] == b"ftyp" for blob in blobs), "no ftyp")
            check(len({blob[: blob.index(b"moof") - 4] for blob in blobs}) == 1,
                  "init segments differ")


@test
async def what_dreamverse_s_client_needs():
    """A custom prompt at 3 s a segment: 681 frames, 28.4 s, both tracks alike,
    each segment playable alone, complete within 30 s."""
    if not shutil.which("ffprobe"):
        sys.exit(77)
    async with Server("--width=320", "--height=192", "--pace=3",
                      "--first-media-delay-ms=300", "--providers=none",
                      small=False) as server:
        async with server.client() as client:
            began = time.monotonic()
            await client.init()
            await client.media()
            took = time.monotonic() - began
            check(0.3 <= took < 10, f"the first media came after {took:.2f} s")
            await client.text("ltx2_stream_complete", patience=45)
            took = time.monotonic() - began
            check(took < 30, f"complete after {took:.1f} s")
            check_stream(client, 6)
            blobs, current = [], b""
            for _, message in client.got:
                if isinstance(message, bytes):
                    current += message
                elif message["type"] == "media_segment_complete":
                    blobs.append(current)
                    current = b""
    frames = []
    for index, blob in enumerate([*blobs, b"".join(blobs)]):
        video, audio = probe(blob)
        frames.append(video["frames"])
        if index == len(blobs):
            check(abs(video["end"] - 681 / 24) < 0.001, f"{video}")
            check(abs(video["end"] - audio["end"]) <= 1024 / 48000 + 0.001,
                  f"the tracks end at {video['end']} and {audio['end']}")
    check(frames == [121, 112, 112, 112, 112, 112, 681], f"{frames}")


def probe(blob):
    """Frames and the end of picture and sound, as ffprobe decodes them."""
    found = []
    for stream in ("v:0", "a:0"):
        said = subprocess.run(
            ["ffprobe", "-v", "error", "-select_streams", stream,
             "-show_entries", "frame=pts_time,pkt_duration_time", "-of", "json", "-"],
            input=blob, stdout=subprocess.PIPE, check=True).stdout
        frames = json.loads(said)["frames"]
        last = frames[-1]
        found.append({
            "frames": len(frames),
            "end": float(last["pts_time"]) + float(last["pkt_duration_time"])})
    return found


@test
async def two_hundred_clients_for_eight_slots():
    """All at once; no place ever grows, each gets its stream."""
    count = int(os.environ.get("DREAMVERSE_TEST_CLIENTS", "200"))
    async with Server("--slots=8", "--segment-cap=1", "--max-queue=300",
                      "--ping-interval-s=60") as server:
        await server.ready(slots=8, patience=120)
        assigned = []

        async def visit(number):
            async with server.client(ping_interval=None) as client:
                await client.init(
                    initial_rollout_prompt="", curated_prompts=["a lake"])
                await client.text("ltx2_stream_complete", patience=200)
                assigned.append(client.when("gpu_assigned"))
                places = [m["position"] for m in client.texts("queue_status")]
                check(places[1:] == sorted(places[1:], reverse=True),
                      f"client {number}: {places}")
                check_stream(client, 1)

        await asyncio.gather(*(visit(number) for number in range(count)))
        check(len(assigned) == count, f"{len(assigned)} were served")
        check(await server.metric("sessions_total") == count, "not all counted")
        await server.ready(slots=8)


@test
async def a_second_project_on_the_same_socket():
    async with Server("--segment-cap=2") as server:
        async with server.client() as client:
            await client.init()
            await client.text("ltx2_stream_complete")
            await client.send({"type": "end_project_keep_session"})
            await client.text("project_idle")
            before = client.bytes
            await client.init(type="project_init_v1")
            await client.text("ltx2_stream_complete", 2)
            check(client.bytes > before, "no media of the second project")
            await client.send({"type": "leave"})
            await client.closed()
            check(client.code == 1000, f"closed with {client.code}")
        await server.ready(slots=1)


@test
async def thirty_clients_for_four_slots():
    """First come, first served; every position is told."""
    async with Server("--slots=4", "--segment-cap=1", "--pace=0.1") as server:
        await server.ready(slots=4)
        assigned = []

        async def visit(number, queued):
            async with server.client() as client:
                await client.init()
                await client.until(
                    "a place",
                    lambda: "gpu_assigned" in client.types
                    or [m for m in client.texts("queue_status")
                        if m["position"] == max(1, number - 3)
                        and m["available_gpus"] == 0],
                )
                queued.set()
                await client.text("gpu_assigned")
                assigned.append((client.when("gpu_assigned"), number))
                await client.text("ltx2_stream_complete")
                check_stream(client, 1)
                places = [m["position"] for m in client.texts("queue_status")]
                waiting = places[1:]
                check(waiting == sorted(waiting, reverse=True),
                      f"client {number}: {places}")

        # The first four hold their slots until all others wait.
        holders = []
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(4):
                client = await stack.enter_async_context(server.client())
                await client.init(initial_rollout_prompt="")
                await client.text("gpu_assigned")
                holders.append(client)
            visits = []
            for number in range(4, 30):
                queued = asyncio.Event()
                visits.append(asyncio.create_task(visit(number, queued)))
                await asyncio.wait_for(queued.wait(), 60)
            check((await server.get("/readyz")).json["queue_size"] == 26,
                  "not all wait")
        await asyncio.gather(*visits)
        order = [number for _, number in sorted(assigned)]
        check(order == sorted(order), f"served in the order {order}")
        await server.ready(slots=4)


@test
async def a_waiting_client_that_leaves_makes_room():
    async with Server() as server:
        async with server.client() as holder:
            await holder.init(initial_rollout_prompt="")
            await holder.text("gpu_assigned")
            async with server.client() as second, server.client() as third:
                await second.init()
                await second.text("queue_status", 2)
                await third.init()
                await third.until(
                    "place 2", lambda: third.texts("queue_status")[-1:]
                    and third.texts("queue_status")[-1]["position"] == 2
                    and len(third.texts("queue_status")) > 1)
                await second.socket.close()
                await third.until(
                    "place 1",
                    lambda: third.texts("queue_status")[-1]["position"] == 1, 5)
                await holder.socket.close()
                await third.text("gpu_assigned")


@test
async def a_worker_is_killed_at_any_moment():
    """Before, amid and after the fragments of a segment."""
    async with Server("--slots=1", "--pace=0.2") as server:
        for frames in (0, 1, 2, 5, 9):
            await server.ready(slots=1)
            pid = await server.worker()
            async with server.client() as client:
                await client.init()
                await client.text("ltx2_segment_start")
                await client.until(
                    f"{frames} binary frames", lambda: sum(
                        isinstance(what, bytes) for _, what in client.got
                    ) >= frames)
                killed = time.monotonic()
                os.kill(pid, signal.SIGKILL)
                await client.text("error")
                took = client.when("error") - killed
                check(took <= 1, f"the error came after {took:.2f} s")
                await client.closed(5)
                check(client.types[-1] == "error"
                      and client.types.count("error") == 1,
                      f"{client.types[-4:]}")


@test
async def a_worker_is_killed_between_projects():
    """Whoever holds its slot is told, though nothing runs in it."""
    async with Server("--slots=1") as server:
        async with server.client() as client:
            await client.init()
            await client.media()
            await client.send({"type": "end_project_keep_session"})
            await client.text("project_idle")
            killed = time.monotonic()
            os.kill(await server.worker(), signal.SIGKILL)
            await client.text("error")
            took = client.when("error") - killed
            check(took <= 1, f"the error came after {took:.2f} s")
            await client.closed(5)
            check(client.types[-1] == "error", f"{client.types[-3:]}")
        await server.ready(slots=1)


@test
async def a_worker_is_killed():
    """Its client has an error within a second, the slot comes back, the other
    session never notices."""
    async with Server("--slots=2", "--pace=0.5", "--segment-cap=6") as server:
        await server.ready(slots=2)
        async with server.client() as victim, server.client() as other:
            await victim.init()
            slot = (await victim.text("gpu_assigned"))["gpu_id"]
            await other.init()
            await victim.media()
            pid = await server.worker(slot)
            killed = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            await victim.text("error")
            took = victim.when("error") - killed
            check(took <= 1, f"the error came after {took:.2f} s")
            await victim.closed(5)
            check(victim.types[-1] == "error", f"after it: {victim.types[-3:]}")
            check(victim.texts("error")[0]["message"].startswith(
                "AV streaming failed"), f"{victim.texts('error')}")
            await other.text("ltx2_stream_complete")
            check_stream(other, 6)
        await server.ready(slots=2)
        check(await server.worker(slot) != pid, "the same process")
        check(await server.metric(f'worker_restarts_total{{slot="{slot}"}}')
              == 1, "the restart is not counted")
        async with server.client() as client:
            await client.init()
            await client.text("ltx2_stream_complete")


@test
async def a_client_that_does_not_read():
    """Generation is held, then the session ends and the slot is free."""
    async with Server(
        "--max-unsent-bytes=64K", "--unsent-patience-s=1", "--segment-cap=0",
        "--width=640", "--height=352",
    ) as server:
        stalled = server.client(max_queue=1, read_limit=2048, ping_interval=None)
        stalled.socket = await websockets.connect(
            stalled.url, max_queue=1, read_limit=4096, max_size=None,
            ping_interval=None)
        await stalled.send(json.dumps({
            "type": "session_init_v2", "curated_prompts": ["a storm"],
            "loop_generation_enabled": True}))

        async def counted():
            return await server.metric(
                'sessions_ended_total{reason="closed"}')

        # Nobody reads: what the sockets hold is all that leaves.
        await until("the session's end", counted, 90)
        await server.ready(slots=1)
        async with server.client() as client:
            await client.init(initial_rollout_prompt="", curated_prompts=["a"])
            await client.text("ltx2_segment_complete")
        stalled.socket.transport.abort()


@test
async def clients_vanish():
    """In every state; no slot is lost, no process, no descriptor."""
    async with Server("--pace=0.05", "--segment-cap=2") as server:
        async def descriptors():
            return await server.metric("open_descriptors")

        async with server.client() as client:
            await client.init()
            await client.text("ltx2_stream_complete")
        await server.ready(slots=1)
        before = await descriptors()
        workers = descendants(server.process.pid)

        for stop in ("queue_status", "gpu_assigned", "ltx2_stream_start",
                     "ltx2_segment_start", "media_init", "step_complete",
                     "media_segment_complete", "ltx2_stream_complete"):
            async with server.client() as client:
                if stop != "queue_status":
                    await client.init()
                await client.text(stop)
                client.socket.transport.abort()
            await server.ready(slots=1)
        check(descendants(server.process.pid) == workers, "other processes")

        async def back():
            return await descriptors() <= before

        await until("the descriptors come back", back, 20)
        check(not await server.metric('worker_restarts_total{slot="0"}'),
              "a worker was replaced")


@test
async def hostile_messages():
    """Answered or closed; nobody else notices."""
    bad = [
        "", "[]", "null", '"x"', "{", "{}" * 2, "[" * 100000, '{"a":' * 50000,
        '{"type":5}', '{"type":"session_init_v2","curated_prompts":7}',
        '{"type":"session_init_v2","initial_image":{"data_url":5}}',
        '{"type":"session_init_v2","initial_image":[]}',
        '{"type":"leave","type":"leave"}', '{"type":"\\u0000"}',
        '{"type":"append_prompt","prompt":"\\ud800"}', b"\x00\x01", b"",
        json.dumps({"type": "session_init_v2",
                    "initial_rollout_prompt": "x" * 1000000}),
        json.dumps({"type": "session_init_v2", "curated_prompts": ["x"] * 5000}),
    ]
    async with Server("--slots=2", "--pace=0.3", "--segment-cap=6") as server:
        await server.ready(slots=2)
        async with server.client() as good:
            await good.init()
            await good.media()
            for first in (False, True):
                for message in bad:
                    async with server.client() as client:
                        if not first:
                            await client.init(
                                initial_rollout_prompt="", curated_prompts=[])
                            await client.text("gpu_assigned")
                        with contextlib.suppress(websockets.ConnectionClosed):
                            await client.send(message)
                            await client.send({"type": "leave"})
                        await client.closed(20)
            await good.text("ltx2_stream_complete")
            check_stream(good, 6)
        await server.ready(slots=2)
        check(await server.metric('worker_restarts_total{slot="1"}') is None,
              "a worker died of it")


def png(red, size=64):
    """A picture of one colour."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(
            ">I", zlib.crc32(body))

    row = b"\0" + bytes([red, 0, 0]) * size
    return (b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(row * size)) + chunk(b"IEND", b""))


def image(data, kind="png"):
    return {"mime_type": f"image/{kind}", "data_url":
            f"data:image/{kind};base64,{base64.b64encode(data).decode()}"}


@test
async def start_images():
    """A good one begins the first segment; bad ones are refused, and nobody
    else notices."""
    async with Server("--segment-cap=1") as server:
        async with server.client() as client:
            await client.init(initial_image=image(png(200)))
            await client.text("ltx2_stream_complete")
            check_stream(client, 1)
        for bad, text in (
                (image(b"no picture"), "initial_image must decode as a valid "
                 "image."),
                (image(png(200)[:90]), "initial_image must decode as a valid "
                 "image."),
                (image(b"GIF89a", "gif"), "initial_image must be a PNG, JPEG, "
                 "or WebP image."),
                ([1], "initial_image must be an object."),
                (image(b"x" * ((15 << 20) + 1)), "initial_image must be 15 MB "
                 "or smaller.")):
            async with server.client() as client:
                await client.init(initial_image=bad)
                await client.closed(30)
                check(client.code == 1003, f"{text}: {client.code}")
                check(client.texts("error")[0]["message"] == text,
                      f"{client.texts('error')}")
        await server.ready(slots=1)
        check(not await server.metric('worker_restarts_total{slot="0"}'),
              "a worker died of it")


@test
async def messages_that_are_too_large():
    async with Server("--max-message-bytes=1M") as server:
        async with server.client() as client:
            await client.send("x" * (1024 * 1024 + 1))
            await client.closed(10)
            check(client.code == 1009, f"closed with {client.code}")
        async with server.client() as client:

            async def parts():
                for _ in range(40):
                    yield "y" * 65536

            with contextlib.suppress(websockets.ConnectionClosed):
                await client.send_parts(parts())
            await client.closed(10)
            check(client.code == 1009, f"closed with {client.code}")
        async with server.client() as client:
            with contextlib.suppress(websockets.ConnectionClosed):
                await client.socket.send(b"\x00" * 10)
            await client.closed(10)
            check(client.texts("error"), "no error for a binary message")


async def send_parts(self, parts):
    await self.socket.send(parts)


Client.send_parts = send_parts


@test
async def pings_and_clients_that_do_not_answer():
    async with Server("--ping-interval-s=1", "--pong-timeout-s=1") as server:
        async with server.client() as client:
            await client.init(initial_rollout_prompt="")
            await client.text("gpu_assigned")
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", server.port)
            writer.write(
                b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
            said = await asyncio.wait_for(reader.read(), 20)
            check(b" 101 " in said and b"permessage" not in said, f"{said}")
            check(b"\x89\x02dv" in said, "it was not pinged")
            writer.close()

            async def dropped():
                return await server.metric(
                    'clients_dropped_total{reason="no-pong"}')

            await until("the count", dropped, 10)
            check(client.closed_at is None, "one who answers was cut")


@test
async def many_sessions_leave_nothing_behind():
    count = int(os.environ.get("DREAMVERSE_TEST_SESSIONS", "40"))
    async with Server("--segment-cap=1", "--slots=2") as server:
        await server.ready(slots=2)

        async def session():
            async with server.client() as client:
                await client.init(
                    initial_rollout_prompt="", curated_prompts=["a lake"])
                await client.text("ltx2_stream_complete")

        for _ in range(4):
            await session()
        await server.ready(slots=2)
        descriptors = await server.metric("open_descriptors")
        memory = await server.metric('resident_bytes{process="front"}')
        workers = sorted(descendants(server.process.pid))
        for _ in range(count):
            await session()
        await server.ready(slots=2)

        async def back():
            return await server.metric("open_descriptors") <= descriptors

        await until("the descriptors come back", back, 20)
        grown = await server.metric(
            'resident_bytes{process="front"}') - memory
        check(grown < 8 << 20, f"the front grew by {grown / 1e6:.1f} MB")
        check(sorted(descendants(server.process.pid)) == workers,
              "other processes")


if __name__ == "__main__":
    main()
