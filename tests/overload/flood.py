"""Clients that ask for more than one Envoy can carry, over sockets of their own: no library for HTTP
lets a client be as slow as these."""

import asyncio
import functools
import json
import re
import socket
from collections import Counter, defaultdict

# The longest time that a client waits for the end of its request, in seconds. Every deadline of the
# gateway ends earlier.
PATIENCE = 120

# Bytes of the largest body, just below the gateway's maximum.
LARGE = 10 * 1024 * 1024 - 1024

MODELS = ["openai", "anthropic"]

HEADER_END = b"\r\n\r\n"


class Kind:
    """One kind of clients: how many there are, how they behave, and which ends are right for them."""

    def __init__(self, name, clients, script="", padding=0, stream=False, write=None, read=None,
                 ends=(), once=False):
        self.name, self.clients, self.script, self.padding = name, clients, script, padding
        self.stream, self.write, self.read, self.once = stream, write, read, once
        self.ends = {SERVED, OVERLOADED, *ends}

    @functools.cache
    def body(self, model):
        """The request. Its padding is a system message, which no script stands in."""
        messages = [{"role": "user", "content": f"#script {self.script} text=fine"}]
        if self.padding:
            messages.insert(0, {"role": "system", "content": "x" * self.padding})
        return json.dumps({"model": model, "messages": messages, "stream": self.stream}).encode()


# The ends of a request.
SERVED, OVERLOADED, TIMEOUT, LATE = "200", "503 overloaded", "408 timeout", "504 timeout"
EVENT, CUT, CLOSED = "200 and an error event", "200, cut off", "connection closed"

# Bytes, and the pause after them in seconds, of clients that take their time.
TRICKLE, SIP = (16 * 1024, 0.5), (1024, 0.2)

KINDS = [
    Kind("ordinary", 400),
    Kind("10 MiB bodies", 300, padding=LARGE),
    Kind("slow writers of 10 MiB", 500, padding=LARGE, write=TRICKLE, ends=[TIMEOUT], once=True),
    Kind("slow readers of 4 MB streams", 300, "size=4000000 events=400", stream=True, read=SIP,
         ends=[EVENT, CUT], once=True),
    Kind("slow readers of 1 MB answers", 100, "size=1000000", read=SIP, ends=[CUT], once=True),
    Kind("providers that never answer", 200, "hang-head", ends=[LATE]),
    Kind("streams that never end", 200, "events=2000 size=20000 delay=50", stream=True,
         ends=[EVENT, CUT]),
]


class Flood:
    """All clients of all kinds, and the ends of their requests."""

    def __init__(self, port, key):
        self.port, self.key = port, key
        self.ends = defaultdict(Counter)
        self.is_over, self.loop = asyncio.Event(), asyncio.get_running_loop()

    async def run(self, seconds):
        """Has all clients ask for so long, and waits until every request has come to its end."""
        clients = [self.client(kind, number)
                   for kind in KINDS for number in range(kind.clients)]
        self.loop.call_later(seconds, self.is_over.set)
        await asyncio.gather(*clients)

    async def client(self, kind, number):
        body = kind.body(MODELS[number % len(MODELS)])
        # All at once would measure the queue of the listener.
        await asyncio.sleep(number / kind.clients)
        while not self.is_over.is_set():
            end = await self.ask(kind, body)
            self.ends[kind.name][end] += 1
            if kind.once and end != OVERLOADED:
                return
            await asyncio.sleep(1 if end in (OVERLOADED, CLOSED) else 0)

    async def ask(self, kind, body):
        """The end of one request."""
        try:
            return await asyncio.wait_for(self.exchange(kind, body), PATIENCE)
        except TimeoutError:
            return "no end"

    async def exchange(self, kind, body):
        """Sends a request and reads at the same time, because an early answer ends the connection."""
        with socket.socket() as connection:
            connection.setblocking(False)
            try:
                await self.loop.sock_connect(connection, ("127.0.0.1", self.port))
            except OSError:
                return CLOSED
            writing = asyncio.ensure_future(self.write(kind, connection, body))
            try:
                return end_of(await self.read(kind, connection))
            finally:
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)

    async def write(self, kind, connection, body):
        head = (f"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: {self.key}\r\n"
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
                "connection: close\r\n\r\n")
        size, pause = kind.write or (256 * 1024, 0)
        try:
            await self.loop.sock_sendall(connection, head.encode())
            for at in range(0, len(body), size):
                await self.loop.sock_sendall(connection, body[at:at + size])
                await asyncio.sleep(pause)
        except OSError:
            pass

    async def read(self, kind, connection):
        """Returns everything that comes, up to the end of the connection. A slow reader hurries once the
        flood is over."""
        size, pause = kind.read or (64 * 1024, 0)
        came = bytearray()
        try:
            while piece := await self.loop.sock_recv(
                    connection, 64 * 1024 if self.is_over.is_set() else size):
                came += piece
                if pause and not self.is_over.is_set():
                    await asyncio.sleep(pause)
        except OSError:
            pass
        return bytes(came)


def end_of(answer):
    """The end that the bytes of an answer are. Anything that is no right end is described."""
    if not answer:
        return CLOSED
    head, separator, body = answer.partition(HEADER_END)
    status = re.match(rb"HTTP/1.1 (\d+) ", head)
    if not separator or not status:
        return f"garbage: {answer[:60]}"
    status = int(status[1])
    if status == 200:
        return end_of_success(head.lower(), body)
    try:
        error = json.loads(body)
        assert error["code"] == status and error["error"]["message"]
    except (AssertionError, KeyError, TypeError, ValueError):
        return f"{status} in another shape: {body[:60]}"
    if status == 503 and b"\r\nretry-after: " not in head.lower():
        return "503 without retry-after"
    return f"{status} {error['error']['code']}"


def end_of_success(head, body):
    if b"text/event-stream" in head:
        if b"data: [DONE]" in body:
            return SERVED
        return EVENT if re.search(rb'data: \{"error"|"error": ?\{', body[-2000:]) else CUT
    length = re.search(rb"content-length: (\d+)", head)
    return SERVED if length and int(length[1]) == len(body) else CUT
