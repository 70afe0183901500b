"""Workers of Ray that are forked from one process that has imported their libraries, as `processes` forks commands.

Each is the process that Ray would start, with its arguments, variables and log; it dies and is replaced as that one.
Only the seconds are saved in which it would import Ray, twice, and then torch, transformers and tithe. What depends on
a worker that begins with nothing runs inside `plain`.
"""

from __future__ import annotations

import importlib
import os
import runpy
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support import fork_server

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
        for name in ("ray_worker.py", "fork_client.py"):
            shutil.copy(Path(__file__).with_name(name), folder)

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
    with fork_server.running(__file__) as folder:
        yield Forks(folder)


def _answer(client: socket.socket, asked: fork_server.Asked) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # leaves no zombies
    os.environ.update(asked.variables)  # Ray reads some as it loads, which are those of all workers
    for module in _IMPORTED:
        importlib.import_module(module)
    if not os.fork():
        _become(asked)
        os._exit(0)


def _become(asked: fork_server.Asked) -> None:
    """Be the worker of this command line; in the child."""
    from ray._private.workers import setup_worker

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(asked.variables)
    fork_server.take(asked.streams)
    sys.argv = setup_worker.parser.parse_known_args(asked.arguments)[1]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    fork_server.serve(sys.argv[1], _answer)
