"""Stratified folds, and standardised columns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tithe.arrays import Array, Rows


def folds(labels_N: Rows, count: int, seed: int) -> Rows:
    """Return the fold of each row, shape (N,): every class is spread evenly over the folds."""
    rng = np.random.default_rng([seed, 0xF01D])
    fold_N = np.empty(len(labels_N), dtype=np.int64)
    start = 0
    for c in np.unique(labels_N):
        rows = rng.permutation(np.flatnonzero(labels_N == c))
        fold_N[rows] = (start + np.arange(len(rows))) % count
        start += len(rows)
    return fold_N


def standardised(X_ND: Array) -> Array:
    """Return the columns with mean 0 and variance 1; a constant column becomes 0."""
    deviation_D = X_ND.std(axis=0)
    scaled: Array = ((X_ND - X_ND.mean(axis=0)) / np.where(deviation_D > 1e-8, deviation_D, 1)).astype(np.float32)
    return scaled


def parts(fold_N: Rows) -> Iterator[tuple[Rows, Rows]]:
    """Yield (training rows, held-out rows) for each fold."""
    for fold in np.unique(fold_N):
        yield np.flatnonzero(fold_N != fold), np.flatnonzero(fold_N == fold)
