# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The service around sessions: readiness in every state, limits, tokens,
# origins, files, reload, drain, metrics, logs. service.py TEST
import asyncio
import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import tempfile
import time

import websockets

from rig import PROGRAM, Server, check, check_stream, main, test, until


async def refused(server, status, **more):
    try:
        async with server.client(**more):
            pass
    except websockets.InvalidStatusCode as error:
        check(error.status_code == status, f"{error.status_code}")
        return
    check(False, f"not refused with {status}")


async def a_dead_worker_is_told(env):
    async with Server(ready=False, env=env) as server:
        # Its workers find no elements: they die, and it says so.
        async def dead():
            status = await server.status()
            return status["gpu_status"]["0"]["state"] == "dead"

        await until("a dead worker", dead)
        answer = await server.get("/readyz")
        check(answer.status == 503, f"dead: {answer.status}")
        check(answer.json["detail"] == "No ready GPU worker processes.",
              f"{answer.json}")
        check((await server.status())["gpu_status"]["0"]["warmup_error"],
              "it does not say why")
        check((await server.get("/healthz")).status == 200, "not healthy")


@test
async def readiness_in_every_state():
    with tempfile.TemporaryDirectory() as folder:
        await a_dead_worker_is_told({
            "GST_PLUGIN_PATH_1_0": folder,
            "GST_REGISTRY_1_0": os.path.join(folder, "registry")})
    async with Server("--pace=0.5", ready=False) as server:
        answer = await server.get("/readyz")
        check(answer.status == 503 and answer.json["detail"], f"{answer.json}")
        check(answer.json["status"] == "warming", f"{answer.json}")
        await server.ready()
        check((await server.get("/readyz")).json["status"] == "ready", "ready")
        async with server.client() as client:
            await client.init()
            await client.media()
            answer = await server.get("/readyz")
            check(answer.status == 200, "busy is not unready")
            check(answer.json["available_gpus"] == 0, f"{answer.json}")
            check(answer.json["ready_gpu_workers"] == 1, f"{answer.json}")
            server.process.send_signal(signal.SIGTERM)

            async def draining():
                return (await server.get("/readyz")).status == 503

            await until("draining", draining, 5)


@test
async def sigterm_lets_sessions_end():
    async with Server("--pace=0.3", "--segment-cap=6",
                      "--drain-timeout-s=60") as server:
        async with server.client() as client, server.client() as waiting:
            await client.init()
            await client.media()
            await waiting.init()
            await waiting.text("queue_status", 2)
            server.process.send_signal(signal.SIGTERM)
            await waiting.closed(5)
            check(waiting.code == 1001, f"waiting: {waiting.code}")
            check(waiting.texts("error"), "no error for who waited")
            await refused(server, 503)
            check((await server.get("/readyz")).status == 503, "ready")
            await client.text("ltx2_stream_complete")
            check_stream(client, 6)
            await client.send({"type": "leave"})
            await client.closed(5)
            check(client.code == 1000, f"{client.code}")
        check(await server.end(20) == 0, "its status is not 0")


@test
async def sigterm_has_a_limit():
    async with Server("--pace=1", "--segment-cap=0",
                      "--drain-timeout-s=1") as server:
        async with server.client() as client:
            await client.init(loop_generation_enabled=True)
            await client.media()
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            await client.closed(10)
            check(client.code == 1001, f"{client.code}")
            check(client.texts("error"), "no error")
            check(await server.end(15) == 0, "its status is not 0")
            took = time.monotonic() - began
            check(0.9 < took < 10, f"it took {took:.1f} s")


