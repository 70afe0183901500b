"""Rows of files as Arrow tables: where every value is kept as it is, no row needs Python objects of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tithe.arrays import Rows
from tithe.data.clean import why_not_text
from tithe.data.sources import File, Source

_PRINTABLE = "[!-~]"  # what no cleaning takes away


class Looked(NamedTuple):
    """What a look at all rows found.

    Attributes
    ----------
    rows
        How many there are.
    missing, first_missing
        How many of them have no text, and the position of the first.
    schema
        The columns, of the types in which they are kept.
    """

    rows: int
    missing: int
    first_missing: int
    schema: pa.Schema


def look(source: Source, text_column: str) -> Looked | None:
    """Look at every row; None where they have to be looked at one by one.

    That is where the reader gives no tables, where a value is kept as another one than it is in the file, such as a
    date or a number in single precision, and where there are no rows.
    """
    count, missing, first, kinds = 0, 0, 0, dict[str, pa.DataType]()
    for batch in _batches(source):
        own = {name: _kept(column) for name, column in zip(batch.schema.names, batch.columns, strict=True)}
        if not _is_text(batch, text_column) or not _takes_in(kinds, own):
            return None
        rows = _without_text(batch.column(text_column))
        first = count + int(rows[0]) if len(rows) and not missing else first
        count, missing = count + batch.num_rows, missing + len(rows)
    named = [(name, pa.string() if kind == pa.null() else kind) for name, kind in kinds.items()]
    return Looked(count, missing, first, pa.schema(named)) if count else None


def tables(source: Source, file: File, text_column: str, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the rows of a file with the columns of a schema; a missing text is an empty one."""
    for batch in source.tables(file):
        columns = {name: batch.column(name) for name in schema.names}
        columns[text_column] = _texts(columns[text_column])
        yield pa.table([columns[field.name].cast(field.type) for field in schema], schema=schema)


def texts(source: Source, file: File, text_column: str) -> Iterator[str]:
    """Yield the text of each row of a file; a missing one is empty."""
    for batch in source.tables(file, [text_column]):
        yield from _texts(batch.column(0)).to_pylist()


def _batches(source: Source) -> Iterator[pa.RecordBatch]:
    for file in source.files if source.has_tables else ():
        yield from (batch for batch in source.tables(file) if batch.num_rows)


def _is_text(batch: pa.RecordBatch, column: str) -> bool:
    kind = batch.schema.field(column).type if column in batch.schema.names else pa.null()
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _kept(column: pa.Array) -> pa.DataType | None:
    """Return the type in which values are kept, null where there are none; None if they would be others then."""
    kind = column.type
    if column.null_count == len(column):
        return pa.null()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return pa.int64()
    return kind if kind in (pa.bool_(), pa.float64()) else None


def _takes_in(kinds: dict[str, pa.DataType], own: Mapping[str, pa.DataType | None]) -> bool:
    """Take the types of more rows into account; return whether each column still has one."""
    if None in own.values() or (kinds and kinds.keys() != own.keys()):
        return False
    for name, kind in own.items():
        before = kinds.get(name, pa.null())
        if pa.null() not in (before, kind) and before != kind:
            return False
        kinds[name] = before if kind == pa.null() else kind
    return True


def _without_text(column: pa.Array) -> Rows:
    """Return the positions of texts that are missing, or of which cleaning leaves nothing."""
    found = pc.fill_null(pc.match_substring_regex(column, _PRINTABLE), False)
    doubtful: Rows = np.flatnonzero(~found.to_numpy(zero_copy_only=False))
    is_missing = [why_not_text(column[row].as_py()) is not None for row in doubtful.tolist()]
    return np.asarray(doubtful[np.array(is_missing, dtype=bool)])


def _texts(column: pa.Array) -> pa.Array:
    if not len(rows := _without_text(column)):
        return column
    is_empty_N = np.zeros(len(column), dtype=bool)
    is_empty_N[rows] = True
    return pc.if_else(pa.array(is_empty_N), pa.scalar("", column.type), column)
