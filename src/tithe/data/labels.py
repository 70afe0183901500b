"""The label map: sorted classes, saved, hashed, and compared wherever a model is used on other data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tithe import storage
from tithe.errors import InputError

Label = str | int


def normalise(value: object) -> Label | None:
    """Return a label as a string or an integer; None if it is missing or blank.

    Integral floats become integers, since one missing value turns a column of integers into floats.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool | int | np.integer):
        return int(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() else repr(value)
    return storable(str(value)).strip() or None


def storable(text: str) -> str:
    """Return the text with unpaired surrogates, which UTF-8 cannot encode, replaced by question marks."""
    return text.encode("utf-8", "replace").decode()


@dataclass(frozen=True)
class LabelMap:
    """Classes in a fixed order: all-integer labels by value, otherwise all as strings by code point."""

    names: tuple[Label, ...]

    @classmethod
    def of(cls, labels: Iterable[Label]) -> LabelMap:
        """Return the map of the distinct labels."""
        distinct = set(labels)
        if all(isinstance(label, int) for label in distinct):
            return cls(tuple(sorted(distinct, key=int)))
        return cls(tuple(sorted({str(label) for label in distinct})))

    def __len__(self) -> int:
        return len(self.names)

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
        numeric = all(isinstance(name, int) for name in self.names)
        index = {name: i for i, name in enumerate(self.names)}
        keys: Sequence[Label] = labels if numeric else [str(label) for label in labels]
        try:
            return np.array([index[key] for key in keys], dtype=np.int64)
        except KeyError as error:
            raise InputError(f"label {error} is not one of the {len(self)} classes: {self.preview()}") from None

    def check_same(self, other: LabelMap, where: str) -> None:
        """Refuse data whose classes differ from this map's.

        Raises
        ------
        InputError
            The maps differ; the message shows both.
        """
        if self.hash != other.hash:
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
        if not isinstance(saved, dict) or not isinstance(saved.get("names"), list):
            raise InputError(f"{path} is not a label map: it needs the keys names and sha256")
        labels = cls(tuple(saved["names"]))
        if labels.hash != saved.get("sha256"):
            raise InputError(f"{path} was edited: its sha256 does not match its names; restore the original")
        return labels
