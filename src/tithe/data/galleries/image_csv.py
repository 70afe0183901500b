"""A CSV with a line for each image: where it lies, what it is, and whatever else is known of it."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from tithe.data.images.listing import CLASSES, PARTS, UNKNOWN, Listed, Listing, Part, Skipped, class_of, part_of
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
_NEEDED = ("path", "label")
_NUMBERS = {"1": 1, "1.0": 1, "true": 1, "0": 0, "0.0": 0, "false": 0}
_SUFFIXES = (".csv", ".tsv")
_ALONE = ("labels.csv", "data.csv", "metadata.csv")
_SETS = {f"{part}.csv": part for part in PARTS}
_DRIVE = re.compile(r"[A-Za-z]:")

Row = Mapping[str, str]


def claims(path: Path) -> int:
    """Return how surely a path means this gallery: 2 for a CSV file, or a folder that has one of the known names."""
    names = (*_ALONE, *_SETS)
    return 2 * (path.suffix.lower() in _SUFFIXES or any((path / name).is_file() for name in names))


def listing(path: Path) -> Listing:
    """List every line of a CSV file, or of the one in a folder, in its order.

    In a folder the list is `labels.csv`, `data.csv` or `metadata.csv`; or `train.csv`, `val.csv` and `test.csv`,
    whose names are the splits. Paths count from the folder of the list. Labels are `real`, `fake`, `nature`, `ai`, or
    numbers and truth values, of which 1 and true mean real.

    Lines without a path or a label are skipped as `missing_path` and `missing_label`, those with the wrong number of
    fields as `unreadable_row`.

    Raises
    ------
    InputError
        No list or more than one, a needed column is missing, a path leads out of the folder, or a value is none of
        its column's.
    """
    entries: list[Listed | Skipped] = []
    remarks: list[str] = []
    for file, part in _lists(path).items():
        read = _read(file, part)
        entries += read.entries
        remarks += read.remarks
    if not entries:
        raise InputError(f"{path} lists no image: write a line for each, with its path and its label")
    return Listing(tuple(entries), tuple(remarks))


def _lists(path: Path) -> dict[Path, Part | None]:
    if not path.is_dir():
        return {path: None}
    alone: dict[Path, Part | None] = {path / name: None for name in _ALONE if (path / name).is_file()}
    parts: dict[Path, Part | None] = {path / name: part for name, part in _SETS.items() if (path / name).is_file()}
    if len(alone) + bool(parts) != 1:
        found = f"more than one list ({', '.join(file.name for file in alone | parts)})" if alone else "no list"
        raise InputError(f"{path} has {found}: pass one CSV, or a folder with one of {', '.join((*_ALONE, *_SETS))}")
    return alone or parts


def _read(file: Path, part: Part | None) -> Listing:
    numbered: list[Listed] = []
    entries: list[Listed | Skipped] = []
    with _opened(file) as lines:
        columns = _columns(file, list(lines.fieldnames or ()))
        if part:
            columns.pop("split", None)
        unread = [name for name in lines.fieldnames or () if name not in columns.values()]
        for row in lines:
            if None in row or None in row.values():  # more fields than columns, or fewer
                entries.append(Skipped(row[columns["path"]] or "", "unreadable_row"))
                continue
            values = {name: row[column].strip() for name, column in columns.items()}
            entry = _entry(values, part, file, lines.line_num)
            entries.append(entry)
            if isinstance(entry, Listed) and values["label"].lower() in _NUMBERS:
                numbered.append(entry)
    remarks = [f"{file.name}: columns that are not read: {', '.join(unread)}"] if unread else []
    if numbered:
        _check_sense(file, numbered)
        remarks.append(f"{file.name}: of labels that are numbers 1 is read as real, 0 as fake")
    return Listing(tuple(entries), tuple(remarks))


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[csv.DictReader[str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            delimiter = max(",;\t", key=stream.readline().count)
            stream.seek(0)
            yield csv.DictReader(stream, delimiter=delimiter)
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 (byte {error.start}): convert it, for example with iconv") from None
    except csv.Error as error:
        raise InputError(f"{file} is not CSV: {error}") from None


def _columns(file: Path, header: list[str]) -> dict[str, str]:
    """Return the column of the file for each of ours that it has."""
    columns: dict[str, str] = {}
    for name, spellings in _COLUMNS.items():
        there = [column for column in header if column in spellings]
        if len(there) > 1:
            raise InputError(f"{file} has the columns {' and '.join(there)}, which mean the same: keep one")
        if there:
            columns[name] = there[0]
        elif name in _NEEDED:
            raise InputError(
                f"{file} has no column '{name}' (or {', '.join(spellings[1:])}) among {', '.join(header) or 'none'}: "
                "name it so, or go by the names of folders with data.reader image_folder"
            )
    return columns


def _entry(row: Row, part: Part | None, file: Path, line: int) -> Listed | Skipped:
    path, written = row["path"], row["label"]
    if not path or not written:
        return Skipped(path, "missing_label" if path else "missing_path")
    label = _NUMBERS.get(written.lower(), class_of(written))
    if label is None:
        raise _wrong(file, line, "label", written, "real, fake, nature, ai, or 1 for real and 0 for fake")
    split = row.get("split")
    if split and part_of(split) is None:
        raise _wrong(file, line, "split", split, ", ".join(PARTS))
    return Listed(
        _inside(path, file, line),
        label,
        score=_score(row.get("score"), file, line),
        generator=row.get("generator") or UNKNOWN,
        family=row.get("family") or None,
        source_id=row.get("source_id") or None,
        pair_id=row.get("pair_id") or None,
        split=part or (part_of(split) if split else None),
    )


def _wrong(file: Path, line: int, column: str, value: str, choices: str) -> InputError:
    return InputError(f"{file} line {line}: {column} '{value}' is none: write {choices}")


def _score(text: str | None, file: Path, line: int) -> float | None:
    if not text:
        return None
    try:
        score = float(text)
    except ValueError:
        score = -1.0
    if not 0 <= score <= 1:
        raise _wrong(file, line, "score", text, "a number from 0 (fake) to 1 (real), or nothing")
    return score


def _inside(text: str, file: Path, line: int) -> str:
    """Return a path from the folder of the list; lists that were made on Windows have backslashes."""
    path = PurePosixPath(text.replace("\\", "/"))
    root = PurePosixPath(file.parent.absolute().as_posix())
    if path.is_relative_to(root):
        path = path.relative_to(root)
    if path.is_absolute() or ".." in path.parts or _DRIVE.match(str(path)):
        raise InputError(f"{file} line {line}: '{text}' leads out of {file.parent}: keep images beside their list")
    return str(path)


def _check_sense(file: Path, numbered: list[Listed]) -> None:
    """Many sets have 1 for fake: where the names of folders say so too, the labels are refused."""
    told = [(entry, said) for entry in numbered if (said := _class_of_folder(entry.path)) is not None]
    wrong = [entry.path for entry, said in told if said != entry.label]
    if 2 * len(wrong) > len(told):
        raise InputError(
            f"{file}: 1 stands for real here, but the folders of {len(wrong)} images such as {wrong[0]} say otherwise: "
            f"write {' and '.join(CLASSES)} instead of numbers"
        )


def _class_of_folder(path: str) -> int | None:
    said = (class_of(folder) for folder in reversed(PurePosixPath(path).parts[:-1]))
    return next((label for label in said if label is not None), None)
