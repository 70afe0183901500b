"""A prefix of one seeded permutation: the baseline that is hard to beat."""

from __future__ import annotations

import numpy as np

from tithe.arrays import Array
from tithe.select.pool import Pool

NEEDS = ()


def score(pool: Pool, rng: np.random.Generator, options: object) -> Array:
    """Return a random order, independent of the budget."""
    return rng.permutation(len(pool)).astype(float)
