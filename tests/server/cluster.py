# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Three servers behind HAProxy: pipelines/cluster.sh, one of them killed under
# load. cluster.py TEST
import asyncio
import os
import re
import shutil
import signal
import sys

from rig import BUILD, SMALL, Client, check, check_stream, fetch, main, test, until

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


class Cluster:
    async def __aenter__(self):
        self.process = await asyncio.create_subprocess_exec(
            os.path.join(ROOT, "pipelines", "cluster.sh"), "--no-install",
            "--port", "0", "--slots", "2", "--", *SMALL, "--pace=0.5",
            "--segment-cap=6",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "DREAMVERSE_BUILD": BUILD},
        )
        self.servers = {}
        while True:
            line = await asyncio.wait_for(self.process.stdout.readline(), 60)
            check(line, "cluster.sh ended")
            text = line.decode()
            if match := re.match(r"server (\d): (\S+)/ process (\d+)", text):
                self.servers[f"s{match[1]}"] = (match[2], int(match[3]))
            if match := re.match(r"Open (http\S+)/ ", text):
                self.url = match[1].replace("localhost", "127.0.0.1")
                break
        for url, _ in self.servers.values():

            async def free(url=url):
                answer = await asyncio.to_thread(fetch, url + "/readyz")
                return answer.status == 200 and answer.json["available_gpus"] == 2

            await until("ready servers", free)

        async def all_up():
            answer = await asyncio.to_thread(fetch, self.url + "/readyz")
            return answer.status == 200

        await until("HAProxy", all_up)
        return self

    async def __aexit__(self, *error):
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(self.process.wait(), 30)

    def client(self):
        return Client(self.url.replace("http", "ws", 1) + "/ws")


def server_of(client):
    return client.socket.response_headers["X-Dreamverse-Server"]


async def run_session(cluster):
    async with cluster.client() as client:
        await client.init()
        await client.text("ltx2_stream_complete")
        check_stream(client, 6)
        return server_of(client)


@test
async def one_of_three_servers_dies_under_load():
    if not shutil.which("haproxy") and not os.path.exists("/usr/sbin/haproxy"):
        sys.exit(77)
    os.environ["PATH"] += ":/usr/sbin"
    async with Cluster() as cluster:
        clients = []
        for _ in range(6):
            client = await cluster.client().__aenter__()
            clients.append(client)
            await client.init()
        for client in clients:
            await client.media()
        homes = [server_of(client) for client in clients]
        check(sorted(homes) == ["s1", "s1", "s2", "s2", "s3", "s3"],
              f"least busy: {homes}")

        os.kill(cluster.servers["s2"][1], signal.SIGKILL)
        for client, home in zip(clients, homes):
            if home == "s2":
                await client.closed(5)
                check("ltx2_stream_complete" not in client.types, "complete?")
        # They reconnect elsewhere, and wait there if they must.
        again = [asyncio.create_task(run_session(cluster)) for _ in range(2)]
        for client, home in zip(clients, homes):
            if home != "s2":
                await client.text("ltx2_stream_complete")
                check_stream(client, 6)
                await client.socket.close()
        for home in await asyncio.gather(*again):
            check(home != "s2", "sent to the dead one")
        for _ in range(6):
            async with cluster.client() as client:
                await client.text("queue_status")
                check(server_of(client) in ("s1", "s3"), server_of(client))
        for client in clients:
            await client.__aexit__()


if __name__ == "__main__":
    main()
