"""Rows chosen for their gradients have nearly the head of all rows, without weights."""

from __future__ import annotations

import numpy as np

from support.heads import distance, headed_pool
from support.pools import select


def test_a_tenth_has_nearly_the_head_of_all_rows() -> None:
    pool = headed_pool()
    got, chance = (select(pool, name, budget=0.1) for name in ("gradient_match", "random"))
    assert (got.weight == 1).all()
    assert distance(pool, got.rows, got.weight) < distance(pool, chance.rows, chance.weight) / 4
    first = got.rows[got.rank < 20]
    whole, half = (np.bincount(pool.labels[rows], minlength=3) for rows in (got.rows, first))
    assert (abs(whole / 2 - half) <= 1).all(), "the first ranks keep the shares of the classes"
