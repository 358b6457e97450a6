# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The order of messages and media when something goes its own way: slow media,
# failures, resets, rewrites, projects that end early. lifecycle.py TEST
import contextlib
import json
import os
import signal
import struct
import subprocess
import tempfile
import time

from rig import BUILD, Server, check, check_stream, main, test, until

X264 = ("x264enc tune=zerolatency speed-preset=ultrafast bframes=0 "
        "key-int-max=48 byte-stream=false")
SLOW = f"--video-encoder=identity sleep-time=40000 ! {X264}"


def streams(client):
    """What the client got, cut at each ltx2_stream_start; within each the order
    holds, and no media is outside a segment (section 10, rules 2 and 10)."""
    found, current, current_media = [], None, None
    for at, message in client.got:
        if isinstance(message, bytes):
            check(current_media, "media outside a segment")
            continue
        kind = message["type"]
        if kind == "ltx2_stream_start":
            check(current_media is None, "a stream starts within a segment")
            current = {"starts": [], "media": [], "done": [], "at": at,
                       "complete": 0, "reason": None}
            found.append(current)
        elif kind == "seed_prompts_reset_applied":
            current["reason"] = message["reason"]
        elif kind == "ltx2_segment_start":
            current["starts"].append(message["segment_idx"])
        elif kind == "media_init":
            check(current_media is None, "media_init within a segment")
            current_media = message["stream_id"]
            current["media"].append(message["segment_idx"])
        elif kind == "media_segment_complete":
            check(message["stream_id"] == current_media, "another stream's end")
            current_media = None
        elif kind == "ltx2_segment_complete":
            current["done"].append(message["segment_idx"])
        elif kind == "ltx2_stream_complete":
            check(current_media is None, "completed within a segment")
            current["complete"] += 1
        elif kind == "project_idle":
            check(current_media is None, "idle within a segment")
            current = None
    for stream in found:
        for name in ("starts", "media", "done"):
            check(stream[name] == list(range(1, len(stream[name]) + 1)),
                  f"{name}: {stream[name]}")
        check(stream["complete"] <= 1, "completed twice")
    return found


@test
async def slow_media_does_not_hold_reports():
    """A step is reported while its media, or that of the one before, is on its
    way; its latency is generation alone; the stream's end waits for all."""
    async with Server(SLOW, "--segment-cap=5") as server:
        async with server.client() as client:
            await client.init()
            await client.text("ltx2_stream_complete")
            check_stream(client, 5)
            early = 0
            complete = iter(client.texts("media_segment_complete"))
            order = [m["type"] for m in client.texts()]
            steps = media = 0
            for kind in order:
                steps += kind == "step_complete"
                media += kind == "media_segment_complete"
                early += kind == "step_complete" and steps > media
            check(early >= 4, f"{early} of 5 steps were told before their media")
            check(next(complete)["segment_idx"] == 1, "order")
            for step in client.texts("step_complete"):
                check(step["latency_ms"]["worker_e2e"] < 250,
                      f"{step}: it contains the encoder's time")


async def ends_by_one_error(server, **init):
    """A session that comes to nothing: one error, the last that is said, and
    the slot is there for the next. The error."""
    async with server.client() as client:
        await client.init(**init)
        await client.closed(30)
        check(client.code == 1000, f"closed with {client.code}")
        errors = client.texts("error")
        check(len(errors) == 1 and client.types[-1] == "error",
              f"{client.types[-4:]}")
        check("ltx2_stream_complete" not in client.types, "complete?")
    await server.ready(slots=1)
    return errors[0]


