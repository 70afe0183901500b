"""CSV and TSV; a row with the wrong number of fields or an unclosed quote is counted as unreadable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tithe import config
from tithe.data import compressed, delimited
from tithe.data.readers import Pair, Record, Unreadable, check, distinct, lists

SUFFIXES = compressed.forms(".csv", ".tsv")
LAYOUT = ("delimiter", "encoding", "column_names")
_PLAIN = config.Layout()


def read(
    path: Path, text_column: str, label_column: str | None, layout: config.Layout = _PLAIN
) -> Iterator[list[Pair]]:
    """Yield lists of (input, label) in file order.

    Raises
    ------
    InputError
        The file is empty, of another encoding or not CSV, or a column is missing or ambiguous.
    """
    with delimited.opened(path, layout) as table:
        check(path, text_column, label_column, table.header)
        yield from lists(_pairs(table, text_column, label_column))


def columns(path: Path, layout: config.Layout = _PLAIN) -> list[str]:
    """Return the names of the columns.

    Raises
    ------
    InputError
        As `read`.
    """
    with delimited.opened(path, layout) as table:
        return table.header


def records(path: Path, layout: config.Layout = _PLAIN) -> Iterator[list[Record]]:
    """Yield lists of rows with all columns, as `read` does; columns of one name are numbered."""
    with delimited.opened(path, layout) as table:
        names = distinct(table.header)
        yield from lists(_record(names, fields) for _, fields in table.rows())


def _record(names: Sequence[str], fields: delimited.Row) -> Record:
    return fields if isinstance(fields, Unreadable) else dict(zip(names, fields, strict=True))


def _pairs(table: delimited.Table, text_column: str, label_column: str | None) -> Iterator[Pair]:
    text_at = table.header.index(text_column)
    label_at = table.header.index(label_column) if label_column else None
    for _, fields in table.rows():
        if isinstance(fields, Unreadable):
            yield fields, None
        else:
            yield fields[text_at], None if label_at is None else fields[label_at]
