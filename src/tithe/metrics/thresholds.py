"""Thresholds of probabilities, one for each class, that reach a wanted precision or recall on validation rows.

Shapes: N rows, C classes. A row is accepted if the probability of its most probable class is at least the threshold of
that class; the other rows are abstained from.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np

from tithe.arrays import Array
from tithe.metrics.classification import wilson

Goal = Literal["precision", "recall"]


class Threshold(NamedTuple):
    """The threshold of a class, and what it reaches on the rows that it was chosen on.

    Attributes
    ----------
    threshold
        Lowest accepted probability; None where no row may be accepted, since no threshold reaches the precision.
    reached
        Precision of the accepted rows, or recall; the best that any threshold reaches where `attained` is false. None
        where there is no row to tell.
    low, high
        Its 95 % interval (Wilson 1927): few rows say little.
    accepted, rows
        Accepted rows, of those predicted as the class (precision) or of the class (recall).
    attained
        Whether the goal is reached.
    """

    threshold: float | None
    reached: float | None
    low: float | None
    high: float | None
    accepted: int
    rows: int
    attained: bool


def choose(y_true_N: Array, probs_NC: Array, goal: Goal, target: float) -> list[Threshold]:
    """Return the threshold of each class: the lowest that reaches a precision, or the highest that reaches a recall.

    A class that can't reach the precision accepts nothing, and one that can't reach the recall accepts everything.
    """
    best_N, top_N = probs_NC.argmax(axis=1), probs_NC.max(axis=1)
    chosen = []
    for label in range(probs_NC.shape[1]):
        predicted_N = best_N == label
        order = np.argsort(-top_N[predicted_N], kind="stable")
        p_M, right_M = top_N[predicted_N][order], (y_true_N[predicted_N] == label)[order]
        if goal == "precision":
            chosen.append(_precise(p_M, right_M, target))
        else:
            chosen.append(_complete(p_M, right_M, int((y_true_N == label).sum()), target))
    return chosen


def _precise(p_M: Array, right_M: Array, target: float) -> Threshold:
    """Return the threshold that accepts the most of the rows predicted as a class, the most probable first."""
    if not len(p_M):
        return Threshold(None, *_share(0, 0), 0, 0, False)
    counts_E = np.flatnonzero(np.append(p_M[1:] < p_M[:-1], True)) + 1  # equal probabilities are accepted together
    precision_E = right_M.cumsum()[counts_E - 1] / counts_E
    attained = bool(precision_E.max() >= target)
    best = precision_E >= (target if attained else precision_E.max())
    accepted = int(counts_E[best][-1])
    share = _share(int(right_M[:accepted].sum()), accepted)
    if not attained:
        return Threshold(None, *share, 0, len(p_M), False)
    return Threshold(_below(p_M, accepted), *share, accepted, len(p_M), True)


def _complete(p_M: Array, right_M: Array, of_class: int, target: float) -> Threshold:
    """Return the threshold that accepts the fewest rows predicted as a class, and enough of the rows of the class."""
    needed, hits = math.ceil(target * of_class - 1e-9), np.flatnonzero(right_M)
    if not 0 < needed <= len(hits):
        return Threshold(0.0, *_share(len(hits), of_class), len(hits), of_class, needed == 0 < of_class)
    threshold = _below(p_M, int(hits[needed - 1]) + 1)
    reached = int((p_M[hits] >= threshold).sum())
    return Threshold(threshold, *_share(reached, of_class), reached, of_class, True)


def _below(p_M: Array, accepted: int) -> float:
    """Return a threshold halfway to the first row that is not accepted, and 0 if all are.

    The last digits of a probability depend on the batch: a threshold that equals one would decide by them.
    """
    lower = p_M[accepted:][p_M[accepted:] < p_M[accepted - 1]]
    return float((p_M[accepted - 1] + lower[0]) / 2) if len(lower) else 0.0


def _share(right: int, rows: int) -> tuple[float | None, float | None, float | None]:
    """Return a share and its interval."""
    if not rows:
        return None, None, None
    low, high = wilson(right, rows)
    return right / rows, float(low), float(high)
