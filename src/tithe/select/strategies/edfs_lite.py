"""Easy-and-Diverse-First: thirds by entropy in turn, the easy one first, farthest-first inside each."""

from __future__ import annotations

import numpy as np

from tithe.arrays import Array, Rows
from tithe.select.geometry import greedy
from tithe.select.geometry.ranks import entropy
from tithe.select.pool import Pool

NEEDS = ("embeddings", "probs")
VERSION = 2  # chooses other rows than the first
_THIRDS = 3


def pick(pool: Pool, count: int, rng: np.random.Generator, options: object) -> tuple[Rows, Array]:
    """Return picks of the easy, the medium and the hard third in turn, each far from all before.

    In turn, so that a smaller budget is the beginning of a larger one, and has its share of every third.
    """
    by_entropy = np.argsort(entropy(pool.probs), kind="stable")
    thirds = [np.sort(part) for part in np.array_split(by_entropy, _THIRDS)]
    order = greedy.in_turns(pool.embeddings, thirds, count, centres=pool.chosen)
    return order.rows_K, order.gains_K
