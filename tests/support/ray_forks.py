"""Workers of Ray that are forked from one process that has imported their libraries, as `processes` forks commands.

Each is the process that Ray would start, with its arguments, variables and log; it dies and is replaced as that one.
Only the seconds are saved in which it would import Ray, twice, and then torch, transformers and tithe. What depends on
a worker that begins with nothing runs inside `plain`.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support import processes

# What a worker imports besides, before it connects and for the work of the tests.
_IMPORTED = [
    *("ray._private.workers.setup_worker", "ray._private.node", "ray._private.runtime_env.setup_hook"),
    *("tithe.engines.shards", "tithe.predict.files", "tithe.select.suite.trials", "tithe.tune.trials"),
]
# So that each worker is started for its work: by itself Ray keeps some in advance.
_ON_DEMAND = {"RAY_prestart_worker_first_driver": "0", "RAY_enable_worker_prestart": "0"}


class Forks:
    """Forks the workers of a Ray that is started under `patched`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        shutil.copy(Path(__file__).with_name("ray_worker.py"), folder)

    @contextmanager
    def patched(self) -> Iterator[None]:
        from ray._private import ray_constants

        with pytest.MonkeyPatch.context() as patch:
            # Ray joins it to the folder of its own.
            patch.setattr(ray_constants, "SETUP_WORKER_FILENAME", str(self._folder / "ray_worker.py"))
            for name, value in _ON_DEMAND.items():
                patch.setenv(name, value)
            yield

    @contextmanager
    def plain(self) -> Iterator[Callable[[], bool]]:
        """Workers are new interpreters meanwhile; yield what says whether one was started."""
        from ray._private.workers import setup_worker

        plain = self._folder / "plain"
        plain.write_text(setup_worker.__file__)
        try:
            yield lambda: any(self._folder.glob("plain-*"))
        finally:
            for file in self._folder.glob("plain*"):
                file.unlink()


@contextmanager
def running() -> Iterator[Forks]:
    """Start what forks, and end it."""
    with tempfile.TemporaryDirectory() as folder:
        server = processes.start(__file__, f"{folder}/socket", log=Path(folder, "log"))
        yield Forks(Path(folder))
        server.kill()
        server.wait()


def _serve(address: str) -> None:
    """Fork a worker for everybody who connects, until the tests are gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # leaves no zombies
    tests = os.getppid()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        listener.settimeout(1)
        while os.getppid() == tests:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection:
                _answer(connection)


def _answer(connection: socket.socket) -> None:
    connection.setblocking(True)
    streams = socket.recv_fds(connection, 1, 2)[1]
    with connection.makefile() as asked:
        how = json.load(asked)
    os.environ.update(how["variables"])  # Ray reads some as it loads, which are those of all workers
    for module in _IMPORTED:
        importlib.import_module(module)
    if not os.fork():
        _become(how["arguments"], how["variables"], streams)
        os._exit(0)
    for stream in streams:
        os.close(stream)


def _become(arguments: list[str], variables: dict[str, str], streams: list[int]) -> None:
    """Be the worker of this command line; in the child."""
    from ray._private.workers import setup_worker

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(variables)
    for here, stream in enumerate(streams, start=1):
        os.dup2(stream, here)
        os.close(stream)
    sys.argv = setup_worker.parser.parse_known_args(arguments)[1]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    _serve(sys.argv[1])
