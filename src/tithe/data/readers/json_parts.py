"""JSON files, or a folder of them: arrays of objects, or objects one after another; read as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tithe.data import json_stream
from tithe.data.readers import Pair, Record, Unreadable, lists, pairs_of_objects
from tithe.errors import InputError

SUFFIXES = json_stream.SUFFIXES
parts = json_stream.parts
_EXCERPT = 200


def read(path: Path, text_column: str, label_column: str | None) -> Iterator[list[Pair]]:
    """Yield lists of (input, label): the files of a folder in the order of their names, each in its own order.

    Raises
    ------
    InputError
        A file is not JSON, the folder has none, or no object has the text or the label column.
    """
    files = parts(path)
    if not files:
        raise InputError(f"{path} has no *.json file: pass a folder that has, or the path of one file")
    values = (_object(value) for file in files for value in json_stream.values(file))
    yield from lists(pairs_of_objects(path, values, text_column, label_column))


def records(path: Path) -> Iterator[list[Record]]:
    """Yield lists of rows with all keys, as `read` does."""
    yield from lists(_object(value) for file in parts(path) for value in json_stream.values(file))


def _object(value: object) -> Record:
    return value if isinstance(value, dict) else Unreadable(json_stream.excerpt(value, _EXCERPT))
