"""JSON lines: one object a line; a line that is none is counted as unreadable, not fatal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tithe.data import compressed
from tithe.data.readers import Pair, Record, Unreadable, lists, pairs_of_objects

SUFFIXES = compressed.forms(".jsonl", ".ndjson")


def read(path: Path, text_column: str, label_column: str | None) -> Iterator[list[Pair]]:
    """Yield lists of (input, label) in file order; the row number is the line number from 0.

    Raises
    ------
    InputError
        No line has the text or the label column, or a compressed file is damaged.
    """
    with compressed.opened(path) as file:
        yield from lists(pairs_of_objects(path, map(_value, file), text_column, label_column))


def records(path: Path) -> Iterator[list[Record]]:
    """Yield lists of rows with all keys, as `read` does."""
    with compressed.opened(path) as file:
        yield from lists(map(_value, file))


def _value(line: bytes) -> Record:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):  # bad JSON, bad UTF-8, brackets beyond all measure
        value = None
    return value if isinstance(value, dict) else Unreadable(line.decode("utf-8", "replace").strip())
