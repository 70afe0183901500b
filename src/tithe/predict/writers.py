"""Predictions as Parquet, CSV, JSON or JSONL."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from tithe import storage
from tithe.errors import InputError, did_you_mean

Rows = Iterator[dict[str, Any]]
Item = TypeVar("Item")

_ROWS_PER_CHUNK = 4096
# The first rows may leave whole columns empty, so types can't be inferred from them.
_IMAGE_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("score", pa.float64()),
        ("probability", pa.float64()),
        ("verdict", pa.string()),
        ("reason", pa.string()),
    ]
)


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


def write(path: Path, rows: Rows) -> int:
    """Write predictions in the format of the path's suffix; return their number.

    Raises
    ------
    InputError
        Unsupported suffix.
    """
    write_rows = _writer(path)
    with storage.atomic_file(path) as temporary:
        return write_rows(temporary, map(_flatten, rows))


def _writer(path: Path) -> Callable[[Path, Rows], int]:
    writers: dict[str, Callable[[Path, Rows], int]] = {
        ".jsonl": _jsonl,
        ".json": _json,
        ".csv": _csv,
        ".parquet": _parquet,
    }
    suffix = path.suffix.lower()
    if suffix not in writers:
        raise InputError(f"can't write '{suffix}' files{did_you_mean(suffix, writers)}")
    return writers[suffix]


def _flatten(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with one column per class probability."""
    classes = {f"p_{name}": p for name, p in row.get("probabilities", {}).items()}
    return {**{key: value for key, value in row.items() if key != "probabilities"}, **classes}


def _jsonl(path: Path, rows: Rows) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for count, row in enumerate(rows, start=1):  # noqa: B007
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return count


def _json(path: Path, rows: Rows) -> int:
    records = list(rows)
    path.write_text(json.dumps(records, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return len(records)


def _csv(path: Path, rows: Rows) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        for count, row in enumerate(rows, start=1):
            if count == 1:
                writer.writerow(row)
            writer.writerow(row.values())
    return count


def _parquet(path: Path, rows: Rows) -> int:
    count, writer = 0, None
    try:
        for chunk in chunks(rows, _ROWS_PER_CHUNK):
            table = pa.Table.from_pylist(chunk, _IMAGE_SCHEMA if list(chunk[0]) == _IMAGE_SCHEMA.names else None)
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
            count += len(chunk)
    finally:
        if writer:
            writer.close()
    if not count:
        pq.write_table(pa.table({"text": pa.array([], pa.string()), "label": pa.array([], pa.string())}), path)
    return count
