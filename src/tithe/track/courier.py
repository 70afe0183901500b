"""A tracker at work in a process of its own, so that nothing it does can touch a training.

Clients of remote trackers start threads, patch the interpreter, seed its generators, take its signals, and wait
for servers. Next door they may. The run writes what it has to say into a pipe, as lines of JSON, and goes on; the
child process (`python -m tithe.track.courier MEMBER`) sends it, as much at once as has come in. It ends when the pipe
does, so also after a run that was killed; why it ended early is its only output.

A leaf of `trackers/` that works this way has, besides its `open`, a `connect(home, settings, name)`: it is called
next door and returns a `Remote`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Protocol

from tithe import plugins

# Records that may wait for a slow server; a run that is further ahead than that goes on without it.
AHEAD = 100_000
# The status of a run whose process was killed: nobody was left to say how it ended.
KILLED = "killed"
# Seconds that the process next door may go on when the run is over: a server that hangs holds up no run for longer.
PATIENCE = 30.0
# Seconds on top, for it to say itself that its time is over.
GRACE = 5.0


class Point(NamedTuple):
    """Numbers of one optimizer step, and when they were logged, in milliseconds since 1970."""

    values: dict[str, float]
    step: int
    at: int


class Remote(Protocol):
    """A tracker next door: `tracking.Tracker` but for its scalars, which come together."""

    def params(self, values: Mapping[str, object]) -> None:
        """Receive the resolved config once, at the start, secrets masked."""

    def scalars(self, points: Sequence[Point]) -> None:
        """Receive all numbers that have come in since the last time, in their order."""

    def figure(self, name: str, path: Path) -> None:
        """Receive a PNG file."""

    def artifact(self, name: str, path: Path) -> None:
        """Receive any other file."""

    def close(self, status: str) -> None:
        """Learn how the run ended (finished, failed, stopped or killed), and send what is still to be sent."""


class Courier:
    """The run's end of the pipe: a tracker whose methods return at once, but for `close`.

    Parameters
    ----------
    tracker
        The member of `trackers/` that works next door.
    home, settings, name
        What its `connect` gets; the settings must be JSON values.
    environment
        Variables that it gets besides the run's own, which win.

    Raises
    ------
    ConnectionError
        By any method: the process next door has ended. The message is its last words.
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
            # -P: a file in the current folder can't pass for a module.
            [sys.executable, "-P", "-m", "tithe.track.courier", tracker, str(PATIENCE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**environment, **os.environ},
            start_new_session=True,  # a Ctrl-C in the terminal is meant for the run
            encoding="utf-8",
        )
        self._tell(str(home.resolve()), dict(settings), name)

    def params(self, values: Mapping[str, object]) -> None:
        """Pass on the configuration."""
        self._tell("params", dict(values))

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Pass on numbers, with the time."""
        self._tell("scalars", dict(values), step, time.time_ns() // 1_000_000)

    def figure(self, name: str, path: Path) -> None:
        """Pass on where a PNG lies; it is read later, and must stay."""
        self._tell("figure", name, str(path.resolve()))

    def artifact(self, name: str, path: Path) -> None:
        """Pass on where a file lies; it is read later, and must stay."""
        self._tell("artifact", name, str(path.resolve()))

    def close(self, status: str) -> None:
        """Say how the run ended, and wait until all is sent."""
        self._tell("close", status)
        if trouble := self._end():
            raise ConnectionError(trouble)

    def _tell(self, *message: object) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ConnectionError(self._end()) from None

    def _end(self) -> str:
        """Wait for the end of the process; return its last words, none where all went well."""
        try:
            words, _ = self._process.communicate(timeout=PATIENCE + GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            words, _ = self._process.communicate()
        code = self._process.returncode
        return words.strip() or (f"its process ended with code {code}" if code else "")


# ---- next door


def main() -> None:
    """Be the process next door: open the tracker, and hand it everything that comes in."""
    tracker, patience = sys.argv[1], float(sys.argv[2])
    mouth = os.dup(1)
    os.dup2(2, 1)  # whatever a client prints is not for the run
    inbox: queue.Queue[list[Any]] = queue.Queue(AHEAD)
    threading.Thread(target=_receive, args=(inbox, patience, mouth), daemon=True).start()
    try:
        home, settings, name = inbox.get()
        remote: Remote = plugins.load("trackers", tracker).connect(Path(home), settings, name)
        # A batch system signals every process of a job; this one ends when the run has said how it ended.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _deliver(inbox, remote)
    except Exception as error:
        _leave(mouth, str(error) or type(error).__name__)
    os._exit(0)  # without the goodbyes of the client's threads: all is sent


def _receive(inbox: queue.Queue[list[Any]], patience: float, mouth: int) -> None:
    """Take in all lines as they come, so that the run never waits; see to it that the end comes."""
    for line in sys.stdin:
        try:
            inbox.put_nowait(json.loads(line))
        except queue.Full:
            _leave(mouth, f"the server is {AHEAD} records behind the run")
        except ValueError:
            break  # half a line: the run was killed in the middle of it
    inbox.put(["close", KILLED])  # after the run's own goodbye nobody reads this
    time.sleep(patience)
    _leave(mouth, f"the server did not take everything within {patience:g} s of the run's end")


def _deliver(inbox: queue.Queue[list[Any]], remote: Remote) -> None:
    """Hand everything on until the run has ended, waiting scalars together."""
    while True:
        waiting = [inbox.get(), *(inbox.get() for _ in range(inbox.qsize()))]
        for kind, group in itertools.groupby(waiting, key=lambda message: str(message[0])):
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


def _leave(mouth: int, words: str) -> NoReturn:
    """End the process, whatever its threads are at, and say why."""
    with contextlib.suppress(BrokenPipeError):  # the run was killed: there is nobody to say it to
        os.write(mouth, words.encode())
    os._exit(1)


if __name__ == "__main__":
    main()
