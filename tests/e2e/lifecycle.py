# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The order rules of docs/protocol.md, seen from the socket. One test a name:
# lifecycle.py TEST
import asyncio
import os
import re

from stream import (
    BUILD,
    Failed,
    Run,
    Viewer,
    check,
    check_epochs,
    check_order,
    main,
    pipeline,
    test,
)

# A second a segment, one frame of it repeated.
SHORT = "frames-per-segment=25 overlap-frames=1 audio-overlap-frames=1"


def complete(index):
    return lambda v: [
        m for m in v.texts("ltx2_segment_complete") if m["segment_idx"] == index
    ]


def has(kind):
    return lambda v: v.texts(kind)


def check_single_end(viewer):
    """A stream that ended well: completed once, nothing after it."""
    kinds = [m["type"] for m in viewer.texts()]
    check(kinds.count("ltx2_stream_complete") == 1, "not completed once")
    check("error" not in kinds, "an error came")
    check(kinds[-1] == "ltx2_stream_complete", f"{kinds[-1]} came last")
    check(isinstance(viewer.got[-1][1], dict), "bytes came last")


@test
async def a_stream_from_start_to_end():
    async with Run(pipeline(source=SHORT + " segments=4 prompt=lake")) as run:
        viewers = [await run.viewer(), await run.viewer()]
        run.do("go")
        end = await run.end()
        check(end["status"] == 0, "the pipeline failed")
        for viewer in viewers:
            await viewer.until_closed()
            check(viewer.texts()[0]["type"] == "dreamverse_hello", "no hello")
            check_epochs(viewer, [[1, 2, 3, 4]])
            check_single_end(viewer)
            steps = viewer.texts("step_complete")
            check([m["segment_idx"] for m in steps] == [1, 2, 3, 4], f"{steps}")
            for step in steps:
                latency = step["latency_ms"]
                for key in ("total", "worker_e2e", "main_user_step", "overhead"):
                    check(latency[key] >= 0, f"{key} is missing: {step}")
            starts = viewer.texts("ltx2_segment_start")
            check([m["segment_idx"] for m in starts] == [1, 2, 3, 4], f"{starts}")
            inits = [m for m, _ in viewer.media()]
            first = viewer.media()[0][1][0]
            for init, chunks in viewer.media():
                check(init["procedural"] is True, f"no word of a drawing: {init}")
                check(init["model"] == "procedural", f"{init}")
                check(re.match(r'video/mp4; codecs="avc1\.42', init["mime"]), f"{init}")
                check((init["width"], init["height"]) == (320, 192), f"{init}")
                check(init["prompt"] == "lake", f"{init}")
                check(chunks[0] == first, "the init segment differs")
                check(b"ftyp" in first[:12] and b"moov" in first, "no init segment")
            for a, b in zip(inits, inits[1:]):
                check(abs(a["end"] - b["start"]) < 1e-6, f"a gap: {a} {b}")
        check(
            viewers[0].media() == viewers[1].media(), "two viewers got different bytes"
        )


@test
async def a_tail_that_comes_after_the_last_step():
    """Rule 3: complete only when media has caught up."""
    async with Run(pipeline(source=SHORT + " segments=3")) as run:
        viewer = await run.viewer()
        run.do("slow 30")
        run.do("go")
        last = await run.message("dreamverse-step-complete", index=3)
        end = await run.end()
        check(end["status"] == 0, "the pipeline failed")
        await viewer.until_closed()
        check_epochs(viewer, [[1, 2, 3]])
        check_single_end(viewer)
        tail = viewer.time_of("media_init", 3)
        check(tail > last["t"], "the tail was not late: this test showed nothing")
        check(viewer.time_of("step_complete", 3) < tail, "step_complete waited")
        check(end["video_frames"] == 25 + 24 + 24, f"{end}")


