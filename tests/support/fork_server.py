"""A process that has imported the libraries, and forks what other programs start as a Python process.

Where tests start a process themselves, `processes` is enough. What a program starts for them, as `torchrun` or a script
of the shell, is a command line: of a small client, which asks here over a socket and hands its streams on.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import connection, get_context
from pathlib import Path
from typing import NamedTuple

from support import processes


class Asked(NamedTuple):
    """What a client is asked to be."""

    arguments: list[str]
    variables: dict[str, str]
    cwd: str
    streams: list[int]  # files of its input, output and errors, open here too


@contextmanager
def python() -> Iterator[Path]:
    """Yield an executable that does as `python` does with `-m MODULE`, `-c CODE` or a script, but forks.

    Signals reach the process that was forked, and its exit code or signal becomes that of the executable.
    """
    with running(__file__) as folder:
        client = shutil.copy(Path(__file__).with_name("fork_client.py"), folder)
        command = shlex.join([sys.executable, "-IS", str(client)])  # without site: it needs nothing but the library
        (folder / "python").write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (folder / "python").chmod(0o755)
        yield folder / "python"


@contextmanager
def running(script: str) -> Iterator[Path]:
    """Have a script `serve` on the `socket` of a folder; yield the folder."""
    with tempfile.TemporaryDirectory() as folder:
        server = processes.start(script, f"{folder}/socket", log=Path(folder, "log"))
        while not Path(folder, "socket").exists():
            assert server.poll() is None, Path(folder, "log").read_text()
            time.sleep(0.02)
        yield Path(folder)
        server.kill()
        server.wait()


def serve(address: str, answer: Callable[[socket.socket, Asked], None]) -> None:
    """Answer everybody who connects, one after the other, until the tests are gone."""
    tests = os.getppid()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{address}-to-be")
        listener.listen()
        Path(f"{address}-to-be").rename(address)  # who finds it can connect
        listener.settimeout(1)
        while os.getppid() == tests:
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            client.setblocking(True)
            with client:
                message, streams, _, _ = socket.recv_fds(client, 1, 3)
                with client.makefile("rb") as sent:
                    asked = Asked(**json.loads(message + sent.readline()), streams=streams)
                answer(client, asked)
            for stream in streams:
                os.close(stream)


def take(streams: list[int]) -> None:
    """Make a client's streams those of this process; they may be pipes, unlike those before."""
    for here, stream in enumerate(streams):
        os.dup2(stream, here)
        os.close(stream)
    out, err = (io.BufferedWriter(io.FileIO(number, "w", closefd=False)) for number in (1, 2))
    sys.stdout = io.TextIOWrapper(out, "utf-8")
    sys.stderr = io.TextIOWrapper(err, "utf-8", "backslashreplace", line_buffering=True)


def _answer(client: socket.socket, asked: Asked) -> None:
    get_context("fork").Process(target=_attend, args=(client, asked)).start()


def _attend(client: socket.socket, asked: Asked) -> None:
    """Be between the client and a process of its own: hand on signals, and then the code."""
    process = get_context("fork").Process(target=_become, args=(asked,))
    process.start()
    while client in connection.wait([process.sentinel, client]):
        signum = client.recv(1)
        os.kill(process.pid or 0, signum[0] if signum else signal.SIGKILL)
        if not signum:  # the client was killed
            return
    process.join()
    client.sendall(f"{process.exitcode}\n".encode())


def _become(asked: Asked) -> None:
    take(asked.streams)
    processes.become(asked.arguments, asked.cwd, asked.variables)


if __name__ == "__main__":
    serve(sys.argv[1], _answer)
