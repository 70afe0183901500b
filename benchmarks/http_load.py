"""A server in a process of its own, and clients that cost little: the cores belong to the server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
from common import dataset

from tithe import config, pipeline

_ROWS = 400


class Process(NamedTuple):
    """A server that accepts connections."""

    process: subprocess.Popen[str]
    port: int

    def memory(self, name: str = "VmHWM") -> float:
        """Return a size of `/proc/PID/status` in MiB: the peak, or `VmRSS` for now."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024

    def open_files(self) -> int:
        """Return the number of its open files, sockets included."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


class Reply(NamedTuple):
    """A status and a body."""

    status: int
    body: bytes


@contextlib.contextmanager
def served(command: Sequence[str]) -> Iterator[Process]:
    """Start a command that prints its URL, and end it."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            line = process.stdout.readline()
            assert line.startswith("http://"), f"{command} did not start: {line}"
            yield Process(process, int(line.rsplit(":", 1)[1]))
        finally:
            process.kill()


def tithe_serve(run: str, *options: str) -> list[str]:
    """Return the command that serves a run."""
    return [sys.executable, "-m", "tithe", "serve", run, "--port", "0", *options]


def reviews(count: int) -> list[str]:
    """Return so many reviews that are not empty."""
    texts = [text for text in pq.read_table(dataset("reviews"))["text"].to_pylist() if text]
    return texts[:count]


@contextlib.contextmanager
def trained(max_length: int, encoder: str = "minilm", precision: str = "auto") -> Iterator[str]:
    """Train a head on a frozen encoder, on few rows, and yield the run's directory."""
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(pq.read_table(dataset("reviews")).slice(0, _ROWS), f"{folder}/rows.parquet")
        raw = {
            "name": "reviews",
            "out": f"{folder}/run",
            "data": {"path": f"{folder}/rows.parquet"},
            "model": {"encoder": encoder, "max_length": max_length, "freeze": "all"},
            "train": {"epochs": 10, "learning_rate": 1e-2, "device": "cpu", "precision": precision},
            "track": {"tensorboard": False},
        }
        yield str(pipeline.train(config.parse(raw)).home)


def request(texts: str | list[str], **more: object) -> bytes:
    """Return a request to /predict as it goes over the wire."""
    return framed(json.dumps({"texts": texts, **more}).encode())


def framed(body: bytes, kind: str = "application/json") -> bytes:
    """Return a body with a head."""
    head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def reply(reader: asyncio.StreamReader) -> Reply:
    """Read one reply."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = head.partition("content-length:")[2].partition("\r\n")[0]
    return Reply(int(head.split()[1]), await reader.readexactly(int(length or 0)))


async def answers(port: int, clients: int, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Ask for each text in a request of its own, so many at a time; return the answers in the order of the texts."""
    waiting, found = iter(enumerate(texts)), {}

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for position, text in waiting:
            writer.write(request(text))
            [found[position]] = json.loads((await reply(reader)).body)["predictions"]
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return [found[position] for position in range(len(texts))]


async def load(port: int, clients: int, seconds: float, requests: Sequence[bytes]) -> tuple[list[float], float]:
    """Let clients send requests one after the other; return the seconds of each that was answered, and of all."""
    latencies: list[float] = []
    begun = time.perf_counter()

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        position = number * len(requests) // clients
        while time.perf_counter() - begun < seconds:
            sent = time.perf_counter()
            writer.write(requests[position % len(requests)])
            answer = await reply(reader)
            assert answer.status == 200, answer
            latencies.append(time.perf_counter() - sent)
            position += 1
        writer.close()

    await asyncio.gather(*map(client, range(clients)))
    return latencies, time.perf_counter() - begun
