"""A CSV with a line for each image: its path, its label, and optional columns such as generator and split."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from tithe import config, storage
from tithe.console import counted
from tithe.data import compressed, delimited
from tithe.data.clean import clean_text
from tithe.data.images.listing import (
    CLASSES,
    FAKE,
    REAL,
    UNKNOWN,
    Listed,
    Listing,
    Skipped,
    class_of,
)
from tithe.data.labels import normalise
from tithe.data.readers import Unreadable
from tithe.data.splits import PARTS, Part, part_of
from tithe.errors import InputError

_COLUMNS = {
    "path": ("path", "file_name", "image_path", "filename"),
    "label": ("label", "typ"),
    "score": ("score",),
    "generator": ("generator", "model"),
    "family": ("family",),
    "source_id": ("source_id",),
    "pair_id": ("pair_id",),
    "split": ("split",),
}
_REQUIRED = ("path", "label")
_NUMBERS = {1: REAL, "true": REAL, 0: FAKE, "false": FAKE}
_SUFFIXES = compressed.forms(".csv", ".tsv")
_SINGLE = compressed.forms("labels.csv", "data.csv", "metadata.csv")
_SPLITS = {name: part for part in PARTS for name in compressed.forms(f"{part}.csv")}
_PLAIN = config.Layout()
LAYOUT = ("delimiter", "encoding", "column_names")
_DRIVE = re.compile(r"[A-Za-z]:")

Row = Mapping[str, str]


def claims(path: Path) -> int:
    """Return how well this gallery fits a path: 2 for a CSV file, or a folder with a file of a known name, else 0."""
    names = (*_SINGLE, *_SPLITS)
    return 2 * (compressed.suffix_of(path) in _SUFFIXES or any((path / name).is_file() for name in names))


def listing(path: Path, layout: config.Layout = _PLAIN) -> Listing:
    """List every line of a CSV file, or of the list in a folder, in file order.

    In a folder the list is `labels.csv`, `data.csv` or `metadata.csv`; or `train.csv`, `val.csv` and `test.csv`,
    whose names are the splits. Paths are relative to the folder of the list. Labels are `real`, `fake`, `nature`,
    `ai`, or numbers and booleans, where 1 and true mean real.

    Lines without a path or a label are skipped as `missing_path` and `missing_label`, those with the wrong number of
    fields or an unclosed quote as `unreadable_row`.

    Raises
    ------
    InputError
        No list or more than one, a list that is a pointer of Git LFS, a required column is missing, a path leads out of
        the folder, or a value is not valid in its column.
    """
    entries: list[Listed | Skipped] = []
    remarks: list[str] = []
    for file, part in _lists(path).items():
        storage.refuse_pointers(file)
        read = _read(file, part, layout)
        entries += read.entries
        remarks += read.remarks
    if not entries:
        raise InputError(f"{path} lists no images: add a line with path and label for each")
    return Listing(tuple(entries), tuple(remarks))


def _lists(path: Path) -> dict[Path, Part | None]:
    if not path.is_dir():
        return {path: None}
    single: dict[Path, Part | None] = {path / name: None for name in _SINGLE if (path / name).is_file()}
    by_split: dict[Path, Part | None] = {path / name: part for name, part in _SPLITS.items() if (path / name).is_file()}
    if len(single) + bool(by_split) != 1:
        names = ", ".join(file.name for file in single | by_split)
        problem = f"more than one list ({names})" if single else "no list"
        choices = ", ".join(name for name in (*_SINGLE, *_SPLITS) if name.endswith(".csv"))
        raise InputError(f"{path} has {problem}: pass one CSV, or a folder with one of {choices}")
    compressed.in_order(by_split)  # each of them once, plain or compressed
    return single or by_split


def _read(file: Path, part: Part | None, layout: config.Layout) -> Listing:
    numbered: list[Listed] = []
    entries: list[Listed | Skipped] = []
    with delimited.opened(file, layout) as table:
        columns = _columns(file, table.header)
        if part:
            columns.pop("split", None)
        unread = [name for name in table.header if name not in columns.values()]
        places = {name: table.header.index(column) for name, column in columns.items()}
        for line, fields in table.rows():
            if isinstance(fields, Unreadable):
                path = fields.split(table.delimiter)[places["path"] :][:1]
                entries.append(Skipped("".join(path), "unreadable_row", line))
                continue
            values = {name: fields[place].strip() for name, place in places.items()}
            entry = _entry(values, part, file, line)
            entries.append(entry)
            if isinstance(entry, Listed) and normalise(values["label"]) in _NUMBERS:
                numbered.append(entry)
    remarks = [f"{file.name}: columns that are not read: {', '.join(unread)}"] if unread else []
    if numbered:
        _check_polarity(file, numbered)
        remarks.append(f"{file.name}: of labels that are numbers 1 is read as real, 0 as fake")
    return Listing(tuple(entries), tuple(remarks))


def _columns(file: Path, header: list[str]) -> dict[str, str]:
    """Return the file's column for each known column that it has."""
    columns: dict[str, str] = {}
    for name, spellings in _COLUMNS.items():
        present = [column for column in header if column in spellings]
        if len(present) > 1:
            raise InputError(f"{file} has the columns {' and '.join(present)}, which mean the same: keep one")
        if present:
            columns[name] = present[0]
        elif name in _REQUIRED:
            raise InputError(
                f"{file} has no column '{name}' (or {', '.join(spellings[1:])}) among {', '.join(header) or 'none'}: "
                "rename the column, or set data.reader to image_folder to take labels from folder names"
            )
    return columns


