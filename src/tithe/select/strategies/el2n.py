"""The rows that short proxy runs get most wrong, except the very worst, treated as noise (Paul et al. 2021)."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from tithe.arrays import Array
from tithe.config import Ratio, Section
from tithe.select.geometry.ranks import error_norms
from tithe.select.pool import Pool

NEEDS = ("proxy_probs",)


class Options(Section):
    """How much of the hardest is treated as noise."""

    drop_hardest: Ratio = Field(0.1, description="share of rows with the largest error that come last")


def score(pool: Pool, rng: np.random.Generator, options: Options) -> Array:
    """Return the mean error norm of each row; the hardest share ranks behind everything else."""
    error_N: Array = error_norms(pool.proxy_probs, pool.labels).mean(axis=1)
    dropped = np.argsort(-error_N, kind="stable")[: int(options.drop_hardest * len(pool))]
    error_N[dropped] -= 2  # no norm is above √2
    return error_N
