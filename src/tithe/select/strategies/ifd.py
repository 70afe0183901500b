"""Instruction-Following Difficulty: how little the text helps to predict its label (Li et al. 2023)."""

from __future__ import annotations

import numpy as np

from tithe.arrays import Array
from tithe.select.pool import Pool

NEEDS = ("conditional_loss", "prior_loss")


def score(pool: Pool, rng: np.random.Generator, options: object) -> Array:
    """Return L(y | x) / L(y), the hardest first; rows above 1, whose text misleads, come last."""
    ratio_N = ratio(pool.conditional_loss, pool.prior_loss)
    return np.where(ratio_N > 1, -ratio_N, ratio_N)


def ratio(conditional_N: Array, prior_N: Array) -> Array:
    """Return the ratio of losses; 1 for a label that is certain without its text."""
    return np.divide(conditional_N, prior_N, out=np.ones(len(prior_N)), where=np.asarray(prior_N) > 1e-12)
