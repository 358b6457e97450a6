# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every frame accounted for: stamped segments go through encoders, mux, sink
# and a real socket; what a viewer saved is decoded by ffmpeg and its stamps are
# read. frames.py TEST
import os
import subprocess
import tempfile

from stream import BUILD, Run, check, check_epochs, check_order, main, pipeline, test

STAMP_DUMP = os.path.join(BUILD, "tests", "lib", "stamp-dump")
FRAMES, OVERLAP, FPS, RATE = 121, 9, 24, 48000
AAC_FRAME = 1024 / RATE


def decode(path, options, *stamp_arguments):
    """Lines of stamp-dump for what ffmpeg decodes."""
    ffmpeg = subprocess.Popen(
        ["ffmpeg", "-v", "error", "-i", path, *options, "pipe:1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    dump = subprocess.run(
        [STAMP_DUMP, *stamp_arguments],
        stdin=ffmpeg.stdout,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    complaints = ffmpeg.stderr.read().decode()
    check(ffmpeg.wait() == 0, f"ffmpeg failed: {complaints}")
    check(not complaints, f"ffmpeg complains: {complaints[:500]}")
    return dump.stdout.splitlines()


def keyframes(path):
    """Numbers of the video packets that are keyframes."""
    said = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v", "-of", "csv=p=0",
         "-show_entries", "packet=flags", path],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout
    return [i for i, flags in enumerate(said.split()) if "K" in flags]


def packets(path, stream):
    """[(time, duration)] of a track, seconds."""
    said = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", stream, "-of", "csv=p=0",
         "-show_entries", "packet=pts_time,duration_time", path],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout
    rows = [line.strip(",").split(",") for line in said.splitlines() if line]
    return [(float(row[0]), float(row[1])) for row in rows]


def check_contiguous(what, track):
    for (a, length), (b, _) in zip(track, track[1:]):
        check(abs(a + length - b) < 0.002, f"{what}: {a} + {length}, then {b}")


async def account(segments, width, height, aac="voaacenc bitrate=128000"):
    source = f"stamp=true segments={segments} max-lead=MAX prompt=lake"
    line = pipeline(width=width, height=height, source=source, aac=aac)
    async with Run(line) as run:
        viewer = await run.viewer()
        run.do("go")
        end = await run.end(240)
        check(end["status"] == 0, "the pipeline failed")
        await viewer.until_closed()
        check_epochs(viewer, [list(range(1, segments + 1))])
        check(not viewer.texts("media_skipped"), "media was skipped")

        total = FRAMES + (segments - 1) * (FRAMES - OVERLAP)
        check(end["video_frames"] == total, f"{end['video_frames']} were encoded")
        # Two samples of the 48 kHz timeline to each of the source's: what came
        # in is where cumulative counts put it, to the sample.
        boundary = round(total * RATE / FPS)
        check(
            end["audio_jump"] <= 1e9 / RATE + 1 or end["audio_jump_at"] >= boundary,
            f"{end}",
        )
        closing = end["audio_samples"] - boundary
        check(0 <= closing <= 0.15 * RATE, f"{closing} samples beyond the boundary")
        for message in run.messages("dreamverse-step-complete"):
            n = message["index"]
            before, after = (
                round((FRAMES + (k - 1) * (FRAMES - OVERLAP)) * 24000 / FPS)
                if k
                else 0
                for k in (n - 1, n)
            )
            check(message["samples"] == after - before, f"{message}")

        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "stream.mp4")
            with open(path, "wb") as file:
                for i, (_, chunks) in enumerate(viewer.media()):
                    # The init segment once, as a player takes it.
                    file.write(b"".join(chunks if i == 0 else chunks[1:]))
            look(path, segments, width, height, total)
            first = os.path.join(directory, "first.mp4")
            with open(first, "wb") as file:
                file.write(b"".join(viewer.media()[0][1]))
            # A clip of one segment is a whole file.
            check(len(packets(first, "v")) == FRAMES, "the first segment as a file")


