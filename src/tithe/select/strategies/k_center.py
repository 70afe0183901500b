"""Farthest-first traversal: no row far from a chosen one (Gonzalez 1985; Sener & Savarese 2018)."""

from __future__ import annotations

from typing import Any

import numpy as np

from tithe.select import greedy

NEEDS = ("embeddings",)


def pick(pool: Any, count: int, rng: np.random.Generator, options: Any) -> Any:
    """Return rows in the order of the traversal, from the one nearest the mean, and their distances."""
    order = greedy.greedy(pool.embeddings, count, centres=pool.chosen)
    return order.rows_K, order.gains_K
