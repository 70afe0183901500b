"""The lowest perplexity among texts of like length."""

from __future__ import annotations

import numpy as np

from support.pools import select
from tithe.select.pool import Pool


def test_perplexity_keeps_the_lowest_of_each_length() -> None:
    lengths = np.repeat([5, 50], 10)
    perplexity = np.concatenate([np.arange(10) + 100, np.arange(10) + 10.0])
    perplexity[0] = np.inf
    got = select(
        Pool.of(np.zeros(20, dtype=np.int64), np.arange(20), {"perplexity": perplexity, "lengths": lengths}),
        "perplexity",
        budget=0.2,
    )
    assert got.rows.tolist() == [1, 2, 10, 11]
