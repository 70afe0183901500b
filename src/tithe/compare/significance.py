"""Whether two classifiers differ by more than chance in the choice of test rows: the paired bootstrap.

Shapes: N rows, C classes, K distinct cells of (label, first prediction, second prediction), D draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tithe.arrays import Array

DRAWS = 2000
_SEED = 0xFA12  # constant, so that a comparison depends only on the runs' files
_BLOCK_SIZE = 1 << 22  # numbers in memory at once
_MIN_PROBABILITY = 1e-12  # as in metrics.log_loss
# Rows on which the answers differ, below which a bootstrap, which draws no others, is too sure: five that all speak for
# one classifier are p = .0625 of a two-sided sign test, six are .03125.
_FEWEST = 6


class Predictions(NamedTuple):
    """Predictions of one classifier: class indices, and probabilities of the true class, each of shape (N,)."""

    predicted_N: Array
    probability_of_label_N: Array


class Difference(NamedTuple):
    """Score of the second classifier minus that of the first, its 95 % interval, and the rows that it comes from."""

    value: float
    low: float
    high: float
    differing: int  # rows on which the two differ in what the score reads

    @property
    def beyond_chance(self) -> bool:
        """Whether the interval excludes 0, and enough rows differ to tell."""
        return not (self.low <= 0 <= self.high or self.too_few)

    @property
    def too_few(self) -> bool:
        """Whether so few rows differ that not even all of them together, for one classifier, would be beyond chance."""
        return self.differing < _FEWEST


def difference(score: str, label_N: Array, first: Predictions, second: Predictions, draws: int = DRAWS) -> Difference:
    """Compare a score, resampling the same rows for both classifiers (Efron and Tibshirani 1993; Koehn 2004).

    Parameters
    ----------
    score
        `accuracy`, `f1` (macro) or `loss`, as in `metrics.summary`.
    label_N
        True class indices, in the same coding as the predictions.

    Returns
    -------
    The difference over all rows, and its percentiles over the draws; deterministic.
    """
    rng = np.random.default_rng(_SEED)
    if score == "loss":
        value, drawn_D = _resample_loss(rng, first, second, draws)
    else:
        value, drawn_D = _resample_cells(rng, score, label_N, first, second, draws)
    low, high = np.percentile(drawn_D, [2.5, 97.5])
    return Difference(value, float(low), float(high), _differing(score, label_N, first, second))


def _differing(score: str, label_N: Array, first: Predictions, second: Predictions) -> int:
    """Return on how many rows the two differ in what a score reads."""
    if score == "loss":
        return int((first.probability_of_label_N != second.probability_of_label_N).sum())
    one_N, other_N = first.predicted_N, second.predicted_N
    if score == "accuracy":
        one_N, other_N = one_N == label_N, other_N == label_N
    return int((one_N != other_N).sum())


def _resample_loss(
    rng: np.random.Generator, first: Predictions, second: Predictions, draws: int
) -> tuple[float, Array]:
    first_N, second_N = (
        np.log(a.probability_of_label_N.astype(np.float64).clip(_MIN_PROBABILITY)) for a in (first, second)
    )
    gain_N = first_N - second_N
    rows = len(gain_N)
    means = [gain_N[rng.integers(0, rows, (size, rows))].mean(axis=1) for size in _blocks(draws, rows)]
    return float(gain_N.mean()), np.concatenate(means)


def _resample_cells(
    rng: np.random.Generator, score: str, label_N: Array, first: Predictions, second: Predictions, draws: int
) -> tuple[float, Array]:
    """Draw counts of cells instead of rows.

    Accuracy and F1 depend only on the number of rows in each cell. Drawing rows with replacement gives multinomial
    counts, so this is the same distribution for a fraction of the work.
    """
    first_N, second_N = first.predicted_N, second.predicted_N
    if score == "accuracy":  # only right or wrong matters: four cells for any number of classes
        label_N, first_N, second_N = np.ones_like(label_N), 1 * (first_N == label_N), 1 * (second_N == label_N)
    classes = 1 + int(max(label_N.max(), first_N.max(), second_N.max()))
    coded_N = (label_N * classes + first_N) * classes + second_N
    cell_K, rows_K = np.unique(coded_N, return_counts=True)
    label_K, first_K, second_K = cell_K // classes**2, cell_K // classes % classes, cell_K % classes

    def gain(rows_DK: Array) -> Array:
        second_D, first_D = (_scores(score, rows_DK, label_K, p_K, classes) for p_K in (second_K, first_K))
        return second_D - first_D

    rows = len(label_N)
    drawn = [gain(rng.multinomial(rows, rows_K / rows, size)) for size in _blocks(draws, len(cell_K))]
    return float(gain(rows_K[None])[0]), np.concatenate(drawn)


def _scores(score: str, rows_DK: Array, label_K: Array, predicted_K: Array, classes: int) -> Array:
    """Return accuracy or macro F1 of each draw, shape (D,), as defined in `metrics`."""
    rows_DK, right_K = rows_DK.astype(np.float64), label_K == predicted_K
    if score == "accuracy":
        accuracy_D: Array = rows_DK @ right_K / rows_DK.sum(axis=1)
        return accuracy_D
    member = np.eye(classes)
    hits_DC = rows_DK[:, right_K] @ member[label_K[right_K]]
    seen_DC = rows_DK @ (member[label_K] + member[predicted_K])
    f1_DC = 2 * hits_DC / np.maximum(seen_DC, 1)
    mean_D: Array = f1_DC.sum(axis=1) / (seen_DC > 0).sum(axis=1)
    return mean_D


def _blocks(draws: int, width: int) -> Iterator[int]:
    """Yield the sizes of blocks of draws that fit into memory."""
    size = max(1, _BLOCK_SIZE // width)
    for start in range(0, draws, size):
        yield min(size, draws - start)
