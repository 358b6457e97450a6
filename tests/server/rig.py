# SPDX-License-Identifier: LGPL-2.1-or-later
#
# dreamverse-server as a process with procedural slots, and its clients, for
# the tests beside. Every wait has a bound; none is a plain sleep.
import asyncio
import contextlib
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request

import websockets

BUILD = os.environ["DREAMVERSE_TEST_BUILD"]
PROGRAM = os.path.join(BUILD, "gst", "server", "dreamverse-server")
# Segments of 9 and 8 frames of 128x128.
SMALL = [
    "--width=128", "--height=128", "--frames=9", "--overlap=1",
    "--audio-overlap=5", "--providers=none",
]
PATIENCE = 60
TESTS = {}


class Failed(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failed(text)


def test(function):
    TESTS[function.__name__] = function
    return function


def main():
    try:
        asyncio.run(asyncio.wait_for(TESTS[sys.argv[1]](), 280))
    except Failed as error:
        print(f"FAILED: {error}", file=sys.stderr)
        sys.exit(1)


async def until(what, condition, patience=PATIENCE):
    """Looks again every 20 ms until condition() is true."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        check(time.monotonic() < deadline, f"not within {patience} s: {what}")
        await asyncio.sleep(0.02)


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)


def fetch(url, method="GET", body=None, headers=None):
    request = urllib.request.Request(
        url, data=body, method=method, headers=headers or {}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read())


class Server:
    """async with Server("--slots=2") as server: …"""

    def __init__(self, *flags, ready=True, env=None, small=True):
        self.flags = [*(SMALL if small else []), *flags]
        self.wait_ready = ready
        self.env = {**os.environ, **(env or {})}
        self.said = []

    async def __aenter__(self):
        self.process = await asyncio.create_subprocess_exec(
            PROGRAM, "--port=0", *self.flags,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=self.env,
        )
        self.reader = asyncio.create_task(self.read())
        try:
            await self.listens()
        except BaseException:
            # Whoever is not entered is not left either.
            self.process.kill()
            await self.reader
            raise
        return self

    async def listens(self):
        line = await asyncio.wait_for(
            self.process.stdout.readline(), PATIENCE
        )
        check(line.startswith(b"Listening at "), f"it says {line}: {self.said}")
        self.url = line.split()[2].decode().rstrip("/")
        self.port = int(self.url.rsplit(":", 1)[1])
        if self.wait_ready:
            await self.ready()

    async def __aexit__(self, kind, error, trace):
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
            try:
                await asyncio.wait_for(self.process.wait(), 15)
            except asyncio.TimeoutError:
                self.process.kill()
                if not kind:
                    raise Failed("it did not end after SIGINT") from None
        await self.reader
        if kind:
            print("\n".join(self.said[-40:]), file=sys.stderr)
        else:
            bad = [line for line in self.said if "CRITICAL" in line
                   or "Sanitizer" in line or "runtime error" in line]
            check(not bad, f"it says {bad}")
            check(self.process.returncode == 0,
                  f"it ended with {self.process.returncode}")

    async def read(self):
        while line := await self.process.stderr.readline():
            self.said.append(line.decode(errors="replace").rstrip())

    async def get(self, path, **more):
        return await asyncio.to_thread(fetch, self.url + path, **more)

    async def ready(self, slots=None, patience=PATIENCE):
        async def enough():
            answer = await self.get("/readyz")
            if answer.status != 200:
                return False
            return slots is None or answer.json["available_gpus"] >= slots

        await until("readyz", enough, patience)

    async def status(self):
        return (await self.get("/status")).json

    async def metric(self, name):
        text = (await self.get("/metrics")).body.decode()
        for line in text.splitlines():
            if line.startswith(f"dreamverse_{name} "):
                return float(line.split()[-1])
        return None

    async def worker(self, slot=0):
        return (await self.status())["gpu_status"][str(slot)]["pid"]

    def client(self, **more):
        return Client(self.url.replace("http", "ws", 1) + "/ws", **more)

    async def end(self, patience=PATIENCE):
        return await asyncio.wait_for(self.process.wait(), patience)


INIT = {
    "type": "session_init_v2", "preset_id": "custom_editable",
    "preset_label": "Custom rollout", "curated_prompts": [],
    "initial_rollout_prompt": "a whale", "initial_image": None,
    "single_clip_mode": False, "enhancement_enabled": True,
    "auto_extension_enabled": False, "loop_generation_enabled": False,
}


class Client:
    """What one client sent and got: (time, object or bytes)."""

    def __init__(self, url, **more):
        self.url = url
        self.more = more
        self.got = []
        self.changed = asyncio.Event()
        self.closed_at = None

    async def __aenter__(self):
        self.more.setdefault("max_size", None)
        self.more.setdefault("open_timeout", PATIENCE)
        self.socket = await websockets.connect(self.url, **self.more)
        self.reader = asyncio.create_task(self.read())
        return self

    async def __aexit__(self, *error):
        self.reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.reader
        await self.socket.close()

    async def read(self):
        try:
            async for message in self.socket:
                if isinstance(message, str):
                    message = json.loads(message)
                self.got.append((time.monotonic(), message))
                self.changed.set()
        except websockets.ConnectionClosed:
            pass
        self.closed_at = time.monotonic()
        self.changed.set()

    @property
    def code(self):
        return self.socket.close_code

    async def send(self, message):
        if isinstance(message, dict):
            message = json.dumps(message)
        await self.socket.send(message)

    async def init(self, **changes):
        await self.send({**INIT, **changes})

    def texts(self, kind=None):
        return [
            m for _, m in self.got
            if isinstance(m, dict) and (kind is None or m["type"] == kind)
        ]

    @property
    def types(self):
        return [m["type"] for m in self.texts()]

    @property
    def bytes(self):
        return sum(len(m) for _, m in self.got if isinstance(m, bytes))

    def when(self, kind):
        for at, message in self.got:
            if isinstance(message, dict) and message["type"] == kind:
                return at
        raise Failed(f"no {kind} in {self.types}")

    async def until(self, what, condition, patience=PATIENCE):
        deadline = time.monotonic() + patience
        while not (value := condition()):
            check(
                self.closed_at is None,
                f"closed ({self.code}) before {what}: {self.types[-12:]} "
                f"{self.texts('error')}",
            )
            self.changed.clear()
            left = deadline - time.monotonic()
            try:
                await asyncio.wait_for(self.changed.wait(), max(left, 0.001))
            except asyncio.TimeoutError:
                raise Failed(f"no {what}: {self.types[-12:]}") from None
        return value

    async def text(self, kind, count=1, patience=PATIENCE):
        """The count-th message of this type."""
        got = await self.until(
            f"{kind} ({count})",
            lambda: self.texts(kind)[count - 1 : count], patience,
        )
        return got[0]

    async def media(self, patience=PATIENCE):
        await self.until("media", lambda: self.bytes > 0, patience)

    async def closed(self, patience=PATIENCE):
        deadline = time.monotonic() + patience
        while self.closed_at is None:
            self.changed.clear()
            left = deadline - time.monotonic()
            try:
                await asyncio.wait_for(self.changed.wait(), max(left, 0.001))
            except asyncio.TimeoutError:
                raise Failed(f"not closed: {self.types[-12:]}") from None


def check_stream(client, segments):
    """One stream, whole and in order (section 10, rules 2 and 3)."""
    current, have, started, complete = None, 0, 0, 0
    for _, message in client.got:
        if isinstance(message, bytes):
            check(current, "bytes outside a segment")
            have += len(message)
            continue
        kind = message["type"]
        index = message.get("segment_idx")
        if kind == "ltx2_segment_start":
            started += 1
            check(index == started, f"start {index} after {started - 1}")
        elif kind == "media_init":
            check(current is None, "media_init within a segment")
            check(index == complete + 1, f"media {index} after {complete}")
            current, have = message, 0
        elif kind == "media_segment_complete":
            check(current and current["stream_id"] == message["stream_id"],
                  f"{message} ends {current}")
            check(have > 0, f"segment {index} is empty")
            current = None
        elif kind == "ltx2_segment_complete":
            check(current is None and index == complete + 1, f"{message}")
            complete = index
        elif kind == "ltx2_stream_complete":
            check(complete == segments, f"complete after {complete} segments")
    check(client.types.count("ltx2_stream_complete") == 1, "completed not once")
    check(started == segments, f"{started} segments")


def descendants(pid):
    """Processes below this one."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="ascii") as file:
                parent = int(file.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if parent == pid:
            found.append(int(name))
    return found
