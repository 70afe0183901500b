"""Predictions as Parquet, CSV, JSON or JSONL: the same columns in each."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import textwrap
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, TextIO, TypeVar, cast

import pyarrow as pa
import pyarrow.parquet as pq

from tithe import storage
from tithe.data import compressed
from tithe.errors import InputError, did_you_mean
from tithe.predict.kept_columns import as_text, jsonable

Row = dict[str, object]
Item = TypeVar("Item")

_ROWS_PER_CHUNK = 4096
_PARQUET = (".parquet", ".pq")
_NUMBERS = (int, float, type(None))


def chunks(stream: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield a stream in lists of at most `size` items."""
    iterator = iter(stream)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


class Tables:
    """Tables with the same columns, of which the next rows are taken, however many each has."""

    def __init__(self, tables: Iterable[pa.Table], schema: pa.Schema) -> None:
        self._more, self._waiting = iter(tables), [schema.empty_table()]

    def take(self, rows: int) -> pa.Table:
        """Return the next rows; fewer where there are no more."""
        while sum(map(len, self._waiting)) < rows and (table := next(self._more, None)) is not None:
            self._waiting.append(table)
        whole = pa.concat_tables(self._waiting)
        self._waiting = [whole.slice(rows)]
        return whole.slice(0, rows)


def is_folder(path: Path) -> bool:
    """Return whether an output is a folder: one that is there, or a name without a suffix."""
    return path.is_dir() or not path.suffix


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
    counter = itertools.count()
    with storage.atomic_file(path) as temporary:
        write_rows(temporary, (row for row, _ in zip(rows, counter, strict=False)), schema)
    return next(counter)


def is_parquet(path: Path) -> bool:
    """Return whether `write_tables` can write to a path."""
    return compressed.suffix_of(path) in _PARQUET


def write_tables(path: Path, tables: Iterator[pa.Table], schema: pa.Schema) -> int:
    """Write a Parquet file with the bytes that `write` gives it for the same rows; return their number."""
    rows, count = Tables(tables, schema), 0
    with storage.atomic_file(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        while len(chunk := rows.take(_ROWS_PER_CHUNK)):
            writer.write_table(chunk.combine_chunks())
            count += len(chunk)
    return count


def _writer(path: Path) -> Callable[[Path, Iterator[Row], pa.Schema], None]:
    writers: dict[str, Callable[[Path, Iterator[Row], pa.Schema], None]] = {
        **dict.fromkeys(compressed.forms(".jsonl", ".ndjson"), _jsonl),
        **dict.fromkeys(compressed.forms(".json"), _json),
        **dict.fromkeys(compressed.forms(".csv"), partial(_csv, delimiter=",")),
        **dict.fromkeys(compressed.forms(".tsv"), partial(_csv, delimiter="\t")),
        **dict.fromkeys(_PARQUET, _parquet),
    }
    suffix = compressed.suffix_of(path)
    if suffix not in writers:
        plain = [one for one in writers if not compressed.codec_of(Path(f"rows{one}"))]
        raise InputError(f"can't write '{suffix}' files{did_you_mean(suffix, plain)}")
    return writers[suffix]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """Open a file to write text to, which is compressed where the path's suffix says so."""
    codec = compressed.codec_of(path)
    if codec is None:
        with path.open("w", encoding="utf-8", newline="") as plain:
            yield plain
        return
    with pa.OSFile(str(path), "wb") as packed, pa.CompressedOutputStream(packed, codec) as stream:
        file = io.TextIOWrapper(cast(BinaryIO, stream), encoding="utf-8", newline="")
        yield file
        file.flush()
        file.detach()


def _jsonl(path: Path, rows: Iterator[Row], schema: pa.Schema) -> None:
    with _opened(path) as file:
        for row in rows:
            file.write(json.dumps(jsonable(row), ensure_ascii=False) + "\n")


def _json(path: Path, rows: Iterator[Row], schema: pa.Schema) -> None:
    with _opened(path) as file:
        before = "[\n"
        for row in rows:
            record = json.dumps(jsonable(row), ensure_ascii=False, indent=2)
            file.write(before + textwrap.indent(record, "  "))
            before = ",\n"
        file.write("[]\n" if before == "[\n" else "\n]\n")


def _csv(path: Path, rows: Iterator[Row], schema: pa.Schema, delimiter: str) -> None:
    with _opened(path) as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(map(storage.csv_cell, schema.names))
        for row in rows:
            writer.writerow(map(_cell, row.values()))


def _cell(value: object) -> object:
    """Return the cell of a value; a text is one that can be stored already."""
    kind = type(value)
    if kind is str:
        return storage.csv_cell(value)
    return value if kind in _NUMBERS else storage.csv_cell(as_text(value))


def _parquet(path: Path, rows: Iterator[Row], schema: pa.Schema) -> None:
    with pq.ParquetWriter(path, schema) as writer:
        for chunk in chunks(rows, _ROWS_PER_CHUNK):
            writer.write_table(pa.Table.from_pylist(chunk, schema))
