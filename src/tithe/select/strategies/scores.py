"""The user's own scores, those of `select.scores`: the highest first."""

from __future__ import annotations

import numpy as np

from tithe.arrays import Array
from tithe.select.pool import Pool

NEEDS = ("scores",)


def score(pool: Pool, rng: np.random.Generator, options: object) -> Array:
    """Return the scores as they are."""
    return np.asarray(pool.scores)
