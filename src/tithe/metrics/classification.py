"""Pure functions of (y_true, probs). Averages are macro unless the name says weighted.

Shapes: y_true_N holds class indices, probs_NC rows that sum to 1. A class without rows and predictions is
left out of macro averages; a precision or recall with an empty denominator is 0.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from tithe.arrays import Array

# The only definition of which direction of a validation score is better.
DIRECTION: dict[str, Literal["min", "max"]] = {"loss": "min", "accuracy": "max", "f1": "max"}

_SIDE = 1.959964  # standard deviations on each side of a 95 % interval


def better(score: str, new: float, old: float | None) -> bool:
    """Return whether a validation score improved; anything beats None, NaN beats nothing."""
    if old is None:
        return not np.isnan(new)
    return new < old if DIRECTION[score] == "min" else new > old


def confusion(y_true_N: Array, y_pred_N: Array, classes: int) -> Array:
    """Return counts, shape (C, C): rows are true classes, columns predicted ones."""
    flat = np.bincount(y_true_N * classes + y_pred_N, minlength=classes * classes)
    return flat.reshape(classes, classes)


class PerClass(NamedTuple):
    """One value per class, each of shape (C,)."""

    precision: Array
    recall: Array
    f1: Array
    support: Array


def per_class(confusion_CC: Array) -> PerClass:
    """Return precision, recall, F1 and support of every class."""
    hits_C = np.diag(confusion_CC).astype(float)
    true_C, pred_C = confusion_CC.sum(axis=1), confusion_CC.sum(axis=0)
    precision_C = hits_C / np.maximum(pred_C, 1)
    recall_C = hits_C / np.maximum(true_C, 1)
    f1_C = 2 * hits_C / np.maximum(true_C + pred_C, 1)
    return PerClass(precision_C, recall_C, f1_C, true_C)


def summary(y_true_N: Array, probs_NC: Array) -> dict[str, float]:
    """Return loss (mean negative log-likelihood, nats), accuracy, precision, recall and F1."""
    matrix_CC = confusion(y_true_N, probs_NC.argmax(axis=1), probs_NC.shape[1])
    return {"loss": log_loss(y_true_N, probs_NC), **_from_confusion(matrix_CC)}


def log_loss(y_true_N: Array, probs_NC: Array) -> float:
    """Return the mean negative log-likelihood in nats."""
    p_N = probs_NC[np.arange(len(y_true_N)), y_true_N].astype(np.float64)
    return float(-np.log(p_N.clip(1e-12)).mean())


def _from_confusion(matrix_CC: Array) -> dict[str, float]:
    values = per_class(matrix_CC)
    present_C = (matrix_CC.sum(axis=1) + matrix_CC.sum(axis=0)) > 0
    weights_C = values.support / max(values.support.sum(), 1)
    scores = {"accuracy": float(np.diag(matrix_CC).sum() / max(matrix_CC.sum(), 1))}
    for name in ("precision", "recall", "f1"):
        value_C = getattr(values, name)
        scores[name] = float(value_C[present_C].mean()) if present_C.any() else 0.0
        scores[f"{name}_weighted"] = float((value_C * weights_C).sum())
    return scores


class Reliability(NamedTuple):
    """Equal-width bins of confidence, each array of shape (B,)."""

    confidence: Array
    accuracy: Array
    rows: Array


def reliability(y_true_N: Array, probs_NC: Array, bins: int = 15) -> Reliability:
    """Return mean confidence, accuracy and rows of every bin of the top probability (Guo et al. 2017)."""
    confidence_N = probs_NC.max(axis=1).astype(np.float64)
    correct_N = (probs_NC.argmax(axis=1) == y_true_N).astype(np.float64)
    bin_N = np.minimum((confidence_N * bins).astype(np.int64), bins - 1)
    count_B = np.bincount(bin_N, minlength=bins)
    size_B = np.maximum(count_B, 1)
    return Reliability(
        np.bincount(bin_N, confidence_N, bins) / size_B, np.bincount(bin_N, correct_N, bins) / size_B, count_B
    )


def calibration_error(y_true_N: Array, probs_NC: Array, bins: int = 15) -> float:
    """Return the expected calibration error: the mean gap of confidence and accuracy, weighted by rows."""
    r = reliability(y_true_N, probs_NC, bins)
    return float((np.abs(r.confidence - r.accuracy) * r.rows).sum() / max(r.rows.sum(), 1))


def wilson(hits: Array | int, total: Array | int) -> tuple[Array, Array]:
    """Return the ends of the 95 % interval of a share, or of the share of each of some counts (Wilson 1927).

    No total is 0. The ends are within 0 and 1, and those two exactly where there are no hits, or nothing else.
    """
    hits, total = np.asarray(hits), np.asarray(total)
    share, z2 = hits / total, _SIDE**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _SIDE / (1 + z2 / total) * np.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    return np.where(hits == 0, 0.0, centre - half), np.where(hits == total, 1.0, centre + half)


def bootstrap(y_true_N: Array, probs_NC: Array, seed: int, draws: int = 1000) -> dict[str, list[float]]:
    """Return 95 % percentile intervals of accuracy and F1 over resampled rows.

    Rows of the same class and prediction are alike, so how many of each kind are drawn is drawn: a multinomial. Where
    all rows are right, or none is, there is nothing else to draw: both scores then have the `wilson` interval.
    """
    rng, classes = np.random.default_rng([seed, 0xB007]), probs_NC.shape[1]
    kind_K, rows_K = np.unique(y_true_N * classes + probs_NC.argmax(axis=1), return_counts=True)
    true_K, pred_K = np.divmod(kind_K, classes)
    share_K, values = rows_K / len(y_true_N), []
    for _ in range(draws):
        drawn_K = rng.multinomial(len(y_true_N), share_K)
        values.append(_accuracy_and_f1(true_K, pred_K, drawn_K, classes))
    low, high = np.percentile(values, [2.5, 97.5], axis=0)
    if (right := int(rows_K[true_K == pred_K].sum())) in (0, len(y_true_N)):
        low, high = np.repeat(wilson(right, len(y_true_N)), 2).reshape(2, 2)
    return {"accuracy": [float(low[0]), float(high[0])], "f1": [float(low[1]), float(high[1])]}


def _accuracy_and_f1(true_K: Array, pred_K: Array, rows_K: Array, classes: int) -> tuple[float, float]:
    """Return the two scores of `summary` without a confusion matrix, which grows with the square of the classes.

    Of each kind of row: its class, its prediction, and how many there are.
    """
    true_C, pred_C = (np.bincount(of_K, rows_K, minlength=classes) for of_K in (true_K, pred_K))
    hits_C = np.bincount(true_K, rows_K * (true_K == pred_K), minlength=classes)
    either_C = true_C + pred_C
    f1_C = 2 * hits_C / np.maximum(either_C, 1)
    return float(hits_C.sum() / rows_K.sum()), float(f1_C[either_C > 0].mean())
