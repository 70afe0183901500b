"""Greedy selection among embeddings: farthest-first traversal, alone or blended with a quality.

Picks come one by one, each the row with the highest score λ·quality + (1 − λ)·(distance to the nearest pick)/m₀.
With λ = 0 that is k-center (Gonzalez 1985; Sener & Savarese 2018). Scores only fall as picks are added, so an old
score bounds the new one, and the greedy can be lazy (Minoux 1978) and still exact. The rows with the highest scores
are shown the picks that they have missed, many to many in one product. The best block of them then races: picks are
made among its rows alone, for as long as its best score beats every score, old or new, of the others. A row
close to an early pick is never looked at again, so most distances are never computed.

Products run where the embeddings are, a numpy array or a torch tensor on any device that has float64; the rest runs in
numpy. Squared distances are |x|² + |p|² − 2x·p in float32, worthless near 0: rows are centred, which keeps the norms
small, and a distance within the rounding error of 0 is computed again from differences, so that a copy of a pick is at
distance 0 and is not picked while a row elsewhere is left. Other near ties are decided by float32.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import NamedTuple, Protocol, Self

import numpy as np

from tithe.arrays import Array, Rows
from tithe.errors import InputError

_ROWS = 1024  # and picks, of one product: enough work for BLAS, and a result that stays in the cache
_BLOCK = 512  # rows that race: a matter of speed, not of results
_AHEAD = 32  # rows that are refreshed at first to find the best of a group


class Embeddings(Protocol):
    """A numpy array or a torch tensor, shape (N, D): what the two have in common. Torch is not imported here."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def device(self) -> object: ...  # noqa: D102
    def __len__(self) -> int: ...
    def __getitem__(self, rows: slice, /) -> Self: ...
    def __setitem__(self, rows: slice, values: Self, /) -> None: ...
    def __sub__(self, other: Self, /) -> Self: ...


class Order(NamedTuple):
    """What was picked, best first, and how well it covers the rest."""

    rows_K: Rows
    gains_K: Array  # float64, the score of each when it was picked: from the second on they fall, but for rounding
    radius: float  # the largest distance of any row to its nearest pick or centre, when all are picked


