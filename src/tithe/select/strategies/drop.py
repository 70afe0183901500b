"""Random rows, more of classes that a model recalls badly (DRoP, Vysogorets et al. 2025)."""

from __future__ import annotations

import numpy as np

from tithe.arrays import Array, Rows
from tithe.select.pool import Pool

NEEDS = ("probs",)
TRACK = "T1"


def score(pool: Pool, rng: np.random.Generator, options: object) -> Array:
    """Return a random order, independent of the budget."""
    return rng.permutation(len(pool)).astype(float)


def divide(pool: Pool, count: int, options: object) -> Array:
    """Return the rows of each class by its recall, of models that did not see them."""
    size_C = np.bincount(pool.labels)
    right_N = pool.probs.argmax(axis=1) == pool.labels
    recall_C = np.bincount(pool.labels, weights=right_N) / np.maximum(size_C, 1)
    return by_recall(size_C, recall_C, count)


def by_recall(size_C: Rows, recall_C: Array, count: int) -> Array:
    """Return rows in proportion to size · (1 − recall), shape (C,), not rounded, at most the size.

    What is too much for a class goes to the others, in the same proportion; what no class with errors has room for, to
    those without any.
    """
    want_C, weight_C, left = np.zeros(len(size_C)), size_C * (1 - recall_C), float(count)
    while left > 1e-9 and want_C.sum() < size_C.sum():
        open_C = want_C < size_C
        weight_C = weight_C * open_C if (weight_C * open_C).any() else size_C * open_C
        want_C = want_C + left * weight_C / weight_C.sum()
        left = float((want_C - size_C).clip(0).sum())
        want_C = np.minimum(want_C, size_C)
    return want_C
