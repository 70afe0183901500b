"""What more labels are expected to bring: the learning curve of the labels bought so far, and its continuation.

Accuracy on rows that a model was not trained on is measured for models of growing random parts of the bought labels,
and follows a − b·n^−c (Hestness et al. 2017). The intervals come from a bootstrap over the bought rows; those of what
is to come are wider by the luck of the draw. How wide they have to be was measured (`benchmarks/label_gain.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tithe.arrays import Array, Rows
from tithe.data.cross_validation import folds, parts
from tithe.select.signals import linear_probes

LEAST = 20  # bought labels below which a curve says nothing
FLAT = 0.005  # accuracy gained by 100 labels below which the curve counts as flat
_FOLDS = 5
_SHARES = (0.25, 0.4, 0.65, 1.0)  # of the labels outside a fold
_ROWS = 400  # judged in all: where there are fewer, more parts are drawn
_DRAWS = (2, 10)  # fewest and most parts of one size
_POWERS = np.linspace(0.05, 1.0, 20)  # of c, from nearly logarithmic on
_RESAMPLES = 1000
_TAIL = 2.5  # percent on each side of the interval


@dataclass(frozen=True)
class Interval:
    """A value, and the ends of its interval: 95 % of what a bootstrap gives."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Expectation:
    """What the next labels are expected to bring, in accuracy on rows like the bought ones.

    Attributes
    ----------
    rows
        How many labels come next.
    now, after
        Accuracy of a model of all bought labels, and of those and the next ones.
    gain
        The difference.
    flat_from
        How many labels in all, from where on 100 more gain less than `FLAT`; None if that is now.
    curve
        Labels, and the accuracy measured with so many.
    flat_between
        The ends of the interval of `flat_from`.
    """

    rows: int
    now: Interval
    after: Interval
    gain: Interval
    flat_from: int | None
    curve: tuple[tuple[int, float], ...]
    flat_between: tuple[int, int] | None = None

    @property
    def per_hundred(self) -> float:
        """The gain for each hundred of the next labels."""
        return 100 * self.gain.value / self.rows


def expected(X_MD: Array, labels_M: Rows, rows: int, seed: int) -> Expectation | None:
    """Continue the learning curve of bought labels by `rows` more.

    Parameters
    ----------
    X_MD, labels_M
        Embeddings of the bought rows, the columns of one scale, and their class indices.

    Returns
    -------
    None where there are fewer than `LEAST` labels, or all are of one class.
    """
    if len(labels_M) < LEAST or len(np.unique(labels_M)) == 1:
        return None
    return continued(Measured.of(X_MD, labels_M, seed), len(labels_M), rows, seed)


def continued(measured: Measured, bought: int, rows: int, seed: int) -> Expectation:
    """Continue a measured learning curve from `bought` labels by `rows` more; see `expected`."""
    mean_S, judged = measured.right_MS.mean(axis=0), len(measured.right_MS)
    rng = np.random.default_rng([seed, 0xC0B5])
    picks = (rng.integers(0, judged, judged) for _ in range(_RESAMPLES))
    resampled_BS = np.stack([measured.right_MS[rows_M].mean(axis=0) for rows_M in picks])
    curve, spread = _Curve.fit(measured.size_S, mean_S[None]), _Curve.fit(measured.size_S, resampled_BS)
    now, after = float(curve.at(bought)[0]), float(curve.at(bought + rows)[0])
    now_B = spread.at(bought)
    # A bootstrap of the curve alone is much too sure of gains, since its points share their rows. Of all that makes the
    # accuracy of a model unsure, the next one shares what comes from the labels that both have.
    unsure = float(now_B.std()) * (rows / (bought + rows)) ** 0.5
    after_B = (spread.at(bought + rows) + rng.normal(0, unsure, _RESAMPLES)).clip(0, 1)
    intervals = _interval(now, now_B), _interval(after, after_B), _interval(after - now, after_B - now_B)
    flat, ends = curve.flat_from(bought), np.percentile(spread.flat_at, [_TAIL, 100 - _TAIL]).clip(bought)
    between = None if flat is None else (min(flat, int(ends[0])), max(flat, int(np.ceil(ends[1]))))
    points = tuple((int(size), round(float(mean), 4)) for size, mean in zip(measured.size_S, mean_S, strict=True))
    return Expectation(rows, *intervals, flat, points, between)