def greedy(
    x_ND: Embeddings,
    k: int,
    quality_N: Array | None = None,
    weight: float = 0.0,
    centres: Embeddings | None = None,
    start: int | None = None,
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

    Raises
    ------
    InputError
        A row or a quality is not finite, or `k`, `weight` or `start` is out of range.
    """
    _check(len(x_ND), k, weight, start)
    pool = _Pool(x_ND, x_ND[:0] if centres is None else centres, quality_N, weight)
    if start is not None or not pool.picks:
        pool.take(*pool.first(start))
    all_N, many = np.arange(len(x_ND)), max(4 * _BLOCK, len(x_ND) // 16)  # rows refreshed in a round, for speed alone
    pool.refresh(all_N)
    while len(pool.gains) < k:
        ahead_R, outside = top(all_N, pool.scores(all_N), many)
        pool.refresh(ahead_R)
        block_B, beside = top(ahead_R, pool.scores(ahead_R), _BLOCK)
        for row, score in islice(pool.race(block_B, max(outside, beside)), k - len(pool.gains)):
            pool.take(row, score)
    return Order(np.array(pool.picks[-k:], dtype=np.int64), np.array(pool.gains), pool.radius())


def in_turns(x_ND: Embeddings, groups: Sequence[Rows], k: int, centres: Embeddings | None = None) -> Order:
    """Pick `k` rows, the groups in turn, each time the row of the group that is farthest from all picks and centres.

    A group without rows left is passed over: the groups share `k` equally as far as they reach, and the first ones take
    the remainder. Without centres the first pick is the row of its group nearest the mean of all rows. A call for fewer
    rows returns the first of these.

    Parameters
    ----------
    groups
        Sorted, disjoint positions, together all rows of `x_ND`.

    Raises
    ------
    InputError
        As `greedy`.
    """
    _check(len(x_ND), k, 0.0, None)
    pool = _Pool(x_ND, x_ND[:0] if centres is None else centres, None, 0.0)
    left = [len(group) for group in groups]
    for turn in cycle(range(len(groups))):
        if len(pool.gains) == k:
            break
        if left[turn]:
            pool.take(*(pool.farthest(groups[turn]) if pool.picks else pool.first(among=groups[turn])))
            left[turn] -= 1
    return Order(np.array(pool.picks[-k:], dtype=np.int64), np.array(pool.gains), pool.radius())


def _check(n: int, k: int, weight: float, start: int | None) -> None:
    if not 1 <= k <= n:
        raise InputError(f"{k} of {n} rows cannot be picked: choose 1 to {n}")
    if not 0 <= weight <= 1:
        raise InputError(f"the weight {weight} is out of range: choose 0 to 1")
    if start is not None and not 0 <= start < n:
        raise InputError(f"no row {start} to start from: choose 0 to {n - 1}")


def _require_finite(what: str, finite_N: Array, first: int = 0) -> None:
    if not finite_N.all():
        row = first + int(finite_N.argmin())
        raise InputError(f"row {row} of the {what} is not finite: correct it or leave it out")


def _score(fixed_R: Array, rate: float, squared_R: Array) -> Array:
    """Scores in float64, so that sums of a quality and a distance tie only where both do."""
    return np.asarray(fixed_R + rate * np.sqrt(squared_R, dtype=np.float64))


def top(rows_R: Array, score_R: Array, size: int) -> tuple[Array, tuple[float, int]]:
    """Return the `size` rows with the highest scores and the best of the others as (score, −row); rows ascend."""
    size = min(size, len(rows_R))
    cut = np.partition(score_R, -size)[-size]
    above = np.flatnonzero(score_R > cut)
    level = np.flatnonzero(score_R == cut)[: size - len(above)]  # of equal scores the lowest rows come in
    inside = np.sort(np.concatenate([above, level]))
    rest_R = score_R.copy()
    rest_R[inside] = -np.inf
    best = int(rest_R.argmax())
    return rows_R[inside], (float(rest_R[best]), -int(rows_R[best]))


def _parts(rows: int, step: int) -> Iterator[slice]:
    return (slice(first, first + step) for first in range(0, rows, step))


def _host(x: Embeddings) -> Array:
    return np.asarray(x.cpu() if hasattr(x, "cpu") else x)


class _Pool:
    """The state of every row: its distance to the nearest of the picks it has seen, and so its highest score."""

    def __init__(self, x_ND: Embeddings, centres: Embeddings, quality_N: Array | None, weight: float) -> None:
        self._xp = sys.modules[type(x_ND).__module__.partition(".")[0]]
        n, m, width = len(x_ND), len(centres), x_ND.shape[1]
        with np.errstate(invalid="ignore"):  # ∞ − ∞, which `_centre` names
            mean_D = self._xp.mean(x_ND, 0, dtype=self._xp.float64)
        self._points = self._xp.empty((n + m, width), dtype=self._xp.float32, device=x_ND.device)
        self._centre(x_ND, mean_D, self._points[:n], "embeddings")
        self._centre(centres, mean_D, self._points[n:], "centres")
        self._norms = _host(self._xp.einsum("nd,nd->n", self._points, self._points))
        # The worst error of a squared distance, over the sum of the two squared norms, where sums have D terms.
        self._slack = (width + 2) * float(np.finfo(np.float32).eps)
        self._fixed_N = weight * np.broadcast_to(np.asarray(0.0 if quality_N is None else quality_N, np.float64), n)
        _require_finite("quality", np.isfinite(self._fixed_N))
        self._rate = (1 - weight) / (float(np.sqrt(self._norms[:n].max())) or 1.0)
        self._near_N, self._seen_N = np.full(n, np.inf, dtype=np.float32), np.zeros(n, dtype=np.int64)
        self.picks, self.gains = list(range(n, n + m)), list[float]()

    def _centre(self, x_ND: Embeddings, mean_D: Embeddings, out_ND: Embeddings, what: str) -> None:
        for part in _parts(len(x_ND), _ROWS):
            _require_finite(what, _host(self._xp.isfinite(x_ND[part]).all(1)), part.start)
            out_ND[part] = x_ND[part] - mean_D

    def scores(self, rows_R: Array) -> Array:
        """Return scores by the picks that each row has seen: bounds on the scores by all."""
        return _score(self._fixed_N[rows_R], self._rate, self._near_N[rows_R])

    def first(self, start: int | None = None, among: Rows | None = None) -> tuple[int, float]:
        """Return the row to begin with, and its score."""
        score_N = _score(self._fixed_N, -self._rate, self._norms[: len(self._fixed_N)])
        rows_R = np.arange(len(score_N)) if among is None else among
        row = int(rows_R[score_N[rows_R].argmax()]) if start is None else start
        return row, float(score_N[row])

    def farthest(self, rows_R: Rows) -> tuple[int, float]:
        """Return the best of some rows, which ascend, and its score; rows whose bounds are lower stay unrefreshed."""
        size = _AHEAD
        while True:
            ahead_A, outside = top(rows_R, self.scores(rows_R), size)
            self.refresh(ahead_A)
            score_A = self.scores(ahead_A)
            best = int(score_A.argmax())
            row, score = int(ahead_A[best]), float(score_A[best])
            if (score, -row) >= outside:
                return row, score
            size *= 2

    def take(self, row: int, score: float) -> None:
        """Add a pick; other rows see it when they are refreshed."""
        self.picks.append(row)
        self.gains.append(score)
        self._near_N[row], self._fixed_N[row] = 0, -np.inf

    def refresh(self, rows_R: Array) -> None:
        """Show rows the picks that they have missed."""
        rows_R = rows_R[self._seen_N[rows_R] < len(self.picks)]
        rows_R = rows_R[np.argsort(self._seen_N[rows_R], kind="stable")]
        for part in _parts(len(rows_R), _ROWS):
            missed = self.picks[self._seen_N[rows_R[part]].min() :]
            for few in _parts(len(missed), _ROWS):
                self._see(rows_R[part], missed[few])
        self._seen_N[rows_R] = len(self.picks)

    def _see(self, rows_R: Array, picks: list[int]) -> None:
        points_RD, picks_PD = self._points[rows_R], self._points[picks]
        norm_R, norm_P, near_R = self._norms[rows_R], self._norms[picks], self._near_N[rows_R]
        product_PR = (-2 * picks_PD) @ points_RD.T
        product_PR += self._xp.einsum("pd,pd->p", picks_PD, picks_PD)[:, None]
        squared_R = norm_R + _host(self._xp.amin(product_PR, 0))
        doubtful_R = squared_R <= self._slack * (norm_R + norm_P.max())
        for i in np.flatnonzero(doubtful_R & (near_R > 0)):  # nothing comes nearer to a row than its copy
            squared_R[i] = self._squared(_host(picks_PD), norm_P, _host(points_RD[i]), norm_R[i]).min()
        self._near_N[rows_R] = np.minimum(near_R, squared_R.clip(0))

    def _squared(self, points_ID: Array, norm_I: Array, point_D: Array, norm: float) -> Array:
        """Squared distances of points to one point, those near 0 from differences."""
        squared_I: Array = norm_I + norm - 2 * (points_ID @ point_D)
        doubtful = np.flatnonzero(squared_I <= self._slack * (norm_I + norm))
        squared_I[doubtful] = ((points_ID[doubtful] - point_D) ** 2).sum(axis=1)
        return squared_I

    def race(self, block_B: Array, outside: tuple[float, int]) -> Iterator[tuple[int, float]]:
        """Yield picks among refreshed rows, each a row and its score, while the best beats the best outside."""
        points_BD, norm_B = _host(self._points[block_B]), self._norms[block_B]
        fixed_B, near_B = self._fixed_N[block_B], self._near_N[block_B]
        while True:
            score_B = _score(fixed_B, self._rate, near_B)
            best = int(score_B.argmax())
            row, score = int(block_B[best]), float(score_B[best])
            if (score, -row) < outside:
                return
            yield row, score
            fixed_B[best] = -np.inf
            near_B = np.minimum(near_B, self._squared(points_BD, norm_B, points_BD[best], norm_B[best]))

    def radius(self) -> float:
        """Return the largest distance of a row to its nearest pick."""
        while self._seen_N[farthest := int(self._near_N.argmax())] < len(self.picks):
            self.refresh(top(np.arange(len(self._near_N)), self._near_N, _ROWS)[0])
        return float(np.sqrt(self._near_N[farthest]))
