"""Uncertain and far from what is chosen: λ · entropy + (1 − λ) · distance, greedily."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from tithe.config import Section
from tithe.select import greedy
from tithe.select.ranks import entropy

NEEDS = ("embeddings", "probs")


class Options(Section):
    """The weight of the two."""

    weight: float = Field(0.5, ge=0, le=1, description="λ: 0 is k_center, 1 the most uncertain rows")


def pick(pool: Any, count: int, rng: np.random.Generator, options: Options) -> Any:
    """Return rows in greedy order, and the objective at each."""
    order = greedy.greedy(pool.embeddings, count, entropy(pool.probs), options.weight, centres=pool.chosen)
    return order.rows_K, order.gains_K