@dataclass(frozen=True)
class Measured:
    """The learning curve as measured.

    Attributes
    ----------
    size_S
        Sizes of the parts, rising.
    right_MS
        How often models of such parts were right on each row that they were not trained on, shape (M, S).
    """

    size_S: Rows
    right_MS: Array

    @classmethod
    def of(cls, X_MD: Array, labels_M: Rows, seed: int) -> Measured:
        """Train on random parts of all folds but one, and judge by that one; larger parts contain the smaller."""
        rng = np.random.default_rng([seed, 0x6120])
        draws = int(np.clip(round(_ROWS / len(labels_M)), *_DRAWS))
        whole = len(labels_M) - -(-len(labels_M) // _FOLDS)
        strength = linear_probes.best_strength(X_MD, labels_M, seed)
        X_MP, _ = linear_probes.in_their_span(X_MD, X_MD[:0])
        size_S = np.unique([max(1, round(share * whole)) for share in _SHARES])
        right_MS = np.zeros((len(labels_M), len(size_S)))
        for inside, outside in parts(folds(labels_M, _FOLDS, seed)):
            orders = [rng.permutation(inside) for _ in range(draws)]
            for s, size in enumerate(size_S):
                drawn = [order[:size] for order in (orders if size < whole else orders[:1])]  # the whole is the same
                guesses = [
                    linear_probes.predicted(X_MP[rows], labels_M[rows], X_MP[outside], strength) for rows in drawn
                ]
                right_MS[outside, s] = (np.array(guesses) == labels_M[outside]).mean(axis=0)
        return cls(size_S, right_MS)


@dataclass(frozen=True)
class _Curve:
    """Curves a − b·n^−c, one for each of B sets of measurements; all arrays have the shape (B,)."""

    a_B: Array
    b_B: Array
    c_B: Array

    @classmethod
    def fit(cls, size_S: Rows, accuracy_BS: Array) -> _Curve:
        """Return the curves of least squared error that never fall, and never pass an accuracy of 1."""
        fits = [_with_power(size_S, accuracy_BS, float(c)) for c in _POWERS]
        best_B = np.argmin(np.stack([error_B for _, _, error_B in fits]), axis=0)
        every = np.arange(len(accuracy_BS))
        a_PB, b_PB = (np.stack([fit[part] for fit in fits]) for part in (0, 1))
        return cls(a_PB[best_B, every], b_PB[best_B, every], _POWERS[best_B])

    def at(self, labels: int) -> Array:
        """Return the accuracy with so many labels, shape (B,)."""
        value_B: Array = (self.a_B - self.b_B * float(labels) ** -self.c_B).clip(0, 1)
        return value_B

    @property
    def flat_at(self) -> Array:
        """With how many labels the slope of each curve is `FLAT` / 100, shape (B,)."""
        labels_B: Array = (100 * self.b_B * self.c_B / FLAT) ** (1 / (self.c_B + 1))
        return labels_B

    def flat_from(self, bought: int) -> int | None:
        """Return from how many labels on the first curve gains less than `FLAT` by 100 more; None if it does now."""
        labels = float(self.flat_at[0])
        return int(np.ceil(labels)) if labels > bought and self.a_B[0] > 0 else None


def _with_power(size_S: Rows, accuracy_BS: Array, c: float) -> tuple[Array, Array, Array]:
    """Return a and b for a given c, and the sum of squared errors."""
    x_S = np.asarray(size_S, dtype=np.float64) ** -c
    centred_S, mean_B = x_S - x_S.mean(), accuracy_BS.mean(axis=1)
    b_B = (-(accuracy_BS - mean_B[:, None]) @ centred_S / max(float(centred_S @ centred_S), 1e-12)).clip(0)
    a_B = mean_B + b_B * x_S.mean()
    b_B = np.where(a_B > 1, (1 - accuracy_BS) @ x_S / float(x_S @ x_S), b_B)
    a_B = np.minimum(a_B, 1)
    return a_B, b_B, ((a_B[:, None] - b_B[:, None] * x_S - accuracy_BS) ** 2).sum(axis=1)


def _interval(value: float, spread_B: Array) -> Interval:
    low, high = np.percentile(spread_B, [_TAIL, 100 - _TAIL])
    return Interval(value, min(value, float(low)), max(value, float(high)))
