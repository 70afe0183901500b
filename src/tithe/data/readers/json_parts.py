"""JSON files, or a folder of them: arrays of objects, or objects one after another; read as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tithe.data import json_stream
from tithe.data.readers import Unreadable, check
from tithe.errors import InputError

SUFFIXES = (json_stream.SUFFIX,)
FOLDER = True
_ROWS = 8192
_EXCERPT = 200


def read(path: Path, text_column: str, label_column: str | None) -> Iterator[list[tuple[object, object]]]:
    """Yield lists of (input, label): the files of a folder in the order of their names, each in its own order.

    Raises
    ------
    InputError
        A file is not JSON, the folder has none, or no object has the text or the label column.
    """
    parts = json_stream.parts(path)
    if not parts:
        raise InputError(f"{path} has no *.json file: pass a folder that has, or the path of one file")
    seen: set[str] = set()
    rows: list[tuple[object, object]] = []
    for part in parts:
        for value in json_stream.values(part):
            rows.append(_row(value, text_column, label_column, seen))
            if len(rows) == _ROWS:
                yield rows
                rows = []
    yield rows
    if seen:
        check(path, text_column, label_column, seen, "key")


def _row(value: object, text_column: str, label_column: str | None, seen: set[str]) -> tuple[object, object]:
    if not isinstance(value, dict):
        return Unreadable(json_stream.excerpt(value, _EXCERPT)), None
    seen.update(value)
    label = value.get(label_column) if label_column else None
    return value.get(text_column), label if isinstance(label, str | int | float) else None