@test
async def a_failure_after_generation():
    """Rule 4: one error that names the segment, and nothing more."""
    async with Run(pipeline(source=SHORT + " pace=0.4")) as run:
        viewers = [await run.viewer(), await run.viewer()]
        run.do("slow 40")
        run.do("go")
        await viewers[0].wait("media of segment 2", lambda v: len(v.media()) > 1)
        await run.message("dreamverse-step-complete", index=3)
        run.do("fail 1")
        end = await run.end()
        check(end["status"] == 1, "the pipeline did not fail")
        failed = run.messages("dreamverse-media-error")
        check(len(failed) == 1, f"{len(failed)} media errors")
        check(failed[0]["stage"] == "encode", f"{failed}")
        names = [m["name"] for m in run.said]
        check(
            names.index("dreamverse-media-error") < names.index("error"),
            "the media error came after the error",
        )
        check(
            "told to fail" in run.messages("error")[0]["message"],
            f"another error came first: {run.messages('error')}",
        )
        for viewer in viewers:
            await viewer.until_closed()
            errors = viewer.texts("error")
            check(len(errors) == 1, f"{len(errors)} errors")
            check(errors[0].get("segment_idx") == failed[0]["index"], f"{errors}")
            check(errors[0].get("stream_id") == failed[0]["stream-id"], f"{errors}")
            check(errors[0]["code"] and errors[0]["message"], f"{errors}")
            check(viewer.got[-1][1] == errors[0], "something came after the error")
            index = failed[0]["index"]
            for kind in ("media_segment_complete", "ltx2_segment_complete"):
                check(
                    index not in [m["segment_idx"] for m in viewer.texts(kind)],
                    f"{kind} of the failed segment",
                )
            check(not viewer.texts("ltx2_stream_complete"), "stream_complete")
        # The step that ran was given up: none ended after the failure.
        when = run.messages("error")[0]["t"]
        late = [m for m in run.messages("dreamverse-step-complete") if m["t"] > when]
        check(not late, f"a step went on: {late}")


@test
async def a_reset_in_the_middle_of_a_segment():
    """Rule 5: it ends at its last whole fragment and says so."""
    source = "frames-per-segment=2000 overlap-frames=1 audio-overlap-frames=1"
    async with Run(pipeline(source=source + " max-lead=2000000000")) as run:
        viewer = await run.viewer()
        run.do("go")
        await viewer.wait(
            "some media", lambda v: v.media() and len(v.media()[0][1]) > 5
        )
        run.do("reset")
        await run.message("dreamverse-reset")
        await viewer.wait(
            "media of the second epoch",
            lambda v: [m for m, _ in v.media() if m["epoch"] == 2],
        )
        texts = viewer.texts()
        kinds = [m["type"] for m in texts]
        done = viewer.texts("media_segment_complete")[0]
        check(done.get("aborted") is True, f"not aborted: {done}")
        check(not viewer.texts("ltx2_segment_complete"), "counted as complete")
        check(kinds.count("ltx2_stream_complete") == 1, "not completed once")
        check(kinds.count("ltx2_stream_start") == 2, "no second stream_start")
        check("seed_prompts_reset_applied" in kinds, "no word of the reset")
        check_order(viewer)
        old = viewer.media()[0][0]["stream_id"]
        second = [i for i, k in enumerate(kinds) if k == "ltx2_stream_start"][1]
        for message in texts[second:]:
            check(message.get("stream_id") != old, f"of the old epoch: {message}")
            check(message.get("epoch", 2) == 2, f"of the old epoch: {message}")
        first, after = viewer.media()[0][0], viewer.media()[1][0]
        check(after["segment_idx"] == 1, f"{after}")
        check(after["start"] > first["start"], "time ran backwards")
        check(run.messages("dreamverse-step-aborted"), "no step was aborted")


@test
async def finished_segments_are_delivered_before_a_reset():
    async with Run(pipeline(source=SHORT + " pace=0.3")) as run:
        viewer = await run.viewer()
        run.do("slow 40")
        run.do("go")
        await run.message("dreamverse-step-complete", index=2)
        run.do("reset")
        await viewer.wait(
            "a segment of the second epoch",
            lambda v: [m for m, _ in v.media() if m["epoch"] == 2],
        )
        epochs = check_order(viewer)
        check(epochs[0][:2] == [1, 2], f"what was finished got lost: {epochs}")
        stream = run.messages("dreamverse-stream-complete")[0]
        check(stream["segments"] == len(epochs[0]), f"{stream} {epochs}")


