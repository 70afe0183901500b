"""Rows that the model hesitates about, and random ones in turn: margins that can't go blind."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from tithe.arrays import Array, Rows
from tithe.config import Ratio, Section
from tithe.select.geometry.ranks import margins
from tithe.select.pool import Pool

NEEDS = ("probs",)
TRACK = "T0"


class Options(Section):
    """How much is left to chance."""

    random: Ratio = Field(0.5, description="share of random rows")


def pick(pool: Pool, count: int, rng: np.random.Generator, options: Options) -> tuple[Rows, Array]:
    """Return rows of the smallest margins and random ones, evenly interleaved; the score is minus the margin."""
    margin_N = margins(pool.probs)
    order_M = interleaved(np.argsort(margin_N, kind="stable"), rng.permutation(len(pool)), options.random)[:count]
    return order_M, -margin_N[order_M]


def interleaved(best_N: Rows, random_N: Rows, share: float) -> Rows:
    """Return the rows of two orders of the same rows in turn, the second as often as `share` says, each row once."""
    turns_M = np.floor(np.arange(1, 2 * len(best_N) + 1) * share + 1e-9)
    is_random_M = np.diff(turns_M, prepend=0.0) > 0
    lead, rest = iter(best_N), iter(random_N)
    order = dict.fromkeys(row for chance in is_random_M if (row := next(rest if chance else lead, None)) is not None)
    return np.array([*order, *(row for row in best_N if row not in order)], dtype=np.int64)
