"""Prefixes of one seeded permutation."""

from __future__ import annotations

import numpy as np

from support.pools import pool, select


def test_random_prefixes_nest_and_seeds_differ() -> None:
    found = pool(200)
    a, b = (select(found, seed=1, budget=share, balance="none", floor=0) for share in (0.1, 0.2))
    assert set(a.rows) < set(b.rows) and set(a.rows) != set(select(found, seed=2, budget=0.1).rows)
    by_rank = b.rows[np.argsort(b.rank)]
    assert set(by_rank[: len(a)]) == set(a.rows)
