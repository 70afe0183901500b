"""One function in several processes of a Ray cluster at once, a process group of torch as torchrun makes one.

Work of that kind can't be divided into items: each process waits for what the others have computed. So one that dies
ends them all, and the function is called again in new processes. It continues where it has saved itself.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Generic, NamedTuple, TypeVar

from tithe import config
from tithe.engines.workers import LIVES, SECONDS, Worker, arguments, needs
from tithe.errors import TitheError
from tithe.interrupts import StopRequest, deferred

logger = logging.getLogger("tithe")

Result = TypeVar("Result")

_TICK = 0.5  # seconds between two looks at a signal and at what the processes have written
_GRACE = 20.0  # seconds in which a death explains the broken connection of another process


class _Died(Exception):
    """A process is gone."""


class Place(NamedTuple):
    """Where a process runs: its machine in Ray and in the network, a port that is free there, and its number."""

    node: str
    host: str
    port: int
    pid: int


class Member:
    """What runs in one of the processes."""

    def __init__(self, *of_worker: Any) -> None:
        self._worker = Worker(*of_worker)

    def place(self) -> Place:
        """Open the function; return where this process is."""
        import ray

        self._worker.begin()
        with socket.socket() as free:
            free.bind(("", 0))
            port = free.getsockname()[1]
        return Place(ray.get_runtime_context().get_node_id(), ray.util.get_node_ip_address(), port, os.getpid())

    def join(self, variables: dict[str, str], attempt: int) -> Any:
        """Return what the function makes of the number of the attempt; the variables name the process group."""
        os.environ.update(variables)
        return self._worker.do(attempt)


def is_member() -> bool:
    """Return whether this process is one of a group, of whatever launcher."""
    return "RANK" in os.environ


def call(
    ray: ModuleType, cluster: config.Cluster, function: Callable[[int], Result], tick: Callable[[], None]
) -> Result:
    """Return what the first process makes of a function that `cluster.num_workers` processes call at once.

    Parameters
    ----------
    ray
        Connected to the cluster.
    function
        Called with the number of the attempt: 0, and one more each time after a process has died.
    tick
        Called here about twice a second meanwhile.

    Raises
    ------
    TitheError
        What the function raises; or processes died several times.
    KeyboardInterrupt
        A signal came before the function could take it.
    """
    with deferred() as stop:
        for attempt in range(LIVES):
            with _opened(ray, cluster, function) as group:
                try:
                    return group.result(attempt, stop, tick)
                except _Died as death:
                    if stop.signum:
                        raise KeyboardInterrupt from None
                    logger.warning("a process is gone (%s): all begin again where the run has saved itself", death)
    raise TitheError(f"{LIVES} times a process died: give them more memory, or look at Ray's logs")


@contextmanager
def _opened(ray: ModuleType, cluster: config.Cluster, function: Callable[[int], Result]) -> Iterator[_Group[Result]]:
    kind = ray.remote(Member).options(**needs(cluster))
    members = [kind.remote(*arguments(ray, cluster, function)) for _ in range(cluster.num_workers or 1)]
    try:
        yield _Group(ray, members)
    finally:
        for member in members:
            ray.kill(member)


class _Group(Generic[Result]):
    """The processes of one attempt."""

    def __init__(self, ray: ModuleType, members: list[Any]) -> None:
        self._ray, self._members = ray, members

    def result(self, attempt: int, stop: StopRequest, tick: Callable[[], None]) -> Result:
        """Return what the first process returns; a signal is passed on to it.

        Raises
        ------
        _Died
            A process is gone.
        """
        places = self._places(stop)
        answers = [
            member.join.remote(_variables(places[0], rank, len(places)), attempt)
            for rank, member in enumerate(self._members)
        ]
        waiting, passed_on = list(answers), 0
        while waiting:
            ready, waiting = self._ray.wait(waiting, num_returns=1, timeout=_TICK)
            tick()
            if stop.signum and not passed_on:
                passed_on = stop.signum
                send(self._ray, passed_on, places[0])
            for answer in ready:
                self._check(answer, waiting)
        result: Result = self._ray.get(answers[0])
        return result

    def _places(self, stop: StopRequest) -> list[Place]:
        """Return where the processes are, once all of them have found a place."""
        answers, since = [member.place.remote() for member in self._members], time.monotonic()
        while self._ray.wait(answers, num_returns=len(answers), timeout=_TICK)[1]:
            if stop.signum:
                raise KeyboardInterrupt
            if time.monotonic() - since > SECONDS:
                logger.info("waiting for places for %d processes", len(answers))
                since = time.monotonic()
        for answer in answers:
            self._check(answer, [])
        places: list[Place] = self._ray.get(answers)
        return places

    def _check(self, answer: Any, others: list[Any]) -> None:
        """Raise what a process has raised, unless another one's death is the reason."""
        error = self._error(answer)
        if error and others and not isinstance(error, TitheError):
            # A broken connection is seen before the death that broke it.
            for ended in self._ray.wait(others, num_returns=len(others), timeout=_GRACE)[0]:
                self._error(ended)
        if error:
            raise error from None

    def _error(self, answer: Any) -> Exception | None:
        """Return what a process has raised, if anything."""
        try:
            self._ray.get(answer)
        except self._ray.exceptions.RayTaskError as error:
            cause: Exception | None = error.cause
            return cause or error
        except self._ray.exceptions.RayError as error:
            raise _Died(type(error).__name__) from None
        return None


def send(ray: ModuleType, signum: int, place: Place) -> None:
    """Send a process a signal; from its own machine, where that is another one."""
    if place.node == ray.get_runtime_context().get_node_id():
        os.kill(place.pid, signum)
        return
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(place.node, soft=False)
    ray.get(ray.remote(_kill).options(num_cpus=0, scheduling_strategy=there).remote(place.pid, signum))


def _kill(pid: int, signum: int) -> None:  # Ray takes no function that is built in
    os.kill(pid, signum)


def _variables(first: Place, rank: int, world: int) -> dict[str, str]:
    """Return what torchrun would set. Each process sees one GPU, if any: its local rank is 0."""
    return {
        "RANK": str(rank),
        "WORLD_SIZE": str(world),
        "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": "1",
        "MASTER_ADDR": first.host,
        "MASTER_PORT": str(first.port),
    }
