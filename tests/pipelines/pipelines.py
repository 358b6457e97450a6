# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs each script in pipelines/ and the C program as a person would.
# pipelines.py TEST
import asyncio
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))

# pylint: disable=wrong-import-position
from stream import (
    BUILD, PATIENCE, Failed, Viewer, check, main, test, websockets)

SMALL = ["--no-install", "--size", "320x192"]
LIVE = ["--", "is-live=true", "frames-per-segment=49", "overlap-frames=1",
        "audio-overlap-frames=1"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Script:
    """A running script; what it says, stdout and stderr together."""

    def __init__(self, name, *arguments):
        self.command = [os.path.join(ROOT, "pipelines", name), *arguments]
        if name == "dreamverse-embed":
            self.command[0] = os.path.join(BUILD, "pipelines", name)

    async def __aenter__(self):
        self.said = ""
        self.process = await asyncio.create_subprocess_exec(
            *self.command,
            stdin=subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "DREAMVERSE_BUILD": BUILD, "LC_ALL": "C"},
        )
        self.reader = asyncio.create_task(self._read())
        return self

    async def _read(self):
        while True:
            data = await self.process.stdout.read(4096)
            if not data:
                return
            self.said += data.decode(errors="replace")

    async def __aexit__(self, kind, value, trace):
        if self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()
        await self.reader
        if kind:
            print("the script said:", self.said)

    async def end(self, seconds=40):
        try:
            await asyncio.wait_for(self.process.wait(), seconds * PATIENCE)
        except asyncio.TimeoutError:
            raise Failed(f"still running after {seconds} s") from None
        await self.reader
        return self.process.returncode

    async def interrupt(self):
        os.killpg(self.process.pid, signal.SIGINT)
        return await self.end(20)

    async def until(self, what, condition, seconds=30):
        for _ in range(int(seconds * PATIENCE * 20)):
            value = condition()
            if value:
                return value
            if self.process.returncode is not None:
                raise Failed(f"ended ({self.process.returncode}) before: {what}")
            await asyncio.sleep(0.05)
        raise Failed(f"waited {seconds} s for: {what}")

    async def viewer(self, port, path="/ws", tls=None, shared=False):
        """Where a port is shared, it may be open before this path is there."""
        for _ in range(int(20 * 20 * PATIENCE)):
            try:
                return await Viewer.connect(port, path, tls)
            except OSError:
                pass
            except websockets.InvalidStatusCode as refusal:
                if not shared or refusal.status_code != 404:
                    raise
            check(self.process.returncode is None, "ended before a viewer came")
            await asyncio.sleep(0.05)
        raise Failed("the socket never opened")


def some_media(viewer):
    return viewer.media() and len(viewer.media()[0][1]) > 3


