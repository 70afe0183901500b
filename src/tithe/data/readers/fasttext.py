"""fastText: one text a line, with its class as a word `__label__NAME` (Joulin et al. 2017)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tithe import config
from tithe.data import compressed
from tithe.data.readers import Pair, check, lists
from tithe.errors import InputError

SUFFIXES = compressed.forms(".txt", ".ft")
LAYOUT = ("encoding",)
_PLAIN = config.Layout()
_COLUMNS = ("text", "label")
_PREFIX = "__label__"
_LABEL = re.compile(rf"(?<!\S){_PREFIX}\S*")


def read(
    path: Path, text_column: str, label_column: str | None, layout: config.Layout = _PLAIN
) -> Iterator[list[Pair]]:
    """Yield lists of (input, label) in file order; the columns are called text and label.

    Raises
    ------
    InputError
        A line has several labels, none has one, or the file has another encoding.
    """
    check(path, text_column, label_column, _COLUMNS)
    yield from lists(_pairs(path, label_column is not None, layout))


def text_of(line: str) -> str:
    """Return a line without its labels."""
    return _LABEL.sub("", line).strip() if _PREFIX in line else line


def _pairs(path: Path, labelled: bool, layout: config.Layout) -> Iterator[Pair]:
    number, found = 0, False
    with compressed.opened_text(path, layout.encoding) as file:
        for number, line in enumerate(file, start=1):
            line = line.rstrip("\r\n")
            label = _label(path, number, line) if labelled else None
            found |= label is not None
            yield text_of(line), label
    if labelled and number and not found:
        raise InputError(f"{path} has no {_PREFIX}NAME on any line, as fastText has: save texts and classes as CSV")


def _label(path: Path, number: int, line: str) -> str | None:
    words = _LABEL.findall(line)
    if len(words) > 1:
        cure = "multi-label data is not supported: keep one label"
        raise InputError(f"{path} line {number}: {len(words)} labels ({' '.join(words)[:80]}): {cure}")
    return words[0].removeprefix(_PREFIX) if words else None
