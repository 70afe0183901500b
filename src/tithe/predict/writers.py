"""Predictions as Parquet, CSV, JSON or JSONL: the same columns in each."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from tithe import storage
from tithe.errors import InputError, did_you_mean
from tithe.predict.kept_columns import as_text, jsonable

Row = dict[str, object]
Item = TypeVar("Item")

_ROWS_PER_CHUNK = 4096


def chunks(stream: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield a stream in lists of at most `size` items."""
    iterator = iter(stream)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


def check_output(path: Path) -> None:
    """Check that predictions can be written to a file.

    Raises
    ------
    InputError
        Unsupported suffix, or the file can't be written.
    """
    _writer(path)
    storage.check_writable_file(path)


def write(path: Path, rows: Iterator[Row], schema: pa.Schema) -> int:
    """Write rows with the columns of a schema in the format of the path's suffix; return their number.

    In CSV a cell that a spreadsheet would take for a formula begins with `'`; see `storage.csv_cell`.

    Raises
    ------
    InputError
        Unsupported suffix.
    """
    write_rows = _writer(path)
    with storage.atomic_file(path) as temporary:
        return write_rows(temporary, rows, schema)


def _writer(path: Path) -> Callable[[Path, Iterator[Row], pa.Schema], int]:
    writers: dict[str, Callable[[Path, Iterator[Row], pa.Schema], int]] = {
        ".jsonl": _jsonl,
        ".json": _json,
        ".csv": _csv,
        ".parquet": _parquet,
    }
    suffix = path.suffix.lower()
    if suffix not in writers:
        raise InputError(f"can't write '{suffix}' files{did_you_mean(suffix, writers)}")
    return writers[suffix]


def _jsonl(path: Path, rows: Iterator[Row], schema: pa.Schema) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for count, row in enumerate(rows, start=1):  # noqa: B007
            file.write(json.dumps(jsonable(row), ensure_ascii=False) + "\n")
    return count


def _json(path: Path, rows: Iterator[Row], schema: pa.Schema) -> int:
    records = [jsonable(row) for row in rows]
    path.write_text(json.dumps(records, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return len(records)


def _csv(path: Path, rows: Iterator[Row], schema: pa.Schema) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(map(storage.csv_cell, schema.names))
        for count, row in enumerate(rows, start=1):  # noqa: B007
            writer.writerow(storage.csv_cell(_plain(value)) for value in row.values())
    return count


def _plain(value: object) -> object:
    return value if isinstance(value, int | float | None) and not isinstance(value, bool) else as_text(value)


def _parquet(path: Path, rows: Iterator[Row], schema: pa.Schema) -> int:
    count = 0
    with pq.ParquetWriter(path, schema) as writer:
        for chunk in chunks(rows, _ROWS_PER_CHUNK):
            writer.write_table(pa.Table.from_pylist(chunk, schema))
            count += len(chunk)
    return count
