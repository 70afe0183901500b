"""Ctrl-C and SIGTERM: the first requests a stop at the next safe point, the second exits at once."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

logger = logging.getLogger("tithe")


class StopRequest:
    """The number of the signal that requested a stop; 0 until one arrives."""

    signum = 0


@contextlib.contextmanager
def deferred() -> Iterator[StopRequest]:
    """Record the first SIGINT or SIGTERM instead of exiting; a second one exits the process at once.

    Signals can only be caught in the main thread: in any other, `signum` of the yielded object stays 0.
    """
    stop = StopRequest()

    def handle(signum: int, frame: FrameType | None) -> None:
        if stop.signum:
            os._exit(128 + signum)
        stop.signum = signum
        logger.warning("stopping after this step; send the signal again to quit at once")

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {s: signal.signal(s, handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
