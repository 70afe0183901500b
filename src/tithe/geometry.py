"""Greedy selection among embeddings: farthest-first traversal, alone or blended with a quality.

Picks come one by one, each the row with the highest score λ·quality + (1 − λ)·(distance to the nearest pick)/m₀.
With λ = 0 that is k-center (Gonzalez 1985; Sener & Savarese 2018). Scores only fall as picks are added, so the greedy
can be lazy (Minoux 1978) and still exact. A round takes the block of rows with the highest scores and picks among
them, for as long as its best row beats the best row outside, whose score can only be lower by now. Then all picks of
the round are applied to all rows at once: a matrix product, which is nearly all that a selection costs.

Products run where the embeddings lie, a numpy array or a torch tensor on any device that has float64; the rest is
small and runs in numpy. Squared distances are |x|² + |p|² − 2x·p in float32, which is worthless near 0: rows are
centred, which keeps the norms small, and what lies within the rounding error of 0 is computed again from differences.
So a copy of a pick is at distance 0, and is not picked while a row elsewhere is left.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from tithe.errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]
Embeddings = Any  # a numpy array or a torch tensor; torch is not imported here
Pick = tuple[int, float]  # a row and its score

# Elements of the largest temporary: they stay in the cache, and outlast what starting the threads of BLAS costs.
_ELEMENTS = 1 << 20
_ROWS = 1024  # picks that one product applies, rows that are centred at a time


class Order(NamedTuple):
    """The picks of a greedy selection, best first.

    Attributes
    ----------
    rows_K
        Their row numbers, int64.
    gains_K
        The score of each when it was picked, float64; from the second on they never rise.
    radius
        The largest distance of any row to its nearest pick or centre, when all are picked.
    """

    rows_K: Array
    gains_K: Array
    radius: float


def greedy(
    x_ND: Embeddings,
    k: int,
    quality_N: Array | None = None,
    weight: float = 0.0,
    centres: Embeddings | None = None,
    start: int | None = None,
    block: int = 1024,
) -> Order:
    """Pick `k` rows, each the one with the highest `weight·quality + (1 − weight)·distance/m₀`; ties to the lowest row.

    The distance is Euclidean, to the nearest pick so far or centre; m₀ is the largest distance of a row to the mean.
    Without centres the first pick has nothing to be far from: it is the row with the highest
    `weight·quality − (1 − weight)·(distance to the mean)/m₀`. A call for fewer rows returns the first of these.

    Parameters
    ----------
    x_ND
        Embeddings, shape (N, D), a numpy array or a torch tensor; left as it is. One float32 copy is made.
    k
        How many rows, 1 to N.
    quality_N
        In [0, 1], shape (N,), higher is better; 0 where none is given.
    weight
        λ in [0, 1]: 0 is k-center, 1 the order of quality.
    centres
        What is chosen already, shape (M, D), of the same kind as the embeddings.
    start
        The first pick, instead of the best one.
    block
        Rows of a block: a matter of speed.

    Raises
    ------
    InputError
        A row is not finite, or `k`, `weight` or `start` is out of range.
    """
    _check(len(x_ND), k, weight, start)
    cover = _Cover(x_ND)
    fixed_N = np.zeros(len(x_ND)) if quality_N is None else weight * np.asarray(quality_N, dtype=np.float64)
    _require_finite("quality", np.isfinite(fixed_N))
    rate = (1 - weight) / (float(np.sqrt(cover.norm_N.max())) or 1.0)
    picks: list[Pick] = []
    if seeded := centres is not None and len(centres) > 0:
        cover.add(cover.centred(centres, "centres"))
    if start is not None or not seeded:
        first_N = _score(fixed_N, -rate, cover.norm_N)
        first = int(first_N.argmax()) if start is None else start
        picks.append((first, float(first_N[first])))
        cover.pick(picks)
    while len(picks) < k:
        fixed_N[[row for row, _ in picks]] = -np.inf
        block_B, outside = _top(_score(fixed_N, rate, cover.near_N), block)
        race = cover.race(block_B, fixed_N[block_B], rate, outside)
        found = list(islice(race, k - len(picks)))
        cover.pick(found)
        picks += found
    rows, gains = zip(*picks, strict=True)
    return Order(np.array(rows, dtype=np.int64), np.array(gains), float(np.sqrt(cover.near_N.max())))


def _check(n: int, k: int, weight: float, start: int | None) -> None:
    if not 1 <= k <= n:
        raise InputError(f"{k} of {n} rows cannot be picked: choose 1 to {n}")
    if not 0 <= weight <= 1:
        raise InputError(f"the weight {weight} is no share: choose 0 to 1")
    if start is not None and not 0 <= start < n:
        raise InputError(f"no row {start} to start from: choose 0 to {n - 1}")


def _require_finite(what: str, finite_N: Array, first: int = 0) -> None:
    if not finite_N.all():
        raise InputError(f"row {first + int(finite_N.argmin())} of the {what} is not finite: mend it or leave it out")


def _score(fixed_N: Array, rate: float, squared_N: Array) -> Array:
    """Scores in float64, so that sums of a quality and a distance tie only where both do."""
    return np.asarray(fixed_N + rate * np.sqrt(squared_N, dtype=np.float64))


def _top(score_N: Array, size: int) -> tuple[Array, tuple[float, int]]:
    """Return the rows of the highest scores, ascending, and the best outside as (score, −row); overwrite the scores."""
    size = min(size, len(score_N))
    cut = np.partition(score_N, -size)[-size]
    above = np.flatnonzero(score_N > cut)
    level = np.flatnonzero(score_N == cut)[: size - len(above)]  # of equal scores the lowest rows come in
    block_B = np.sort(np.concatenate([above, level]))
    score_N[block_B] = -np.inf
    best = int(score_N.argmax())
    return block_B, (float(score_N[best]), -best)


def _parts(rows: int, step: int) -> Iterator[slice]:
    return (slice(first, first + step) for first in range(0, rows, step))


def _host(x: Embeddings) -> Array:
    """Return a numpy array: the same memory where that is possible."""
    return np.asarray(x.cpu() if hasattr(x, "cpu") else x)


class _Cover:
    """Centred rows, float32, where the embeddings lie; squared distances to the mean and to the nearest pick, numpy."""

    def __init__(self, x_ND: Embeddings) -> None:
        self._xp = sys.modules[type(x_ND).__module__.partition(".")[0]]
        with np.errstate(invalid="ignore"):  # ∞ − ∞, which `centred` names
            self._mean_D = x_ND.mean(0, dtype=self._xp.float64)
        self._points_ND = self.centred(x_ND, "embeddings")
        self.norm_N = _host(self._xp.einsum("nd,nd->n", self._points_ND, self._points_ND))
        self.near_N = np.full(len(x_ND), np.inf, dtype=np.float32)
        # The worst error of a squared distance, over the sum of the two squared norms, where sums have D terms.
        self._slack = (x_ND.shape[1] + 2) * float(np.finfo(np.float32).eps)

    def centred(self, x_ND: Embeddings, what: str) -> Embeddings:
        """Return rows less the mean of the embeddings, float32."""
        out_ND = self._xp.empty(x_ND.shape, dtype=self._xp.float32, device=x_ND.device)
        for part in _parts(len(x_ND), _ROWS):
            _require_finite(what, _host(self._xp.isfinite(x_ND[part]).all(1)), part.start)
            out_ND[part] = x_ND[part] - self._mean_D
        return out_ND

    def pick(self, picks: list[Pick]) -> None:
        """Apply picks to all rows."""
        rows = [row for row, _ in picks]
        self.near_N[rows] = 0  # known: `add` need not find it out one by one
        self.add(self._points_ND[rows])

    def add(self, picks_JD: Embeddings) -> None:
        """Bring every row's distance to the nearest pick up to date."""
        for few in _parts(len(picks_JD), _ROWS):
            picks_PD = picks_JD[few]
            norm_P = self._xp.einsum("pd,pd->p", picks_PD, picks_PD)
            for part in _parts(len(self.near_N), _ELEMENTS // len(picks_PD)):
                np.minimum(self.near_N[part], self._nearest(part, picks_PD, norm_P), out=self.near_N[part])

    def _nearest(self, part: slice, picks_PD: Embeddings, norm_P: Embeddings) -> Array:
        """Squared distances of some rows to the nearest of some picks; not exact for copies of earlier picks."""
        points_ID, norm_I = self._points_ND[part], self.norm_N[part]
        product_PI = (-2 * picks_PD) @ points_ID.T
        product_PI += norm_P[:, None]
        squared_I = norm_I + _host(self._xp.amin(product_PI, 0))
        doubtful_I = squared_I <= self._slack * (norm_I + float(norm_P.max()))
        for i in np.flatnonzero(doubtful_I & (self.near_N[part] > 0)):
            squared_I[i] = self._squared(_host(picks_PD), _host(norm_P), _host(points_ID[i]), norm_I[i]).min()
        return squared_I.clip(0)

    def _squared(self, points_ID: Array, norm_I: Array, point_D: Array, norm: float) -> Array:
        """Squared distances of rows to one point, those near 0 from differences."""
        squared_I: Array = norm_I + norm - 2 * (points_ID @ point_D)
        doubtful = np.flatnonzero(squared_I <= self._slack * (norm_I + norm))
        squared_I[doubtful] = ((points_ID[doubtful] - point_D) ** 2).sum(axis=1)
        return squared_I

    def race(self, block_B: Array, fixed_B: Array, rate: float, outside: tuple[float, int]) -> Iterator[Pick]:
        """Yield pick after pick of a block, while its best row beats the best outside."""
        points_BD, norm_B, near_B = _host(self._points_ND[block_B]), self.norm_N[block_B], self.near_N[block_B]
        while True:
            score_B = _score(fixed_B, rate, near_B)
            best = int(score_B.argmax())
            row, value = int(block_B[best]), float(score_B[best])
            if (value, -row) < outside:
                return
            yield row, value
            fixed_B[best] = -np.inf
            near_B = np.minimum(near_B, self._squared(points_BD, norm_B, points_BD[best], norm_B[best]))
