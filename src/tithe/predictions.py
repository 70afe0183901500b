"""Texts or images in, predictions out: from the command line, a file or standard input, batch by batch."""

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
from tithe.trained import Prediction, Trained, load

Predicted = Iterator[tuple[str, Prediction]]
Rows = Iterator[dict[str, Any]]
Item = TypeVar("Item")
_BATCHES_AT_ONCE = 16
_ROWS_AT_ONCE = 4096
# Whole columns may be empty in the rows that are written first, which then don't tell their types.
_OF_IMAGES = pa.schema(
    [
        ("path", pa.string()),
        ("score", pa.float64()),
        ("probability", pa.float64()),
        ("verdict", pa.string()),
        ("reason", pa.string()),
    ]
)


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


def of(
    checkpoint: Path, given: list[str] | None, source: Path | None, text_column: str, batch_size: int
) -> tuple[Rows, Callable[[dict[str, Any]], str]]:
    """Return the predictions of a checkpoint, and how one of them is shown as a line.

    A checkpoint of the text task takes what `texts` takes; one of the image task the paths of files and folders.

    Raises
    ------
    InputError
        The checkpoint or the input is not there.
    """
    stream = None if given is not None or (source and source.is_dir()) else texts(given, source, text_column)
    model = load(checkpoint)
    if model.run.task != "image":
        if source and source.is_dir():
            raise InputError(f"{source} is a folder, and the checkpoint is of texts: pass a file of them")
        found = _predicted(model, stream or iter(given or []), batch_size)
        return ({"text": text, **prediction._asdict()} for text, prediction in found), _of_text
    from tithe import scoring  # it needs the extra `image`

    sources = [Path(path) for path in given or []] or ([source] if source else [])
    if not sources:
        raise InputError("no images: give files or folders after the checkpoint, or --input FOLDER")
    return (line._asdict() for line in scoring.scored(model, sources, model.task.rows_at_once)), _of_image


def _of_text(row: dict[str, Any]) -> str:
    return f"{row['label']}\t{row['probability']:.4f}\t{row['text']}"


def _of_image(row: dict[str, Any]) -> str:
    score = "–" if row["score"] is None else f"{row['score']:.4f}"
    return f"{row['verdict'] or row['reason']}\t{score}\t{row['path']}"


def _predicted(model: Trained, stream: Iterable[str], batch_size: int) -> Predicted:
    """Yield (text, prediction) in order; memory holds a few batches, however many texts there are."""
    for chunk in _chunks(stream, batch_size * _BATCHES_AT_ONCE):
        yield from zip(chunk, model.predict(chunk, batch_size), strict=True)


def _chunks(stream: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(stream)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


def write(path: Path, rows: Rows) -> int:
    """Write predictions as Parquet, CSV, JSON or JSONL by the suffix of the path; return their number.

    Raises
    ------
    InputError
        Another suffix.
    """
    writers: dict[str, Callable[[Path, Rows], int]] = {
        ".jsonl": _jsonl,
        ".json": _json,
        ".csv": _csv,
        ".parquet": _parquet,
    }
    suffix = path.suffix.lower()
    if suffix not in writers:
        raise InputError(f"can't write '{suffix}' files{did_you_mean(suffix, writers)}")
    with records.atomic_file(path) as aside:
        return writers[suffix](aside, map(_flat, rows))


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A table has a column for the probability of each class."""
    classes = {f"p_{name}": p for name, p in row.get("probabilities", {}).items()}
    return {**{key: value for key, value in row.items() if key != "probabilities"}, **classes}


def _jsonl(path: Path, rows: Rows) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for count, row in enumerate(rows, start=1):  # noqa: B007
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return count


def _json(path: Path, rows: Rows) -> int:
    found = list(rows)
    path.write_text(json.dumps(found, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return len(found)


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
            table = pa.Table.from_pylist(chunk, _OF_IMAGES if list(chunk[0]) == _OF_IMAGES.names else None)
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
            count += len(chunk)
    finally:
        if writer:
            writer.close()
    if not count:
        pq.write_table(pa.table({"text": pa.array([], pa.string()), "label": pa.array([], pa.string())}), path)
    return count
