"""Whole arrays of texts, cleaned: those that need no change, which are most, are found by their bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tithe.arrays import Array, Rows
from tithe.data.clean import clean_text, why_not_text
from tithe.data.readers import Unreadable

_SPACE = ord(" ")


class Cleaned(NamedTuple):
    """Cleaned texts, empty where there is none, and the reasons of those, by position."""

    texts: pa.LargeStringArray
    problems: dict[int, str]


def cleaned(values: Sequence[object] | pa.Array) -> Cleaned:
    """Clean inputs: those of a list may be anything, those of an array are text or null."""
    if isinstance(values, pa.Array):
        return _of_array(pc.fill_null(values.cast(pa.large_string()), ""), values)
    texts, problems = [], {}
    for row, value in enumerate(values):
        text = clean_text(str(value)) if isinstance(value, str) and not isinstance(value, Unreadable) else ""
        if not text and (reason := why_not_text(value)):
            problems[row] = reason
        texts.append(text)
    return Cleaned(pa.array(texts, pa.large_string()), problems)


def _of_array(texts: pa.LargeStringArray, values: pa.Array) -> Cleaned:
    rows = np.flatnonzero(_may_change(texts))
    if not len(rows):
        return Cleaned(texts, {})
    own = [clean_text(text) for text in texts.take(pa.array(rows)).to_pylist()]
    problems = {
        row: why_not_text(values[row].as_py()) for row, text in zip(rows.tolist(), own, strict=True) if not text
    }
    is_own_N = np.zeros(len(texts), dtype=bool)
    is_own_N[rows] = True
    replaced = pc.replace_with_mask(texts, pa.array(is_own_N), pa.array(own, pa.large_string()))
    return Cleaned(replaced, {row: reason for row, reason in problems.items() if reason})


def _may_change(texts: pa.LargeStringArray) -> Array:
    """Return of each text whether cleaning may change it: others are printable ASCII with single spaces; shape (N,)."""
    offset_N: Rows = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
    byte_U = np.frombuffer(texts.buffers()[2] or b"", np.uint8)[offset_N[0] : offset_N[-1]]
    start_N, size_N = offset_N[:-1] - offset_N[0], np.diff(offset_N)
    changes_N = size_N == 0
    is_space_U = byte_U == _SPACE
    odd_U = (byte_U - np.uint8(_SPACE)) > np.uint8(0x7E - _SPACE)  # below a space the difference wraps around
    odd_U[1:] |= is_space_U[1:] & is_space_U[:-1]
    if odd_U.any():  # a space at an end too many is found twice, which does not matter
        changes_N[np.searchsorted(start_N, np.flatnonzero(odd_U), side="right") - 1] = True
    full = np.flatnonzero(size_N)
    changes_N[full] |= is_space_U[start_N[full]] | is_space_U[start_N[full] + size_N[full] - 1]
    return np.asarray(changes_N)
