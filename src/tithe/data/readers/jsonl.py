"""JSON lines: one object a line; a line that is none is counted as unreadable, not fatal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tithe.data.readers import Unreadable, check

SUFFIXES = (".jsonl", ".ndjson")
_ROWS = 8192


def read(path: Path, text_column: str, label_column: str | None) -> Iterator[list[tuple[object, object]]]:
    """Yield lists of (input, label) in file order; the row number is the line number from 0.

    Raises
    ------
    InputError
        No line has the text or the label column.
    """
    seen: set[str] = set()
    rows: list[tuple[object, object]] = []
    with path.open("rb") as file:
        for line in file:
            rows.append(_row(line, text_column, label_column, seen))
            if len(rows) == _ROWS:
                yield rows
                rows = []
    yield rows
    if seen:
        check(path, text_column, label_column, seen, "key")


def _row(line: bytes, text_column: str, label_column: str | None, seen: set[str]) -> tuple[object, object]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):  # bad JSON, bad UTF-8, brackets beyond all measure
        record = None
    if not isinstance(record, dict):
        return Unreadable(line.decode("utf-8", "replace").strip()), None
    seen.update(record)
    label = record.get(label_column) if label_column else None
    return record.get(text_column), label if isinstance(label, str | int | float) else None
