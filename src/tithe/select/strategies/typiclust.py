"""The most typical row of each cluster that has none yet, large clusters first (Hacohen et al. 2022)."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from tithe.arrays import Array, Rows
from tithe.config import Positive, Section
from tithe.select.geometry.clusters import kmeans
from tithe.select.pool import Pool

NEEDS = ("embeddings",)
_ROWS = 512  # whose distances to their cluster are computed at once


class Options(Section):
    """Of the clusters."""

    clusters: Positive = Field(500, description="most clusters; fewer while there are fewer rows to choose")
    neighbors: Positive = Field(20, description="nearest rows of its cluster that say how typical a row is")


def pick(pool: Pool, count: int, rng: np.random.Generator, options: Options) -> tuple[Rows, Array]:
    """Return rows, cluster after cluster in rounds; the score is the typicality, 1 / mean distance to its neighbors.

    There are as many clusters as rows chosen so far and now. Those with the fewest chosen rows come first, of these
    the largest.
    """
    chosen_MD = np.zeros((0, pool.embeddings.shape[1])) if pool.chosen is None else pool.chosen
    X_ND = np.concatenate([pool.embeddings, chosen_MD]).astype(np.float32)
    clusters = kmeans(X_ND, min(options.clusters, len(X_ND), count + len(chosen_MD)), rng)
    size_K = np.bincount(clusters.of, minlength=len(clusters.centres))
    taken_K = np.bincount(clusters.of[len(pool) :], minlength=len(size_K))
    order, rounds, sizes, scores = [], [], [], []
    for cluster in np.flatnonzero(size_K):
        rows = np.flatnonzero(clusters.of[: len(pool)] == cluster)
        typical_R = _typicality(X_ND, rows, np.flatnonzero(clusters.of == cluster), options.neighbors)
        best_R = np.argsort(-typical_R, kind="stable")
        order.append(rows[best_R])
        scores.append(typical_R[best_R])
        rounds.append(taken_K[cluster] + np.arange(len(rows)))
        sizes.append(np.full(len(rows), size_K[cluster]))
    first_N = np.lexsort((-np.concatenate(sizes), np.concatenate(rounds)))[:count]
    return np.concatenate(order)[first_N], np.concatenate(scores)[first_N]


def _typicality(X_ND: Array, rows_R: Rows, mates_M: Rows, neighbors: int) -> Array:
    """Return 1 / (the mean distance of each row to its nearest mates), at most 1e6, as among copies."""
    mean_R: Array = np.zeros(len(rows_R))
    near = min(neighbors, len(mates_M) - 1)
    mates_MD = X_ND[mates_M]
    norm_M = (mates_MD**2).sum(axis=1)
    for start in range(0, len(rows_R) if near else 0, _ROWS):
        X_BD = X_ND[rows_R[start : start + _ROWS]]
        squared_BM = (X_BD**2).sum(axis=1)[:, None] + norm_M - 2 * (X_BD @ mates_MD.T)
        nearest_BK = np.partition(squared_BM.clip(0), near, axis=1)[:, : near + 1]  # itself among them, at distance 0
        mean_R[start : start + _ROWS] = np.sqrt(nearest_BK).sum(axis=1) / near
    return 1 / mean_R.clip(1e-6)
