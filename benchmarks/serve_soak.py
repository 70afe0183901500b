"""Minutes of load on `tithe serve`, with everything that goes wrong between clients and servers mixed in.

Exits 1 if a status of 5xx other than 503 is seen, a request of a well-behaved client is not answered, the memory or the
open files of the server grow, or it does not end with 0 after it was stopped in the middle of the load.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import random
import signal
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import http_load
from common import publish, stamp
from http_load import Process

_DELIBERATE = {200, 429, 503}
_SECONDS_TO_SETTLE = 40  # the server closes connections that are stuck after 30 s
_SECONDS_TO_ARRIVE = 0.5
_GROWTH_MIB, _GROWTH = 24, 0.05
_MORE_FILES = 4


@dataclass
class Soak:
    """What is seen while the load runs."""

    server: Process
    texts: list[str]
    until: float
    statuses: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    stopped: float = math.inf  # when the server was told to stop

    @property
    def stopping(self) -> bool:
        """Whether the server was told to stop."""
        return self.stopped < math.inf

    @property
    def is_over(self) -> bool:
        """Whether no more requests are sent."""
        return self.stopping or time.monotonic() > self.until

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection with little room for what is not read."""
        return await asyncio.open_connection("127.0.0.1", self.server.port, limit=1 << 20)

    def seen(self, kind: str, status: int, expected: set[int]) -> None:
        """Count a status."""
        self.statuses[f"{kind}: {status}"] += 1
        if status not in expected and not (self.stopping and status == 503):
            self.violations[f"{kind}: status {status}"] += 1

    async def good(self, rng: random.Random) -> None:
        """Send requests one after the other on one connection, and expect every one to be answered."""
        reader, writer = await self.connect()
        sent = time.monotonic()
        try:
            while not self.is_over:
                sent = time.monotonic()
                texts = rng.sample(self.texts, rng.choice([1, 1, 1, 5, 30]))
                writer.write(http_load.request(texts))
                answer = await http_load.reply(reader)
                self.seen("good", answer.status, _DELIBERATE)
                if answer.status == 200 and answer.body.count(b'"truncated"') != len(texts):
                    self.violations["good: an answer is missing"] += 1
        except (ConnectionError, asyncio.IncompleteReadError):
            if sent < self.stopped - _SECONDS_TO_ARRIVE:  # later ones may never have been taken on
                self.violations["good: no answer"] += 1
        finally:
            writer.close()

    async def bad(self, rng: random.Random) -> None:
        """Send what is not a question."""
        bodies = [b"{", b"\xff" * 9, b"[]", b"{}", b'{"texts": 3}', b'{"texts": []}', b'{"texts": ["a"], "x": 1}']
        await self.one("bad body", http_load.framed(rng.choice(bodies)), {422})
        await self.one("bad type", http_load.framed(b"a=b", "application/x-www-form-urlencoded"), {415})
        await self.one("bad head", b"GET / HTTP/9.9 nonsense\r\n\r\n", {400})

    async def oversize(self, rng: random.Random) -> None:
        """Send bodies that are too large, whether they say so or not."""
        body = b'{"texts": "' + b"x" * (3 << 20) + b'"}'
        await self.one("oversize", http_load.framed(body), {413})
        chunk = b"%x\r\n%s\r\n" % (1 << 16, b"x" * (1 << 16))
        head = http_load.framed(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        await self.one("oversize in chunks", head + chunk * 40 + b"0\r\n\r\n", {413})

    async def one(self, kind: str, sent: bytes, expected: set[int]) -> None:
        """Send one request on a connection of its own; a server that hangs up while it is sent is right as well."""
        reader, writer = await self.connect()
        with contextlib.suppress(ConnectionError):
            writer.write(sent)
            await writer.drain()
        try:
            self.seen(kind, (await http_load.reply(reader)).status, expected)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.statuses[f"{kind}: closed"] += 1
        finally:
            writer.close()

    async def leaving(self, rng: random.Random) -> None:
        """Ask, and hang up before the answer."""
        _, writer = await self.connect()
        writer.write(http_load.request(rng.sample(self.texts, 20)))
        await asyncio.sleep(rng.random() * 0.05)
        writer.transport.abort()
        self.statuses["left"] += 1

    async def slow_writer(self, rng: random.Random) -> None:
        """Send a head, or a body, one byte at a time, and stop before its end."""
        reader, writer = await self.connect()
        sent, start = http_load.request(self.texts[:3]), rng.choice([0, 150])
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            writer.write(sent[:start])
            for position in range(start, start + 200):
                if self.is_over or reader.at_eof():
                    break
                writer.write(sent[position : position + 1])
                await asyncio.sleep(0.2)
        writer.close()
        self.statuses["wrote slowly"] += 1

    async def slow_reader(self, rng: random.Random) -> None:
        """Ask for much, and read next to nothing of it."""
        _, writer = await self.connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(http_load.request(self.texts[:200]) * 3)
        for _ in range(50):
            if self.is_over:
                break
            await asyncio.sleep(0.2)
        writer.transport.abort()
        self.statuses["read slowly"] += 1


Client = Callable[[Soak, random.Random], Coroutine[Any, Any, None]]
CLIENTS: list[tuple[Client, int, float]] = [  # how many at once, and seconds between two calls
    (Soak.good, 12, 0),
    (Soak.bad, 2, 0.05),
    (Soak.oversize, 1, 0.3),
    (Soak.leaving, 3, 0.1),
    (Soak.slow_writer, 4, 0.1),
    (Soak.slow_reader, 2, 0.1),
]


async def again(soak: Soak, client: Client, seed: int, pause: float) -> None:
    """Let a client come back until the load is over."""
    rng = random.Random(seed)
    while not soak.is_over:
        try:
            await client(soak, rng)
        except OSError as error:
            if not soak.stopping:
                soak.violations[f"{client.__name__}: {type(error).__name__}"] += 1
        await asyncio.sleep(pause)


async def run(soak: Soak) -> tuple[list[float], list[int]]:
    """Load the server; return its memory in MiB and its open files, second by second, and then at rest."""
    memory, files, seeds = [], [], iter(range(1000))
    files.append(soak.server.open_files())
    clients = [
        asyncio.create_task(again(soak, client, next(seeds), pause))
        for client, count, pause in CLIENTS
        for _ in range(count)
    ]
    while not soak.is_over:
        memory.append(soak.server.memory("VmRSS"))
        files.append(soak.server.open_files())
        await asyncio.sleep(1)
    await asyncio.gather(*clients)
    settled = time.monotonic() + _SECONDS_TO_SETTLE
    while soak.server.open_files() > files[0] and time.monotonic() < settled:
        await asyncio.sleep(1)
    files.append(soak.server.open_files())
    return memory, files


async def look_inside(soak: Soak) -> None:
    """Ask the server what it has answered: a client that has left does not see a failure."""
    reader, writer = await soak.connect()
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    lines = (await http_load.reply(reader)).body.decode().splitlines()
    for line in lines:
        if line.startswith("tithe_requests_total") and 'code="5' in line and 'code="503"' not in line:
            soak.violations[f"in /metrics: {line}"] += 1
    writer.close()


async def stop(soak: Soak) -> None:
    """Stop the server while well-behaved clients load it."""
    soak.until = time.monotonic() + 60
    clients = [asyncio.create_task(soak.good(random.Random(seed))) for seed in range(8)]
    await asyncio.sleep(2)
    soak.stopped = time.monotonic()
    soak.server.process.send_signal(signal.SIGTERM)
    await asyncio.gather(*clients)
    if (code := await asyncio.to_thread(soak.server.process.wait, 60)) != 0:
        soak.violations[f"exit code {code} after SIGTERM"] += 1


def judge(soak: Soak, memory: list[float], files: list[int]) -> str:
    """Add what has grown to the violations, and return the page."""
    quarter = max(1, len(memory) // 4)
    early, late = statistics.median(memory[quarter : 2 * quarter]), statistics.median(memory[-quarter:])
    if late > early * (1 + _GROWTH) and late > early + _GROWTH_MIB:
        soak.violations[f"memory grew from {early:.0f} to {late:.0f} MiB"] += 1
    if files[-1] > files[0] + _MORE_FILES:
        soak.violations[f"{files[-1]} open files at rest, {files[0]} at the start"] += 1
    rows = "\n".join(f"| {kind} | {count} |" for kind, count in sorted(soak.statuses.items()))
    broken = "\n".join(f"- {what} ({count})" for what, count in soak.violations.items()) or "None."
    return (
        f"# A server under bad load\n\n{stamp()}\n\n| seen | times |\n|---|--:|\n{rows}\n\n"
        f"Memory in the second quarter of the time {early:.0f} MiB, in the last one {late:.0f} MiB. Open files at the "
        f"start {files[0]}, at most {max(files)}, at rest {files[-1]}.\n\nViolations:\n\n{broken}\n"
    )


def main() -> None:
    """Start a server, load it, stop it, and publish what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--run", help="run to serve; one of MiniLM is trained when unset")
    parser.add_argument("--name", default="serve_soak", help="name of the result file")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        home = options.run or stack.enter_context(http_load.trained(128))
        server = stack.enter_context(http_load.served(http_load.tithe_serve(home)))
        soak = Soak(server, http_load.reviews(1000), time.monotonic() + 60 * options.minutes)
        memory, files = asyncio.run(run(soak))
        asyncio.run(look_inside(soak))
        asyncio.run(stop(soak))
        publish(options.name, judge(soak, memory, files))
    sys.exit(1 if soak.violations else 0)


if __name__ == "__main__":
    main()
