"""The texts that a language model finds most natural, within bins of like length (Marion et al. 2023)."""

from __future__ import annotations

import numpy as np

from tithe.arrays import Array
from tithe.select.geometry.ranks import length_bins, ranks
from tithe.select.pool import Pool

NEEDS = ("perplexity", "lengths")


def score(pool: Pool, rng: np.random.Generator, options: object) -> Array:
    """Return 1 for the lowest perplexity of a length bin, 0 for the highest; perplexity follows length."""
    finite = np.minimum(pool.perplexity, np.finfo(float).max)  # an empty text is +inf
    return 1 - ranks(finite, length_bins(pool.lengths))
