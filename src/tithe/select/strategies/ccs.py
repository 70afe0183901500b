"""Rows of every difficulty but the hardest, in equal parts: coverage-centric selection (Zheng et al. 2023)."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from tithe.arrays import Array, Rows
from tithe.config import Positive, Ratio, Section
from tithe.select.geometry.ranks import error_norms, without_hardest
from tithe.select.pool import Pool

NEEDS = ("proxy_probs",)


class Options(Section):
    """Of the strata."""

    drop_hardest: Ratio = Field(0.3, description="β: share of rows with the largest error that come last")
    strata: Positive = Field(50, description="parts of equal width of the range of errors")


def pick(pool: Pool, count: int, rng: np.random.Generator, options: Options) -> tuple[Rows, Array]:
    """Return random rows of the strata in turns, the largest stratum first, and the mean error norm of each.

    A stratum without rows left is passed over: each gets the same share of any budget, as far as it reaches. The
    hardest rows come after all others.
    """
    error_N = error_norms(pool.proxy_probs, pool.labels).mean(axis=1)
    kept, hardest = without_hardest(error_N, options.drop_hardest)
    kept = kept[in_turns(strata(error_N[kept], options.strata), rng)]
    rows = np.concatenate([kept, hardest])[:count]
    return rows, error_N[rows]


def strata(values_N: Array, count: int) -> Rows:
    """Return the stratum of each value, from 0, shape (N,): parts of equal width from the lowest to the highest."""
    low, width = values_N.min(), float(np.ptp(values_N)) / count
    part_N = np.floor((values_N - low) / width) if width else np.zeros(len(values_N))
    return np.minimum(part_N, count - 1).astype(np.int64)  # the highest value is inside, too


def in_turns(stratum_N: Rows, rng: np.random.Generator) -> Rows:
    """Return all rows: one random row of each stratum in every turn, larger strata first."""
    order_N = rng.permutation(len(stratum_N))
    order_N = order_N[np.argsort(stratum_N[order_N], kind="stable")]
    stratum_N, size_S = stratum_N[order_N], np.bincount(stratum_N)
    turn_N = np.arange(len(order_N)) - (np.cumsum(size_S) - size_S)[stratum_N]
    tie_S = rng.permutation(len(size_S))  # so that few rows are not the easiest of many strata of one size
    return order_N[np.lexsort((tie_S[stratum_N], -size_S[stratum_N], turn_N))]