@test
async def steering_from_a_viewer():
    async with Run(pipeline(source=SHORT + " pace=0.2 max-lead=1000000000")) as run:
        viewer = await run.viewer()
        other = await run.viewer()
        run.do("go")
        await viewer.wait("a segment", complete(1))
        await viewer.send(type="append_prompt", prompt="a red desert", prompt_id="p1")
        for v in (viewer, other):
            got = await v.wait("prompt_received", has("prompt_received"))
            check(got[0]["prompt_id"] == "p1", f"{got}")
        await other.wait(
            "the prompt on the screen",
            lambda v: [m for m, _ in v.media() if m["prompt"] == "a red desert"],
        )
        await viewer.send(type="set_generation_paused", paused=True)
        paused = await other.wait("paused", has("generation_paused_updated"))
        check(paused[-1]["paused"] is True, f"{paused}")
        message = await run.message("dreamverse-paused", paused=True)
        # What runs is finished; nothing new begins.
        await asyncio.sleep(1.5)
        begun = [
            m
            for m in run.messages("dreamverse-segment-start")
            if m["t"] > message["t"] + 0.2
        ]
        check(not begun, f"begun while paused: {begun}")
        await viewer.send(type="set_generation_paused", paused=False)
        await run.message("dreamverse-paused", paused=False)
        count = len(run.messages("dreamverse-step-complete"))
        await other.wait(
            "a segment after the pause",
            lambda v: len(v.texts("step_complete")) > count,
        )
        check_order(viewer)
        check(not viewer.texts("error"), "an error came")


@test
async def end_of_stream_from_outside():
    """As gst-launch-1.0 -e: what was made is delivered, then the end."""
    async with Run(pipeline(source=SHORT + " pace=0.3")) as run:
        viewer = await run.viewer()
        run.do("go")
        await viewer.wait("two segments", complete(2))
        run.do("eos")
        end = await run.end()
        check(end["status"] == 0, "the pipeline failed")
        await viewer.until_closed()
        kinds = [m["type"] for m in viewer.texts()]
        check(kinds.count("ltx2_stream_complete") == 1, "not completed once")
        check("error" not in kinds, "an error came")
        check_order(viewer)


@test
async def a_viewer_who_comes_late():
    async with Run(pipeline(source=SHORT + " pace=0.3 max-lead=1000000000")) as run:
        first = await run.viewer()
        run.do("go")
        await first.wait("three segments", complete(3))
        late = await run.viewer()
        await late.wait("media", lambda v: v.media() and len(v.media()[0][1]) > 2)
        kinds = [m["type"] for m in late.texts()]
        check(kinds[0] == "dreamverse_hello", f"{kinds}")
        check(
            kinds.index("ltx2_stream_start") < kinds.index("media_init"), f"{kinds}"
        )
        init, chunks = late.media()[0]
        check(init["segment_idx"] >= 3, f"too old: {init}")
        check(chunks[0] == first.media()[0][1][0], "no init segment at first")
        # The rest is byte for byte what the first one got.
        index = init["segment_idx"]
        mine = b"".join(chunks[1:2])
        theirs = b"".join(first.media()[index - 1][1])
        check(mine in theirs, "not the bytes that the others got")
        await late.wait("the next segment", complete(index + 1))


async def run_to_the_end(line, viewers=2):
    """gst-launch-1.0 with viewers at its socket. Its status, its stderr."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        "gst-launch-1.0",
        "-q",
        *line.replace("port=0", f"port={port}").split(),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C"},
    )
    seen = []
    for _ in range(viewers):
        for _ in range(200):
            try:
                seen.append(await Viewer.connect(port))
                break
            except OSError:
                await asyncio.sleep(0.05)
        else:
            raise Failed("the socket never opened")
    _, said = await asyncio.wait_for(process.communicate(), 60)
    for viewer in seen:
        await viewer.until_closed()
    return process.returncode, said.decode(), seen


@test
async def gst_launch_exits_non_zero_on_an_error():
    # Slow enough for viewers to be there when it happens.
    line = pipeline(source=SHORT + " is-live=true").replace(
        "! x264enc", "! identity error-after=60 ! x264enc"
    )
    status, said, viewers = await run_to_the_end(line)
    check(status != 0, "gst-launch-1.0 says that all went well")
    check("ERROR" in said, said)
    for viewer in viewers:
        errors = viewer.texts("error")
        check(len(errors) == 1, f"{len(errors)} errors: {viewer.story()[-500:]}")
        check(viewer.got[-1][1] == errors[0], "something came after the error")
        check(errors[0]["message"], f"{errors}")


@test
async def gst_launch_exits_zero_at_the_end():
    line = pipeline(source=SHORT + " is-live=true segments=3")
    status, said, viewers = await run_to_the_end(line)
    check(status == 0, f"status {status}: {said}")
    for viewer in viewers:
        check(viewer.texts("ltx2_stream_complete"), "not completed")
        check(not viewer.texts("error"), "an error came")


if __name__ == "__main__":
    assert BUILD
    main()
