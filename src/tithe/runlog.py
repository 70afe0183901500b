"""The log of a run: what is said on the way, in words and with a clock, from before its directory stood."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
from collections.abc import Iterator
from pathlib import Path

FILE = "train.log"
logger = logging.getLogger("tithe")
# Lines that are for the file alone: one for every few steps would bury everything else on a console.
steps = logging.getLogger("tithe.steps")
steps.propagate = False
steps.setLevel(logging.DEBUG)


@contextlib.contextmanager
def remembered() -> Iterator[logging.handlers.MemoryHandler]:
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
def written(home: Path, earlier: logging.handlers.MemoryHandler) -> Iterator[None]:
    """Copy the log into the run directory while the block runs, what was remembered first."""
    handler = logging.FileHandler(home / FILE, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.removeHandler(earlier)
    earlier.setTarget(handler)
    earlier.flush()
    earlier.setTarget(None)
    logger.addHandler(handler)
    steps.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        steps.removeHandler(handler)
        handler.close()


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Say warnings alone: of several processes one voice is enough."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