def probe(path, *options):
    """What ffprobe knows of a file."""
    said = subprocess.run(
        ["ffprobe", "-v", "error", "-of", "json", "-show_streams", "-count_packets",
         *options, path],
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    return {s["codec_type"]: s for s in json.loads(said)["streams"]}


@test
async def watch():
    port = free_port()
    async with Script(
        "watch.sh", *SMALL, "--port", str(port), "--segments", "4",
        "--prompt", 'a "wild" sea; it\'s $5 & more! \\o/', *LIVE,
    ) as script:
        viewer = await script.viewer(port)
        address = re.search(r"http://\S+", script.said)
        check(address, "no address was printed")
        check(address.group(0) == f"http://127.0.0.1:{port}/", address.group(0))
        loop = asyncio.get_running_loop()
        page = await loop.run_in_executor(
            None, lambda: urllib.request.urlopen(address.group(0)).read()
        )
        check(b"<html" in page.lower(), "no page at the address")
        await viewer.wait("media", some_media)
        prompt = viewer.media()[0][0]["prompt"]
        check(prompt == 'a "wild" sea; it\'s $5 & more! \\o/', f"prompt: {prompt}")
        check(await script.end() == 0, "did not end well")
        await viewer.until_closed()
        check(viewer.texts("ltx2_stream_complete"), "the stream was not completed")


@test
async def serve():
    async with Script(
        "serve.sh", "--no-install", "--port", "0", "--size", "128x128",
        "--slots", "1", "--", "--frames=9", "--overlap=1", "--audio-overlap=5",
    ) as script:
        found = await script.until(
            "an address", lambda: re.search(r"Listening at (http://\S+)",
                                            script.said))
        page = await asyncio.to_thread(
            lambda: urllib.request.urlopen(found.group(1)).read())
        check(b"<html" in page.lower(), "no page at the address")
        health = await asyncio.to_thread(
            lambda: urllib.request.urlopen(found.group(1) + "healthz").read())
        check(json.loads(health)["status"] == "ok", f"{health}")
        check(await script.interrupt() == 0, "did not end well")


@test
async def watch_until_interrupted():
    port = free_port()
    async with Script("watch.sh", *SMALL, "--port", str(port), *LIVE) as script:
        viewer = await script.viewer(port)
        await viewer.wait("media", some_media)
        status = await script.interrupt()
        check(status in (0, 130), f"status {status} after Ctrl-C")
        await viewer.until_closed()


@test
async def a_port_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with Script("watch.sh", *SMALL, "--port", str(port)) as script:
            check(await script.end() != 0, "that was no error")
            check(
                f"port {port}" in script.said and "in use" in script.said, script.said
            )
            check("--port" in script.said, f"no word of what to do: {script.said}")
        # The element itself says it as well.
        said = subprocess.run(
            ["gst-launch-1.0", "-q", "videotestsrc", "num-buffers=30", "!", "x264enc",
             "!", "mp4mux", "fragment-duration=100", "streamable=true", "!",
             "soupwebsocketsink", f"port={port}"],
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
        )
        check(said.returncode != 0, "gst-launch-1.0 took it")
        check(str(port) in said.stderr, said.stderr)


@test
async def record():
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "a recording.mp4")
        async with Script(
            "record.sh", *SMALL, "--file", path, "--port", str(port),
            "--segments", "3", *LIVE,
        ) as script:
            viewer = await script.viewer(port)
            await viewer.wait("media", some_media)
            check(await script.end() == 0, "did not end well")
            await viewer.until_closed()
        streams = probe(path)
        frames = int(streams["video"]["nb_read_packets"])
        check(frames == 49 + 48 + 48, f"{frames} frames in the file")
        check("audio" in streams, "no sound in the file")
        with open(path, "rb") as file:
            recorded = file.read()
        init, *fragments = viewer.media()[-1][1]
        check(recorded.startswith(init), "the file does not begin with the init segment")
        check(b"".join(fragments) in recorded, "the file and the stream differ")


@test
async def record_onto_a_full_disk():
    """One error that says so, at every viewer, and a non-zero status."""
    port = free_port()
    async with Script(
        "record.sh", *SMALL, "--file", "/dev/full", "--port", str(port), *LIVE
    ) as script:
        try:
            viewer = await script.viewer(port)
        except Failed:
            viewer = None  # it was over before
        check(await script.end() != 0, "a full disk is no error")
        check(re.search("no space left|disk", script.said, re.I), script.said)
        if viewer:
            await viewer.until_closed()
            check(len(viewer.texts("error")) == 1, viewer.story())


@test
async def record_until_the_disk_is_full():
    """The same in the middle of a stream, on a file system of 256 KiB."""
    directory = tempfile.mkdtemp()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", directory],
        stderr=subprocess.DEVNULL,
    ).returncode:
        os.rmdir(directory)
        print("this machine lets us mount nothing")
        sys.exit(77)
    try:
        port = free_port()
        path = os.path.join(directory, "out.mp4")
        async with Script(
            "record.sh", *SMALL, "--file", path, "--port", str(port), *LIVE
        ) as script:
            viewer = await script.viewer(port)
            check(await script.end(90) != 0, "a full disk is no error")
            check(re.search("no space left|disk", script.said, re.I), script.said)
            await viewer.until_closed()
            errors = viewer.texts("error")
            check(len(errors) == 1, viewer.story())
            check(viewer.got[-1][1] == errors[0], "something came after the error")
        # What was written until then plays.
        check(int(probe(path)["video"]["nb_read_packets"]) > 0, "the file is lost")
    finally:
        subprocess.run(["umount", directory], check=True)
        os.rmdir(directory)


