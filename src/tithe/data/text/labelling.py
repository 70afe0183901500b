"""Texts that people label: a pool of them without labels, and files of those that have some by now."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tithe import config, storage
from tithe.console import counted
from tithe.data import sources
from tithe.data.clean import clean_text, why_not_text
from tithe.data.labels import Label, normalise
from tithe.data.sources import Source
from tithe.errors import InputError

logger = logging.getLogger("tithe")

_EXCERPT = 60


class Columns(NamedTuple):
    """The names of the columns, in the pool and in the files of labels alike."""

    text: str = "text"
    label: str = "label"


@dataclass(frozen=True)
class UnlabelledTexts:
    """The distinct texts of a pool, cleaned.

    Attributes
    ----------
    texts
        In the order of the files.
    ids
        The position of each among all rows of the files, from 0.
    dropped
        How many rows were left out, by reason.
    """

    texts: list[str]
    ids: list[int]
    dropped: dict[str, int]


def read_unlabelled(path: Path, columns: Columns, layout: config.Layout) -> UnlabelledTexts:
    """Read the texts of a pool; a column of labels in it is never looked at, and the log says so.

    Raises
    ------
    InputError
        The files can't be read, have no such column, or no usable text.
    """
    source = sources.find(path, None, layout)
    if columns.label in _columns(source):
        logger.info("%s has a column '%s': labels are to be bought, so it is not read", path, columns.label)
    place_of: dict[str, int] = {}
    dropped: Counter[str] = Counter()
    for row, (raw, _) in enumerate(_pairs(source, columns.text, None)):
        reason = why_not_text(raw)
        text = "" if reason else clean_text(str(raw))
        if reason or text in place_of:
            dropped[reason or "duplicate"] += 1
        else:
            place_of[text] = row
    shown = ", ".join(f"{reason} {count}" for reason, count in dropped.most_common())
    if not place_of:
        raise InputError(f"{path}: no usable text ({shown or 'the file is empty'}): check --text-column")
    if dropped:
        rows = f"{counted(dropped.total(), 'row')} {'is' if dropped.total() == 1 else 'are'}"
        logger.warning("%s: %s left out (%s)", path, rows, shown)
    return UnlabelledTexts(list(place_of), list(place_of.values()), dict(dropped))


def _columns(source: Source) -> list[str]:
    """Return the names of the columns, of formats without a header those of the first row."""
    if names := source.columns():
        return names
    if not source.has_records:
        return []
    first = next((rows[0] for rows in source.records(source.files[0]) if rows), None)
    return list(first) if isinstance(first, Mapping) else []


def _pairs(source: Source, text_column: str, label_column: str | None) -> Iterator[tuple[object, object]]:
    for file in source.files:
        for rows in source.read(file, text_column, label_column):
            yield from rows


@dataclass(frozen=True)
class LabelledTexts:
    """What people have labelled by now.

    Attributes
    ----------
    label_of
        The class of each text, in the order in which they were labelled.
    round_of
        The file of each of these texts, counted from 0.
    passed
        Texts in the files that nobody gave a label.
    """

    label_of: dict[str, Label] = field(default_factory=dict)
    round_of: dict[str, int] = field(default_factory=dict)
    passed: dict[str, None] = field(default_factory=dict)


def read_labelled(paths: Sequence[Path], columns: Columns, pool: UnlabelledTexts) -> LabelledTexts:
    """Read the files of earlier rounds, in their order.

    A text with a `'` before what a spreadsheet would run as a formula is the text of the pool without it.

    Raises
    ------
    InputError
        A file can't be read, or a text has two labels: the message has both.
    """
    known, found = set(pool.texts), LabelledTexts()
    for number, path in enumerate(paths):
        for row, (raw, raw_label) in enumerate(_pairs(sources.find(path, None), *columns)):
            if why_not_text(raw):
                continue
            text = _as_in_pool(clean_text(str(raw)), known)
            try:
                label = normalise(raw_label)
            except InputError as error:
                raise InputError(f"{path}, row {row}: {error}") from None
            if label is None:
                found.passed[text] = None
                continue
            if str(before := found.label_of.get(text, label)) != str(label):
                where = paths[found.round_of[text]]
                problem = f"'{text[:_EXCERPT]}' is '{before}' in {where} and '{label}' in {path}, row {row}"
                raise InputError(f"{problem}: keep one of the two labels")
            found.label_of.setdefault(text, label)
            found.round_of.setdefault(text, number)
    for text in found.label_of:
        found.passed.pop(text, None)
    return found


def _as_in_pool(text: str, known: set[str]) -> str:
    plain = text.removeprefix("'")
    return plain if text not in known and plain in known and storage.csv_cell(plain) == text else text
