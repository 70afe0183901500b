"""Each class against the rest at every threshold: areas under ROC and precision-recall curves, and the curves' points.

Values equal those of scikit-learn's `roc_auc_score` and `average_precision_score`, which check their inputs again for
every class: with hundreds of classes that takes longer than the training.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tithe.arrays import Array, Rows
from tithe.errors import TitheError

GRID: Array = np.linspace(0, 1, 501)  # the rates at which mean curves are given, shape (G,)


class Points(NamedTuple):
    """A curve of one rate against another, each float64 of shape (T,)."""

    x_T: Array
    y_T: Array


class Curves(NamedTuple):
    """The two curves of a class."""

    roc: Points  # true against false positive rate, rising from (0, 0)
    pr: Points  # precision against recall, from recall 1 down to (0, 1)


class Areas(NamedTuple):
    """One kind of curve, of several classes."""

    area_K: Array  # under each class's curve: the AUC, or the average precision
    mean_G: Array  # the mean curve at the rates of `GRID`; NaN without classes


@dataclass(frozen=True)
class OneVsRest:
    """The areas of classes, each against the rest.

    Attributes
    ----------
    classes
        Those that have both positive and negative rows, rising; of two classes only the second. Shape (K,).
    """

    classes: Rows
    roc: Areas
    pr: Areas

    def means(self) -> dict[str, float | None]:
        """Return the macro averages `auc_roc` and `auc_pr`; None where no class has both kinds of rows."""
        return {
            name: float(np.mean(areas.area_K)) if len(self.classes) else None
            for name, areas in (("auc_roc", self.roc), ("auc_pr", self.pr))
        }


def one_vs_rest(y_true_N: Array, probs_NC: Array) -> OneVsRest:
    """Return the areas and mean curves of all classes, in one pass over them.

    Raises
    ------
    TitheError
        A probability is not a number.
    """
    if not np.isfinite(probs_NC).all():
        raise TitheError("some probabilities are not numbers: the weights are damaged, or the training diverged")
    classes = np.array(list(_with_both_kinds(y_true_N, probs_NC.shape[1])), dtype=np.int64)
    area_2K, sum_2G = np.zeros((2, len(classes))), np.zeros((2, len(GRID)))
    for place, c in enumerate(classes):
        roc, pr = curves(y_true_N == c, probs_NC[:, c])
        area_2K[:, place] = _auc(roc), _average_precision(pr)
        sum_2G += _at_grid(roc, pr)
    mean_2G = sum_2G / len(classes) if len(classes) else np.full_like(sum_2G, np.nan)
    return OneVsRest(classes, *(Areas(*both) for both in zip(area_2K, mean_2G, strict=True)))


def _with_both_kinds(y_true_N: Array, classes: int) -> Iterator[int]:
    count_C = np.bincount(y_true_N, minlength=classes)
    for c in [1] if classes == 2 else range(classes):
        if 0 < count_C[c] < len(y_true_N):
            yield c


def curves(is_c_N: Array, score_N: Array) -> Curves:
    """Return the curves of a class against the rest.

    Parameters
    ----------
    is_c_N
        Which rows are of the class, shape (N,); some are and some are not.
    score_N
        High for the class, shape (N,); rows with equal scores count together.
    """
    order_N = np.argsort(-score_N, kind="stable")
    last_T = np.append(np.flatnonzero(np.diff(score_N[order_N])), len(order_N) - 1)
    true_T = np.cumsum(is_c_N[order_N], dtype=np.float64)[last_T]
    false_T = 1 + last_T - true_T
    recall_T, precision_T = true_T / true_T[-1], true_T / (true_T + false_T)
    pr = Points(np.append(recall_T[::-1], 0.0), np.append(precision_T[::-1], 1.0))
    # Points inside straight pieces are left out, as in scikit-learn: the area is the same up to rounding.
    corner_T = np.ones(len(last_T), dtype=bool)
    corner_T[1:-1] = (np.diff(false_T, 2) != 0) | (np.diff(true_T, 2) != 0)
    false_T, true_T = np.append(0.0, false_T[corner_T]), np.append(0.0, true_T[corner_T])
    return Curves(Points(false_T / false_T[-1], true_T / true_T[-1]), pr)


def _auc(roc: Points) -> float:
    return float(np.trapezoid(roc.y_T, roc.x_T))


def _average_precision(pr: Points) -> float:
    return max(0.0, -float((np.diff(pr.x_T) * pr.y_T[:-1]).sum()))  # rounding may give -0.0


def _at_grid(roc: Points, pr: Points) -> Array:
    """Return the true positive rate at each false positive rate of `GRID`, and the precision at each recall, (2, G)."""
    recall_T, precision_T = pr.x_T[-2::-1], pr.y_T[-2::-1]  # rising
    # Precision is a step function, as in average precision: that of the first threshold which reaches the recall.
    reached_G = np.maximum(GRID, np.finfo(np.float64).tiny)  # thresholds before the first hit reach no recall
    return np.stack([np.interp(GRID, roc.x_T, roc.y_T), precision_T[np.searchsorted(recall_T, reached_G)]])
