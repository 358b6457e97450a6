# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Sessions that are steered, at a real socket: resets, loops, rewrites, caps,
# projects, clips, start images; and the order of everything that is told
# (session protocol, sections 4.5 and 10). steering.py TEST
import asyncio
import base64
import os
import random
import struct
import time
import zlib

from rig import Server, check, main, test

PRESET = {"initial_rollout_prompt": "", "preset_id": "p", "preset_label": "P"}


class Order:
    """The rules that hold for every stream, however it is steered."""

    def __init__(self):
        self.stream = self.completed = False
        self.streams = self.completes = self.segments = 0
        self.open = None
        self.ids = set()
        self.begin()

    def begin(self):
        self.started = self.stepped = self.opened = self.complete = 0

    def take(self, message):
        if isinstance(message, bytes):
            check(self.open, "bytes outside a segment")
            self.size += len(message)
            return
        kind, index = message["type"], message.get("segment_idx")
        if kind == "ltx2_stream_start":
            check(not self.open, "a stream starts amid a segment")
            check(self.opened == self.complete, "media of the old stream is due")
            self.begin()
            self.stream, self.completed = True, False
            self.streams += 1
        elif kind == "ltx2_segment_start":
            check(self.stream and not self.completed, "no stream to start in")
            check(self.last == "segment_prompt_source", f"behind {self.last}")
            check(self.started == self.stepped, "two steps at a time")
            self.started += 1
            check(index == self.started, f"{index} is not {self.started}")
            check(message["total_segments"] >= index, "total_segments")
        elif kind == "step_complete":
            self.stepped += 1
            check(self.stepped == self.started, "a step that did not start")
            latency = message["latency_ms"]
            check(list(latency) == ["total", "worker_e2e", "main_user_step",
                                    "overhead"], f"{latency}")
        elif kind == "media_init":
            check(not self.open and self.opened == self.complete, "two at a time")
            self.opened += 1
            check(index == self.opened <= self.started, f"media of {index}")
            check(message["stream_id"] not in self.ids, "an id comes again")
            self.ids.add(message["stream_id"])
            self.open, self.size = message, 0
        elif kind == "media_segment_complete":
            check(self.open and self.size, "no media")
            check(message["stream_id"] == self.open["stream_id"], "another id")
            self.open = None
        elif kind == "ltx2_segment_complete":
            self.complete += 1
            check(index == self.complete == self.opened, f"complete {index}")
            check(not self.open and index <= self.stepped, "not complete")
            self.segments += 1
        elif kind == "ltx2_stream_complete":
            check(self.stream and not self.completed, "completed twice")
            check(not self.open and self.complete == self.stepped, "media is due")
            self.completed = True
            self.completes += 1
        elif kind == "project_idle":
            check(not self.open, "idle amid a segment")
            check(self.completed or not self.stream, "not completed")
            self.stream = False
        self.last = kind


def ordered(client):
    order = Order()
    for _, message in client.got:
        order.take(message)
    check(not client.texts("error"), f"{client.texts('error')}")
    return order


def after(client, kind, count=1):
    """The types of what came behind the count-th message of this type."""
    types = client.types
    at = -1
    for _ in range(count):
        at = types.index(kind, at + 1)
    return types[at + 1 :]


@test
async def a_reset_finishes_what_was_seen():
    async with Server("--segment-cap=0", "--pace=0.5") as server:
        async with server.client() as client:
            await client.init(**PRESET, curated_prompts=["a", "b"])
            await client.media()
            await client.send({"type": "reset_to_seed_prompts"})
            await client.text("ltx2_stream_start", 2)
            check("ltx2_stream_complete" not in client.types, "completed")
            order = ordered(client)
            check(order.streams == 2, f"{order.streams} streams")
            done = client.texts("ltx2_segment_complete")
            check(len(done) >= 1, "what was seen was not finished")
            applied = await client.text("seed_prompts_reset_applied")
            check(applied["reason"] == "manual_reset", f"{applied}")
            check(applied["loop_iteration"] == 2, f"{applied}")
            await client.text("ltx2_segment_complete", len(done) + 2)
            ordered(client)


@test
async def a_project_end_cancels_what_nobody_saw():
    """A step of a minute is given up at once."""
    async with Server("--segment-cap=0", "--pace=60", "--warmup=false") as server:
        async with server.client() as client:
            await client.init(**PRESET, curated_prompts=["a", "b"])
            await client.text("ltx2_segment_start")
            check(client.bytes == 0, "the first frame should take seconds")
            await client.send({"type": "end_project_keep_session"})
            await client.text("project_idle", patience=20)
            check(not client.texts("step_complete"), "it was not cancelled")
            check(not client.texts("media_init"), "it was shown")
            ordered(client)


