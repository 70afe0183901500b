"""The log of a run: what is said on the way, in words and with a clock, from before its directory stood."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
from collections.abc import Iterator
from pathlib import Path

from tithe.storage.run_files import LOG

logger = logging.getLogger("tithe")
# Lines that are for the file alone: one for every few steps would bury everything else on a console.
step_logger = logging.getLogger("tithe.steps")
step_logger.propagate = False
step_logger.setLevel(logging.DEBUG)


@contextlib.contextmanager
def buffered() -> Iterator[logging.handlers.MemoryHandler]:
    """Keep what is said before the run directory stands; inside the block, information is said at all."""
    level = logger.level
    if not logger.isEnabledFor(logging.INFO):
        logger.setLevel(logging.INFO)
    memory = logging.handlers.MemoryHandler(capacity=1 << 20, flushLevel=logging.CRITICAL + 1, flushOnClose=False)
    logger.addHandler(memory)
    try:
        yield memory
    finally:
        logger.removeHandler(memory)
        memory.close()
        logger.setLevel(level)


@contextlib.contextmanager
def to_file(home: Path, earlier: logging.handlers.MemoryHandler) -> Iterator[None]:
    """Copy the log into the run directory while the block runs, what was remembered first."""
    handler = logging.FileHandler(home / LOG, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.removeHandler(earlier)
    earlier.setTarget(handler)
    earlier.flush()
    earlier.setTarget(None)
    logger.addHandler(handler)
    step_logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        step_logger.removeHandler(handler)
        handler.close()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Say warnings alone: of several processes one voice is enough."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
