"""Rows whose neighborhoods cover the most of what is not covered yet (Yehuda et al. 2022)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import Field

from tithe.arrays import Array, Rows
from tithe.config import Positive, Ratio, Section
from tithe.select.geometry.clusters import kmeans
from tithe.select.pool import Pool

NEEDS = ("embeddings",)
_ROWS = 1024  # of one product


class Options(Section):
    """Of the neighborhoods."""

    purity: Ratio = Field(0.95, description="share of the neighborhoods that lie in one cluster: decides their radius")
    clusters: Positive = Field(20, description="clusters, in place of the classes, which are unknown")
    rows: Positive = Field(20_000, description="random rows to choose among and to cover, of larger pools")


def pick(pool: Pool, count: int, rng: np.random.Generator, options: Options) -> tuple[Rows, Array]:
    """Return rows in greedy order, and how many rows each covers that none before it did; ties go to the lowest row."""
    among = np.sort(rng.permutation(len(pool))[: max(options.rows, count)])
    X_ND = np.asarray(pool.embeddings[among], dtype=np.float32)
    X_ND = X_ND - X_ND.mean(axis=0)
    radius = _radius(X_ND, min(options.clusters, len(X_ND)), options.purity, rng)
    gain_N = np.zeros(len(X_ND), dtype=np.int64)
    for rows, near_BN in _neighborhoods(X_ND, np.arange(len(X_ND)), radius):
        gain_N[rows] = near_BN.sum(axis=1)
    covered_N, left_N = np.zeros(len(X_ND), dtype=bool), np.ones(len(X_ND), dtype=bool)
    if pool.chosen is not None:
        centre_D = np.asarray(pool.embeddings[among]).mean(axis=0)
        chosen_MD = np.asarray(pool.chosen, dtype=np.float32) - centre_D
        _cover(X_ND, _near_any(X_ND, chosen_MD, radius), covered_N, gain_N, radius)
    picked: list[int] = []
    scores: list[float] = []
    for _ in range(count):
        row = int(np.where(left_N, gain_N, -1).argmax())
        picked.append(row)
        scores.append(float(gain_N[row]))
        left_N[row] = False
        (_, near_1N) = next(_neighborhoods(X_ND, np.array([row]), radius))
        _cover(X_ND, near_1N[0], covered_N, gain_N, radius)
    return among[np.array(picked, dtype=np.int64)], np.array(scores)


def _radius(X_ND: Array, clusters: int, purity: float, rng: np.random.Generator) -> float:
    """Return the largest radius at which a share of the neighborhoods has rows of one cluster only."""
    of_N = kmeans(X_ND, clusters, rng).of
    sample = np.sort(rng.permutation(len(X_ND))[: 2 * _ROWS])
    nearest_S: Array = np.full(len(sample), np.inf)
    for rows, squared_BN in _squared(X_ND, sample):
        other_BN = of_N[sample[rows]][:, None] != of_N
        nearest_S[rows] = np.where(other_BN, squared_BN, np.inf).min(axis=1)
    nearest_S = nearest_S[np.isfinite(nearest_S)]
    return float(np.sqrt(np.quantile(nearest_S, 1 - purity))) if len(nearest_S) else 0.0


def _squared(X_ND: Array, rows_R: Rows) -> Iterator[tuple[slice, Array]]:
    norm_N = (X_ND**2).sum(axis=1)
    for start in range(0, len(rows_R), _ROWS):
        part = slice(start, start + _ROWS)
        X_BD = X_ND[rows_R[part]]
        yield part, ((X_BD**2).sum(axis=1)[:, None] + norm_N - 2 * (X_BD @ X_ND.T)).clip(0)


def _neighborhoods(X_ND: Array, rows_R: Rows, radius: float) -> Iterator[tuple[Rows, Array]]:
    """Yield rows, and for each which rows are nearer than the radius; a row is always in its own neighborhood."""
    for part, squared_BN in _squared(X_ND, rows_R):
        near_BN = squared_BN < radius**2
        near_BN[np.arange(len(near_BN)), rows_R[part]] = True
        yield rows_R[part], near_BN


def _near_any(X_ND: Array, chosen_MD: Array, radius: float) -> Array:
    near_N: Array = np.zeros(len(X_ND), dtype=bool)
    norm_N = (X_ND**2).sum(axis=1)
    for start in range(0, len(chosen_MD), _ROWS):
        X_BD = chosen_MD[start : start + _ROWS]
        squared_BN = (X_BD**2).sum(axis=1)[:, None] + norm_N - 2 * (X_BD @ X_ND.T)
        near_N |= (squared_BN < radius**2).any(axis=0)
    return near_N


def _cover(X_ND: Array, near_N: Array, covered_N: Array, gain_N: Array, radius: float) -> None:
    """Mark rows as covered, and take them out of the gains of all neighborhoods that hold them."""
    (new,) = np.nonzero(near_N & ~covered_N)
    covered_N[new] = True
    for _, near_BN in _neighborhoods(X_ND, new, radius):
        gain_N -= near_BN.sum(axis=0)