@test
async def loops_until_the_cap():
    async with Server("--segment-cap=5") as server:
        async with server.client() as client:
            await client.init(
                **PRESET, curated_prompts=["a", "b"],
                loop_generation_enabled=True)
            await client.text("ltx2_stream_complete")
            order = ordered(client)
            check((order.streams, order.segments) == (3, 5),
                  f"{order.streams} streams, {order.segments} segments")
            loops = client.texts("loop_restarted")
            check([m["loop_iteration"] for m in loops] == [2, 3], f"{loops}")
            check(client.texts("loop_generation_updated")[-1]["enabled"] is False,
                  "it loops on")
            await client.send({"type": "restart_generation"})
            await client.text("ltx2_stream_start", 4)
            await client.text("ltx2_segment_complete", 7)
            check(ordered(client).streams == 4, "streams")


@test
async def a_rewrite_during_generation_starts_anew():
    async with Server("--segment-cap=6", "--pace=0.3") as server:
        async with server.client() as client:
            await client.init(**PRESET, curated_prompts=["a", "b", "c"])
            await client.media()
            await client.text("ltx2_segment_start", 2)
            await client.send({
                "type": "rewrite_seed_prompts",
                "rewrite_instruction": "at night",
                "prompt_window_prompts": ["a", "b", "c"]})
            updated = await client.text("seed_prompts_updated", 2)
            check(len(updated["prompts"]) == 3, f"{updated}")
            await client.text("ltx2_stream_start", 2)
            applied = await client.text("seed_prompts_reset_applied")
            check(applied["reason"] == "rewrite_during_generation", f"{applied}")
            check("ltx2_stream_complete" not in client.types, "completed")
            first = (await client.text(
                "ltx2_segment_start", 1 + len(client.texts("ltx2_segment_start")))
            )
            check(ordered(client).streams == 2, "streams")
            check(first["loop_iteration"] == 2, f"{first}")


@test
async def a_rewrite_at_the_cap_and_projects():
    async with Server("--segment-cap=2") as server:
        async with server.client() as client:
            await client.init(**PRESET, curated_prompts=["a", "b"])
            await client.text("ltx2_stream_complete")
            await client.send({"type": "append_prompt", "prompt": "x"})
            error = await client.text("error")
            check(error["message"].startswith("Use Rewrite"), f"{error}")
            client.got = [g for g in client.got if g[1] is not error]
            await client.send({
                "type": "rewrite_seed_prompts", "rewrite_instruction": "x"})
            await client.text("ltx2_stream_complete", 2)
            applied = await client.text("seed_prompts_reset_applied")
            check(applied["reason"] == "rewrite_rollout", f"{applied}")
            for n in range(1, 4):
                await client.send({"type": "end_project_keep_session"})
                await client.text("project_idle", n)
                await client.send({
                    "type": "project_init_v1", "curated_prompts": ["c"]})
                await client.text("ltx2_stream_start", 2 + n)
                await client.text("prompt_sources_blocked", n)
            order = ordered(client)
            check(order.streams == 5, f"{order.streams} streams")


@test
async def a_project_ends_amid_its_media():
    async with Server("--segment-cap=0", "--pace=0.4") as server:
        async with server.client() as client:
            await client.init(
                **PRESET, curated_prompts=["a"], loop_generation_enabled=True)
            for n in range(1, 5):
                await client.text("media_init", len(client.texts("media_init")) + 1)
                await client.send({"type": "end_project_keep_session"})
                await client.text("project_idle", n)
                check(client.types[-2:] == ["ltx2_stream_complete",
                                            "project_idle"],
                      f"{client.types[-4:]}")
                await client.send({
                    "type": "project_init_v1", "curated_prompts": ["b"],
                    "loop_generation_enabled": True})
            ordered(client)


@test
async def clips_one_by_one():
    async with Server() as server:
        async with server.client() as client:
            await client.init(
                **PRESET, curated_prompts=["a"], single_clip_mode=True)
            await client.text("ltx2_stream_complete")
            await client.send({
                "type": "simple_generate", "prompt": "b", "prompt_id": "i",
                "enhancement_enabled": False})
            await client.text("ltx2_stream_complete", 2)
            await client.send({"type": "simple_generate", "prompt": "c"})
            await client.text("ltx2_stream_complete", 3)
            order = ordered(client)
            check((order.streams, order.segments) == (3, 3), "three clips")
            sources = [m["source"] for m in client.texts("ltx2_segment_start")]
            check(sources == ["curated", "curated", "user_enhanced"], f"{sources}")


