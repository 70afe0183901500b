"""Labels and scores of real and fake images, few and worked by hand, or many and drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

# Four reals and four fakes; one of each has the score 0.4, and one fake lies above all reals but one.
EIGHT = np.array([1, 1, 1, 1, 0, 0, 0, 0])
EIGHT_SCORES = np.array([0.9, 0.8, 0.6, 0.4, 0.85, 0.4, 0.2, 0.1])


def drawn(seed: int, rows: int = 300, decimals: int = 2, apart: float = 1.0) -> tuple[Array, Array]:
    """Labels, and scores that are right more often than not; few decimals make ties."""
    rng = np.random.default_rng(seed)
    labels_N = rng.permutation(np.arange(rows) % 3 > 0).astype(int)
    logits_N = rng.normal(scale=1.5, size=rows) + apart * (2 * labels_N - 1)
    return labels_N, np.round(1 / (1 + np.exp(-logits_N)), decimals)
