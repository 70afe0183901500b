"""Cleaning, row by row, and the reasons why a row is left out."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import numpy as np

# Part of every cache key: raise it when the same file would give other rows.
VERSION = 3

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff\u200b\u2060]")
_SPACE = re.compile(r"\s+")

Rows = np.ndarray[Any, np.dtype[np.int64]]


class Unreadable(str):
    """A row that its reader could not parse: the raw text, as far as it is known."""


def clean_text(text: str) -> str:
    """Return the text in Unicode NFC, without control and invisible characters, white space folded.

    Unpaired surrogates, which no encoder can read and no file can hold, become U+FFFD.
    """
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    # Composed last: an invisible character between a letter and its accent would keep them apart.
    return unicodedata.normalize("NFC", _SPACE.sub(" ", _CONTROL.sub("", text)).strip())


def why_not_text(value: object) -> str | None:
    """Return the reason why a raw input can't be used, None when it can."""
    if isinstance(value, Unreadable):
        return "unreadable"
    if value is None or value != value:  # NaN is the one value that differs from itself
        return "missing_text"
    if not isinstance(value, str):
        return "not_text"
    return None if clean_text(value) else "empty_text"


def repeats(keys_N: np.ndarray[Any, Any], labels_N: Rows) -> tuple[Rows, Rows, Rows]:
    """Find rows whose text stands more than once.

    Parameters
    ----------
    keys_N
        A key of each text, equal exactly where the texts are.
    labels_N
        Class indices.

    Returns
    -------
    keep, duplicate, conflict
        Sorted positions. Of equal texts with one label the first is kept and the others are duplicates;
        equal texts with different labels are all conflicts, since nothing says which label is right.
    """
    _, first_G, group_N = np.unique(keys_N, return_index=True, return_inverse=True)
    differs_N = labels_N != labels_N[first_G[group_N]]
    conflicting_G = np.zeros(len(first_G), dtype=bool)
    conflicting_G[group_N[differs_N]] = True
    conflict_N = conflicting_G[group_N]
    is_first_N = np.zeros(len(keys_N), dtype=bool)
    is_first_N[first_G] = True
    return (
        np.flatnonzero(is_first_N & ~conflict_N),
        np.flatnonzero(~is_first_N & ~conflict_N),
        np.flatnonzero(conflict_N),
    )
