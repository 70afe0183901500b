"""Ctrl-C and SIGTERM: the first asks for a stop at the next safe place, the second stops at once."""

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
    """The signal that asked for a stop; 0 until there is one."""

    signum = 0


@contextlib.contextmanager
def deferred() -> Iterator[StopRequest]:
    """Note the first SIGINT or SIGTERM instead of dying; a second one exits the process at once.

    Outside the main thread signals can't be caught: there the yielded object stays 0.
    """
    asked = StopRequest()

    def handle(signum: int, frame: FrameType | None) -> None:
        if asked.signum:
            os._exit(128 + signum)
        asked.signum = signum
        logger.warning("stopping after this step; the same signal again quits at once")

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {s: signal.signal(s, handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
