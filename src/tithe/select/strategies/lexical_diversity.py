"""The texts of the richest vocabulary for their length (HD-D, MTLD, TTR: McCarthy & Jarvis 2010)."""

from __future__ import annotations

import numpy as np

from tithe.arrays import Array
from tithe.select.geometry.ranks import length_bins, ranks
from tithe.select.pool import Pool

NEEDS = ("hdd", "mtld", "ttr", "lengths")


def score(pool: Pool, rng: np.random.Generator, options: object) -> Array:
    """Return the mean rank of the three measures within bins of like length."""
    bins_N = length_bins(pool.lengths)
    mean_N: Array = np.mean([ranks(measure, bins_N) for measure in (pool.hdd, pool.mtld, pool.ttr)], axis=0)
    return mean_N
