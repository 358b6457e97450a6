# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Thousands of short segments in a row: nothing grows. DREAMVERSE_SOAK_SEGMENTS
# says how many. soak.py TEST
import asyncio
import os
import time

from stream import Failed, Run, check, main, pipeline, test

SEGMENTS = int(os.environ.get("DREAMVERSE_SOAK_SEGMENTS", "10000"))
MiB = 1 << 20


def state(run):
    pid = run.process.pid
    return {
        "memory": run.resident(),
        "files": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": len(os.listdir(f"/proc/{pid}/task")),
    }


@test
async def many_short_segments():
    source = (
        f"frames-per-segment=7 overlap-frames=1 audio-overlap-frames=1 "
        f"segments={SEGMENTS} max-lead=MAX"
    )
    started = time.monotonic()
    # Small, so that the ring is full, and its size steady, early on.
    sink = "soft-limit-bytes=500000 hard-limit-bytes=1000000"
    line = pipeline(width=128, height=128, source=source, sink=sink)
    async with Run(line) as run:
        viewer = await run.viewer()
        run.do("go")
        samples = []
        done = 0
        while True:
            # A quarter of an hour without a segment would be a hang.
            try:
                await run.message(
                    "dreamverse-media-complete", 120, sequence=done + 1
                )
            except Failed:
                if run.status is None:
                    raise
                break
            complete = run.messages("dreamverse-media-complete")
            done = complete[-1]["sequence"]
            if done >= SEGMENTS:
                break
            samples.append((done, state(run)))
            # What was noted is dropped: it is this process that would grow.
            run.said = [complete[-1]]
            chunks = [m for _, m in viewer.got if isinstance(m, dict)]
            check(
                not [m for m in chunks if m["type"] in ("error", "media_skipped")],
                f"{chunks[-3:]}",
            )
            viewer.got.clear()
            await asyncio.sleep(0.2)
        await run.end(120)
        await viewer.until_closed()
    check(done == SEGMENTS, f"ended after {done} segments")
    # Start-up is over after the first fifth.
    early = [s for n, s in samples if SEGMENTS / 5 <= n < SEGMENTS * 2 / 5]
    late = [s for n, s in samples if n >= SEGMENTS * 4 / 5]
    check(early and late, "too few samples were taken")
    # A pool's thread comes and goes; one lost with every segment, or every
    # hundredth, would be many.
    slack = {"memory": 4 * MiB, "files": 0, "threads": 2}
    for what, allowed in slack.items():
        before = max(s[what] for s in early)
        after = max(s[what] for s in late)
        print(f"{what}: {before} after a fifth, {after} at the end")
        check(after <= before + allowed, f"{what} grew from {before} to {after}")
    seconds = time.monotonic() - started
    print(f"{SEGMENTS} segments in {seconds:.0f} s")


if __name__ == "__main__":
    main()
