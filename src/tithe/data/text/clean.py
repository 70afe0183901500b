"""Cleaning, row by row, and the reasons why a row is left out."""

from __future__ import annotations

import re
import unicodedata

from tithe.data.readers import Unreadable

# Part of every cache key: raise it when the same file would give other rows.
VERSION = 3

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff\u200b\u2060]")
_SPACE = re.compile(r"\s+")


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
