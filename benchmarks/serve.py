"""`tithe serve` against `pipeline(..., batch_size=32)` behind the same FastAPI, at 1, 8 and 64 clients.

Both classify the same reviews with the same encoder, MiniLM, cut at the same length, each in a process of its own; the
peer's head is the encoder's own one with random weights, which costs the same. They are measured in turn, while the
others are idle. The peer takes one request at a time: the threads of several would fight for the cores. A
third server is `tithe serve` in float32, as the peer computes.

Then every text is asked alone, 16 at a time, and its answer compared with those of `tithe predict` on all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
from collections.abc import Iterator

import http_load
import numpy as np
from common import publish, stamp
from http_load import Process

import tithe

PEER = """
import sys, threading, torch, uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from transformers import pipeline
torch.set_num_threads({threads})
classify = pipeline("text-classification", model=sys.argv[1], device="cpu")
lock, app = threading.Lock(), FastAPI()
class Question(BaseModel):
    texts: str | list[str]
@app.post("/predict")
def predict(question: Question):
    texts = [question.texts] if isinstance(question.texts, str) else question.texts
    with lock:
        return classify(texts, batch_size=32, truncation=True, max_length={length}, top_k=None)
config = uvicorn.Config(app, port=0, log_level="error", access_log=False)
sock = config.bind_socket()
print(f"http://127.0.0.1:{{sock.getsockname()[1]}}", flush=True)
uvicorn.Server(config).run([sock])
"""


@contextlib.contextmanager
def peer_folder(classes: int) -> Iterator[str]:
    """Save the encoder with its own classification head, of random weights."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from tithe.models import encoders

    source = encoders.find("minilm")
    with tempfile.TemporaryDirectory() as folder:
        model = AutoModelForSequenceClassification.from_pretrained(source, num_labels=classes)
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(source).save_pretrained(folder)
        yield folder


Measured = dict[tuple[str, int], list[tuple[float, float, float]]]  # requests a second, p50, p99 in ms


def measure(servers: dict[str, Process], options: argparse.Namespace) -> Measured:
    """Load each server with each number of clients, in turn."""
    texts = http_load.reviews(2000)
    size = options.texts
    parts = [texts[first : first + size] for first in range(0, len(texts) - size + 1, size)]
    requests = [http_load.request(part if size > 1 else part[0]) for part in parts]
    measured: Measured = {}
    for server in servers.values():
        asyncio.run(http_load.load(server.port, 4, 2, requests))  # the first batches are slow
    for _ in range(options.repeats):
        for clients in options.clients:
            for name, server in servers.items():
                latencies, seconds = asyncio.run(http_load.load(server.port, clients, options.seconds, requests))
                p50, p99 = np.percentile(latencies, [50, 99]) * 1000
                measured.setdefault((name, clients), []).append((len(latencies) / seconds, p50, p99))
    return measured


def page(measured: Measured, servers: dict[str, Process], options: argparse.Namespace) -> str:
    """Return the table: medians over the repeats, and the ratio of throughputs of one repeat to the next."""
    lines = [f"# Serving\n\n{stamp()}\n", f"Requests of {options.texts} review(s), {options.length} tokens at most.\n"]
    lines.append("| clients | server | requests/s | to the peer | p50 ms | p99 ms |\n|--:|---|--:|--:|--:|--:|")
    for clients in options.clients:
        peer = [rate for rate, _, _ in measured["pipeline", clients]]
        for name in servers:
            rates, p50s, p99s = zip(*measured[name, clients], strict=True)
            ratio = statistics.median(own / other for own, other in zip(rates, peer, strict=True))
            numbers = f"{statistics.median(rates):.0f} | {ratio:.2f} | {statistics.median(p50s):.0f}"
            lines.append(f"| {clients} | {name} | {numbers} | {statistics.median(p99s):.0f} |")
    memory = ", ".join(f"{name} {server.memory():.0f} MiB" for name, server in servers.items())
    return "\n".join(lines) + f"\n\nPeak memory: {memory}.\n"


def agreement(runs: dict[str, str], servers: dict[str, Process], count: int) -> str:
    """Return how far the answers of the servers are from those of `tithe predict`."""
    texts = http_load.reviews(count)
    lines = ["| server | compared with | other labels | largest difference of a probability |\n|---|---|--:|--:|"]
    for name, run in runs.items():
        served = asyncio.run(http_load.answers(servers[name].port, 16, texts))
        model = tithe.load(run)
        for what, exact in (("predict", False), ("predict --exact", True)):
            pairs = list(zip(served, model.predict(texts, exact=exact), strict=True))
            other = sum(answer["label"] != own.label for answer, own in pairs)
            largest = max(
                abs(answer["probabilities"][label] - own.probabilities[label])
                for answer, own in pairs
                for label in own.probabilities
            )
            lines.append(f"| {name} | {what} | {other} of {len(texts)} | {largest:.1e} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Start the servers, measure them and publish the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--texts", type=int, default=1, help="texts of a request")
    parser.add_argument("--length", type=int, default=128, help="tokens of a text")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="threads of torch in each server")
    parser.add_argument("--rows", type=int, default=1000, help="texts whose answers are compared")
    parser.add_argument("--name", default="serve", help="name of the result file")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        runs = {
            "tithe serve": stack.enter_context(http_load.trained(options.length)),
            "tithe serve, float32": stack.enter_context(http_load.trained(options.length, precision="no")),
        }
        folder = stack.enter_context(peer_folder(2))
        code = PEER.format(threads=options.threads, length=options.length)
        commands = {name: http_load.tithe_serve(run) for name, run in runs.items()}
        commands["pipeline"] = [sys.executable, "-c", code, folder]
        servers = {name: stack.enter_context(http_load.served(command)) for name, command in commands.items()}
        table = page(measure(servers, options), servers, options)
        publish(options.name, f"{table}\n{agreement(runs, servers, options.rows)}")


if __name__ == "__main__":
    main()
