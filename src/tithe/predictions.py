"""Texts in, predictions out: from the command line, a file or standard input, batch by batch."""

from __future__ import annotations

import csv
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from tithe import plugins, records
from tithe.data.clean import why_not_text
from tithe.data.ingest import find_reader
from tithe.errors import InputError, did_you_mean
from tithe.trained import Prediction, load

Predicted = Iterator[tuple[str, Prediction]]
Rows = Iterator[dict[str, Any]]
Item = TypeVar("Item")
_BATCHES_AT_ONCE = 16
_ROWS_AT_ONCE = 4096


def texts(given: list[str] | None, source: Path | None, text_column: str) -> Iterator[str]:
    """Yield the texts given, those of a file, or the lines of standard input.

    A row of a file whose text is missing or unreadable is predicted as an empty text, so that rows keep their places.
    """
    if given:
        yield from given
    elif source is None:
        if sys.stdin.isatty():
            raise InputError("no text: give one after the checkpoint, or --input FILE, or lines on standard input")
        yield from (line.rstrip("\n") for line in sys.stdin)
    elif source.suffix.lower() == ".txt":
        if not source.is_file():
            raise InputError(f"no input file {source}")
        with source.open(encoding="utf-8", errors="replace") as file:
            yield from (line.rstrip("\n") for line in file)
    else:
        reader = plugins.load("readers", find_reader(source, None))
        for rows in reader.read(source, text_column, None):
            yield from ("" if why_not_text(text) else text for text, _ in rows)


def predicted(checkpoint: Path, stream: Iterable[str], batch_size: int) -> Predicted:
    """Yield (text, prediction) in order; memory holds a few batches, however many texts there are."""
    model = load(checkpoint)
    for chunk in _chunks(stream, batch_size * _BATCHES_AT_ONCE):
        yield from zip(chunk, model.predict(chunk, batch_size), strict=True)


def _chunks(stream: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(stream)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


def write(path: Path, found: Predicted) -> int:
    """Write predictions as Parquet, CSV or JSONL by the suffix of the path; return their number.

    Raises
    ------
    InputError
        Another suffix.
    """
    writers: dict[str, Callable[[Path, Rows], int]] = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
    suffix = path.suffix.lower()
    if suffix not in writers:
        raise InputError(f"can't write '{suffix}' files{did_you_mean(suffix, writers)}")
    with records.atomic_file(path) as aside:
        return writers[suffix](aside, (_row(text, prediction) for text, prediction in found))


def _row(text: str, prediction: Prediction) -> dict[str, Any]:
    classes = {f"p_{name}": p for name, p in prediction.probabilities.items()}
    return {"text": text, "label": prediction.label, "probability": prediction.probability, **classes}


def _jsonl(path: Path, rows: Rows) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for count, row in enumerate(rows, start=1):  # noqa: B007
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return count


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
        for chunk in _chunks(rows, _ROWS_AT_ONCE):
            table = pa.Table.from_pylist(chunk)
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
            count += len(chunk)
    finally:
        if writer:
            writer.close()
    if not count:
        pq.write_table(pa.table({"text": pa.array([], pa.string()), "label": pa.array([], pa.string())}), path)
    return count
