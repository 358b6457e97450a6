# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Relaying that fails at a socket, in the middle of a segment: the client's
# connection is reset or not read, the link between worker and front is cut.
# relay.py TEST
import asyncio
import ctypes
import json
import os
import signal
import socket
import struct
import sys
import time

from rig import INIT, PATIENCE, Server, check, check_stream, main, test, until

# So many bits that no socket takes a stream of them.
FLAGS = ["--width=640", "--height=352", "--frames=25", "--pace=0.2",
         "--segment-cap=2", "--video-encoder=x264enc tune=zerolatency "
         "speed-preset=ultrafast pass=qual quantizer=1 vbv-buf-capacity=0 "
         "bframes=0 key-int-max=48 byte-stream=false"]
# So that memory which was freed is not counted.
TIDY = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "65536",
        "MALLOC_MMAP_THRESHOLD_": "65536"}
PIDFD_GETFD = 438


class Viewer:
    """A client that takes no byte that the test does not ask for."""

    def __init__(self, server):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", server.port))
        self.socket.sendall(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
        said = b""
        while not said.endswith(b"\r\n\r\n"):
            said += self.take(1)
        check(b" 101 " in said, f"{said}")

    def take(self, size):
        data = b""
        while len(data) < size:
            got = self.socket.recv(size - len(data))
            check(got, "the connection ended in the middle of a frame")
            data += got
        return data

    def send(self, message):
        text = json.dumps(message).encode()
        self.socket.sendall(
            struct.pack(">BBH4x", 0x81, 0x80 | 126, len(text)) + text)

    def head(self):
        """Opcode and size of the next frame; its payload is still to come."""
        first, size = self.take(2)
        if size > 125:
            size = int.from_bytes(self.take(2 if size == 126 else 8), "big")
        return first & 15, size

    def text(self, kind):
        """Reads to the next message of this type."""
        while True:
            opcode, size = self.head()
            data = self.take(size)
            if opcode == 1 and json.loads(data)["type"] == kind:
                return

    def to_the_end(self):
        """The texts to the end, and the code that it is closed with."""
        texts = []
        while True:
            opcode, size = self.head()
            data = self.take(size)
            if opcode == 1:
                texts.append(json.loads(data))
            elif opcode == 8:
                return texts, int.from_bytes(data[:2], "big")

    def reset(self):
        self.socket.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def resources(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return len(os.listdir(f"/proc/{pid}/fd")), resident


async def whole_stream(server):
    async with server.client() as client:
        await client.init()
        await client.text("ltx2_stream_complete")
        check_stream(client, 2)


async def again_and_again(server, fail):
    """@fail says when it was. After each failure the slot is soon free, the next
    client gets a whole stream; front and worker are the same processes, with
    as many descriptors and no more memory."""
    async def round_trip():
        failed = await fail(server)
        await server.ready(slots=1, patience=10)
        took = time.monotonic() - failed
        check(took < 5, f"the slot was free after {took:.1f} s")
        await whole_stream(server)
        await server.ready(slots=1)

    for _ in range(2):
        await round_trip()
    pids = {"front": server.process.pid, "worker": await server.worker()}
    before = {name: resources(pid) for name, pid in pids.items()}
    for _ in range(4):
        await round_trip()
    check(await server.worker() == pids["worker"], "the worker was replaced")
    for name, pid in pids.items():
        def back(name=name, pid=pid):
            return resources(pid)[0] <= before[name][0]

        await until(f"the descriptors of the {name} come back", back, 10)
        grown = resources(pid)[1] - before[name][1]
        check(grown < 2 << 20, f"the {name} grew by {grown / 1e6:.1f} MB")


@test
async def a_connection_is_reset_amid_a_fragment():
    async def fail(server):
        vanished = 'sessions_ended_total{reason="vanished"}'
        before = await server.metric(vanished) or 0
        viewer = Viewer(server)
        await asyncio.to_thread(viewer.send, INIT)
        await asyncio.to_thread(viewer.text, "media_init")

        # Part of a frame is in the socket, the rest waits in the front.
        async def stuck():
            return await server.metric("unsent_bytes") > 64 << 10

        await until("a socket that takes no more", stuck)
        for _ in range(2):
            opcode, size = await asyncio.to_thread(viewer.head)
            check(opcode == 2, f"opcode {opcode}")
            if size > 4096:
                break
            await asyncio.to_thread(viewer.take, size)
        await asyncio.to_thread(viewer.take, size // 2)
        viewer.reset()
        reset = time.monotonic()

        async def counted():
            return await server.metric(vanished) == before + 1

        await until("the session's end", counted, 2)
        check(not await server.metric("unsent_bytes"), "bytes for nobody")
        return reset

    async with Server(*FLAGS, "--max-unsent-bytes=64K", env=TIDY) as server:
        await again_and_again(server, fail)


@test
async def a_client_stops_reading_amid_a_segment():
    """It is waited for; then it is told, should it read on."""
    async def fail(server):
        closed = 'sessions_ended_total{reason="closed"}'
        before = await server.metric(closed) or 0
        viewer = Viewer(server)
        await asyncio.to_thread(viewer.send, INIT)
        await asyncio.to_thread(viewer.text, "media_init")

        async def counted():
            return await server.metric(closed) == before + 1

        await until("the session's end", counted, 20)
        ended = time.monotonic()
        texts, code = await asyncio.to_thread(viewer.to_the_end)
        viewer.socket.close()
        errors = [text for text in texts if text["type"] == "error"]
        check(code == 1000 and len(errors) == 1 and texts[-1] == errors[0],
              f"{texts[-3:]}, {code}")
        check(errors[0]["message"].startswith("AV streaming failed"),
              f"{errors}")
        return ended

    async with Server(*FLAGS, "--max-unsent-bytes=64K",
                      "--unsent-patience-s=1", env=TIDY) as server:
        await again_and_again(server, fail)


def links_of(pid):
    return {int(name): os.readlink(f"/proc/{pid}/fd/{name}")
            for name in os.listdir(f"/proc/{pid}/fd")}


def borrow(pid, number):
    """Another descriptor of a socket of that process."""
    pidfd = os.pidfd_open(pid)
    try:
        got = ctypes.CDLL(None, use_errno=True).syscall(
            PIDFD_GETFD, pidfd, number, 0)
    finally:
        os.close(pidfd)
    if got < 0:  # not allowed here
        sys.exit(77)
    return socket.socket(fileno=got)


def maker_of(end):
    """The process that made this pair of sockets."""
    return struct.unpack("3i", end.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]


async def cut_the_link(last):
    """The worker's end of the link says @last and no more, while the worker
    itself is well."""
    async def fail(server):
        pid = await server.worker()
        idle = links_of(pid)
        async with server.client() as client:
            await client.init()
            await client.until(
                "media", lambda: sum(
                    isinstance(what, bytes) for _, what in client.got) >= 2)
            fresh = [borrow(pid, number) for number, what
                     in links_of(pid).items()
                     if what.startswith("socket:") and idle.get(number) != what]
            links = [end for end in fresh if end.family == socket.AF_UNIX
                     and end.type == socket.SOCK_STREAM
                     and maker_of(end) == server.process.pid]
            check(len(links) == 1, f"{fresh}")
            os.kill(pid, signal.SIGSTOP)  # so that it says nothing itself
            try:
                if last:
                    links[0].send(last)
                links[0].shutdown(socket.SHUT_RDWR)
            finally:
                os.kill(pid, signal.SIGCONT)
            cut = time.monotonic()
            for end in fresh:
                end.close()
            await client.text("error", patience=10)
            took = client.when("error") - cut
            check(took < 2, f"the error came after {took:.1f} s")
            await client.closed(5)
            check(client.code == 1000 and client.types.count("error") == 1
                  and client.types[-1] == "error",
                  f"{client.types[-4:]}, {client.code}")
            error = client.texts("error")[0]
            check(error["message"].startswith(
                "AV streaming failed for segment ")
                and "relay" in error["message"]
                and error["stream_id"].startswith("seg"), f"{error}")
        return cut

    async with Server(*FLAGS, env=TIDY) as server:
        await again_and_again(server, fail)


@test
async def the_link_is_cut_amid_a_message():
    await cut_the_link(b"\x82\x7f\0\0")


@test
async def the_link_is_cut_between_messages():
    await cut_the_link(b"")


if __name__ == "__main__":
    main()
