"""Random rows of a band of certainty: neither those that a model finds sure nor those that it finds wrong."""

from __future__ import annotations

import numpy as np
from pydantic import Field, model_validator

from tithe.arrays import Array
from tithe.config import Section
from tithe.select.geometry.ranks import ranks
from tithe.select.pool import Pool

NEEDS = ("probs",)
TRACK = "T1"


class Options(Section):
    """Where the band is, in ranks within a class."""

    low: float = Field(0.25, ge=0, le=1, description="lower end: 0 is the label that a model finds least likely")
    high: float = Field(0.75, ge=0, le=1, description="upper end: 1 is the label that it finds most likely")

    @model_validator(mode="after")
    def check_band(self) -> Options:
        """Refuse a band that ends before it begins."""
        if self.low > self.high:
            raise ValueError(f"low {self.low:g} is above high {self.high:g}: exchange them")
        return self


def score(pool: Pool, rng: np.random.Generator, options: Options) -> Array:
    """Return a random number for rows of the band, else minus the distance to it.

    Rows are ranked, within their class, by the probability of their own label, of models that did not see them.
    """
    rank_N = ranks(pool.probs[np.arange(len(pool)), pool.labels], pool.labels)
    outside_N = np.maximum(options.low - rank_N, rank_N - options.high)
    return np.where(outside_N > 0, -outside_N, rng.random(len(pool)))
