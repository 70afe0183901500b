"""Signals that end a run: the first requests a stop at the next safe point, the second exits at once."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from types import FrameType

logger = logging.getLogger("tithe")

# Ctrl-C; `kill`, and a batch system at its time limit; a closed terminal; a batch system's warning before that limit.
# Windows has only the first two.
STOPPING = tuple(each for each in signal.Signals if each.name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"))
_HANGUP = next((each for each in STOPPING if each.name == "SIGHUP"), None)


class StopRequest:
    """The number of the signal that requested a stop; 0 until one arrives."""

    signum = 0


@contextlib.contextmanager
def deferred() -> Iterator[StopRequest]:
    """Record the first signal of `STOPPING` instead of exiting; a second one exits the process at once.

    A SIGHUP that was ignored on entry, as `nohup` starts a process, stays ignored. Signals can only be caught in the
    main thread: in any other, `signum` of the yielded object stays 0.
    """
    stop = StopRequest()

    def handle(signum: int, frame: FrameType | None) -> None:
        if stop.signum and signum == _HANGUP:
            return  # nobody insists: the shell and the system both send one when a terminal closes
        if stop.signum:
            os._exit(128 + signum)
        stop.signum = signum
        if signum == _HANGUP:
            _leave_lost_terminal()
        logger.warning("stopping after this step; send the signal again to quit at once")

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {each: signal.signal(each, handle) for each in STOPPING if not _is_under_nohup(each)}
    try:
        yield stop
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def ignore(signals: Iterable[signal.Signals] = STOPPING) -> None:
    """Ignore signals for good: for a child process, whose parent receives the same ones and ends it."""
    for signum in signals:
        signal.signal(signum, signal.SIG_IGN)


def _is_under_nohup(signum: signal.Signals) -> bool:
    return signum == _HANGUP and signal.getsignal(signum) is signal.SIG_IGN


def _leave_lost_terminal() -> None:
    """Send what is printed from now on nowhere if the terminal is gone: a failed write would keep a run from saving."""
    for stream in (1, 2):
        try:
            os.write(stream, b"")
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream)
            os.close(nowhere)
