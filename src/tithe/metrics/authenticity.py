"""Metrics of real/fake scores: how well they separate the classes, over all images and for each generator.

Label 1 is real and 0 is fake; scores are in [0, 1], high for real. Fake is the positive class: the true positive rate
is the share of fakes called fake, the false positive rate the share of reals called fake. At a threshold t an image is
called fake when its score is below t. Rows with equal scores get the same call, so no metric depends on row order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tithe.arrays import Array
from tithe.errors import InputError
from tithe.metrics import classification

CLASSES = ("fake", "real")  # by label
MACRO = "mean of generators"  # the name of the last row of `per_generator`
_PERCENT_FPR = (1, 5, 10)
_BINS = 15
# Metrics that need both classes, and metrics of each generator.
_OF_BOTH = (
    *("accuracy", "balanced_accuracy", "auc", "ap_real", "ap_fake", "eer", "eer_threshold"),
    *(f"tpr_at_fpr_{percent}" for percent in _PERCENT_FPR),
    *("accuracy_best_threshold", "best_threshold_on_these_rows", "ece", "brier"),
)
_OF_GENERATOR = (
    *("fakes", "auc", "ap_fake", "eer", *(f"tpr_at_fpr_{percent}" for percent in _PERCENT_FPR)),
    *("balanced_accuracy", "miss_rate", "own_reals", "auc_own_reals"),
)


class Sweep(NamedTuple):
    """Counts of images called fake at each threshold, in rising order, each of shape (T,)."""

    thresholds_T: Array  # float64, rising; nothing is called fake at the first, everything at the last
    reals_T: Array  # int64, reals below the threshold: false alarms
    fakes_T: Array  # int64, fakes below the threshold: catches


def sweep(labels_N: Array, scores_N: Array) -> Sweep:
    """Return the counts at every distinct threshold, each halfway between two neighbouring scores.

    Raises
    ------
    InputError
        There are no rows, a label is neither 0 nor 1, or a score is outside [0, 1].
    """
    labels_N, scores_N = checked(labels_N, scores_N)
    scores_D, inverse_N = np.unique(scores_N, return_inverse=True)
    reals_D = np.bincount(inverse_N, labels_N == 1, len(scores_D)).astype(np.int64)
    fakes_D = np.bincount(inverse_N, labels_N == 0, len(scores_D)).astype(np.int64)
    halfway = (scores_D[:-1] + scores_D[1:]) / 2
    halfway = np.where(halfway > scores_D[:-1], halfway, scores_D[1:])  # adjacent floats have nothing between them
    thresholds_T = np.concatenate([[0.0], halfway, [np.nextafter(scores_D[-1], np.inf)]])
    return Sweep(thresholds_T, np.append(0, reals_D.cumsum()), np.append(0, fakes_D.cumsum()))


def checked(labels_N: Array, scores_N: Array) -> tuple[Array, Array]:
    """Return labels as int64 and scores as float64, or raise as `sweep` does."""
    labels_N, scores_N = np.asarray(labels_N), np.asarray(scores_N, dtype=np.float64)
    if len(labels_N) != len(scores_N) or not len(labels_N):
        raise InputError(f"{len(labels_N)} labels and {len(scores_N)} scores: give one of each for at least one image")
    if (odd_N := ~np.isin(labels_N, (0, 1))).any():
        raise InputError(f"row {odd_N.argmax()} has the label {labels_N[odd_N.argmax()]}: choose 0 (fake) or 1 (real)")
    if (odd_N := ~((scores_N >= 0) & (scores_N <= 1))).any():
        raise InputError(f"row {odd_N.argmax()} has the score {scores_N[odd_N.argmax()]}: scores must be from 0 to 1")
    return labels_N.astype(np.int64), scores_N


def summary(labels_N: Array, scores_N: Array) -> dict[str, float | int | None]:
    """Return all metrics of one set of images; None where a class that a metric needs has no rows.

    Parameters
    ----------
    labels_N
        1 for real and 0 for fake, shape (N,).
    scores_N
        In [0, 1], high for real, shape (N,).

    Returns
    -------
    `rows`, `reals`, `fakes`; at threshold 0.5 `fpr`, the share of reals called fake, and `miss_rate`, the share of
    fakes called real. With a single class nothing else is defined. With both: at 0.5 `accuracy` and
    `balanced_accuracy`; `auc` (Mann–Whitney, ties count half); `ap_real` and `ap_fake`, the average precision with
    that class as the positive one; `eer` and its `eer_threshold` (where the two error rates are equal);
    `tpr_at_fpr_1`, `_5` and `_10`, the share of fakes detected while at most that percentage of reals is called fake;
    `ece` over 15 equal bins of the score, and `brier`. `accuracy_best_threshold` is optimistic: its threshold,
    `best_threshold_on_these_rows`, is chosen on the same rows.

    Raises
    ------
    InputError
        As `sweep`.
    """
    counts = sweep(labels_N, scores_N)
    labels_N, scores_N = checked(labels_N, scores_N)
    reals, fakes = int(counts.reals_T[-1]), int(counts.fakes_T[-1])
    called_fake_N = scores_N < 0.5
    fpr = float(called_fake_N[labels_N == 1].mean()) if reals else None
    miss_rate = float((~called_fake_N)[labels_N == 0].mean()) if fakes else None
    basics = {"rows": len(labels_N), "reals": reals, "fakes": fakes, "fpr": fpr, "miss_rate": miss_rate}
    if fpr is None or miss_rate is None:
        return {**basics, **dict.fromkeys(_OF_BOTH)}
    both = {
        "accuracy": float((called_fake_N == (labels_N == 0)).mean()),
        "balanced_accuracy": 1 - (fpr + miss_rate) / 2,
        **_ranking(counts),
        "ece": calibration_error(labels_N, scores_N),
        "brier": float(((scores_N - labels_N) ** 2).mean()),
    }
    return {**basics, **{name: both[name] for name in _OF_BOTH}}


def _ranking(counts: Sweep) -> dict[str, float]:
    """Return the metrics that follow from the counts at all thresholds; both classes have rows."""
    reals, fakes = counts.reals_T[-1], counts.fakes_T[-1]
    fpr_T, tpr_T = counts.reals_T / reals, counts.fakes_T / fakes
    accuracy_T = (counts.fakes_T + reals - counts.reals_T) / (reals + fakes)
    # Of equally good thresholds, the one nearest to the default of 0.5.
    best = np.lexsort((np.abs(counts.thresholds_T - 0.5), -accuracy_T))[0]
    return {
        "auc": float(np.trapezoid(counts.fakes_T, counts.reals_T) / (float(reals) * float(fakes))),
        "ap_real": _average_precision(reals - counts.reals_T[::-1], fakes - counts.fakes_T[::-1]),
        "ap_fake": _average_precision(counts.fakes_T, counts.reals_T),
        "eer": _equal_error(fpr_T, 1 - tpr_T),
        "eer_threshold": float(counts.thresholds_T[np.abs(fpr_T - (1 - tpr_T)).argmin()]),
        **{f"tpr_at_fpr_{p}": float(tpr_T[100 * counts.reals_T <= p * reals].max()) for p in _PERCENT_FPR},
        "accuracy_best_threshold": float(accuracy_T[best]),
        "best_threshold_on_these_rows": float(counts.thresholds_T[best]),
    }


def _average_precision(hits_T: Array, others_T: Array) -> float:
    """Return the mean precision at each step of recall, from cumulative counts that begin with 0."""
    precision_T = hits_T[1:] / (hits_T[1:] + others_T[1:])
    return float((np.diff(hits_T) * precision_T).sum() / hits_T[-1])


def _equal_error(fpr_T: Array, miss_T: Array) -> float:
    """Return the rate at which the false positive curve, linearly interpolated, crosses the miss curve."""
    right = int((fpr_T >= miss_T).argmax())  # never 0, where every fake is missed
    gap_left, gap_right = (miss_T - fpr_T)[[right - 1, right]]
    share = gap_left / (gap_left - gap_right)
    return float(fpr_T[right - 1] + share * (fpr_T[right] - fpr_T[right - 1]))


def interval(summary: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the 95 % interval of the AUC of a `summary` (Hanley and McNeil 1982); None without one.

    Where the classes are separated the formula gives no width, however few rows there are: then the other end is the
    area from which this one is as far as its own formula says (Newcombe 2006).
    """
    if summary["auc"] is None:
        return None
    area, reals, fakes = summary["auc"], summary["reals"], summary["fakes"]
    if area == 1:
        return _least_area(reals, fakes), 1.0
    if area == 0:
        return 0.0, 1 - _least_area(fakes, reals)
    width = _width(area, reals, fakes)
    return max(0.0, area - width), min(1.0, area + width)


