"""Append-only JSON-lines files, in which a crash can truncate at most the last line."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tithe.errors import InputError
from tithe.storage.files import atomic_file
from tithe.storage.recording import note


class Extent(NamedTuple):
    """The beginning of a file: how many bytes, and their SHA-256."""

    bytes: int
    sha256: str


class JsonLines:
    """An append-only JSON-lines file, flushed after every record.

    A crash can truncate at most the last line; `read_lines` skips such a line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_bytes() if path.exists() else b""
        whole = before[: before.rfind(b"\n") + 1]
        if len(whole) < len(before):  # what a crash left: the next record starts on a new line
            os.truncate(path, len(whole))
        self._sha256, self._bytes = hashlib.sha256(whole), len(whole)
        self._file = path.open("ab")

    def append(self, record: Mapping[str, object]) -> None:
        """Write one record."""
        line = (json.dumps(record, ensure_ascii=False) + "\n").encode()
        self._file.write(line)
        self._file.flush()
        self._sha256.update(line)
        self._bytes += len(line)

    def extent(self) -> Extent:
        """Return the length and the hash of all records, which are on the disk then."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
        return Extent(self._bytes, self._sha256.hexdigest())

    def close(self) -> None:
        """Fsync and close the file."""
        if not self._file.closed:
            note(self.path, self.extent().sha256)
            self._file.close()


def begins_with(path: Path, extent: Extent) -> bool:
    """Return whether a file begins with the bytes of an extent; a missing file has none."""
    if not path.exists():
        return extent.bytes == 0
    with path.open("rb") as file:
        content = file.read(extent.bytes)
    return len(content) == extent.bytes and hashlib.sha256(content).hexdigest() == extent.sha256


def read_lines(path: Path, size: int | None = None) -> list[dict[str, Any]]:
    """Read the records of a JSON-lines file, or those in its first bytes; a missing file has none.

    A last line that a crash truncated is left out.

    Raises
    ------
    InputError
        A line before the end is not a record; the message gives its number.
    """
    lines = path.read_bytes()[:size].split(b"\n") if path.exists() else []
    return [_record(path, number, line) for number, line in enumerate(lines[:-1], start=1)]


def _record(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):  # bad JSON, bad UTF-8, brackets beyond all measure
        record = None
    if not isinstance(record, dict):
        raise InputError(f"{path} is damaged: line {number} is not a record; restore the file, or delete it")
    return record


def write_lines(path: Path, records: Iterable[Mapping[str, object]]) -> int:
    """Write a JSON-lines file atomically; return the number of records."""
    count = 0
    with atomic_file(path) as aside, aside.open("w", encoding="utf-8") as file:
        for count, record in enumerate(records, start=1):  # noqa: B007
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return count
