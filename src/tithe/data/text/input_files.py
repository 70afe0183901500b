"""The files of a config's rows, and the split and the weight that each row has of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tithe import config, plugins
from tithe.data import sources
from tithe.data.readers import Pair
from tithe.data.sources import File, Source
from tithe.data.splits import PARTS, Part, part_of
from tithe.data.text.given_splits import NONE
from tithe.errors import InputError

# Sources, and the split of all rows of each, if it is given.
Found = list[tuple[Source, Part | None]]


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


class Chunk(NamedTuple):
    """Some rows of a file.

    Attributes
    ----------
    rows
        The input and the label of each.
    parts
        The position of the split of each: −1 for none, None if unknown.
    weights
        What the file has as the weight of each; 1 where it has no column of them, or the rows are not for training.
    """

    rows: list[Pair]
    parts: list[int | None]
    weights: list[object]


def chunks(source: Source, file: File, part: Part | None, data: config.Data) -> Iterator[Chunk]:
    """Yield the rows of a file, all of one given split or of none, in lists.

    Raises
    ------
    InputError
        The file can't be read, or a column is missing.
    """
    lists = _with_parts(source, file, part, data)
    if data.weight_column is None or part in ("val", "test"):
        yield from (Chunk(rows, parts, [1.0] * len(rows)) for rows, parts in lists)
        return
    # Another reading of the file, for the column alone; read as labels, values may be of any type.
    columns = _named(source.read(file, data.text_column, data.weight_column), "label_column", "weight_column", data)
    for (rows, parts), pairs in zip(lists, columns, strict=True):
        yield Chunk(rows, parts, [weight for _, weight in pairs])


def _with_parts(
    source: Source, file: File, part: Part | None, data: config.Data
) -> Iterator[tuple[list[Pair], list[int | None]]]:
    lists = source.read(file, data.text_column, data.label_column)
    if data.split_column is None:
        position: int | None = PARTS.index(part) if part else NONE
        yield from ((rows, [position] * len(rows)) for rows in lists)
        return
    # A second reading of the file, for the column alone.
    columns = _named(source.read(file, data.split_column, None), "text_column", "split_column", data)
    for rows, pairs in zip(lists, columns, strict=True):
        parts = (part_of(name) if isinstance(name, str) else None for name, _ in pairs)
        yield rows, [PARTS.index(one) if one else None for one in parts]


def _named(lists: Iterator[list[Pair]], asked: str, setting: str, data: config.Data) -> Iterator[list[Pair]]:
    """Yield lists of a reader that was asked for a column as for another one, and in errors name its own setting."""
    try:
        yield from lists
    except InputError as error:
        if f"'{getattr(data, setting)}'" not in str(error):
            raise
        raise InputError(str(error).replace(f"data.{asked}", f"data.{setting}")) from None
