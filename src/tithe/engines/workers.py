"""Worker processes of a Ray cluster: each does one item at a time, and a dead one is replaced.

Items are handed only to workers that are there. So a cluster that has lost a machine goes on with the others, where a
queue of an actor that waits for a place would hold its items back.
"""

from __future__ import annotations

import itertools
import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, NamedTuple

from tithe import config, storage
from tithe.engines.protocol import Item, Result
from tithe.errors import InputError, TitheError

logger = logging.getLogger("tithe")

LIVES = 4  # workers that may die of one item
_AHEAD = 3  # items for each worker, of which results may wait for an earlier one
SECONDS = 60.0  # without any worker, until the log says so
_INHERITED = ("TITHE_CACHE_GB", "HF_HOME", "HF_HUB_OFFLINE")  # variables that workers on other machines get too


class Work(NamedTuple):
    """An item, its number, and how many workers have died of it."""

    number: int
    item: Any
    deaths: int = 0


class Worker:
    """What runs in a worker process."""

    def __init__(self, folder: str, path: list[str], variables: dict[str, str], function: bytes) -> None:
        self._folder, self._path, self._variables, self._packed = folder, path, variables, function

    def begin(self) -> None:
        """Open the function, in a process that has loaded none of the libraries that read the variables.

        Raises
        ------
        InputError
            The folder of the command, from which relative paths are seen, is not on this machine.
        """
        from ray import cloudpickle

        try:
            os.chdir(self._folder)
        except OSError:
            raise InputError(
                f"a machine of the cluster has no folder {self._folder}: start from one that all of them see"
            ) from None
        sys.path.extend(place for place in self._path if place not in sys.path)
        os.environ.update(self._variables)
        self._function: Callable[[Any], Any] = cloudpickle.loads(self._packed)

    def do(self, item: Any) -> Any:
        """Return what the function makes of an item."""
        return self._function(item)


def needs(cluster: config.Cluster) -> dict[str, int]:
    """Return what a worker of a cluster takes, as options of an actor."""
    return {"num_cpus": cluster.cpus_per_worker, "num_gpus": int(cluster.use_gpu)}


def arguments(ray: ModuleType, cluster: config.Cluster, function: Callable[..., object]) -> tuple[Any, ...]:
    """Return those of a `Worker`, with the function in the object store: it is sent to each machine once."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    own = {"TITHE_CACHE": str(storage.cache_dir().absolute()), "OMP_NUM_THREADS": str(cluster.cpus_per_worker)}
    return str(Path.cwd()), sys.path, {**inherited, **own}, ray.put(ray.cloudpickle.dumps(function))


class Workers(Generic[Item, Result]):
    """The workers of one function, on a cluster that this process is connected to; `close` ends them."""

    def __init__(self, ray: ModuleType, cluster: config.Cluster, function: Callable[[Item], Result]) -> None:
        self._ray = ray
        cpus = int(ray.cluster_resources().get("CPU", 1))
        self._count = cluster.num_workers or max(1, cpus // cluster.cpus_per_worker)
        self._needs, self._arguments = needs(cluster), arguments(ray, cluster, function)
        self._starting: dict[Any, Any] = {}  # workers by the reference to their answer, which `ray.wait` waits for
        self._busy: dict[Any, tuple[Any, Work]] = {}
        self._idle: list[Any] = []
        self._again: deque[Work] = deque()  # items of dead workers
        self._dead_at_start = 0

    def close(self) -> None:
        """End the workers, whatever they are doing."""
        for worker in [*self._starting.values(), *(worker for worker, _ in self._busy.values()), *self._idle]:
            self._ray.kill(worker)
        self._starting, self._busy, self._idle = {}, {}, []

    def results(self, items: Iterable[Item]) -> Iterator[Result]:
        """Yield the results in the order of the items; see `Engine.map`."""
        source = map(Work, itertools.count(), items)
        done, number, following = dict[int, Result](), 0, next(source, None)
        for _ in range(self._count if following else 0):
            self._start()
        while following or self._again or self._busy or done:
            while self._idle and self._again:
                self._hand_out(self._again.popleft())
            while self._idle and following and following.number < number + _AHEAD * self._count:
                self._hand_out(following)
                following = next(source, None)
            if number in done:
                yield done.pop(number)
                number += 1
            else:
                done.update(self._wait())

    def _start(self) -> None:
        worker = self._ray.remote(Worker).options(**self._needs).remote(*self._arguments)
        self._starting[worker.begin.remote()] = worker

    def _hand_out(self, work: Work) -> None:
        worker = self._idle.pop()
        self._busy[worker.do.remote(work.item)] = worker, work

    def _wait(self) -> dict[int, Result]:
        """Wait until something has happened; return the result that is there now, by its number, if one is."""
        ready, _ = self._ray.wait([*self._starting, *self._busy], num_returns=1, timeout=SECONDS)
        if not ready:
            if not self._busy:
                logger.info("waiting for a place for a worker with %s", self._needs)
            return {}
        (answer,) = ready
        worker, work = self._busy.pop(answer) if answer in self._busy else (self._starting.pop(answer), None)
        try:
            result: Result = self._ray.get(answer)
        except self._ray.exceptions.RayTaskError as error:
            raise (error.cause or error) from None
        except self._ray.exceptions.RayError as error:  # the process, its machine, or what it had to say is gone
            self._replace(worker, work, type(error).__name__)
            return {}
        self._idle.append(worker)
        return {} if work is None else {work.number: result}

    def _replace(self, worker: Any, work: Work | None, why: str) -> None:
        """Start another worker for a dead one, and have its item done again.

        Raises
        ------
        TitheError
            Several died of the same item, or as soon as they had started.
        """
        self._ray.kill(worker)
        if work is None:
            self._dead_at_start += 1
        else:
            logger.warning("a worker is gone (%s): what it did is done again", why)
            self._again.append(work._replace(deaths=work.deaths + 1))
        if self._dead_at_start == LIVES * self._count or (work and work.deaths + 1 == LIVES):
            what = "of one piece of work" if work else "as they started"
            raise TitheError(f"{LIVES} workers died {what} ({why}): give them more memory, or look at Ray's logs")
        self._start()
