"""The rows between whose two likeliest classes the model hesitates most (Scheffer et al. 2001)."""

from __future__ import annotations

import numpy as np

from tithe.arrays import Array
from tithe.select.geometry.ranks import margins
from tithe.select.pool import Pool

NEEDS = ("probs",)
TRACK = "T0"


def score(pool: Pool, rng: np.random.Generator, options: object) -> Array:
    """Return minus the difference of the two highest probabilities of each row: 0 is undecided, −1 certain."""
    return -margins(pool.probs)