def _width(area: float, reals: int, fakes: int) -> float:
    """Return half the width of the interval of an area."""
    one_fake, one_real = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (reals - 1) * (one_fake - area**2) + (fakes - 1) * (one_real - area**2)
    return float(1.96 * (variance / (reals * fakes)) ** 0.5)


def _least_area(reals: int, fakes: int) -> float:
    """Return the area whose interval just reaches 1."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if middle + _width(middle, reals, fakes) < 1 else (low, middle)
    return high


def reliability(labels_N: Array, scores_N: Array) -> classification.Reliability:
    """Return the mean score, the share of reals and the rows of 15 equal bins of the score, each of shape (15,)."""
    # With one column, whose class 0 is real, the bins are of the score itself. With bins of the larger of two
    # probabilities, overconfidence in reals could cancel underconfidence in fakes.
    return classification.reliability(1 - labels_N, scores_N[:, None], _BINS)


def calibration_error(labels_N: Array, scores_N: Array) -> float:
    """Return the mean gap between score and share of reals over the bins of `reliability`, weighted by rows."""
    return classification.calibration_error(1 - labels_N, scores_N[:, None], _BINS)


def per_generator(labels_N: Array, scores_N: Array, generators_N: Sequence[str] | Array) -> list[dict[str, Any]]:
    """Return a row for each generator: its fakes against all reals, and the AUC against its own reals if it has any.

    Parameters
    ----------
    labels_N, scores_N
        As `summary`.
    generators_N
        The generator of each fake; for a real, the generator in whose set it was published, shape (N,).

    Returns
    -------
    Rows sorted by name, then one named `MACRO` with the mean of each metric over the generators that have it; empty
    without fakes. Average precision depends on how many fakes a generator has.

    Raises
    ------
    InputError
        As `sweep`.
    """
    labels_N, scores_N = checked(labels_N, scores_N)
    names_N = np.asarray(generators_N, dtype=object)
    lines = [_line(name, labels_N, scores_N, names_N == name) for name in sorted(set(names_N[labels_N == 0]))]
    if not lines:
        return []
    return [*lines, {"generator": MACRO, **{key: _mean([line[key] for line in lines]) for key in _OF_GENERATOR}}]


def _line(name: str, labels_N: Array, scores_N: Array, own_N: Array) -> dict[str, Any]:
    against_all_N = own_N | (labels_N == 1)
    own = summary(labels_N[own_N], scores_N[own_N])
    values = summary(labels_N[against_all_N], scores_N[against_all_N])
    values |= {"own_reals": own["reals"], "auc_own_reals": own["auc"]}
    return {"generator": name, **{key: values[key] for key in _OF_GENERATOR}}


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def most_wrong(labels_N: Array, scores_N: Array, count: int) -> Array:
    """Return at most `count` rows on the wrong side of 0.5, farthest from it first; ties go to the lowest row."""
    labels_N, scores_N = checked(labels_N, scores_N)
    wrong = np.flatnonzero((scores_N < 0.5) != (labels_N == 0))
    return wrong[np.argsort(-np.abs(scores_N[wrong] - 0.5), kind="stable")][:count]
