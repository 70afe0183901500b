"""Readers: one file format each; what a reader offers, and what all of them share.

A reader has `SUFFIXES` and `read`. If it also has `records(path)`, which yields the same rows with all of their
columns, `tithe predict` keeps these beside its predictions. With `LAYOUT` both take a layout as well. If it has
`batches`, with the parameters of `read`, that yields the same rows in the same pieces as a `Batch` each; and if it has
`tables(path, columns)`, that yields the rows of `records` as Arrow's record batches, with all columns or some. With
`class_names(path)` it says what the numbers in a column of classes mean, if the file does.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, TypeAlias, TypeVar

import pyarrow as pa

from tithe import config, plugins
from tithe.config import unused
from tithe.data import compressed
from tithe.errors import InputError, did_you_mean

# An input and its label, as they are in the file: cleaning comes later.
Pair = tuple[object, object]
Row = TypeVar("Row")
# Values as `read` gives them, or as an array: of texts as strings, of labels as strings, whole numbers or booleans.
Column: TypeAlias = "Sequence[object] | pa.Array"
_ROWS = 8192


def claimed(path: Path) -> str:
    """Return the reader that claims the suffix of a file; tithe's own come before those of other packages.

    Raises
    ------
    InputError
        None does, or two packages do.
    """
    suffix, suffixes = compressed.suffix_of(path), set[str]()
    for name, reader in plugins.own("readers"):
        suffixes |= set(reader.SUFFIXES)
        if suffix in reader.SUFFIXES:
            return name
    found = []
    for name, reader in plugins.others("readers"):
        suffixes |= set(reader.SUFFIXES)
        found += [name] if suffix in reader.SUFFIXES else []
    if len(found) > 1:
        raise InputError(f"{path}: the readers {' and '.join(found)} both claim '{suffix}': set data.reader to one")
    if not found:
        plain = ", ".join(sorted(one for one in suffixes if not compressed.codec_of(Path(f"rows{one}"))))
        cure = f"use one of {plain} (of text also compressed, as .csv.gz), or set data.reader"
        raise InputError(f"{path}: no reader for '{suffix}' files: {cure}")
    return found[0]


def layout_of(reader: ModuleType, layout: config.Layout, path: Path) -> tuple[config.Layout, ...]:
    """Return the layout in a tuple, to be passed on, if the reader takes one: `LAYOUT` names what it reads of it.

    Raises
    ------
    InputError
        A setting of the layout is given, and this reader does not read it.
    """
    own = getattr(reader, "LAYOUT", ())
    for key, value in unused.changed(layout, type(layout).model_fields):
        if key not in own:
            shown = ",".join(value) if isinstance(value, tuple) else value
            raise InputError(f"data.{key} '{shown}' is not for a file such as {path}: leave it out")
    return (layout,) if own else ()


def check(path: Path, text_column: str, label_column: str | None, found: Collection[str], kind: str = "column") -> None:
    """Look for the columns that the config names.

    Raises
    ------
    InputError
        There are no columns; or one is missing, and the message names the setting and the nearest column; or several
        have its name.
    """
    for setting, column in (("text_column", text_column), ("label_column", label_column)):
        if column is not None and not found:
            raise InputError(f"{path} is empty: pass a file with a {kind} '{column}' (data.{setting})")
        if column is not None and column not in found:
            shown = [" ".join(name.split()) for name in found]  # of a damaged file they may be anything
            raise InputError(f"{path} has no {kind} '{column}' (data.{setting}){did_you_mean(column, shown)}")
        if column is not None and list(found).count(column) > 1:
            raise InputError(f"{path} has more than one {kind} '{column}': rename all but one")


def lists(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Yield rows in lists of one size, the last one shorter, as `read` of every reader does."""
    while chunk := list(itertools.islice(rows, _ROWS)):
        yield chunk


def distinct(names: Sequence[str]) -> list[str]:
    """Return the names of columns, each once: those that an earlier one has too are numbered, as in `note_2`."""
    taken: dict[str, None] = {}
    for name in names:
        candidates = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
        taken[next(candidate for candidate in candidates if candidate not in taken)] = None
    return list(taken)


def pairs_of_objects(
    path: Path, values: Iterator[object], text_column: str, label_column: str | None
) -> Iterator[Pair]:
    """Yield (input, label) of JSON objects; an `Unreadable` stays in its place.

    Raises
    ------
    InputError
        At the end: there were objects, and none had the text or the label column.
    """
    seen: set[str] = set()
    for value in values:
        if not isinstance(value, dict):
            yield value, None
            continue
        seen.update(value)
        yield value.get(text_column), value.get(label_column) if label_column else None
    if seen:
        check(path, text_column, label_column, seen, "key")


class Batch(NamedTuple):
    """Some rows, as columns."""

    texts: Column
    labels: Column


class Unreadable(str):
    """A row that its reader could not parse: the raw text as far as it is known, and its line, from 1, or None."""

    line: int | None

    def __new__(cls, text: str, line: int | None = None) -> Unreadable:
        """Attach the line to the text."""
        row = super().__new__(cls, text)
        row.line = line
        return row

    def place(self, row: int) -> str:
        """Return the place of a row in words: its line, or else its position."""
        return f"line {self.line}" if self.line else f"row {row}"


# A row with all of its columns.
Record = dict[str, object] | Unreadable
