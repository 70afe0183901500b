"""Text cleaning, and the reasons why a row is dropped."""

from __future__ import annotations

import re
import unicodedata

from tithe.data.readers import Unreadable

# Part of the cache key: increase it when the same file would give other rows.
VERSION = 3

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff\u200b\u2060]")
_SPACE = re.compile(r"\s+")


def clean_text(text: str) -> str:
    """Return the text in Unicode NFC, without control or invisible characters, with white space collapsed.

    Unpaired surrogates, which tokenizers and UTF-8 cannot encode, become U+FFFD.
    """
    if text.isprintable() and "  " not in text:  # most texts: no control characters, no white space but single spaces
        return unicodedata.normalize("NFC", text.strip())
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    # Normalised last: an invisible character between a letter and its accent would prevent composition.
    return unicodedata.normalize("NFC", _SPACE.sub(" ", _CONTROL.sub("", text)).strip())


def why_not_text(value: object) -> str | None:
    """Return the reason why a raw input is unusable; None if it is usable."""
    if isinstance(value, Unreadable):
        return "unreadable"
    if value is None or value != value:  # NaN is the one value that differs from itself
        return "missing_text"
    if not isinstance(value, str):
        return "not_text"
    return None if clean_text(value) else "empty_text"
