"""Append-only JSON-lines files, which a crash can cut by one line at most."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tithe.storage.files import atomic_file


def _cut_broken_line(path: Path) -> None:
    """Cut what a crash left after the last whole line, so that the next record starts a line of its own."""
    if path.exists():
        whole = path.read_bytes().rfind(b"\n") + 1
        with path.open("rb+") as file:
            file.truncate(whole)


class JsonLines:
    """An append-only JSON-lines file, flushed after every record.

    A crash can at worst cut the last line; `read` leaves such a line out.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut_broken_line(path)
        self._file = path.open("a", encoding="utf-8")

    def append(self, record: Mapping[str, object]) -> None:
        """Write one record."""
        self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Fsync and close the file."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read the whole records of a JSON-lines file; a missing file has none."""
    records: list[dict[str, Any]] = []
    if path.exists():
        for line in path.read_bytes().split(b"\n"):
            with contextlib.suppress(ValueError):  # bad JSON or bad UTF-8: a line that a crash cut
                records.append(json.loads(line))
    return records


def write_lines(path: Path, records: Iterable[Mapping[str, object]]) -> int:
    """Write a JSON-lines file atomically; return the number of records."""
    count = 0
    with atomic_file(path) as aside, aside.open("w", encoding="utf-8") as file:
        for count, record in enumerate(records, start=1):  # noqa: B007
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return count
