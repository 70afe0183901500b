"""Instruction-Following Difficulty: how little the text helps to tell its label (Li et al. 2023)."""

from __future__ import annotations

from typing import Any

import numpy as np

NEEDS = ("conditional_loss", "prior_loss")


def score(pool: Any, rng: np.random.Generator, options: Any) -> Any:
    """Return L(y given x) / L(y), the hardest first; above 1 the text misleads, and such rows come last."""
    ratio_N = ratio(pool.conditional_loss, pool.prior_loss)
    return np.where(ratio_N > 1, -ratio_N, ratio_N)


def ratio(conditional_N: Any, prior_N: Any) -> Any:
    """Return the ratio of losses; a label that is certain beforehand has nothing to be helped with: 1."""
    return np.divide(conditional_N, prior_N, out=np.ones(len(prior_N)), where=np.asarray(prior_N) > 1e-12)
