"""Apache Parquet: one column of texts, one of labels; other columns are read only to be kept."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tithe.data.readers import Batch, Pair, Record, Unreadable, check, distinct
from tithe.errors import InputError

SUFFIXES = (".parquet", ".pq")
_ROWS = 8192
_STRINGS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_NUMBERS = (pa.types.is_integer, pa.types.is_boolean)
_BYTES = (
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)


def read(path: Path, text_column: str, label_column: str | None) -> Iterator[list[Pair]]:
    """Yield lists of (input, label) in file order; labels are None where no label column is given.

    Raises
    ------
    InputError
        The file is not Parquet or is damaged, a column is missing or ambiguous, or the text column is neither text nor
        bytes.
    """
    for batch in _record_batches(path, text_column, label_column):
        with _undamaged(path):
            labels = _values(batch.column(label_column)) if label_column else itertools.repeat(None, len(batch))
            rows = list(zip(map(_text, batch.column(text_column).to_pylist()), labels, strict=True))
        yield rows


def batches(path: Path, text_column: str, label_column: str) -> Iterator[Batch]:
    """Yield the rows of `read` as columns.

    Raises
    ------
    InputError
        As `read`.
    """
    for batch in _record_batches(path, text_column, label_column):
        texts, labels = batch.column(text_column), batch.column(label_column)
        with _undamaged(path):
            texts = texts if _is_one_of(texts, *_STRINGS[:2]) else list(map(_text, texts.to_pylist()))
            labels = labels if _is_one_of(labels, *_STRINGS[:2], *_NUMBERS) else _values(labels)
        yield Batch(texts, labels)


def _record_batches(path: Path, text_column: str, label_column: str | None) -> Iterator[pa.RecordBatch]:
    with _opened(path) as file:
        schema = file.schema_arrow
        check(path, text_column, label_column, schema.names)
        kind = schema.field(text_column).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not any(is_text(kind) for is_text in (*_STRINGS, *_BYTES, pa.types.is_null)):
            raise InputError(f"{path}: column '{text_column}' is {kind}, not text: set data.text_column")
        with _undamaged(path):
            yield from file.iter_batches(_ROWS, columns=[text_column, *([label_column] if label_column else [])])


def _is_one_of(column: pa.Array, *kinds: Callable[[pa.DataType], bool]) -> bool:
    """Return whether a column has one of some types; strings of it are UTF-8 then.

    Raises
    ------
    UnicodeDecodeError
        Strings are not UTF-8.
    """
    if not any(is_kind(column.type) for is_kind in kinds):
        return False
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        column.to_pylist()  # it names the byte
        raise
    return True


def records(path: Path) -> Iterator[list[Record]]:
    """Yield lists of rows with all columns, in the order of `read`; columns of one name are numbered."""
    with _opened(path) as file, _undamaged(path):
        names = distinct(file.schema_arrow.names)
        for batch in file.iter_batches(_ROWS):
            yield [dict(zip(names, row, strict=True)) for row in zip(*map(_objects, batch.columns), strict=True)]


def tables(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the rows of `records` as columns of the types that they have in the file, all or some of them."""
    with _opened(path) as file, _undamaged(path):
        names = distinct(file.schema_arrow.names) if columns is None else list(columns)
        for batch in file.iter_batches(_ROWS, columns=columns):
            for column in batch.columns:
                _is_one_of(column, *_STRINGS[:2])
            yield batch.rename_columns(names)


@contextlib.contextmanager
def _undamaged(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is damaged: {str(error).splitlines()[0]}") from None


def _objects(column: pa.Array) -> list[object]:
    """Return the values of a column: a float32 as the shortest number, and as text what Python has no type for."""
    if pa.types.is_float32(column.type) or pa.types.is_float16(column.type):
        return [None if value is None else float(str(np.float32(value))) for value in column.to_pylist()]
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError):  # nanoseconds, years beyond 9999
        return list(column.cast(pa.string()).to_pylist())


def columns(path: Path) -> list[str]:
    """Return the names of the columns.

    Raises
    ------
    InputError
        The file is not Parquet.
    """
    with _opened(path) as file:
        return list(file.schema_arrow.names)


def class_names(path: Path) -> dict[str, list[str]]:
    """Return what the numbers in a column of classes mean, by column, of a file that the datasets library wrote.

    Raises
    ------
    InputError
        The file is not Parquet.
    """
    with _opened(path) as file:
        written = (file.schema_arrow.metadata or {}).get(b"huggingface", b"{}")
    try:
        features = json.loads(written)["info"]["features"]
        return {
            name: [*map(str, kind["names"])] for name, kind in features.items() if kind.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError):  # no such metadata
        return {}


def _opened(path: Path) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(path, memory_map=True)
        _ = file.schema_arrow
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a Parquet file: {str(error).splitlines()[0]}") from None
    return file


def _text(value: object) -> object:
    """Return the text of UTF-8 bytes; other bytes are unreadable."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return Unreadable(value.decode("utf-8", "replace"))


def _values(column: pa.Array) -> list[object]:
    """Return the values of a column; a float32 keeps its type, since 0.1 as a float64 has other digits."""
    short = pa.types.is_float32(column.type) or pa.types.is_float16(column.type)
    return list(column.to_numpy(zero_copy_only=False)) if short else column.to_pylist()
