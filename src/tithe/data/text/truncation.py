"""What `max_length` cuts off: texts and tokens, counted by split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tithe.arrays import Rows
from tithe.data.splits import Split

PARTS = ("train", "val", "test")


def count(uncut_N: Rows, max_length: int) -> dict[str, int]:
    """Return how many texts and tokens there are, and how many of them are cut and lost.

    Parameters
    ----------
    uncut_N
        Tokens of each text before it is cut, special tokens included, shape (N,).
    """
    lost_N = np.maximum(np.asarray(uncut_N, dtype=np.int64) - max_length, 0)
    return {
        "texts": len(lost_N),
        "texts_cut": int((lost_N > 0).sum()),
        "tokens": int(np.sum(uncut_N, dtype=np.int64)),
        "tokens_lost": int(lost_N.sum()),
    }


def by_part(uncut_N: Rows, split: Split, max_length: int) -> dict[str, Any]:
    """Return `tokens` of the data report: the counts of each part of the split, before selection and balancing."""
    return {"max_length": max_length, **{part: count(uncut_N[getattr(split, part)], max_length) for part in PARTS}}


def phrase(counts: Mapping[str, int]) -> str:
    """Say what was cut, as in `3 of 12 texts (25.0 %), 8.0 % of the tokens`."""
    texts, tokens = max(counts["texts"], 1), max(counts["tokens"], 1)
    cut, lost = 100 * counts["texts_cut"] / texts, 100 * counts["tokens_lost"] / tokens
    return f"{counts['texts_cut']} of {counts['texts']} texts ({cut:.1f} %), {lost:.1f} % of the tokens"


def sentence(report: Mapping[str, Any]) -> str:
    """Say in one line what was cut, by split if the rows are split; `report` is the result of `by_part`."""
    if not any(report[part]["texts_cut"] for part in PARTS):
        return f"max_length {report['max_length']} cuts no text"
    parts = [part for part in PARTS if report[part]["texts"]]
    if len(parts) == 1:  # a pool has no parts
        return f"max_length {report['max_length']} cuts {phrase(report[parts[0]])}"
    return f"max_length {report['max_length']} cuts: {'; '.join(f'{part} {phrase(report[part])}' for part in parts)}"
