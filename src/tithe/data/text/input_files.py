"""The files of a config's rows, and the split and the weight that each row has of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tithe import config, plugins
from tithe.arrays import Rows
from tithe.data import sources
from tithe.data.readers import Column, Pair
from tithe.data.sources import File, Source
from tithe.data.splits import PARTS, Part, part_of
from tithe.data.text.given_splits import NONE
from tithe.errors import InputError

# Sources, and the split of all rows of each, if it is given.
Found = list[tuple[Source, Part | None]]
UNKNOWN_SPLIT = -2


def find_sources(data: config.Data) -> Found:
    """Return where the rows come from, training rows first, and the split of all rows of a source, if it is given.

    Raises
    ------
    InputError
        A file does not exist, no reader claims it, or the splits are given twice.
    """
    paths: dict[Part, str | None] = {"train": data.path, "val": data.validation, "test": data.test}
    has_own = data.validation is not None or data.test is not None
    found: Found = [
        (sources.find(Path(path), data.reader, data.layout), part if has_own else None)
        for part, path in paths.items()
        if path is not None
    ]
    if has_own and found[0][0].files[0].part:
        names = ", ".join(file.path.name for file in found[0][0].files)
        raise InputError(f"{data.path} has splits of its own ({names}): leave data.validation and data.test out")
    return found


def gives_test(data: config.Data) -> bool:
    """Return whether the data say which rows are the test split: files of their own do, and so may a column.

    Raises
    ------
    InputError
        As `find_sources`.
    """
    parts = {part or file.part for source, part in find_sources(data) for file in source.files}
    return data.split_column is not None or "test" in parts


def more_of_key(data: config.Data, found: Found) -> dict[str, object]:
    """Return what else identifies the rows: nothing for one file that is read in the usual way."""
    layout = data.layout.model_dump(exclude_defaults=True)
    names = [file.part for source, _ in found for file in source.files]
    others = {
        part: [source.reader, plugins.sha256("readers", source.reader), *source.key]
        for source, part in found
        if part and part != "train"
    }
    columns = {"split_column": data.split_column, "weight_column": data.weight_column}
    more = {"layout": layout, **columns, "splits": others, "parts": names if any(names) else []}
    return {key: value for key, value in more.items() if value}


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file.

    Attributes
    ----------
    texts, labels
        The input and the label of each, as the file has them.
    parts
        The position of the split of each, shape (N,): −1 for none, `UNKNOWN_SPLIT` if it is unknown.
    weights
        What the file has as the weight of each; None where it has no column of them.
    """

    texts: Column
    labels: Column
    parts: Rows
    weights: Sequence[object] | None = None

    def value(self, row: int) -> object:
        """Return an input."""
        value: object = self.texts[row]
        return value.as_py() if isinstance(value, pa.Scalar) else value

    def before(self, row: int) -> Chunk:
        """Return the rows before one."""
        weights = None if self.weights is None else self.weights[:row]
        return Chunk(self.texts[:row], self.labels[:row], self.parts[:row], weights)


def chunks(source: Source, file: File, part: Part | None, data: config.Data) -> Iterator[Chunk]:
    """Yield the rows of a file, all of one given split or of none, in pieces.

    Raises
    ------
    InputError
        The file can't be read, or a column is missing.
    """
    pieces = _with_parts(source, file, part, data)
    if data.weight_column is None:
        yield from pieces
        return
    if part in ("val", "test"):
        yield from (replace(piece, weights=[1.0] * len(piece.parts)) for piece in pieces)
        return
    # Another reading of the file, for the column alone; read as labels, values may be of any type.
    columns = _named(source.read(file, data.text_column, data.weight_column), "label_column", "weight_column", data)
    for piece, pairs in zip(pieces, columns, strict=True):
        yield replace(piece, weights=[weight for _, weight in pairs])


def _with_parts(source: Source, file: File, part: Part | None, data: config.Data) -> Iterator[Chunk]:
    pieces = source.batches(file, data.text_column, data.label_column)
    if data.label_mapping is None and (names := source.class_names(file, data.label_column)):
        pieces = (batch._replace(labels=_in_words(batch.labels, names)) for batch in pieces)
    if data.split_column is None:
        position = PARTS.index(part) if part else NONE
        yield from (Chunk(*batch, np.full(len(batch.texts), position)) for batch in pieces)
        return
    # A second reading of the file, for the column alone.
    columns = _named(source.read(file, data.split_column, None), "text_column", "split_column", data)
    for batch, pairs in zip(pieces, columns, strict=True):
        yield Chunk(*batch, np.array([_position(name) for name, _ in pairs], dtype=np.int64))


def _in_words(labels: Column, names: Sequence[str]) -> Column:
    """Return the names of numbered classes; another number, on the hub mostly -1, is a label that was left out."""
    if not (isinstance(labels, pa.Array) and pa.types.is_integer(labels.type)):
        return labels
    is_named = pc.and_(pc.greater_equal(labels, 0), pc.less(labels, len(names)))
    return pa.array(names, pa.string()).take(pc.if_else(is_named, labels, None))


def _position(name: object) -> int:
    part = part_of(name) if isinstance(name, str) else None
    return PARTS.index(part) if part else UNKNOWN_SPLIT


def _named(lists: Iterator[list[Pair]], asked: str, setting: str, data: config.Data) -> Iterator[list[Pair]]:
    """Yield lists of a reader that was asked for a column as for another one, and in errors name its own setting."""
    try:
        yield from lists
    except InputError as error:
        if f"'{getattr(data, setting)}'" not in str(error):
            raise
        raise InputError(str(error).replace(f"data.{asked}", f"data.{setting}")) from None