def _entry(row: Row, part: Part | None, file: Path, line: int) -> Listed | Skipped:
    path, text = row["path"], row["label"]
    name = normalise(text)
    if not path or name is None:
        return Skipped(path, "missing_label" if path else "missing_path")
    label = _NUMBERS.get(name, class_of(text))
    if label is None:
        raise _invalid(file, line, "label", text, "real, fake, nature, ai, or 1 for real and 0 for fake")
    split = row.get("split")
    if split and part_of(split) is None:
        raise _invalid(file, line, "split", split, ", ".join(PARTS))
    return Listed(
        _inside(path, file, line),
        label,
        score=_score(row.get("score"), file, line),
        generator=clean_text(row.get("generator") or "") or UNKNOWN,
        family=row.get("family") or None,
        source_id=row.get("source_id") or None,
        pair_id=row.get("pair_id") or None,
        split=part or (part_of(split) if split else None),
    )


def _invalid(file: Path, line: int, column: str, value: str, choices: str) -> InputError:
    return InputError(f"{file} line {line}: {column} '{value}' is invalid: write {choices}")


def _score(text: str | None, file: Path, line: int) -> float | None:
    if not text:
        return None
    try:
        score = float(text)
    except ValueError:
        score = -1.0
    if not 0 <= score <= 1:
        raise _invalid(file, line, "score", text, "a number from 0 (fake) to 1 (real), or nothing")
    return score


def _inside(text: str, file: Path, line: int) -> str:
    """Return a path relative to the folder of the list; lists made on Windows have backslashes."""
    path = PurePosixPath(text.replace("\\", "/"))
    root = PurePosixPath(file.parent.absolute().as_posix())
    if path.is_relative_to(root):
        path = path.relative_to(root)
    if path.is_absolute() or ".." in path.parts or _DRIVE.match(str(path)):
        raise InputError(f"{file} line {line}: '{text}' leads out of {file.parent}: keep images in the list's folder")
    return str(path)


def _check_polarity(file: Path, numbered: list[Listed]) -> None:
    """Refuse numeric labels that contradict the folder names: many data sets use 1 for fake."""
    pairs = [(entry, label) for entry in numbered if (label := _class_of_folder(entry.path)) is not None]
    wrong = [entry.path for entry, label in pairs if label != entry.label]
    if 2 * len(wrong) > len(pairs):
        images = counted(len(wrong), "image")
        raise InputError(
            f"{file}: 1 is read as real, but the folders of {images} such as {wrong[0]} contradict that: "
            f"write {' and '.join(CLASSES)} instead of numbers"
        )


def _class_of_folder(path: str) -> int | None:
    labels = (class_of(folder) for folder in reversed(PurePosixPath(path).parts[:-1]))
    return next((label for label in labels if label is not None), None)
