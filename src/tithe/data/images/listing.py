"""What a gallery says of a photograph before anybody opens it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = get_args(Part)

FAKE, REAL = 0, 1
CLASSES = ("fake", "real")
UNKNOWN = "unknown"

_CLASS = re.compile(r"(?:\d+_)?(?:(real|nature)|fake|ai)")
_PARTS: dict[str, Part] = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class Listed:
    """One photograph that a gallery offers.

    Attributes
    ----------
    path
        From the gallery's root, with forward slashes.
    label
        1 for a real photograph, 0 for a fake one.
    score
        How real it is, from 0 to 1, where somebody has measured that; None where the label is all that is known.
    generator
        What made it. That of a real photograph is the generator beside whose fakes it lies.
    family
        What kind of generator that is.
    source_id
        The photograph, scene or prompt that it was made from: rows of one source never stand in two splits.
    pair_id
        What a real photograph and its fake twin share.
    split
        The split that the gallery has put it into.
    """

    path: str
    label: int
    score: float | None = None
    generator: str = UNKNOWN
    family: str | None = None
    source_id: str | None = None
    pair_id: str | None = None
    split: Part | None = None


class Skipped(NamedTuple):
    """An entry that no photograph can be made of, and why."""

    path: str
    reason: str


class Listing(NamedTuple):
    """All entries of a gallery in their order, none left out, and what a person should know of how they were read."""

    entries: tuple[Listed | Skipped, ...]
    remarks: tuple[str, ...] = ()


def class_of(name: str) -> int | None:
    """Return 1 for real, 0 for fake, by the name and never by its number: `0_real` is real. None for other names."""
    match = _CLASS.fullmatch(name.strip().lower())
    return match and int(match[1] is not None)


def part_of(name: str) -> Part | None:
    """Return the split that a name stands for; None for other names."""
    return _PARTS.get(name.strip().lower())
