"""Farthest-first traversal: no row far from a chosen one (Gonzalez 1985; Sener & Savarese 2018)."""

from __future__ import annotations

import numpy as np

from tithe.arrays import Array, Rows
from tithe.select.geometry import greedy
from tithe.select.pool import Pool

NEEDS = ("embeddings",)


def pick(pool: Pool, count: int, rng: np.random.Generator, options: object) -> tuple[Rows, Array]:
    """Return rows in the order of the traversal, from the one nearest the mean, and their distances."""
    order = greedy.greedy(pool.embeddings, count, centres=pool.chosen)
    return order.rows_K, order.gains_K
