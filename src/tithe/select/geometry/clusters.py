"""k-means of embeddings (Lloyd 1982): the same clusters from the same seed, whatever the number of threads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tithe.arrays import Array, Rows

_ROWS = 4096  # of one product: enough work for BLAS, and a result that stays in the cache
_PASSES = 20
_SAMPLE = 20_000  # rows among which the first centres are drawn


class Clusters(NamedTuple):
    """A partition of rows.

    Attributes
    ----------
    centres
        Mean of each cluster, shape (K, D).
    of
        Cluster of each row, shape (N,).
    squared
        Squared distance of each row to the mean of its cluster, shape (N,).
    """

    centres: Array
    of: Rows
    squared: Array


def kmeans(X_ND: Array, count: int, rng: np.random.Generator) -> Clusters:
    """Divide rows into `count` clusters, from first centres far apart (Arthur & Vassilvitskii 2007).

    A cluster that loses all its rows keeps its centre; it may stay empty, as among rows that are all alike.
    """
    X_ND = np.ascontiguousarray(X_ND, dtype=np.float32)
    X_ND = X_ND - X_ND.mean(axis=0)  # small norms, so that distances are exact in float32
    centres_KD = _first_centres(X_ND, count, rng)
    of_N, squared_N = nearest(X_ND, centres_KD)
    for _ in range(_PASSES):
        centres_KD = _means(X_ND, of_N, centres_KD)
        before_N = of_N
        of_N, squared_N = nearest(X_ND, centres_KD)
        if (of_N == before_N).all():
            break
    return Clusters(centres_KD, of_N, squared_N)


def _first_centres(X_ND: Array, count: int, rng: np.random.Generator) -> Array:
    """Return distinct rows, each drawn in proportion to its squared distance to those before; of a sample of many."""
    X_SD = X_ND[np.sort(rng.permutation(len(X_ND))[: max(_SAMPLE, count)])]
    norm_S = (X_SD**2).sum(axis=1)
    squared_S, left_S = np.full(len(X_SD), np.inf), np.ones(len(X_SD))
    rows = [int(rng.integers(len(X_SD)))]
    for _ in range(count - 1):
        left_S[rows[-1]] = 0
        to_last_S = norm_S + norm_S[rows[-1]] - 2 * (X_SD @ X_SD[rows[-1]])
        squared_S = np.minimum(squared_S, to_last_S.clip(0))
        weight_S = squared_S * left_S
        weight_S = weight_S if weight_S.any() else left_S  # all others are copies
        rows.append(int(rng.choice(len(X_SD), p=weight_S / weight_S.sum())))
    return X_SD[rows]


def nearest(X_ND: Array, centres_KD: Array) -> tuple[Rows, Array]:
    """Return the centre that is nearest to each row, and the squared distance to it, both (N,)."""
    of_N, squared_N = np.empty(len(X_ND), dtype=np.int64), np.empty(len(X_ND), dtype=np.float32)
    norm_K = (centres_KD**2).sum(axis=1)
    for start in range(0, len(X_ND), _ROWS):
        rows = slice(start, start + _ROWS)
        squared_BK = norm_K - 2 * (X_ND[rows] @ centres_KD.T)
        of_N[rows] = squared_BK.argmin(axis=1)
        squared_N[rows] = squared_BK.min(axis=1) + (X_ND[rows] ** 2).sum(axis=1)
    return of_N, squared_N.clip(0)


def _means(X_ND: Array, of_N: Rows, before_KD: Array) -> Array:
    order = np.argsort(of_N, kind="stable")
    sizes_K = np.bincount(of_N, minlength=len(before_KD))
    (present,) = np.nonzero(sizes_K)
    starts = (np.cumsum(sizes_K) - sizes_K)[present]
    means_KD = before_KD.copy()
    means_KD[present] = np.add.reduceat(X_ND[order], starts, axis=0) / sizes_K[present, None]
    return means_KD
