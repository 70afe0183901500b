"""Balancing the training rows; validation and test keep the shares that the world has."""

from __future__ import annotations

from typing import Any

import numpy as np

from tithe.arrays import Rows


def resample(labels_N: Rows, upsample: bool, downsample: bool, seed: int) -> Rows:
    """Return positions into the training rows, classes brought to one size.

    `upsample` repeats the rows of small classes up to the largest; `downsample` draws from large classes
    down to the smallest; both together meet at the median class size. Whole repeats come first, so no row
    stands more than once oftener than another of its class.

    Returns
    -------
    Sorted positions, shape (M,); all of them once when nothing is asked for.
    """
    if not (upsample or downsample):
        return np.arange(len(labels_N))
    classes, sizes = np.unique(labels_N, return_counts=True)
    target = int(np.median(sizes)) if upsample and downsample else int(sizes.max() if upsample else sizes.min())
    rng = np.random.default_rng([seed, 0xBA1A])
    chosen = []
    for c, size in zip(classes, sizes, strict=True):
        rows = np.flatnonzero(labels_N == c)
        repeats = target // size
        chosen += [np.repeat(rows, repeats), rng.choice(rows, target - repeats * size, replace=False)]
    return np.sort(np.concatenate(chosen))


def class_weights(labels_N: Rows, classes: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return weights inverse to class frequency, shape (C,), with mean 1 over the rows.

    So the loss keeps its scale: a sum of weighted row losses is divided by the number of rows. A class
    without rows has weight 0.
    """
    sizes_C = np.bincount(labels_N, minlength=classes)
    present = int((sizes_C > 0).sum())
    weights_C = len(labels_N) / (present * np.maximum(sizes_C, 1))
    return np.where(sizes_C > 0, weights_C, 0.0).astype(np.float32)
