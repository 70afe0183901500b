"""Progress display: a bar on a terminal or in a notebook, an occasional plain line in a log."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tithe.console import printable

logger = logging.getLogger("tithe")

_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_BETWEEN_DRAWINGS, _WIDTH = 0.1, 30  # of a bar in a notebook
Tick = Callable[[int], None]


@dataclass(frozen=True)
class Bar:
    """Progress that is shown: call it with the number of new items done.

    Attributes
    ----------
    show
        Takes a note of a few words to be seen beside a bar; a log has no place for it.
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
    with _display()(printable(label), total, unit) as progress:
        yield progress


def _display() -> Callable[[str, int, str], contextlib.AbstractContextManager[Bar]]:
    if min((handler.level for handler in _writers()), default=logging.INFO) > logging.INFO:
        return _in_log
    if sys.stderr is not None and sys.stderr.isatty():
        return _on_terminal
    return _in_notebook if _is_notebook() else _in_log


def _is_notebook() -> bool:
    """Return whether IPython runs this process for a notebook: its shell then has a kernel."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


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
        TextColumn("{task.description:<12}", markup=False),
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
def _in_notebook(label: str, total: int, unit: str) -> Iterator[Bar]:
    """Redraw one line below the cell; a carriage return is all that every notebook understands."""
    line = _Line(label, total, unit)
    line.draw()
    try:
        yield Bar(line.tick, line.show)
    finally:
        line.draw()
        sys.stderr.write("\n")


class _Line:
    """The bar of a notebook, which is one line of text."""

    def __init__(self, label: str, total: int, unit: str) -> None:
        self.label, self.total, self.unit, self.note = label, total, unit, ""
        self.done, self.began, self.drawn, self.width = 0, time.monotonic(), 0.0, 0

    def tick(self, more: int) -> None:
        self.done += more
        if time.monotonic() - self.drawn > _SECONDS_BETWEEN_DRAWINGS:
            self.draw()

    def show(self, note: str) -> None:
        self.note = note

    def draw(self) -> None:
        self.drawn = time.monotonic()
        share, seconds = min(1.0, self.done / self.total) if self.total else 1.0, self.drawn - self.began
        filled = round(_WIDTH * share)
        left = f"  {seconds / share - seconds:.0f} s left" if 0 < share < 1 else ""
        counts = f"{self.done}/{self.total} {self.unit}  {seconds:.0f} s{left}  {self.note}"
        text = f"{self.label:<12} {'█' * filled}{'░' * (_WIDTH - filled)} {counts}".rstrip()
        sys.stderr.write(f"\r{text:<{self.width}}")  # covers what was drawn before
        sys.stderr.flush()
        self.width = len(text)


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
