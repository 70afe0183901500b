"""The log file of a run: timestamped messages, including those from before its directory existed."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import re
from collections.abc import Iterator
from pathlib import Path

from tithe import console
from tithe.storage.run_files import LOG

logger = logging.getLogger("tithe")
# Step records go to the file only, and to a console that asks for them: elsewhere they would bury everything else.
step_logger = logging.getLogger("tithe.steps")
step_logger.propagate = False
step_logger.setLevel(logging.DEBUG)

_LINE = re.compile(r"\S+ \S+ (?P<level>[A-Z]+) (?P<message>.*)")  # of a log file, see `to_file`
_STEP = re.compile(r"epoch \d+ step \d+ ")  # of the step logger


@contextlib.contextmanager
def buffered() -> Iterator[logging.handlers.MemoryHandler]:
    """Buffer messages until the run directory exists; inside the block the level is at least INFO."""
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
    """Write the log into the run directory while the block runs, buffered messages first."""
    handler = logging.FileHandler(home / LOG, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler.addFilter(console.one_line)
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


class Followed:
    """The log of a run that other processes write; each call passes on what is new in it."""

    def __init__(self, home: Path) -> None:
        self._file = home / LOG
        self._read = self._size()

    def __call__(self) -> None:
        """Pass on the lines that were written since the last call."""
        if self._size() < self._read:  # an earlier run's, which has been deleted
            self._read = 0
        if self._size() == self._read:
            return
        with self._file.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                if found := _LINE.match(line.decode("utf-8", "replace")):
                    target = step_logger if _STEP.match(found["message"]) else logger
                    target.log(logging.getLevelNamesMapping()[found["level"]], "%s", found["message"])

    def _size(self) -> int:
        return self._file.stat().st_size if self._file.exists() else 0


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Log only warnings: of several processes, only the main one logs in full."""
    levels = {each: each.level for each in (logger, step_logger)}
    for each in levels:
        each.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for each, level in levels.items():
            each.setLevel(level)