def look(path, segments, width, height, total):
    stamps = decode(
        path,
        ["-map", "0:v", "-fps_mode", "passthrough", "-pix_fmt", "yuv420p", "-f", "rawvideo"],
        f"{width}x{height}",
    )
    wanted = [
        f"{segment} {frame}"
        for segment in range(1, segments + 1)
        for frame in range(0 if segment == 1 else OVERLAP, FRAMES)
    ]
    check(len(wanted) == total, "the test counts wrong")
    if stamps != wanted:
        at = next(
            (i for i, (a, b) in enumerate(zip(stamps, wanted)) if a != b),
            min(len(stamps), len(wanted)),
        )
        check(
            False,
            f"{len(stamps)} frames; at {at}: {stamps[at:at + 4]}, not {wanted[at:at + 4]}",
        )
    video = packets(path, "v")
    audio = packets(path, "a")
    check(len(video) == total, f"{len(video)} video packets")
    keys = set(keyframes(path))
    firsts = {0, *range(FRAMES, total, FRAMES - OVERLAP)}
    check(firsts <= keys, f"segments that begin without a keyframe: {firsts - keys}")
    check_contiguous("video", video)
    check_contiguous("audio", audio)

    lines = decode(
        path,
        ["-map", "0:a", "-f", "s16le", "-ac", "2", "-ar", str(RATE)],
        "--audio", str(RATE), "2",
    )
    sound = int(lines[-1].split()[1])
    start = audio[0][0]
    length = total / FPS
    off = start + sound / RATE - length
    print(f"sound ends {1000 * off:.1f} ms after the picture, starts at {start}")
    check(abs(off) <= AAC_FRAME, f"sound ends {1000 * off:.1f} ms after the picture")
    clicks = [start + int(line) / RATE for line in lines[:-1]]
    seconds = list(range(0 if clicks[0] < 0.5 else 1, int(length - 0.02) + 1))
    check(
        len(clicks) in (len(seconds), len(seconds) - 1),
        f"{len(clicks)} clicks in {length} s",
    )
    worst = 0
    for second, click in zip(seconds, clicks):
        frame = video[second * FPS][0]
        worst = max(worst, abs(click - frame), key=abs)
        check(
            abs(click - frame) <= 0.020,
            f"the click of second {second} is {1000 * (click - frame):.1f} ms off",
        )
    print(f"{total} frames, {len(clicks)} clicks, at most {1000 * worst:.1f} ms off")


def ends(viewer):
    """Where picture and sound end, of what a viewer got, in seconds."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "stream.mp4")
        with open(path, "wb") as file:
            for i, (_, chunks) in enumerate(viewer.media()):
                file.write(b"".join(chunks if i == 0 else chunks[1:]))
        return [sum(packets(path, stream)[-1]) for stream in "va"]


def check_ends_together(viewer):
    check_order(viewer)
    kinds = [m["type"] for m in viewer.texts()]
    check(kinds[-1] == "ltx2_stream_complete", f"{kinds[-1]} came last")
    check(isinstance(viewer.got[-1][1], dict), "bytes came last")
    picture, sound = ends(viewer)
    check(abs(picture - sound) <= AAC_FRAME, f"{picture} s of picture, {sound} of sound")


@test
async def picture_and_sound_end_together():
    """To a viewer, whether the end was known from the start or not."""
    short = "frames-per-segment=25 overlap-frames=1 audio-overlap-frames=1"
    for aac in ("voaacenc", "avenc_aac"):
        async with Run(pipeline(source=short + " segments=3", aac=aac)) as run:
            viewer = await run.viewer()
            run.do("go")
            check((await run.end())["status"] == 0, "the pipeline failed")
            await viewer.until_closed()
            check_epochs(viewer, [[1, 2, 3]])
            check_ends_together(viewer)
        # From outside, while media is on its way.
        async with Run(pipeline(source=short + " pace=0.3", aac=aac)) as run:
            viewer = await run.viewer()
            run.do("slow 60")
            run.do("go")
            await run.message("dreamverse-step-complete", index=2)
            run.do("eos")
            check((await run.end())["status"] == 0, "the pipeline failed")
            await viewer.until_closed()
            check_ends_together(viewer)


@test
async def a_hundred_segments():
    await account(int(os.environ.get("DREAMVERSE_FRAMES_SEGMENTS", "100")), 320, 192)


@test
async def another_aac_encoder():
    await account(5, 320, 192, aac="avenc_aac bitrate=128000")


@test
async def full_size():
    await account(3, 1920, 1088)


if __name__ == "__main__":
    main()
