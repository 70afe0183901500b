"""Certain rows far from those chosen: λ · (1 − entropy) + (1 − λ) · distance (after QDIT, Bukharin & Zhao 2023)."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from tithe.arrays import Array, Rows
from tithe.config import Section
from tithe.select.geometry import greedy
from tithe.select.geometry.ranks import entropy
from tithe.select.pool import Pool

NEEDS = ("embeddings", "probs")


class Options(Section):
    """The weight of certainty against distance."""

    weight: float = Field(0.5, ge=0, le=1, description="λ: 0 is k_center, 1 the most certain rows")


def pick(pool: Pool, count: int, rng: np.random.Generator, options: Options) -> tuple[Rows, Array]:
    """Return rows in greedy order, and the objective at each."""
    order = greedy.greedy(pool.embeddings, count, 1 - entropy(pool.probs), options.weight, centres=pool.chosen)
    return order.rows_K, order.gains_K