@test
async def live_prompts_and_pauses():
    async with Server("--segment-cap=0", "--pace=0.1") as server:
        async with server.client() as client:
            await client.init(
                **PRESET, curated_prompts=["a"], enhancement_enabled=False)
            await client.text("prompt_sources_blocked")
            await client.send({"type": "set_generation_paused", "paused": True})
            await client.text("generation_paused_updated", 2)
            await client.send({
                "type": "append_prompt", "prompt": "b", "prompt_id": "u"})
            await client.text("prompt_ready")
            await client.send({"type": "set_generation_paused", "paused": False})
            started = await client.text("ltx2_segment_start", 2)
            check(started["prompt"] == "b", f"{started}")
            behind = after(client, "generation_paused_updated", 3)
            check(behind[:3] == ["prompt_sources_resumed",
                                 "segment_prompt_source", "ltx2_segment_start"],
                  f"{behind[:3]}")
            await client.text("ltx2_segment_complete", 2)
            await client.send({"type": "set_auto_extension", "enabled": True})
            third = await client.text("ltx2_segment_start", 3)
            check(third["source"] == "auto_llm", f"{third}")
            ordered(client)


def png(width, height):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(
            ">I", zlib.crc32(body))

    rows = b"".join(b"\0" + b"\xff\x20\x20" * width for _ in range(height))
    return (b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def data_url(data):
    return "data:image/png;base64," + base64.b64encode(data).decode()


@test
async def start_images():
    async with Server("--segment-cap=1") as server:
        async with server.client() as client:
            await client.init(
                **PRESET, curated_prompts=["a"],
                initial_image={"name": "n", "mime_type": "image/png",
                               "data_url": data_url(png(64, 64))})
            await client.text("ltx2_stream_complete")
            await client.send({
                "type": "simple_generate", "prompt": "b",
                "initial_image": {"data_url": data_url(b"no picture at all")}})
            error = await client.text("error")
            check(error["message"]
                  == "initial_image must decode as a valid image.", f"{error}")
            check(client.closed_at is None, "closed")
        async with server.client() as client:
            await client.init(initial_image={"data_url": data_url(b"nothing")})
            await client.closed()
            check(client.code == 1003, f"{client.code}")


@test
async def the_first_media_can_be_held_back():
    async with Server("--segment-cap=1", "--first-media-delay-ms=700") as server:
        async with server.client() as client:
            began = time.monotonic()
            await client.init(**PRESET, curated_prompts=["a"])
            await client.text("ltx2_stream_complete")
            check(client.when("media_init") - began >= 0.7, "too early")
            check(client.when("step_complete") < client.when("media_init"),
                  "the report of a step waited for media")
            ordered(client)


@test
async def whatever_is_said_the_order_holds():
    """A client that says anything at any time, for some seconds."""
    seed = int(os.environ.get("DREAMVERSE_TEST_SEED", "20260821"))
    seconds = float(os.environ.get("DREAMVERSE_TEST_SECONDS", "20"))
    messages = [
        {"type": "append_prompt", "prompt": "a boat"},
        {"type": "rewrite_seed_prompts", "rewrite_instruction": "at night"},
        {"type": "reset_to_seed_prompts"},
        {"type": "restart_generation"},
        {"type": "set_generation_paused", "paused": True},
        {"type": "set_generation_paused", "paused": False},
        {"type": "set_generation_paused", "paused": False},
        {"type": "set_loop_generation", "enabled": True},
        {"type": "set_loop_generation", "enabled": False},
        {"type": "set_auto_extension", "enabled": True},
        {"type": "set_enhancement", "enabled": False},
        {"type": "simple_generate", "prompt": "a clip"},
        {"type": "end_project_keep_session"},
        {"type": "project_init_v1", "curated_prompts": ["a", "b"]},
        {"type": "project_init_v1", "initial_rollout_prompt": "a whale"},
        {"type": "project_init_v1", "curated_prompts": ["a"],
         "loop_generation_enabled": True},
    ]

    async def talk(server, number):
        chance = random.Random(seed + number)
        end = time.monotonic() + seconds
        order, seen = Order(), 0
        async with server.client() as client:
            await client.init(**PRESET, curated_prompts=["a", "b"])
            while time.monotonic() < end and client.closed_at is None:
                await client.send(chance.choice(messages))
                # Not a wait for anything: the time between two thoughts.
                await asyncio.sleep(chance.uniform(0, 0.15))
                while seen < len(client.got):
                    order.take(client.got[seen][1])
                    seen += 1
            check(client.closed_at is None,
                  f"seed {seed + number}: {client.texts('error')[-1:]} "
                  f"{client.types[-20:]}")
            return order

    async with Server("--slots=2", "--segment-cap=4", "--pace=0.05") as server:
        await server.ready(slots=2)
        orders = await asyncio.gather(*(talk(server, n) for n in range(2)))
        check(sum(order.segments for order in orders) > 4, "nothing was made")
        check(sum(order.streams for order in orders) > 4, "no streams")


if __name__ == "__main__":
    main()
