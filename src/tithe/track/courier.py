"""Run a tracker in a child process, so that it can't interfere with training.

Clients of remote trackers start threads, patch the interpreter, seed its generators, install signal handlers, and wait
for servers. In a child process they may. The run writes records into a pipe, as lines of JSON, and continues; the
child (`python -m tithe.track.courier MEMBER`) sends them, batching everything that has arrived. It ends when the pipe
closes, so also when the run was killed. Its only output is the reason if it ended early.

A module of `trackers/` that works this way has, in addition to `open`, a `connect(home, settings, name)`: the child
process calls it and gets a `Remote`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Protocol

from tithe import interrupts, plugins

# Records that may queue for a slow server; when there are more, the run continues without the tracker.
MAX_QUEUED = 100_000
# The status of a run whose process was killed, so that it could not report one.
KILLED = "killed"
# Seconds that the child process may run on after the run has ended, so that a hanging server can't delay it longer.
CLOSE_TIMEOUT = 30.0
# Additional seconds in which it can report its own timeout.
GRACE = 5.0


class Point(NamedTuple):
    """Values of one optimizer step, and when they were logged, in milliseconds since 1970."""

    values: dict[str, float]
    step: int
    at: int


class Remote(Protocol):
    """A tracker in the child process: like `tracks.Tracker`, but it receives scalars in batches."""

    def params(self, values: Mapping[str, object]) -> None:
        """Receive the resolved config once, at the start, secrets masked."""

    def scalars(self, points: Sequence[Point]) -> None:
        """Receive all values that have arrived since the last call, in order."""

    def figure(self, name: str, path: Path) -> None:
        """Receive a PNG file."""

    def artifact(self, name: str, path: Path) -> None:
        """Receive any other file."""

    def close(self, status: str) -> None:
        """Receive the run's final status (finished, failed, stopped or killed), and send what is pending."""


class Courier:
    """The parent's end of the pipe: a tracker whose methods return immediately, except `close`.

    Parameters
    ----------
    tracker
        The member of `trackers/` that runs in the child process.
    home, settings, name
        Arguments of its `connect`; the settings must be JSON values.
    environment
        Additional variables for the child; those of the run take precedence.

    Raises
    ------
    ConnectionError
        From any method: the child process has ended. The message is its last output.
    """

    def __init__(
        self,
        tracker: str,
        home: Path,
        settings: Mapping[str, Any],
        name: str,
        environment: Mapping[str, str],
    ) -> None:
        self._process = subprocess.Popen(
            # -P: files in the current folder must not be imported as modules.
            [sys.executable, "-P", "-m", "tithe.track.courier", tracker, str(CLOSE_TIMEOUT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**environment, **os.environ},
            start_new_session=True,  # Ctrl-C in the terminal must reach only the run
            encoding="utf-8",
        )
        self._send(str(home.resolve()), dict(settings), name)

    def params(self, values: Mapping[str, object]) -> None:
        """Send the configuration."""
        self._send("params", dict(values))

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Send values, with the current time."""
        self._send("scalars", dict(values), step, time.time_ns() // 1_000_000)

    def figure(self, name: str, path: Path) -> None:
        """Send the path of a PNG; it is read later, so the file must remain."""
        self._send("figure", name, str(path.resolve()))

    def artifact(self, name: str, path: Path) -> None:
        """Send the path of a file; it is read later, so the file must remain."""
        self._send("artifact", name, str(path.resolve()))

    def close(self, status: str) -> None:
        """Send the final status, and wait until everything is delivered."""
        self._send("close", status)
        if error := self._end():
            raise ConnectionError(error)

    def _send(self, *message: object) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ConnectionError(self._end()) from None

    def _end(self) -> str:
        """Wait until the process ends; return its last output, which is empty on success."""
        try:
            output, _ = self._process.communicate(timeout=CLOSE_TIMEOUT + GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            output, _ = self._process.communicate()
        code = self._process.returncode
        return output.strip() or (f"its process ended with code {code}" if code else "")


# ---- child process


def main() -> None:
    """Run the child process: open the tracker, and pass it everything that arrives."""
    tracker, patience = sys.argv[1], float(sys.argv[2])
    output_fd = os.dup(1)
    os.dup2(2, 1)  # discard what a client prints
    inbox: queue.Queue[list[Any]] = queue.Queue(MAX_QUEUED)
    threading.Thread(target=_receive, args=(inbox, patience, output_fd), daemon=True).start()
    try:
        home, settings, name = inbox.get()
        remote: Remote = plugins.load("trackers", tracker).connect(Path(home), settings, name)
        # A batch system signals every process of a job, but this one must wait for the run's final status.
        interrupts.ignore()
        _deliver(inbox, remote)
    except Exception as error:
        _exit(output_fd, str(error) or type(error).__name__)
    os._exit(0)  # without waiting for the client's threads: everything is sent


def _receive(inbox: queue.Queue[list[Any]], patience: float, output_fd: int) -> None:
    """Read lines as they arrive, so that the run never waits; exit if delivery takes too long."""
    for line in sys.stdin:
        try:
            inbox.put_nowait(json.loads(line))
        except queue.Full:
            _exit(output_fd, f"the server is {MAX_QUEUED} records behind the run")
        except ValueError:
            break  # an incomplete line: the run was killed while writing it
    inbox.put(["close", KILLED])  # ignored if the run has sent its own status
    time.sleep(patience)
    _exit(output_fd, f"the server did not take everything within {patience:g} s of the run's end")


def _deliver(inbox: queue.Queue[list[Any]], remote: Remote) -> None:
    """Pass everything to the tracker until the run has ended, queued scalars as one batch."""
    while True:
        queued = [inbox.get(), *(inbox.get() for _ in range(inbox.qsize()))]
        for kind, group in itertools.groupby(queued, key=lambda message: str(message[0])):
            messages = [message[1:] for message in group]
            if kind == "scalars":
                remote.scalars([Point(*message) for message in messages])
            elif kind == "params":
                remote.params(*messages[0])
            elif kind == "close":
                return remote.close(*messages[0])
            else:
                for name, path in messages:
                    getattr(remote, kind)(name, Path(path))


def _exit(output_fd: int, reason: str) -> NoReturn:
    """End the process without waiting for its threads, and report the reason."""
    with contextlib.suppress(BrokenPipeError):  # the run was killed: there is no reader
        os.write(output_fd, reason.encode())
    os._exit(1)


if __name__ == "__main__":
    main()
