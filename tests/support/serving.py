"""A server in this process: a real tiny model, requests as ASGI messages, and a model that waits when told to."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import uvicorn
from starlette.types import ASGIApp

from support.text_tasks import opened
from tithe.data import LabelMap
from tithe.predict import Explanation, Prediction, TrainedModel
from tithe.serve import app
from tithe.serve.limits import Limits
from tithe.serve.predictor import Checkpoint, Encoded, Predictor
from tithe.train import devices
from tithe.web import server
from tithe.web.address import Address

JSON = {"host": "localhost:8000", "content-type": "application/json"}


def tiny(encoder: Path, folder: Path) -> Checkpoint:
    """A model of random weights, whose answers differ from text to text."""
    task = opened(encoder)
    model = task.build(3, 0)
    with torch.no_grad():
        model.head[-1].weight.mul_(30)
    accelerator = devices.accelerator("cpu", "no")
    trained = TrainedModel(model.eval(), task, LabelMap(("a", "b", "c")), task.run, {}, accelerator, folder)
    return Checkpoint(trained, "tiny", 0)


@dataclass
class Gated:
    """A predictor that answers when it is let, and remembers its batches; it fails at the texts of `fails`."""

    inner: Checkpoint
    let: threading.Event = field(default_factory=threading.Event)
    batches: list[list[int]] = field(default_factory=list)
    fails: set[int] = field(default_factory=set)
    asked: int = 0
    name: str = "gated"
    note: str = ""

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        return self.inner.encode(texts)

    def predict(self, batch: Sequence[Encoded]) -> list[Prediction]:
        self.asked += 1
        assert self.let.wait(20)
        lengths = [len(each.ids) for each in batch]
        if self.fails & set(lengths):
            raise ValueError("an encoder's own error")
        self.batches.append(lengths)
        return self.inner.predict(batch)

    def explain(self, text: str) -> Explanation:
        return self.inner.explain(text)


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """Sends requests to an application."""

    app: Any

    async def send(
        self,
        method: str,
        path: str,
        body: Sequence[bytes] = (b"",),
        headers: dict[str, str] | None = None,
        leave: asyncio.Event | None = None,
        ends: bool = True,
    ) -> Reply:
        """Send a body in chunks, and its end if there is one; an event that is set is a client that leaves."""
        head, (path, _, query) = {**JSON, **(headers or {})}, path.partition("?")
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
            "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
            "scheme": "http", "server": None, "client": None,
            "headers": [(k.encode(), v.encode()) for k, v in head.items()],
        }  # fmt: skip
        chunks, replied = list(body), asyncio.Event()
        status, own, content = 0, {}, b""

        async def receive() -> dict[str, Any]:
            if chunks:
                chunk = chunks.pop(0)
                await asyncio.sleep(0)
                return {"type": "http.request", "body": chunk, "more_body": bool(chunks) or not ends}
            await (leave or replied).wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            nonlocal status, own, content
            if message["type"] == "http.response.start":
                status = message["status"]
                own = {key.decode(): value.decode() for key, value in message["headers"]}
            else:
                content += message["body"]

        await self.app(scope, receive, send)
        replied.set()
        return Reply(status, own, content)

    async def ask(self, texts: Any, **more: Any) -> Reply:
        return await self.send("POST", "/predict", [json.dumps({"texts": texts, **more}).encode()])


@asynccontextmanager
async def running(predictor: Predictor, address: Address, limits: Limits) -> AsyncIterator[Client]:
    made = app.create(predictor, address, limits)
    async with made.router.lifespan_context(made):
        yield Client(made)


def with_server(
    predictor: Predictor,
    talk: Callable[[Client], Awaitable[Any]],
    limits: Limits | None = None,
    address: Address | None = None,
) -> Any:
    """Return what a coroutine returns that talks to a server."""

    async def whole() -> Any:
        async with running(predictor, address or Address(), limits or Limits()) as client:
            return await talk(client)

    return asyncio.run(whole())


@contextmanager
def listening(application: ASGIApp, stop: Callable[[], object] = lambda: None) -> Iterator[str]:
    """Serve an application in a thread and yield the URL; `stop` ends what would keep the server from ending."""
    with server.bound(Address(port=0)) as listener:
        running = uvicorn.Server(uvicorn.Config(application, log_config=None, lifespan="on", ws="none"))
        thread = threading.Thread(target=running.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            stop()
            running.should_exit = True
            thread.join(20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def connects(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def quiet_uvicorn(monkeypatch: pytest.MonkeyPatch) -> None:
    """uvicorn sets the level of its loggers for the whole process."""
    for name in ("uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        for setting in ("level", "propagate"):
            monkeypatch.setattr(logging.getLogger(name), setting, getattr(logging.getLogger(name), setting))
