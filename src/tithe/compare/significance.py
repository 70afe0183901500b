"""Whether two classifiers differ by more than the luck of the test rows: the paired bootstrap.

Shapes: N rows, C classes, K distinct cells of (label, first answer, second answer), D draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tithe.arrays import Array

DRAWS = 2000
_SEED = 0xFA12  # a constant: a comparison is a function of the runs' files alone
_AT_ONCE = 1 << 22  # numbers in memory at once
_LEAST = 1e-12  # as in metrics.log_loss


class Answers(NamedTuple):
    """What one classifier says of rows: class indices, and the probability of the true class, each of shape (N,)."""

    predicted_N: Array
    probability_of_label_N: Array


class Difference(NamedTuple):
    """A score of the second classifier less that of the first, and its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def beyond_chance(self) -> bool:
        """Whether the interval leaves out 0."""
        return not self.low <= 0 <= self.high


def difference(score: str, label_N: Array, first: Answers, second: Answers, draws: int = DRAWS) -> Difference:
    """Resample the rows, the same ones for both classifiers (Efron and Tibshirani 1993; Koehn 2004).

    Parameters
    ----------
    score
        `accuracy`, `f1` (macro) or `loss`, as in `metrics.summary`.
    label_N
        True class indices, in the same coding as the answers.

    Returns
    -------
    The difference over all rows, and percentiles of it over the draws; the same for the same rows and answers.
    """
    rng = np.random.default_rng(_SEED)
    if score == "loss":
        value, drawn_D = _of_loss(rng, first, second, draws)
    else:
        value, drawn_D = _of_cells(rng, score, label_N, first, second, draws)
    low, high = np.percentile(drawn_D, [2.5, 97.5])
    return Difference(value, float(low), float(high))


def _of_loss(rng: np.random.Generator, first: Answers, second: Answers, draws: int) -> tuple[float, Array]:
    first_N, second_N = (np.log(a.probability_of_label_N.astype(np.float64).clip(_LEAST)) for a in (first, second))
    gain_N = first_N - second_N
    rows = len(gain_N)
    means = [gain_N[rng.integers(0, rows, (size, rows))].mean(axis=1) for size in _blocks(draws, rows)]
    return float(gain_N.mean()), np.concatenate(means)


def _of_cells(
    rng: np.random.Generator, score: str, label_N: Array, first: Answers, second: Answers, draws: int
) -> tuple[float, Array]:
    """Draw how often each cell comes up, instead of rows.

    Accuracy and F1 depend only on how many rows are in each cell, and rows drawn with replacement fill the cells as a
    multinomial draw does: the same distribution, for a fraction of the work.
    """
    first_N, second_N = first.predicted_N, second.predicted_N
    if score == "accuracy":  # it tells nothing but right from wrong: four cells, however many classes
        label_N, first_N, second_N = np.ones_like(label_N), 1 * (first_N == label_N), 1 * (second_N == label_N)
    classes = 1 + int(max(label_N.max(), first_N.max(), second_N.max()))
    coded_N = (label_N * classes + first_N) * classes + second_N
    cell_K, rows_K = np.unique(coded_N, return_counts=True)
    label_K, first_K, second_K = cell_K // classes**2, cell_K // classes % classes, cell_K % classes

    def gained(rows_DK: Array) -> Array:
        second_D, first_D = (_scores(score, rows_DK, label_K, answer_K, classes) for answer_K in (second_K, first_K))
        return second_D - first_D

    rows = len(label_N)
    drawn = [gained(rng.multinomial(rows, rows_K / rows, size)) for size in _blocks(draws, len(cell_K))]
    return float(gained(rows_K[None])[0]), np.concatenate(drawn)


def _scores(score: str, rows_DK: Array, label_K: Array, answer_K: Array, classes: int) -> Array:
    """Return accuracy or macro F1 of each draw, shape (D,); `metrics` says what they are."""
    rows_DK, right_K = rows_DK.astype(np.float64), label_K == answer_K
    if score == "accuracy":
        accuracy_D: Array = rows_DK @ right_K / rows_DK.sum(axis=1)
        return accuracy_D
    member = np.eye(classes)
    hits_DC = rows_DK[:, right_K] @ member[label_K[right_K]]
    seen_DC = rows_DK @ (member[label_K] + member[answer_K])
    f1_DC = 2 * hits_DC / np.maximum(seen_DC, 1)
    mean_D: Array = f1_DC.sum(axis=1) / (seen_DC > 0).sum(axis=1)
    return mean_D


def _blocks(draws: int, width: int) -> Iterator[int]:
    """Cut draws into blocks that fit into memory."""
    size = max(1, _AT_ONCE // width)
    for start in range(0, draws, size):
        yield min(size, draws - start)
