"""What a gallery returns: images with their labels, before any file is opened."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from tithe.data.clean import clean_text
from tithe.data.splits import Part

FAKE, REAL = 0, 1
CLASSES = ("fake", "real")
UNKNOWN = "unknown"

_CLASS = re.compile(r"(?:\d+_)?(?:(real|nature)|fake|ai)")


@dataclass(frozen=True)
class Listed:
    """One image that a gallery lists. Field names are part of a cache key.

    Attributes
    ----------
    path
        Relative to the gallery's root, with forward slashes.
    label
        1 for a real photograph, 0 for a fake one.
    score
        How real it is, from 0 to 1, if that was measured; None if only the label is known.
    generator
        What made it; for a real photograph, the generator in whose set it was published.
    family
        Kind of generator.
    source_id
        The photograph, scene or prompt that it was made from; rows of one source are never in two splits.
    pair_id
        The same for a real photograph and its fake twin.
    split
        The split that the gallery assigns, if any.
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
    """An entry that is not a usable image, and why; the line of the list that can't be read, from 1."""

    path: str
    reason: str
    line: int | None = None


class Listing(NamedTuple):
    """All entries of a gallery in order, and remarks for the user on how they were read."""

    entries: tuple[Listed | Skipped, ...]
    remarks: tuple[str, ...] = ()


def class_of(name: str) -> int | None:
    """Return 1 for real, 0 for fake, None for other names; a number before the name is ignored, as in `0_real`."""
    match = _CLASS.fullmatch(clean_text(name).lower())
    return match and int(match[1] is not None)
