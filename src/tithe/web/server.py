"""The process: a socket, uvicorn, signals, and connections that are stuck."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

import uvicorn

from tithe.errors import InputError, Interrupted
from tithe.web.address import Address

if TYPE_CHECKING:
    from starlette.types import ASGIApp

logger = logging.getLogger("tithe")

_STOPPING = (signal.SIGINT, signal.SIGTERM)
SECONDS_TO_SEND = 15  # a head of a request, or read the rest of an answer


@contextlib.contextmanager
def bound(address: Address) -> Iterator[socket.socket]:
    """Yield a socket that nobody else can take; connections are accepted later, when the model is loaded.

    Raises
    ------
    InputError
        The address is not one of this machine, or the port is taken or not allowed.
    """
    try:
        kind = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise InputError(f"--host {address.host}: {error.strerror}: pass an address of this machine") from None
    with socket.socket(kind[0], socket.SOCK_STREAM) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind(kind[4])
        except OSError as error:
            problem = f"can't listen on {address.shown_host}:{address.port} ({error.strerror})"
            raise InputError(f"{problem}: choose another --port or --host; --port 0 takes a free one") from None
        yield made


@dataclass(frozen=True)
class Service:
    """What a process serves.

    Attributes
    ----------
    connections
        Open at once; another one is answered 503.
    seconds
        In which requests are answered that were taken on before the end.
    stop
        Called when the end begins: answers that go on for ever have to end then.
    """

    app: ASGIApp
    connections: int
    seconds: float
    stop: Callable[[], None] = lambda: None


def run(service: Service, address: Address, listener: socket.socket, announce: Callable[[str], None]) -> None:
    """Answer requests until SIGTERM or Ctrl-C; then accept no more, answer what was taken on, and return.

    Raises
    ------
    Interrupted
        A second Ctrl-C came before that.
    """
    settings = uvicorn.Config(
        service.app, lifespan="on", http="h11", ws="none", proxy_headers=False,
        log_config=None, log_level="error", access_log=False, server_header=False,
        limit_concurrency=service.connections, timeout_graceful_shutdown=round(service.seconds) + 1,
    )  # fmt: skip
    server = uvicorn.Server(settings)

    def stop(signum: int, frame: FrameType | None) -> None:
        server.should_exit = True

    # uvicorn takes the signals while it runs, and raises them again afterwards: by then they would end the process.
    before = {each: signal.signal(each, stop) for each in _STOPPING}
    try:
        asyncio.run(_serve(server, service, listener, lambda port: announce(f"http://{address.shown_host}:{port}")))
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if server.force_exit:
        raise Interrupted(signal.SIGINT, "stopped at once: what was in the queue is not answered")


async def _serve(
    server: uvicorn.Server, service: Service, listener: socket.socket, announce: Callable[[int], None]
) -> None:
    async with without_stuck_connections(server):
        serving = asyncio.create_task(server.serve([listener]))
        while not (server.started or serving.done()):
            await asyncio.sleep(0.01)
        if server.started:
            announce(listener.getsockname()[1])
            logger.info("Ctrl-C stops the server when what it has taken on is answered")
        while not (server.should_exit or serving.done()):
            await asyncio.sleep(0.1)
        service.stop()
        await serving


class _Connection(NamedTuple):
    """A connection, and the request that it carries, or carried last."""

    connection: Any
    request: Any

    @property
    def is_idle(self) -> bool:
        return self.request is None or bool(self.request.response_complete)


def _with_request(connection: Any) -> _Connection:
    return _Connection(connection, connection.cycle)


@contextlib.asynccontextmanager
async def without_stuck_connections(server: uvicorn.Server) -> AsyncIterator[None]:
    """Close connections that neither finish the head of a request nor read the rest of an answer.

    uvicorn waits for both for ever.
    """

    async def sweep() -> None:
        before: set[_Connection] = set()
        while True:
            await asyncio.sleep(SECONDS_TO_SEND)
            idle = {each for each in map(_with_request, server.server_state.connections) if each.is_idle}
            for each in idle & before:
                each.connection.transport.abort()
            before = idle

    sweeping = asyncio.create_task(sweep())
    try:
        yield
    finally:
        sweeping.cancel()
