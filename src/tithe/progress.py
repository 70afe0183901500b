"""Progress display: a bar on a terminal, an occasional plain line in a log."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger("tithe")

_SECONDS_BETWEEN_LINES = 10.0
Tick = Callable[[int], None]


@dataclass(frozen=True)
class Bar:
    """Progress that is shown: call it with the number of new items done.

    Attributes
    ----------
    show
        Takes a note of a few words to be seen beside a bar on a terminal; a log has no place for it.
    """

    tick: Tick
    show: Callable[[str], None] = lambda note: None

    def __call__(self, done: int) -> None:
        """Count new items."""
        self.tick(done)


@contextlib.contextmanager
def bar(label: str, total: int, unit: str) -> Iterator[Bar]:
    """Show progress on stderr while the block runs; where the log prints only warnings there, show none on a terminal.

    The yielded function takes the number of new items done.
    """
    with _on_terminal(label, total, unit) if _has_bar() else _in_log(label, total, unit) as progress:
        yield progress


def _has_bar() -> bool:
    levels = [handler.level for handler in _writers()]
    return sys.stderr.isatty() and min(levels, default=logging.INFO) <= logging.INFO


def _writers() -> list[logging.StreamHandler[Any]]:
    """Return the handlers that print the log."""
    return [h for h in logger.handlers if isinstance(h, logging.StreamHandler) and h.stream is sys.stderr]


@contextlib.contextmanager
def _on_terminal(label: str, total: int, unit: str) -> Iterator[Bar]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column

    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(bar_width=None, table_column=Column(max_width=40)),  # narrower where the note needs the place
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    plain, writers = sys.stderr, _writers()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        # While the bar is shown, sys.stderr is a wrapper that prints above it: point the log handlers at the wrapper.
        for handler in writers:
            handler.setStream(sys.stderr)
        task = progress.add_task(label, total=total, note="")
        try:
            yield Bar(lambda done: progress.advance(task, done), lambda note: progress.update(task, note=note))
        finally:
            for handler in writers:
                handler.setStream(plain)


@contextlib.contextmanager
def _in_log(label: str, total: int, unit: str) -> Iterator[Bar]:
    done, last = 0, time.monotonic()

    def tick(more: int) -> None:
        nonlocal done, last
        done += more
        if time.monotonic() - last > _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            logger.info("%s %d/%d %s", label, done, total, unit)

    yield Bar(tick)
