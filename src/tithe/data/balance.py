"""Class balancing of the training rows; validation and test keep the class shares of the data."""

from __future__ import annotations

from typing import Any

import numpy as np

from tithe.arrays import Array, Rows


def resample(labels_N: Rows, upsample: bool, downsample: bool, seed: int) -> Rows:
    """Return positions into the training rows that give all classes the same size.

    `upsample` repeats rows of small classes up to the size of the largest; `downsample` samples large classes down to
    the size of the smallest; both together use the median size. Within a class, the number of repeats of two rows
    differs by at most one.

    Returns
    -------
    Sorted positions, shape (M,); each once when both options are off.
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


def class_weights(
    labels_N: Rows, classes: int, weights_N: Array | None = None
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return weights inverse to class frequency, shape (C,), with mean 1 over the rows.

    This keeps the scale of the loss, which divides the weighted sum by the number of rows. A class without rows has
    weight 0. Rows with weights of their own count by these, in the frequencies as in the loss.
    """
    sizes_C = np.bincount(labels_N, weights_N, minlength=classes)
    present = int((sizes_C > 0).sum())
    weights_C = sizes_C.sum() / (present * np.where(sizes_C > 0, sizes_C, 1))
    return np.where(sizes_C > 0, weights_C, 0.0).astype(np.float32)
