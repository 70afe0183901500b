"""Append-only JSON-lines files, in which a crash can truncate at most the last line."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tithe.storage.files import atomic_file


def _cut_broken_line(path: Path) -> None:
    """Remove what a crash left after the last complete line, so that the next record starts on a new line."""
    if path.exists():
        end = path.read_bytes().rfind(b"\n") + 1
        with path.open("rb+") as file:
            file.truncate(end)


class JsonLines:
    """An append-only JSON-lines file, flushed after every record.

    A crash can truncate at most the last line; `read_lines` skips such a line.
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
    """Read the complete records of a JSON-lines file; a missing file has none."""
    records: list[dict[str, Any]] = []
    if path.exists():
        for line in path.read_bytes().split(b"\n"):
            with contextlib.suppress(ValueError):  # bad JSON or bad UTF-8: a line that a crash truncated
                records.append(json.loads(line))
    return records


def write_lines(path: Path, records: Iterable[Mapping[str, object]]) -> int:
    """Write a JSON-lines file atomically; return the number of records."""
    count = 0
    with atomic_file(path) as aside, aside.open("w", encoding="utf-8") as file:
        for count, record in enumerate(records, start=1):  # noqa: B007
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return count