@test
async def hls():
    with tempfile.TemporaryDirectory() as directory:
        where = os.path.join(directory, "out of here")
        async with Script(
            "hls.sh", *SMALL, "--directory", where, "--segments", "6", *LIVE
        ) as script:
            check(await script.end(60) == 0, "did not end well")
        with open(os.path.join(where, "playlist.m3u8"), encoding="ascii") as file:
            lines = file.read().split("\n")
        check(lines[0] == "#EXTM3U", f"{lines}")
        files = [line for line in lines if line.endswith(".ts")]
        check(len(files) >= 2, f"{lines}")
        frames = 0
        for name in files:
            streams = probe(os.path.join(where, os.path.basename(name)))
            check(set(streams) == {"video", "audio"}, f"{streams}")
            frames += int(streams["video"]["nb_read_packets"])
        check(frames == 49 + 5 * 48, f"{frames} frames in all files")


@test
async def two_sinks():
    port = free_port()
    async with Script(
        "two-sinks.sh", *SMALL, "--port", str(port), "--prompt", "a lake",
        "--second", "a big city", *LIVE,
    ) as script:
        one = await script.viewer(port, "/ws", shared=True)
        two = await script.viewer(port, "/second", shared=True)
        await one.wait("media", some_media)
        await two.wait("media", some_media)
        check(one.media()[0][0]["prompt"] == "a lake", one.story())
        check(two.media()[0][0]["prompt"] == "a big city", two.story())
        for viewer in (one, two):
            prompts = {m["prompt"] for m in viewer.texts("ltx2_segment_start")}
            check(len(prompts) <= 1, f"one heard of the other: {prompts}")
        await script.interrupt()


@test
async def wss():
    port = free_port()
    tls = ssl.create_default_context()
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    async with Script(
        "wss.sh", *SMALL, "--port", str(port), "--token", "open sesame", *LIVE
    ) as script:
        viewer = await script.viewer(port, "/ws?token=open%20sesame", tls)
        await viewer.wait("media", some_media)
        check(f"https://127.0.0.1:{port}/?token=" in script.said, script.said)
        for path in ("/ws", "/ws?token=wrong"):
            try:
                await Viewer.connect(port, path, tls)
            except Exception as error:  # pylint: disable=broad-except
                check("401" in str(error), f"refused with {error}")
            else:
                raise Failed(f"{path} was let in")
        try:
            await Viewer.connect(port)
        except Exception:  # pylint: disable=broad-except
            pass
        else:
            raise Failed("let in without TLS")
        await script.interrupt()


@test
async def srt():
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "got.ts")
        async with Script("srt.sh", *SMALL, "--port", str(port), *LIVE) as script:
            await script.until("the address", lambda: "srt://" in script.said)
            receiver = await asyncio.create_subprocess_exec(
                "gst-launch-1.0", "-q", "srtsrc",
                f"uri=srt://127.0.0.1:{port}?mode=caller", "num-buffers=150",
                "!", "filesink", f"location={path}",
            )
            try:
                await asyncio.wait_for(receiver.wait(), 40 * PATIENCE)
            except asyncio.TimeoutError:
                receiver.kill()
                raise Failed("nothing was received") from None
            await script.interrupt()
        streams = probe(path)
        check(set(streams) == {"video", "audio"}, f"{streams}")
        check(streams["video"]["codec_name"] == "h264", f"{streams}")
        check(streams["audio"]["codec_name"] == "aac", f"{streams}")


@test
async def embed():
    async with Script(
        "dreamverse-embed", "--port", "0", "--segments", "3", "--size", "320x192",
        "a lake", "a city",
    ) as script:
        check(await script.end() == 0, "did not end well")
        check(re.search(r"http://127\.0\.0\.1:[1-9]\d+/", script.said), script.said)
        shown = re.findall(r"segment (\d) begins: (.*)", script.said)
        check(
            shown == [("1", "a lake"), ("2", "a city"), ("3", "a lake")], f"{shown}"
        )
        for n in (1, 2, 3):
            check(f"segment {n} was made in" in script.said, f"no step {n}")
            check(f"segment {n} is encoded" in script.said, f"no media {n}")
        check("no further segment" in script.said, "no end")


@test
async def embed_on_a_port_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with Script("dreamverse-embed", "--port", str(port)) as script:
            check(await script.end() == 1, "that was no error")
            check(str(port) in script.said, script.said)


if __name__ == "__main__":
    main()
