"""CSV and TSV with a header line; a row with the wrong number of fields is counted as unreadable."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

from tithe.data.readers import Pair, Unreadable, check, lists
from tithe.errors import InputError

SUFFIXES = (".csv", ".tsv")


def read(path: Path, text_column: str, label_column: str | None) -> Iterator[list[Pair]]:
    """Yield lists of (input, label) in file order.

    Raises
    ------
    InputError
        The file is empty, not UTF-8 or not CSV, or a column is missing.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from lists(_pairs(file, path, text_column, label_column))
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (byte {error.start}): convert it, for example with iconv") from None
    except csv.Error as error:
        raise InputError(f"{path} is not CSV: {error}") from None


def _pairs(file: Iterator[str], path: Path, text_column: str, label_column: str | None) -> Iterator[Pair]:
    first = next(file, "")
    delimiter = max(",;\t", key=first.count)
    header = next(csv.reader([first], delimiter=delimiter), [])
    check(path, text_column, label_column, header)
    text_at = header.index(text_column)
    label_at = header.index(label_column) if label_column else None
    for fields in csv.reader(file, delimiter=delimiter):
        if len(fields) == len(header):
            yield fields[text_at], None if label_at is None else fields[label_at]
        elif fields:
            yield Unreadable(delimiter.join(fields)), None
