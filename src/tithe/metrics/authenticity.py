"""Scores of photographs against the truth: how well real and fake part, over all images and for each generator.

Everywhere label 1 is real and 0 is fake, and a score in [0, 1] is high for what looks real. What is to be caught is the
fake: a rate of true positives is the share of fakes called fake, one of false positives the share of reals called fake.
At a threshold t an image is called fake when its score is below t. Rows with equal scores are called the same, so that
no number depends on their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tithe.arrays import Array
from tithe.errors import InputError
from tithe.metrics import classification

CLASSES = ("fake", "real")  # by label
MACRO = "mean of generators"  # the name of the last line of `per_generator`
_PERCENT_FPR = (1, 5, 10)
_BINS = 15
# What is said of a set of both classes alone, and what of each generator.
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
    """What is called fake as the threshold rises past one distinct score after the other, each of shape (T,)."""

    thresholds_T: Array  # float64, rising; at the first nothing is called fake, at the last everything
    reals_T: Array  # int64, reals below the threshold: false alarms
    fakes_T: Array  # int64, fakes below the threshold: catches


def sweep(labels_N: Array, scores_N: Array) -> Sweep:
    """Return the counts at every threshold that makes a difference, each halfway between two neighbouring scores.

    Raises
    ------
    InputError
        There are no rows, a label is neither 0 nor 1, or a score does not lie in [0, 1].
    """
    labels_N, scores_N = checked(labels_N, scores_N)
    scores_D, inverse_N = np.unique(scores_N, return_inverse=True)
    reals_D = np.bincount(inverse_N, labels_N == 1, len(scores_D)).astype(np.int64)
    fakes_D = np.bincount(inverse_N, labels_N == 0, len(scores_D)).astype(np.int64)
    halfway = (scores_D[:-1] + scores_D[1:]) / 2
    halfway = np.where(halfway > scores_D[:-1], halfway, scores_D[1:])  # nothing lies between two adjacent floats
    thresholds_T = np.concatenate([[0.0], halfway, [np.nextafter(scores_D[-1], np.inf)]])
    return Sweep(thresholds_T, np.append(0, reals_D.cumsum()), np.append(0, fakes_D.cumsum()))


def checked(labels_N: Array, scores_N: Array) -> tuple[Array, Array]:
    """Return labels as int64 and scores as float64, or raise as `sweep` says."""
    labels_N, scores_N = np.asarray(labels_N), np.asarray(scores_N, dtype=np.float64)
    if len(labels_N) != len(scores_N) or not len(labels_N):
        raise InputError(f"{len(labels_N)} labels and {len(scores_N)} scores: give one of each for at least one image")
    if (odd_N := ~np.isin(labels_N, (0, 1))).any():
        raise InputError(f"row {odd_N.argmax()} has the label {labels_N[odd_N.argmax()]}: choose 0 (fake) or 1 (real)")
    if (odd_N := ~((scores_N >= 0) & (scores_N <= 1))).any():
        raise InputError(f"row {odd_N.argmax()} has the score {scores_N[odd_N.argmax()]}: scores lie from 0 to 1")
    return labels_N.astype(np.int64), scores_N


def summary(labels_N: Array, scores_N: Array) -> dict[str, float | int | None]:
    """Return every number about one set of images; None where a class that it takes has no rows.

    Parameters
    ----------
    labels_N
        1 for real and 0 for fake, shape (N,).
    scores_N
        In [0, 1], high for real, shape (N,).

    Returns
    -------
    `rows`, `reals`, `fakes`; `fpr`, the share of reals called fake, and `miss_rate`, that of fakes called real, both
    at 0.5: all that is said of a set of one class. Then at 0.5 `accuracy` and `balanced_accuracy`; `auc`
    (Mann–Whitney, ties are half right); `ap_real` and `ap_fake`, the average precision with that class as the
    positive one; `eer` and its `eer_threshold` (where the two error rates meet); `tpr_at_fpr_1`, `_5` and `_10`, the
    share of fakes caught while at most so many per cent of reals are called fake; `ece` over 15 equal bins of the
    score, and `brier`. `accuracy_best_threshold` is chosen on these very rows and so flatters, as the name of
    `best_threshold_on_these_rows` says.

    Raises
    ------
    InputError
        As `sweep`.
    """
    found = sweep(labels_N, scores_N)
    labels_N, scores_N = checked(labels_N, scores_N)
    reals, fakes = int(found.reals_T[-1]), int(found.fakes_T[-1])
    called_fake_N = scores_N < 0.5
    fpr = float(called_fake_N[labels_N == 1].mean()) if reals else None
    miss_rate = float((~called_fake_N)[labels_N == 0].mean()) if fakes else None
    counts = {"rows": len(labels_N), "reals": reals, "fakes": fakes, "fpr": fpr, "miss_rate": miss_rate}
    if fpr is None or miss_rate is None:
        return {**counts, **dict.fromkeys(_OF_BOTH)}
    both = {
        "accuracy": float((called_fake_N == (labels_N == 0)).mean()),
        "balanced_accuracy": 1 - (fpr + miss_rate) / 2,
        **_parting(found),
        "ece": calibration_error(labels_N, scores_N),
        "brier": float(((scores_N - labels_N) ** 2).mean()),
    }
    return {**counts, **{name: both[name] for name in _OF_BOTH}}


def _parting(found: Sweep) -> dict[str, float]:
    """Return the numbers of a sweep over both classes."""
    reals, fakes = found.reals_T[-1], found.fakes_T[-1]
    fpr_T, tpr_T = found.reals_T / reals, found.fakes_T / fakes
    accuracy_T = (found.fakes_T + reals - found.reals_T) / (reals + fakes)
    # Of thresholds that are equally good, the one that stands nearest to what would be used without looking.
    best = np.lexsort((np.abs(found.thresholds_T - 0.5), -accuracy_T))[0]
    return {
        "auc": float(np.trapezoid(found.fakes_T, found.reals_T) / (float(reals) * float(fakes))),
        "ap_real": _average_precision(reals - found.reals_T[::-1], fakes - found.fakes_T[::-1]),
        "ap_fake": _average_precision(found.fakes_T, found.reals_T),
        "eer": _equal_error(fpr_T, 1 - tpr_T),
        "eer_threshold": float(found.thresholds_T[np.abs(fpr_T - (1 - tpr_T)).argmin()]),
        **{f"tpr_at_fpr_{p}": float(tpr_T[100 * found.reals_T <= p * reals].max()) for p in _PERCENT_FPR},
        "accuracy_best_threshold": float(accuracy_T[best]),
        "best_threshold_on_these_rows": float(found.thresholds_T[best]),
    }


def _average_precision(hits_T: Array, others_T: Array) -> float:
    """Return the mean precision at each step of recall, from cumulative counts that begin with 0."""
    precision_T = hits_T[1:] / (hits_T[1:] + others_T[1:])
    return float((np.diff(hits_T) * precision_T).sum() / hits_T[-1])


def _equal_error(fpr_T: Array, miss_T: Array) -> float:
    """Return the height at which the rising rate of false alarms, drawn with straight lines, meets that of misses."""
    right = int((fpr_T >= miss_T).argmax())  # never 0: there every fake is missed
    gap_left, gap_right = (miss_T - fpr_T)[[right - 1, right]]
    share = gap_left / (gap_left - gap_right)
    return float(fpr_T[right - 1] + share * (fpr_T[right] - fpr_T[right - 1]))


def reliability(labels_N: Array, scores_N: Array) -> classification.Reliability:
    """Return the mean score, the share of reals and the rows of 15 equal bins of the score, each of shape (15,)."""
    # One column, whose class 0 is real: the bins are then of the score itself. In bins of the larger of two
    # probabilities, too much trust in reals hides behind too little in fakes.
    return classification.reliability(1 - labels_N, scores_N[:, None], _BINS)


def calibration_error(labels_N: Array, scores_N: Array) -> float:
    """Return the mean gap between score and share of reals over the bins of `reliability`, weighted by rows."""
    return classification.calibration_error(1 - labels_N, scores_N[:, None], _BINS)


def per_generator(labels_N: Array, scores_N: Array, generators_N: Sequence[str] | Array) -> list[dict[str, Any]]:
    """Return a line for each generator: its fakes against all reals, and the AUC against its own where it has some.

    Parameters
    ----------
    labels_N, scores_N
        As `summary`.
    generators_N
        What made each fake, and with which generator's images a real came, shape (N,).

    Returns
    -------
    Lines in the order of their names, then one named `MACRO` with the mean of each number over the generators that
    have it; nothing where there are no fakes. Average precision depends on how many fakes a generator has.

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
    found = summary(labels_N[against_all_N], scores_N[against_all_N])
    found |= {"own_reals": own["reals"], "auc_own_reals": own["auc"]}
    return {"generator": name, **{key: found[key] for key in _OF_GENERATOR}}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def most_wrong(labels_N: Array, scores_N: Array, count: int) -> Array:
    """Return at most `count` rows on the wrong side of 0.5, the farthest from it first, ties to the lowest row."""
    labels_N, scores_N = checked(labels_N, scores_N)
    wrong = np.flatnonzero((scores_N < 0.5) != (labels_N == 0))
    return wrong[np.argsort(-np.abs(scores_N[wrong] - 0.5), kind="stable")][:count]
