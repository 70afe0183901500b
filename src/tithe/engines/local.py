"""The engine of one machine: this process, or several that it starts."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import cast

from tithe import interrupts, storage
from tithe.engines.protocol import Engine, Item, Result

_AT_ONCE = 8  # items of each worker that are read and not yielded yet


@contextlib.contextmanager
def opened(processes: int) -> Iterator[Engine]:
    """Yield an engine of this many processes; one is this process itself."""
    yield _Here() if processes == 1 else _Processes(processes)


class _Here:
    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        return map(function, items)


class _Processes:
    def __init__(self, count: int) -> None:
        self._count = count

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        threads = max(1, (os.cpu_count() or 1) // self._count)
        # The pool's own thread reads the items; without a limit the results would wait for whoever writes them.
        room, is_over = threading.Semaphore(_AT_ONCE * self._count), threading.Event()

        def admitted() -> Iterator[Item]:
            for item in items:
                room.acquire()
                if is_over.is_set():
                    return
                yield item

        # Children read the variable when they load their libraries.
        with (
            storage.environment_variable("OMP_NUM_THREADS", str(threads)),
            multiprocessing.get_context("spawn").Pool(self._count, _begin, (function,)) as pool,
        ):
            try:
                for result in cast("Iterator[Result]", pool.imap(_do, admitted())):
                    room.release()
                    yield result
            finally:
                is_over.set()
                room.release()  # of a thread that would wait for ever


_function: list[Callable[[object], object]] = []  # of a worker process


def _begin(function: Callable[[object], object]) -> None:
    # A signal to the process group is for the parent, which ends its workers with SIGTERM.
    interrupts.ignore(each for each in interrupts.STOPPING if each != signal.SIGTERM)
    _function.append(function)


def _do(item: object) -> object:
    return _function[0](item)
