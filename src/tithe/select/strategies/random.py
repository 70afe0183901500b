"""A prefix of one seeded permutation: the baseline that is hard to beat."""

from __future__ import annotations

from typing import Any

import numpy as np

NEEDS = ()


def score(pool: Any, rng: np.random.Generator, options: Any) -> Any:
    """Return a random order, independent of the budget."""
    return rng.permutation(len(pool)).astype(float)
