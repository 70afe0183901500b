"""Progress display: a bar on a terminal, an occasional plain line in a log."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator

logger = logging.getLogger("tithe")

_SECONDS_BETWEEN_LINES = 10.0
Tick = Callable[[int], None]


@contextlib.contextmanager
def bar(label: str, total: int, unit: str) -> Iterator[Tick]:
    """Show progress on stderr while the block runs; the yielded function takes the number of new items done."""
    with _on_terminal(label, total, unit) if sys.stderr.isatty() else _in_log(label, total, unit) as tick:
        yield tick


@contextlib.contextmanager
def _on_terminal(label: str, total: int, unit: str) -> Iterator[Tick]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    plain = sys.stderr
    with Progress(*columns, console=Console(stderr=True)) as progress:
        # While the bar is shown, sys.stderr is a wrapper that prints above it: point the log handlers at the wrapper.
        writers = [h for h in logger.handlers if isinstance(h, logging.StreamHandler) and h.stream is plain]
        for handler in writers:
            handler.setStream(sys.stderr)
        task = progress.add_task(label, total=total)
        try:
            yield lambda done: progress.advance(task, done)
        finally:
            for handler in writers:
                handler.setStream(plain)


@contextlib.contextmanager
def _in_log(label: str, total: int, unit: str) -> Iterator[Tick]:
    done, last = 0, time.monotonic()

    def tick(more: int) -> None:
        nonlocal done, last
        done += more
        if time.monotonic() - last > _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            logger.info("%s %d/%d %s", label, done, total, unit)

    yield tick