def write_tensors(path, tensors):
    """A safetensors file of lists of integers, by name."""
    header, body = {}, b""
    for name, values in tensors.items():
        data = struct.pack(f"<{len(values)}q", *values)
        header[name] = {"dtype": "I64", "shape": [len(values)],
                        "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)


@test
async def generation_fails():
    """A model whose second segment cannot be made."""
    generate = os.path.join(BUILD, "gst", "generator", "tools",
                            "dreamverse-generate")
    with tempfile.TemporaryDirectory() as folder:
        model = os.path.join(folder, "model")
        subprocess.run([generate, "--quiet", "--make-random", "tiny",
                        "--tokenizer", model], check=True, timeout=60)
        inputs = os.path.join(folder, "inputs.safetensors")
        write_tensors(inputs, {"2.ids": [2, 3], "2.text_len": [0]})
        async with Server(
                f"--model={model}", "--width=64", "--height=64", "--steps=1+1",
                "--warmup=false", "--frames=9", "--overlap=1",
                "--audio-overlap=5", "--providers=none", small=False,
                env={"DREAMVERSE_LTX2_TEST_INPUTS": inputs}) as server:
            for _ in range(2):
                error = await ends_by_one_error(server)
                check(error["message"].startswith(
                    "AV streaming failed: User step failed for ")
                    and "text_len" in error["message"], f"{error}")


@test
async def the_mux_fails():
    """An encoder that does not say what no MP4 file can do without."""
    bare = (f"--video-encoder={X264} ! capssetter replace=true "
            'caps="video/x-h264,stream-format=avc,alignment=au,'
            'width=128,height=128"')
    async with Server(bare, "--warmup=false") as server:
        for _ in range(2):
            error = await ends_by_one_error(server)
            check(error["message"].startswith("AV streaming failed"),
                  f"{error}")


@test
async def an_encoder_fails():
    """One error that names the segment, then the end; the slot comes back."""
    broken = f"--video-encoder=identity error-after=20 ! {X264}"
    async with Server(broken, "--warmup=false", "--segment-cap=6",
                      "--pace=0.2") as server:
        for _ in range(2):
            error = await ends_by_one_error(server)
            check(error["message"].startswith(
                "AV streaming failed for segment "), f"{error}")
            check(error["segment_idx"] >= 1
                  and error["stream_id"].startswith("seg"), f"{error}")


@test
async def a_worker_hangs():
    async with Server("--slots=2", "--segment-cap=0", "--pace=0.2") as server:
        await server.ready(slots=2)
        async with server.client() as client:
            await client.init(loop_generation_enabled=True)
            slot = (await client.text("gpu_assigned"))["gpu_id"]
            await client.media()
            pid = await server.worker(slot)
            os.kill(pid, signal.SIGSTOP)
            try:
                await client.text("error", patience=40)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            await client.closed(5)
        await server.ready(slots=2)
        check(await server.worker(slot) != pid, "the same process")


@test
async def a_rewrite_while_a_segment_is_made():
    """The running segment is delivered, then a new stream, from its first
    prompt; no ltx2_stream_complete in between."""
    async with Server("--segment-cap=4", "--pace=0.4") as server:
        async with server.client() as client:
            await client.init()
            await client.text("media_init", 2)
            await client.send({"type": "rewrite_seed_prompts",
                               "rewrite_instruction": "at night, with rain"})
            await client.text("ltx2_stream_start", 2)
            await client.text("ltx2_stream_complete")
            first, second = streams(client)
            check(first["complete"] == 0, "the first stream was completed")
            check(first["done"] == first["starts"], f"not delivered: {first}")
            check(second["reason"] == "rewrite_during_generation", f"{second}")
            check(len(second["done"]) == 4 and second["complete"] == 1,
                  f"{second}")


@test
async def resets_and_restarts():
    async with Server("--segment-cap=3", "--pace=0.3") as server:
        async with server.client() as client:
            await client.init()
            await client.text("ltx2_segment_start", 2)
            await client.send({"type": "reset_to_seed_prompts"})
            await client.text("seed_prompts_reset_pending")
            await client.text("ltx2_stream_start", 2)
            await client.text("media_init", 2)
            await client.send({"type": "restart_generation"})
            await client.text("generation_restarted")
            await client.text("ltx2_stream_start", 3)
            await client.text("ltx2_stream_complete", 1)
            found = streams(client)
            reasons = [stream["reason"] for stream in found[1:]]
            check(reasons[0] == "manual_reset", f"{reasons}")
            check(len(found[-1]["done"]) == 3 and found[-1]["complete"] == 1,
                  f"{found[-1]}")


@test
async def a_project_that_ends_early():
    """Nothing of it follows project_idle; the next one begins with segment 1."""
    async with Server("--segment-cap=6", "--pace=0.3", SLOW) as server:
        async with server.client() as client:
            await client.init()
            await client.text("media_init", 2)
            await client.send({"type": "end_project_keep_session"})
            await client.text("project_idle")
            check(client.types.count("ltx2_stream_complete") == 1,
                  "the stream was not completed before it")
            await client.init(type="project_init_v1",
                              initial_rollout_prompt="", curated_prompts=["a"])
            await client.text("ltx2_segment_complete",
                              client.types.count("ltx2_segment_complete") + 1)
            first, second = streams(client)
            check(first["done"] == first["media"], f"not delivered: {first}")
            check(second["starts"][0] == 1, f"{second}")


@test
async def pause_and_go_on():
    async with Server("--segment-cap=3", "--pace=0.2") as server:
        async with server.client() as client:
            await client.init()
            await client.text("ltx2_segment_start")
            await client.send({"type": "set_generation_paused", "paused": True})
            await client.until("paused", lambda: client.texts(
                "generation_paused_updated")[-1]["paused"])
            # What is being made is finished; then nothing begins.
            await client.until(
                "the segment's end",
                lambda: client.types.count("ltx2_segment_complete")
                == client.types.count("ltx2_segment_start"))
            started = client.types.count("ltx2_segment_start")
            with_nothing = time.monotonic() + 1

            async def still():
                check(client.types.count("ltx2_segment_start") == started,
                      "a segment began during the pause")
                return time.monotonic() > with_nothing

            await until("a second of nothing", still, 5)
            await client.send({"type": "set_generation_paused", "paused": False})
            await client.text("ltx2_stream_complete")
            check_stream(client, 3)


@test
async def leaving_while_media_is_slow():
    """The slot is free soon, whatever was under way."""
    async with Server("--video-encoder=identity sleep-time=200000 ! " + X264,
                      "--segment-cap=6", "--warmup=false") as server:
        for leave in (True, False):
            async with server.client() as client:
                await client.init()
                await client.text("media_init", patience=30)
                if leave:
                    await client.send({"type": "leave"})
                    await client.closed(20)
                    check(client.code == 1000, f"{client.code}")
                else:
                    client.socket.transport.abort()
            await server.ready(slots=1, patience=20)


@test
async def sessions_time_out():
    async with Server("--session-timeout-s=2", "--segment-cap=0",
                      "--pace=0.3") as server:
        async with server.client() as client:
            await client.init(loop_generation_enabled=True)
            await client.closed(15)
            check(client.code == 1000, f"{client.code}")
            check(client.types[-1] == "session_timeout", client.types[-1])
            check(client.texts("session_timeout")[0]["message"]
                  == "Session expired after 2 seconds", "its words")
        await server.ready(slots=1)


@test
async def no_init_comes():
    async with Server("--init-timeout-s=1") as server:
        async with server.client() as client:
            await client.text("gpu_assigned", patience=10)
            await client.text("ltx2_stream_start")
            await client.text("prompt_sources_blocked")
            await client.send({"type": "append_prompt", "prompt": "a lake"})
            await client.text("ltx2_segment_complete")
            check(streams(client)[0]["done"] == [1], "one segment")


if __name__ == "__main__":
    main()