@test
async def a_flood_of_connections():
    """2000 at once: the limit holds, nobody else is disturbed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    async with Server("--max-connections=100", "--pace=0.3",
                      "--segment-cap=6") as server:
        async with server.client() as good:
            await good.init()
            await good.media()
            gate = asyncio.Semaphore(250)
            results = {"open": 0, "refused": 0, "failed": 0}
            sockets = []

            async def knock():
                async with gate:
                    try:
                        sockets.append(await websockets.connect(
                            server.url.replace("http", "ws") + "/ws",
                            open_timeout=60, ping_interval=None))
                        results["open"] += 1
                    except websockets.InvalidStatusCode as error:
                        check(error.status_code == 503, f"{error.status_code}")
                        results["refused"] += 1
                    except (OSError, asyncio.TimeoutError,
                            websockets.InvalidMessage):
                        results["failed"] += 1

            await asyncio.gather(*(knock() for _ in range(2000)))
            check(results["open"] <= 99, f"{results}")
            check(results["refused"] >= 1500, f"{results}")
            connections = await server.metric("connections")
            check(connections <= 100, f"{connections} connections")
            await good.text("ltx2_stream_complete")
            check_stream(good, 6)
            for socket in sockets:
                socket.transport.abort()

            async def gone():
                return await server.metric("connections") == 1

            await until("they are gone", gone, 20)


@test
async def limits_of_an_address():
    async with Server("--max-connections-per-address=3",
                      "--max-sessions-per-address=2", "--max-queue=8") as server:
        async with contextlib.AsyncExitStack() as stack:
            clients = []
            for _ in range(3):
                clients.append(
                    await stack.enter_async_context(server.client()))
            await refused(server, 429)
            for client in clients[:2]:
                await client.init(initial_rollout_prompt="")
            await clients[0].text("gpu_assigned")
            await clients[1].text("queue_status", 2)
            await clients[2].init()
            await clients[2].closed(5)
            check(clients[2].code == 1013, f"{clients[2].code}")
            check(clients[2].texts("error"), "no error")
    async with Server("--max-queue=1") as server:
        async with server.client() as first, server.client():
            await first.init(initial_rollout_prompt="")
            await first.text("gpu_assigned")
            await refused(server, 503)


@test
async def a_proxy_tells_the_address():
    async with Server("--max-connections-per-address=1",
                      "--trusted-proxies=127.0.0.1") as server:
        one = {"X-Forwarded-For": "6.6.6.6, 10.0.0.1"}
        two = {"X-Forwarded-For": "6.6.6.6, 10.0.0.2"}
        async with server.client(extra_headers=one):
            await refused(server, 429, extra_headers=one)
            async with server.client(extra_headers=two):
                pass


@test
async def tokens_and_origins():
    with tempfile.TemporaryDirectory() as directory:
        file = os.path.join(directory, "tokens")
        with open(file, "w", encoding="ascii") as out:
            out.write("first\nsecond\n")
        async with Server(f"--token-file={file}",
                          "--allowed-origins=https://good.example") as server:
            check((await server.get("/healthz")).status == 200, "healthz")
            check((await server.get("/readyz")).status == 200, "readyz")
            check((await server.get("/status")).status == 401, "status")
            check((await server.get("/status?token=second")).status == 200, "")
            answer = await server.get(
                "/status", headers={"Authorization": "Bearer first"})
            check(answer.status == 200, "bearer")
            check((await server.get("/status?token=secon")).status == 401, "")
            await refused(server, 401)
            async with server.client(subprotocols=["dreamverse.v1", "tok.first"]
                                     ) as client:
                check(client.socket.subprotocol == "dreamverse.v1", "protocol")
            headers = {"Authorization": "Bearer second"}
            await refused(server, 403, origin="https://bad.example",
                          extra_headers=headers)
            async with server.client(origin="https://good.example",
                                     extra_headers=headers):
                pass
            # Other tokens and origins count after SIGHUP.
            with open(file, "w", encoding="ascii") as out:
                out.write("third\n")
            server.process.send_signal(signal.SIGHUP)

            async def changed():
                return (await server.get("/status?token=third")).status == 200

            await until("the reload", changed, 10)
            check((await server.get("/status?token=first")).status == 401,
                  "the old token still opens")


@test
async def http_as_specified():
    async with Server("--devtools", "--slots=2") as server:
        health = (await server.get("/healthz")).json
        check(health["status"] == "ok"
              and health["service"] == "ltx2-streaming-backend", f"{health}")
        check(re.match(r"\d{4}-\d\d-\d\dT", health["ts"]), health["ts"])
        status = (await server.get("/status")).json
        check(status["total_gpus"] == 2 and set(status["gpu_status"])
              == {"0", "1"}, f"{status}")
        for key, kind in (("ready", bool), ("available", bool),
                          ("client_count", int), ("process_alive", bool),
                          ("warmup_enabled", bool), ("warmup_success", bool),
                          ("warmup_timings", dict)):
            check(isinstance(status["gpu_status"]["0"][key], kind), key)
        monitor = (await server.get("/internal/monitor/sessions")).json
        check(monitor["max_available_sessions"] == 2, f"{monitor}")
        config = (await server.get("/prompt-system-config")).json
        check({"next_segment_system_prompt", "auto_extension_system_prompt",
               "rewrite_window_system_prompt", "rewrite_user_system_prompt",
               "rewrite_model", "rewrite_model_options", "rewrite_temperature"}
              <= set(config), f"{set(config)}")
        answer = await server.get(
            "/prompt-system-config", method="POST",
            body=b'{"rewrite_model":"no-such-model"}')
        check(answer.status == 400 and answer.json["detail"], f"{answer.body}")
        for body in (b"", b"[]", b"{", b"[" * 100000):
            answer = await server.get(
                "/prompt-system-config", method="POST", body=body)
            check(answer.status == 422
                  and isinstance(answer.json["detail"], list), f"{answer.body}")
        answer = await server.get(
            "/prompt-system-config", method="POST", body=b" " * (2 << 20))
        check(answer.status == 413, f"{answer.status}")
        check((await server.get("/nothing")).json == {"detail": "Not Found"}, "")
        check((await server.get("/status", method="POST", body=b"{}")).status
              == 405, "POST /status")
        check((await server.get("/", method="DELETE")).status == 405, "DELETE")
        head = await server.get("/healthz", method="HEAD")
        check(head.status == 200 and head.body == b"", "HEAD")
        check((await server.get("/ws")).status == 426, "GET /ws")
        cors = await server.get(
            "/status", method="OPTIONS",
            headers={"Origin": "http://a", "Access-Control-Request-Headers": "x"})
        check(cors.headers["Access-Control-Allow-Origin"] == "http://a",
              f"{cors.headers}")
    async with Server() as server:
        for path in ("/curated-presets", "/lora/options"):
            check((await server.get(path)).status == 404, path)


@test
async def presets_are_appended():
    with tempfile.TemporaryDirectory() as directory:
        file = os.path.join(directory, "presets.json")
        async with Server("--devtools", f"--presets={file}") as server:
            async def append(**preset):
                return await server.get(
                    "/curated-presets/append", method="POST",
                    body=json.dumps(preset).encode())

            answer = await append(
                id="a", label=" A ", segment_prompts=["x", " ", "y"])
            check(answer.status == 200, f"{answer.body}")
            check(answer.json["type"] == "curated_preset_appended"
                  and answer.json["count"] == 1
                  and answer.json["preset"]
                  == {"id": "a", "label": "A", "segment_prompts": ["x", "y"]},
                  f"{answer.json}")
            check((await append(id="a", label="A", segment_prompts=["x", "y"])
                   ).status == 409, "twice")
            check((await append(id="b", label=" ", segment_prompts=["x", "y"])
                   ).status == 400, "no label")
            check((await append(id="b", label="B", segment_prompts=["x"])
                   ).status == 400, "one prompt")
        async with Server("--devtools", f"--presets={file}") as server:
            answer = (await server.get("/curated-presets")).json
            check(answer["count"] == 1 and answer["file_path"] == file,
                  f"{answer}")


@test
async def files_of_a_client():
    with tempfile.TemporaryDirectory() as directory:
        root = os.path.join(directory, "out")
        os.makedirs(os.path.join(root, "sub", "_next", "static"))
        for name, text in (("index.html", "front"), ("sub/index.html", "sub"),
                           ("about.html", "about"), (".secret", "no"),
                           ("sub/_next/static/a.js", "js"),
                           ("../outside.txt", "outside")):
            with open(os.path.join(root, name), "w", encoding="ascii") as file:
                file.write(text)
        os.symlink("../outside.txt", os.path.join(root, "link.txt"))
        async with Server(f"--client-directory={root}", ready=False) as server:
            for path, text, kind in (
                    ("/", b"front", "text/html"), ("/sub", b"sub", "text/html"),
                    ("/sub/", b"sub", "text/html"),
                    ("/about", b"about", "text/html"),
                    ("/sub/_next/static/a.js", b"js", "text/javascript")):
                answer = await server.get(path)
                check(answer.status == 200 and answer.body == text,
                      f"{path}: {answer.status} {answer.body}")
                check(answer.headers["Content-Type"].startswith(kind), path)
            check("immutable" in answer.headers["Cache-Control"], "cache")
            again = await server.get(
                "/", headers={"If-None-Match":
                              (await server.get("/")).headers["ETag"]})
            check(again.status == 304 and again.body == b"", f"{again.status}")
            for path in ("/.secret", "/link.txt", "/../outside.txt",
                         "/%2e%2e/outside.txt", "/sub/..%2f..%2foutside.txt",
                         "/missing", "/a%00b"):
                answer = await server.get(path)
                check(answer.status in (400, 404), f"{path}: {answer.status}")
            check((await server.get("/healthz")).json["status"] == "ok",
                  "files hide the routes")


@test
async def metrics_are_well_formed():
    async with Server("--segment-cap=2") as server:
        async with server.client() as client:
            await client.init()
            await client.text("ltx2_stream_complete")

        # A worker tells its memory once a second.
        async def told():
            return await server.metric('resident_bytes{process="slot0"}')

        await until("the worker's memory", told, 10)
        text = (await server.get("/metrics")).body.decode()
        families, counts = {}, {}
        for line in text.splitlines():
            if match := re.match(r"# TYPE (\w+) (counter|gauge|histogram)$", line):
                check(match[1] not in families, f"twice: {line}")
                families[match[1]] = match[2]
            elif not line.startswith("# HELP "):
                match = re.match(
                    r'(\w+?)(_bucket|_sum|_count)?(\{(\w+="[^"]*",?)+\})? (\S+)$',
                    line)
                check(match, f"malformed: {line}")
                float(match[5])
                name = match[1] + (match[2] or "")
                check(name in families or match[1] in families,
                      f"no TYPE: {line}")
                counts[line.rsplit(" ", 1)[0]] = float(match[5])
        check(counts["dreamverse_segments_total"] == 2, "segments")
        check(counts["dreamverse_streams_completed_total"] == 1, "streams")
        check(counts["dreamverse_first_fragment_seconds_count"] == 1, "first")
        check(counts["dreamverse_generation_seconds_count"] == 2, "generation")
        check(counts["dreamverse_media_bytes_total"] == client.bytes, "bytes")
        check(counts['dreamverse_resident_bytes{process="slot0"}'] > 0, "memory")
        previous = -1
        for key, value in counts.items():
            if key.startswith("dreamverse_generation_seconds_bucket"):
                check(value >= previous, f"{key} falls")
                previous = value


@test
async def the_session_log():
    with tempfile.TemporaryDirectory() as directory:
        file = os.path.join(directory, "log")
        async with Server(f"--session-log={file}", "--segment-cap=1",
                          "--log-prompts=false") as server:
            async with server.client() as client:
                await client.init(initial_rollout_prompt="xyzzy")
                await client.text("ltx2_stream_complete")
            await server.ready(slots=1)
        with open(file, encoding="utf-8") as lines:
            text = lines.read()
        events = [json.loads(line) for line in text.splitlines()]
        names = [event["event"] for event in events]
        for name in ("ws_session_start", "gpu_assigned", "segment_start",
                     "segment_complete", "ws_stream_complete",
                     "ws_session_end"):
            check(name in names, f"no {name} in {names}")
        check(all({"ts", "hostname", "client_id"} <= set(event)
                  for event in events), "fields are missing")
        check("xyzzy" not in text, "the log has prompts")


@test
async def a_full_disk_harms_nobody():
    async with Server("--session-log=/dev/full", "--segment-cap=1") as server:
        async with server.client() as client:
            await client.init()
            await client.text("ltx2_stream_complete")
        check(await server.metric("session_log_lost_total") > 0, "not counted")


@test
async def it_can_be_ended_as_soon_as_it_listens():
    for number in [signal.SIGINT, signal.SIGTERM] * 3:
        async with Server(ready=False) as server:
            server.process.send_signal(number)
            await asyncio.wait_for(server.process.wait(), 15)


@test
async def the_agent_tells_which_slots_work():
    async with Server("--slots=2", ready=False, small=True) as probe:
        port = probe.port  # one that was free a moment ago
    async with Server("--slots=2", f"--agent-port={port}") as server:
        async def say():
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            text = await asyncio.wait_for(reader.read(), 5)
            writer.close()
            return text.decode()

        await server.ready(slots=2)
        check(await say() == "up ready 100%\n", await say())
        pid = await server.worker(1)
        os.kill(pid, signal.SIGKILL)

        async def says(text):
            return await say() == text

        await until("half", lambda: says("up ready 50%\n"), 5)
        await until("all again", lambda: says("up ready 100%\n"), 30)
        async with server.client() as client:
            await client.init(initial_rollout_prompt="")
            await client.text("gpu_assigned")
            server.process.send_signal(signal.SIGTERM)
            await until("drain", lambda: says("drain\n"), 5)


def run(*arguments):
    return subprocess.run(
        [PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, timeout=60, check=False)


@test
async def the_command_line():
    said = run("--help")
    check(said.returncode == 0 and said.stdout.startswith("Usage: "), "--help")
    example = run("--print-config").stdout
    for key in re.findall(r"^#(\w+)=", example, re.M):
        check(f"--{key.replace('_', '-')}" in said.stdout, f"{key}: no help")
    check(run("--version").stdout.startswith("dreamverse-server "), "--version")
    for arguments, words in (
            (["--port", "70000"], ["--port", "65535", "70000"]),
            (["--nothing", "1"], ["--nothing"]),
            (["--port"], ["--port"]), (["word"], ["word"]),
            (["--config", "/nowhere"], ["/nowhere"]),
            (["--overlap", "200"], ["overlap"])):
        said = run(*arguments)
        check(said.returncode == 2, f"{arguments}: {said.returncode}")
        check(all(word in said.stderr for word in words), said.stderr)
        check(len(said.stderr.splitlines()) == 1, said.stderr)
    said = run("--check", "--port=0", "--pace=1")
    check(said.returncode == 0, said.stdout + said.stderr)
    check("It would run." in said.stdout and "pace=1\n" in said.stdout, "")
    check("ok     encoder" in said.stdout, said.stdout)
    said = run("--check", "--port=0", "--devices=cuda:7")
    check(said.returncode == 1 and "cuda:7" in said.stdout, said.stdout)
    said = run("--check", "--port=0", "--video-encoder=nosuchenc")
    check(said.returncode == 1 and "nosuchenc" in said.stdout, said.stdout)
    said = run("--check", "--port=0", "--model=/nowhere")
    check(said.returncode == 1 and "/nowhere" in said.stdout, said.stdout)
    async with Server(ready=False) as server:
        said = run("--check", f"--port={server.port}")
        check(said.returncode == 1 and str(server.port) in said.stdout,
              said.stdout)
        said = run(f"--port={server.port}")
        check(said.returncode == 1 and str(server.port) in said.stderr,
              said.stderr)


@test
async def a_configuration_file():
    with tempfile.TemporaryDirectory() as directory:
        file = os.path.join(directory, "server.conf")

        def write(origin, slots):
            with open(file, "w", encoding="ascii") as out:
                out.write(f"[server]\nallowed_origins={origin}\n[slots]\n"
                          f"slots={slots}\nwidth=128\nheight=128\n")

        write("https://a.example", 2)
        async with Server(f"--config={file}", "--slots=1") as server:
            check((await server.status())["total_gpus"] == 1, "flags count more")
            await refused(server, 403, origin="https://b.example")
            write("https://b.example", 3)
            server.process.send_signal(signal.SIGHUP)

            async def opened():
                try:
                    async with server.client(origin="https://b.example"):
                        return True
                except websockets.InvalidStatusCode:
                    return False

            await until("the reload", opened, 10)
            with open(file, "w", encoding="ascii") as out:
                out.write("[server]\nport=x\n")
            server.process.send_signal(signal.SIGHUP)
            await until("a complaint", lambda: any(
                "'x'" in line for line in server.said), 10)
            check(await opened(), "a bad file changed something")


@test
async def tls():
    with tempfile.TemporaryDirectory() as directory:
        key = os.path.join(directory, "key.pem")
        certificate = os.path.join(directory, "certificate.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
             "-keyout", key, "-out", certificate, "-days", "1", "-subj",
             "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
            check=True, stderr=subprocess.DEVNULL)
        import ssl
        context = ssl.create_default_context(cafile=certificate)
        async with Server(f"--tls-certificate={certificate}",
                          f"--tls-key={key}", "--segment-cap=2",
                          ready=False) as server:
            check(server.url.startswith("https://"), server.url)
            async with server.client(ssl=context) as client:
                await client.init()
                await client.text("ltx2_stream_complete")
                check_stream(client, 2)


if __name__ == "__main__":
    main()
