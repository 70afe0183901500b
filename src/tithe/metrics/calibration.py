"""Platt scaling of real/fake scores, and three-way verdicts: real, fake or unsure.

Labels and scores are as in `authenticity`: 1 is real; scores are in [0, 1], high for real.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Literal

import numpy as np

from tithe.arrays import Array
from tithe.errors import InputError
from tithe.metrics.authenticity import CLASSES, checked

Verdict = Literal["real", "fake", "unsure"]

# A float32 sigmoid rounds to 1 above a logit of 17, but reaches 1e-38 at the other end: clip both tails equally.
_EDGE = 1e-7


@dataclass(frozen=True)
class Calibration:
    """Platt's sigmoid over the logit of the score, and the band of probabilities in which the verdict is unsure.

    Attributes
    ----------
    slope, offset
        The calibrated probability of real is sigmoid(slope · logit(score) + offset); the slope is at least 0.
    low, high
        An image is fake below `low`, real above `high`, and otherwise unsure.
    error
        The largest share of reals below `low`, and of fakes above `high`, on the calibration rows.
    """

    slope: float
    offset: float
    low: float
    high: float
    error: float

    def apply(self, scores_N: Array) -> Array:
        """Return calibrated probabilities of real, float64, shape (N,)."""
        return _sigmoid(self.slope * _logit(np.asarray(scores_N, dtype=np.float64)) + self.offset)

    def verdicts(self, scores_N: Array) -> list[Verdict]:
        """Return the verdict on each raw score."""
        return ["fake" if p < self.low else "real" if p > self.high else "unsure" for p in self.apply(scores_N)]

    def verdict(self, score: float) -> Verdict:
        """Return the verdict on one raw score."""
        return self.verdicts(np.array([score]))[0]

    def to_dict(self) -> dict[str, float]:
        """Return plain numbers for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: Mapping[str, float]) -> Calibration:
        """Rebuild a calibration from `to_dict`.

        Raises
        ------
        InputError
            The keys are not those of a calibration, or a value is not a finite number.
        """
        if saved.keys() != (names := {field.name for field in fields(cls)}):
            raise InputError(f"a calibration has {', '.join(sorted(names))}, not {', '.join(sorted(saved))}")
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in saved.values()):
            raise InputError(f"a calibration has numbers, not {', '.join(map(repr, saved.values()))}")
        return cls(**saved)


def calibrate(labels_N: Array, scores_N: Array, error: float = 0.05) -> Calibration:
    """Fit the calibration on validation rows (Platt 1999; Newton's method of Lin, Lin and Weng 2007).

    Platt's smoothed targets, (R + 1)/(R + 2) for R reals and 1/(F + 2) for F fakes, keep the fit finite when the
    classes are separable. Scores that rank the wrong way are not inverted: their slope is 0 and every verdict is
    unsure. Where a single threshold satisfies both error limits, the band closes to the middle of those that do.

    Raises
    ------
    InputError
        As `authenticity.sweep`; or a class has no rows, or `error` is not in [0, 0.5).
    """
    labels_N, scores_N = checked(labels_N, scores_N)
    if not 0 <= error < 0.5:
        raise InputError(f"the verdict error {error} is out of range: choose a value from 0 to below 0.5")
    if len(present := set(labels_N.tolist())) < 2:
        raise InputError(f"all images to calibrate on are {CLASSES[present.pop()]}: add images of the other class")
    slope, offset = _platt(labels_N, _logit(scores_N))
    p_N = Calibration(slope, offset, 0.0, 1.0, error).apply(scores_N)
    low, high = _edge(p_N[labels_N == 1], error), -_edge(-p_N[labels_N == 0], error)
    if low > high:
        low = high = (low + high) / 2
    return Calibration(slope, offset, low, high, error)


def _edge(values_N: Array, error: float) -> float:
    """Return the highest value with at most a share `error` of all values below it."""
    allowed = math.floor(error * len(values_N) + 1e-9)  # 0.29 · 100 is 28.999…
    return float(np.sort(values_N)[allowed])


def _platt(labels_N: Array, x_N: Array) -> tuple[float, float]:
    """Return slope and offset with the least mean cross-entropy against the smoothed targets, slope ≥ 0."""
    reals = int((labels_N == 1).sum())
    targets_N = np.where(labels_N == 1, (reals + 1) / (reals + 2), 1 / (len(labels_N) - reals + 2))
    centre = float(x_N.mean())  # centring nearly decorrelates slope and offset
    slope, offset = _newton(np.stack([x_N - centre, np.ones_like(x_N)]), targets_N)
    if slope <= 0:  # convex: the best slope ≥ 0 is then 0, and the best constant the mean target
        return 0.0, float(_logit(targets_N.mean()))
    return slope, offset - slope * centre


def _newton(x_2N: Array, targets_N: Array) -> tuple[float, float]:
    """Minimise the cross-entropy of sigmoid(w · x) by Newton's method with backtracking line search."""
    w_2, start = np.zeros(2), targets_N.mean()
    w_2[1] = np.log(start / (1 - start))
    for _ in range(100):
        p_N = _sigmoid(w_2 @ x_2N)
        gradient_2 = x_2N @ (p_N - targets_N) / len(targets_N)
        if np.abs(gradient_2).max() < 1e-10:
            break
        curvature_22 = (x_2N * (p_N * (1 - p_N))) @ x_2N.T / len(targets_N) + 1e-12 * np.eye(2)
        step_2 = np.linalg.solve(curvature_22, gradient_2)
        size, now = 1.0, _cross_entropy(w_2 @ x_2N, targets_N)
        while _cross_entropy((w_2 - size * step_2) @ x_2N, targets_N) > now - 1e-4 * size * (gradient_2 @ step_2):
            size /= 2
            if size < 1e-10:  # any further gain is below rounding error
                return float(w_2[0]), float(w_2[1])
        w_2 = w_2 - size * step_2
    return float(w_2[0]), float(w_2[1])


def _cross_entropy(logits_N: Array, targets_N: Array) -> float:
    return float((np.logaddexp(0, logits_N) - targets_N * logits_N).mean())


def _logit(p_N: Array) -> Array:
    p_N = np.clip(p_N, _EDGE, 1 - _EDGE)
    return np.asarray(np.log(p_N) - np.log1p(-p_N))


def _sigmoid(x_N: Array) -> Array:
    return np.asarray(np.exp(-np.logaddexp(0, -x_N)))
