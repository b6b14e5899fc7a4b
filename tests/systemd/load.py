# SPDX-License-Identifier: MIT
"""load.py CONNECTIONS: visits /count.json through nginx from inside the machine. It prints "going" once every connection has had an answer. When its
standard input ends, it prints the result: {"numbers": […], "failures": {"error": count}}."""

import asyncio
import collections
import json
import sys

REQUEST = b"GET /count.json HTTP/1.1\r\nHost: load\r\n\r\n"


async def read_chunks(reader):
    body = b""
    while True:
        size = int(await reader.readuntil(b"\r\n"), 16)
        body += (await reader.readexactly(size + 2))[:size]
        if size == 0:
            return body


async def read_answer(reader):
    """Reads an answer: status, headers and body. nginx sends a body in chunks if it has rewritten it."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    if headers.get("transfer-encoding") == "chunked":
        body = await read_chunks(reader)
    else:
        body = await reader.readexactly(int(headers["content-length"]))
    return head[0].split(" ")[1], headers, body


class Load:
    def __init__(self, connections):
        self.connections = connections
        self.numbers = []
        self.failures = collections.Counter()
        self.answered_first = 0
        self.stopping = False

    async def visit(self, reader, writer):
        """Makes one visit. Returns whether the connection can be used again."""
        writer.write(REQUEST)
        status, headers, body = await read_answer(reader)
        if status == "200":
            self.numbers.append(json.loads(body)["count"])
        else:
            self.failures[f"{status} {body.decode().strip()}"] += 1
        return headers.get("connection") != "close"

    async def connection(self):
        first = True
        while not self.stopping:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", 5002)
                reusable = True
                while reusable and not self.stopping:
                    reusable = await asyncio.wait_for(self.visit(reader, writer), 20)
                    self.note_first(first)
                    first = False
                writer.close()
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError) as error:
                self.failures[repr(error)] += 1
                await asyncio.sleep(0.01)  # avoids a busy loop while a listener is closed

    def note_first(self, first):
        self.answered_first += first
        if first and self.answered_first == self.connections:
            print("going", flush=True)

    async def run(self):
        tasks = [asyncio.create_task(self.connection()) for _ in range(self.connections)]
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        self.stopping = True
        await asyncio.gather(*tasks)
        print(json.dumps({"numbers": self.numbers, "failures": self.failures}))


asyncio.run(Load(int(sys.argv[1])).run())
