# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Generation and media run apart: with a slow encoder the next step ends before
# the media of the last one, its latency is generation alone, and what waits in
# between is bounded. decoupling.py TEST
import asyncio

from stream import Run, check, check_epochs, main, pipeline, test

PACE = 0.5
SLOW = "pace=0.5 frames-per-segment=25 overlap-frames=1 audio-overlap-frames=1"


@test
async def generation_runs_ahead_of_a_slow_encoder():
    segments = 8
    async with Run(pipeline(source=f"{SLOW} segments={segments}")) as run:
        viewer = await run.viewer()
        # 24 frames at 50 ms: a segment takes 1.2 s to encode, 0.5 s to make.
        run.do("slow 50")
        run.do("go")
        memory = []

        async def watch():
            while True:
                await asyncio.sleep(0.1)
                memory.append(run.resident())

        watcher = asyncio.create_task(watch())
        try:
            await run.message("dreamverse-media-complete", index=segments - 1)
        finally:
            watcher.cancel()
        end = await run.end()
        check(end["status"] == 0, "the pipeline failed")
        await viewer.until_closed()

        step = {m["index"]: m for m in run.messages("dreamverse-step-complete")}
        start = {m["index"]: m for m in run.messages("dreamverse-segment-start")}
        media = {m["index"]: m for m in run.messages("dreamverse-media-complete")}
        check(sorted(step) == list(range(1, segments + 1)), f"steps {sorted(step)}")
        check(sorted(media) == sorted(step), f"media {sorted(media)}")

        for n in range(1, segments):
            check(
                step[n + 1]["t"] < media[n]["t"],
                f"step-complete({n + 1}) came after media-complete({n})",
            )
        for n, message in step.items():
            ms = message["generation-ms"]
            check(ms >= 850 * PACE, f"step {n} took {ms} ms: less than its pace")
            check(
                ms < 1000 * PACE + 400,
                f"step {n} took {ms} ms: it waited for somebody",
            )
            wall = 1000 * (message["t"] - start[n]["t"])
            check(wall < 1000 * PACE + 500, f"step {n} was reported after {wall} ms")

        # A segment waits from the end of its step until its media begins.
        for n, message in step.items():
            waiting = [
                k
                for k in step
                if k != n
                and step[k]["t"] <= message["t"]
                and viewer.time_of("media_init", k) > message["t"] + 0.2
            ]
            check(len(waiting) <= 1, f"{waiting} waited when {n} was finished")

        check_epochs(viewer, [list(range(1, segments + 1))])
        check(end["video_frames"] == 25 + 24 * (segments - 1), f"{end}")
        half = len(memory) // 2
        growth = max(memory[half:]) - max(memory[:half])
        check(growth < 16 << 20, f"memory grew by {growth >> 20} MiB")


@test
async def the_report_on_the_socket_is_generation_alone():
    async with Run(pipeline(source=f"{SLOW} segments=4")) as run:
        viewer = await run.viewer()
        run.do("slow 50")
        run.do("go")
        await run.end()
        await viewer.until_closed()
        steps = viewer.texts("step_complete")
        check(len(steps) == 4, f"{len(steps)} reports")
        for message in steps:
            latency = message["latency_ms"]
            for key in ("total", "worker_e2e", "main_user_step"):
                check(
                    850 * PACE <= latency[key] < 1000 * PACE + 400,
                    f"{key} holds something else than generation: {message}",
                )
        for n in range(1, 4):
            check(
                viewer.time_of("step_complete", n + 1)
                < viewer.time_of("ltx2_segment_complete", n),
                f"the viewer heard of step {n + 1} after all of {n}",
            )


if __name__ == "__main__":
    main()
