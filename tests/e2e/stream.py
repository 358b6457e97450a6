# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the end-to-end tests share: a pipeline that runs under tests/e2e/runner
# and viewers at its socket, who note everything they get and when.
#
# A test is an async function marked @test; main() runs the one that the command
# line names. All times are of the monotonic clock, which runner uses too.
import asyncio
import json
import os
import subprocess
import sys
import time
import traceback

try:
    import websockets
except ImportError:
    print("python3-websockets is not installed")
    sys.exit(77)

BUILD = os.environ.get("DREAMVERSE_TEST_BUILD", "build")
RUNNER = os.path.join(BUILD, "tests", "e2e", "runner")
# Under a sanitizer everything is slower.
PATIENCE = float(os.environ.get("DREAMVERSE_TEST_PATIENCE", "1"))


# What of the pipeline's messages a failed test prints.
BRIEF = (
    "name t index epoch frames segments last aborted fragments code stage message "
    "status video_frames audio_samples audio_jump audio_jump_at generation-ms end"
).split()


class Failed(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failed(text)


def pipeline(
    width=320,
    height=192,
    source="",
    mux="",
    sink="",
    encoder="tune=zerolatency speed-preset=ultrafast pass=qual quantizer=23"
    " vbv-buf-capacity=0 bframes=0 key-int-max=48 byte-stream=false",
    aac="voaacenc bitrate=128000",
):
    """The usual pipeline, with names that runner knows. MAX: no limit.

    A small picture is made seventy times as fast as it plays: a viewer that
    the machine leaves waiting for a tenth of a second is seconds behind and
    would be brought forward. A test of that says its own limits."""
    sink = f"soft-limit-time=MAX hard-limit-time=MAX {sink}"
    source, sink = (s.replace("=MAX", f"={2**64 - 1}") for s in (source, sink))
    aac = aac.replace(" ", " name=aenc ", 1) if " " in aac else aac + " name=aenc"
    return (
        f"dreamversesrc name=src width={width} height={height} {source} "
        "src.video ! queue max-size-bytes=0 max-size-time=0 max-size-buffers=3 "
        f"! x264enc name=venc {encoder} ! queue ! mux.video "
        "src.audio ! queue ! audioconvert ! audioresample "
        f"! audio/x-raw,rate=48000 ! {aac} ! queue ! mux.audio "
        f"dreamversemux name=mux {mux} ! soupwebsocketsink name=ws port=0 {sink}"
    )


class Viewer:
    """Notes (time, message): a dict for text, bytes for media."""

    def __init__(self, socket):
        self.socket = socket
        self.got = []
        self.closed = None  # (code, reason)
        self.news = asyncio.Condition()
        self.task = asyncio.create_task(self._read())

    @classmethod
    async def connect(cls, port, path="/ws", tls=None):
        socket = await websockets.connect(
            f"{'wss' if tls else 'ws'}://127.0.0.1:{port}{path}",
            ssl=tls,
            max_size=None,
            max_queue=None,
            ping_interval=None,
            compression=None,
        )
        return cls(socket)

    async def _note(self, item=None):
        async with self.news:
            if item is not None:
                self.got.append(item)
            self.news.notify_all()

    async def _read(self):
        try:
            while True:
                data = await self.socket.recv()
                now = time.monotonic()
                if isinstance(data, str):
                    data = json.loads(data)
                await self._note((now, data))
        except websockets.ConnectionClosed:
            self.closed = (self.socket.close_code, self.socket.close_reason)
            await self._note()

    async def wait(self, what, condition, seconds=60):
        """Waits until condition(self) is true; returns its value."""

        async def until():
            async with self.news:
                while True:
                    value = condition(self)
                    if value:
                        return value
                    if self.closed:
                        raise Failed(f"closed {self.closed} before: {what}")
                    await self.news.wait()

        try:
            return await asyncio.wait_for(until(), seconds * PATIENCE)
        except asyncio.TimeoutError:
            raise Failed(f"waited {seconds * PATIENCE} s for: {what}") from None

    async def until_closed(self, seconds=60):
        async def until():
            async with self.news:
                while not self.closed:
                    await self.news.wait()

        try:
            await asyncio.wait_for(until(), seconds * PATIENCE)
        except asyncio.TimeoutError:
            raise Failed(f"not closed after {seconds * PATIENCE} s") from None

    async def send(self, **message):
        await self.socket.send(json.dumps(message))

    def texts(self, *types):
        return [
            m
            for _, m in self.got
            if isinstance(m, dict) and (not types or m["type"] in types)
        ]

    def time_of(self, kind, index):
        for t, m in self.got:
            if isinstance(m, dict) and m["type"] == kind:
                if m.get("segment_idx") == index:
                    return t
        return None

    def media(self):
        """[(media_init, [bytes, ...])]"""
        result = []
        for _, m in self.got:
            if isinstance(m, dict):
                if m["type"] == "media_init":
                    result.append((m, []))
            else:
                check(result, "bytes came before any media_init")
                result[-1][1].append(m)
        return result

    def story(self):
        """What came, in short: for messages of failed tests."""
        words = []
        for _, m in self.got:
            if isinstance(m, dict):
                name = m["type"]
                if name == "segment_progress":
                    continue
                if "segment_idx" in m:
                    name += f"({m['segment_idx']})"
                words.append(name)
            elif words and words[-1].startswith("bytes*"):
                words[-1] = f"bytes*{int(words[-1][6:]) + 1}"
            else:
                words.append("bytes*1")
        if self.closed:
            words.append(f"closed{self.closed}")
        return " ".join(words)


class Run:
    """A pipeline under runner."""

    def __init__(self, line, environment=None):
        self.line = line
        self.environment = environment or {}
        self.said = []  # JSON objects of runner
        self.status = None
        self.viewers = []
        self.news = asyncio.Condition()

    async def __aenter__(self):
        self.process = await asyncio.create_subprocess_exec(
            RUNNER,
            self.line,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 24,
            env={**os.environ, **self.environment},
        )
        self.task = asyncio.create_task(self._read())
        self.port = (await self.message("port", 30))["port"]
        return self

    async def __aexit__(self, kind, value, trace):
        if self.process.returncode is None:
            self.do("quit")
            try:
                await asyncio.wait_for(self.process.wait(), 20 * PATIENCE)
            except asyncio.TimeoutError:
                self.process.kill()
                await self.process.wait()
                if kind is None:
                    raise Failed("the pipeline does not stop") from None
        await self.task
        for viewer in self.viewers:
            await viewer.socket.close()
            viewer.task.cancel()
        if kind is not None:
            for viewer in self.viewers:
                print("a viewer got:", viewer.story()[-1500:])
            said = [m for m in self.said if m["name"] != "dreamverse-progress"]
            for message in said[-12:]:
                short = {k: v for k, v in message.items() if k in BRIEF}
                print("the pipeline said:", json.dumps(short)[:250])

    async def _read(self):
        while True:
            line = await self.process.stdout.readline()
            if not line:
                break
            async with self.news:
                self.said.append(json.loads(line))
                self.news.notify_all()
        self.status = await self.process.wait()
        async with self.news:
            self.news.notify_all()

    def do(self, command):
        try:
            self.process.stdin.write(command.encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            pass

    async def viewer(self, path="/ws"):
        viewer = await Viewer.connect(self.port, path)
        self.viewers.append(viewer)
        return viewer

    def messages(self, name, **fields):
        return [
            m
            for m in self.said
            if m["name"] == name and all(m.get(k) == v for k, v in fields.items())
        ]

    async def message(self, name, seconds=60, **fields):
        async def until():
            async with self.news:
                while True:
                    found = self.messages(name, **fields)
                    if found:
                        return found[0]
                    if self.status is not None:
                        raise Failed(f"ended ({self.status}) without {name} {fields}")
                    await self.news.wait()

        try:
            return await asyncio.wait_for(until(), seconds * PATIENCE)
        except asyncio.TimeoutError:
            raise Failed(
                f"waited {seconds * PATIENCE} s for {name} {fields}"
            ) from None

    async def end(self, seconds=60):
        """Waits until the pipeline ended by itself; what runner counted."""
        end = await self.message("end", seconds)
        await asyncio.wait_for(self.task, 10 * PATIENCE)
        return end

    def resident(self):
        """Memory of the process, bytes."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        return 0


TESTS = {}


def test(function):
    TESTS[function.__name__] = function
    return function


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in TESTS:
        print(f"Usage: {sys.argv[0]} TEST [ARGUMENT...]\nTests: {' '.join(TESTS)}")
        sys.exit(2)
    try:
        asyncio.run(TESTS[sys.argv[1]](*sys.argv[2:]))
    except Failed as failure:
        print(f"FAILED: {failure}")
        sys.exit(1)
    except Exception:  # pylint: disable=broad-except
        traceback.print_exc()
        sys.exit(1)
    print("passed")


# ---- rules that hold for whatever a viewer gets ----


def check_order(viewer):
    """Rules 2, 3 and 5 of docs/protocol.md for the whole of a viewer's notes.
    Returns the indices of the segments that were complete, one list an epoch."""
    open_segment = None  # (index, stream id)
    ended = None  # media_segment_complete came, segment_complete is due
    epochs = []
    complete = []
    chunks = 0
    started = False
    ids = set()
    for _, m in viewer.got:
        if not isinstance(m, dict):
            check(open_segment, "bytes outside of a segment")
            chunks += 1
            continue
        kind = m["type"]
        if kind == "ltx2_stream_start":
            check(open_segment is None, "a stream starts inside a segment")
            check(ended is None, "a stream starts before a segment_complete")
            check(not started, "a stream starts before the last was complete")
            started = True
        elif kind == "media_init":
            check(started, "media_init before ltx2_stream_start")
            check(open_segment is None, f"media_init inside {open_segment}")
            check(ended is None, f"media_init before segment_complete of {ended}")
            check(m["stream_id"] not in ids, f"{m['stream_id']} came twice")
            check(m["segment_idx"] == len(complete) + 1, f"not in order: {m}")
            ids.add(m["stream_id"])
            open_segment = (m["segment_idx"], m["stream_id"])
            chunks = 0
        elif kind == "media_segment_complete":
            check(
                open_segment == (m["segment_idx"], m["stream_id"]),
                f"{m} ends {open_segment}",
            )
            check(m["chunks"] == chunks, f"{chunks} chunks, but {m}")
            open_segment = None
            if not m.get("aborted"):
                ended = m["segment_idx"]
        elif kind == "ltx2_segment_complete":
            check(ended == m["segment_idx"], f"{m}, but {ended} is due")
            ended = None
            complete.append(m["segment_idx"])
        elif kind == "ltx2_stream_complete":
            check(started, "ltx2_stream_complete without a stream")
            check(open_segment is None, "stream_complete inside a segment")
            check(ended is None, "stream_complete before segment_complete")
            epochs.append(complete)
            complete = []
            started = False
    if started:
        epochs.append(complete)
    return epochs


def check_epochs(viewer, wanted):
    got = check_order(viewer)
    short = [f"{len(epoch)} to {epoch[-1:]}" for epoch in got]
    check(got == wanted, f"complete were {short}, not {len(wanted[0])}")
