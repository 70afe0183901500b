"""What a label is in every format; the label map, saved, hashed, compared wherever a model is used on other data."""

from __future__ import annotations

import functools
import re
import reprlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from tithe import storage
from tithe.data.clean import clean_text
from tithe.errors import InputError

Label = str | int

# Part of the cache key: increase it when the same file would give other labels.
VERSION = 2

_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.0)?")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
_BOOLEANS = ("true", "false")


def normalise(value: object) -> Label | None:
    """Return the class that a value of any format means; None if it is missing or blank.

    A value is first written as text: a number with the fewest digits, a boolean as `true` or `false`, a date as
    2026-01-31, bytes as the UTF-8 that they are. The text is cleaned as the inputs are. Then one rule holds for all:

    - a whole number of up to 18 digits is an integer, and so is `1.0`, since one missing value turns a column of
      integers into floats; `01` and `1.50` are names;
    - `True` and `FALSE` are `true` and `false`, and never 1 and 0;
    - everything else is a string.

    Raises
    ------
    InputError
        It is a list, a struct, or bytes that are not UTF-8.
    """
    if value is None or (isinstance(value, float | np.floating | Decimal) and value != value):
        return None
    return _class_of(_written(value))


def _written(value: object) -> str:
    """Return the text of a value, as a CSV file would have it."""
    if isinstance(value, float | np.floating | Decimal):
        number = float(value)
        if number.is_integer():
            return str(int(value))
        return str(number if isinstance(value, Decimal) else value)  # a float32 has fewer digits than its float64
    if isinstance(value, bytes | bytearray | memoryview):
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            raise InputError(f"the label {bytes(value)[:20]!r} is not UTF-8: save labels as text") from None
    if isinstance(value, Iterable) and not isinstance(value, str):
        shown = " ".join(reprlib.repr(value).split())
        if isinstance(value, Mapping):
            raise InputError(f"the label {shown} has several fields: use one of them as the label")
        raise InputError(f"a list of labels in each row ({shown}): multi-label data is not supported: keep one label")
    return str(value)


@functools.lru_cache(maxsize=4096)
def _class_of(text: str) -> Label | None:
    text = clean_text(storable(text))
    if _WHOLE.fullmatch(text):
        return int(text.removesuffix(".0"))
    return text.lower() if text.lower() in _BOOLEANS else text or None


def _key(name: Label) -> str:
    """Return what names of one class share: the maps of earlier versions may have `True`, and `1` as a string."""
    known = _class_of(str(name))
    return str(name if known is None else known)


def _fractions(names: Iterable[Label]) -> dict[str, float]:
    """Return the value of each name if all are numbers and not all are whole; else nothing."""
    texts = list(map(str, names))
    if not all(map(_NUMBER.fullmatch, texts)) or all(float(text).is_integer() for text in texts):
        return {}
    return {text: float(text) for text in texts}


def look_alike(names: Iterable[Label]) -> list[list[Label]]:
    """Return groups of names that differ only by case, by the width of characters or by invisible ones."""
    groups: dict[str, list[Label]] = {}
    for name in names:
        shown = "".join(c for c in unicodedata.normalize("NFKC", str(name)) if unicodedata.category(c) != "Cf")
        groups.setdefault(shown.casefold(), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def storable(text: str) -> str:
    """Return the text with unpaired surrogates, which UTF-8 cannot encode, replaced by question marks."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


@dataclass(frozen=True)
class LabelMap:
    """Classes in a fixed order.

    Integers are ordered by value. Otherwise all are strings: numbers, some of them with a fraction, are ordered by
    value too, anything else by code point.
    """

    names: tuple[Label, ...]

    @classmethod
    def of(cls, labels: Iterable[Label]) -> LabelMap:
        """Return the map of the distinct labels."""
        distinct = set(labels)
        if all(isinstance(label, int) for label in distinct):
            return cls(tuple(sorted(distinct, key=int)))
        names = sorted({str(label) for label in distinct})
        values = _fractions(names)
        ordered = sorted(names, key=lambda name: values.get(name, 0.0))
        return cls(tuple(ordered))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def fractions(self) -> list[str]:
        """Names that are numbers with a fraction; none unless every name is a number."""
        return [name for name, value in _fractions(self.names).items() if not value.is_integer()]

    @property
    def hash(self) -> str:
        """SHA-256 of the names in their order."""
        return storage.digest(list(self.names))

    def encode(self, labels: Sequence[Label]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return class indices, shape (N,).

        Raises
        ------
        InputError
            A label is not in the map; the message names it.
        """
        code_of_key = {_key(name): code for code, name in reversed(list(enumerate(self.names)))}
        try:
            code_of = {label: code_of_key[_key(label)] for label in set(labels)}
        except KeyError as error:
            raise InputError(f"label {error} is not one of the {len(self)} classes: {self.preview()}") from None
        return np.array([code_of[label] for label in labels], dtype=np.int64)

    def check_same(self, other: LabelMap, where: str) -> None:
        """Refuse data whose classes differ from this map's.

        Raises
        ------
        InputError
            The maps differ; the message shows both.
        """
        if list(map(_key, self.names)) != list(map(_key, other.names)):
            raise InputError(f"{where} has classes {other.preview()}; the checkpoint has {self.preview()}")

    def preview(self) -> str:
        """Return the names in one line, shortened when there are many."""
        shown = ", ".join(str(name) for name in self.names[:8])
        return shown if len(self) <= 8 else f"{shown}, … ({len(self)} classes)"

    def save(self, path: Path) -> None:
        """Write names and hash as JSON."""
        storage.write_json(path, {"names": list(self.names), "sha256": self.hash})

    @classmethod
    def load(cls, path: Path) -> LabelMap:
        """Read a saved map.

        Raises
        ------
        InputError
            The file is missing, is not a label map, or its hash does not match.
        """
        saved = storage.read_json(path)
        names = saved.get("names") if isinstance(saved, dict) else None
        if not isinstance(names, list) or not all(isinstance(name, str | int) for name in names):
            raise InputError(f"{path} is not a label map: it needs names, a list of texts or whole numbers, and sha256")
        labels = cls(tuple(saved["names"]))
        if labels.hash != saved.get("sha256"):
            raise InputError(f"{path} was edited: its sha256 does not match its names; restore the original")
        return labels
