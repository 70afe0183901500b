"""Systematic sampling: chances as defined, as many rows as asked; calibrated weights give the head of all rows."""

from __future__ import annotations

import numpy as np
import pytest

from support.heads import distance, headed_pool
from support.pools import select
from tithe.select.strategies.sensitivity import chances, systematic


def test_a_calibrated_tenth_has_the_head_of_all_rows() -> None:
    pool = headed_pool()
    got, chance = (select(pool, name, budget=0.1) for name in ("sensitivity", "random"))
    assert got.weight.mean() == pytest.approx(1, abs=0.05) and got.weight.std() > 0.1
    assert distance(pool, got.rows, got.weight) < distance(pool, chance.rows, chance.weight) / 20


@pytest.mark.parametrize(
    "size, count, expected",
    [
        ([1, 1, 2, 4], 2, [0.25, 0.25, 0.5, 1]),
        ([1, 1, 1, 97], 2, [1 / 3, 1 / 3, 1 / 3, 1]),
        ([1, 2, 50, 97], 3, [1 / 3, 2 / 3, 1, 1]),
        ([5, 1], 2, [1, 1]),
        ([3, 3, 3], 0, [0, 0, 0]),
    ],
)
def test_chances_follow_the_size_and_are_at_most_one(size: list[int], count: int, expected: list[float]) -> None:
    assert chances(np.array(size, dtype=float), count).tolist() == pytest.approx(expected)


def test_rows_are_drawn_by_their_chances_and_always_as_many() -> None:
    chance_M = chances(np.array([1.0, 2, 3, 4, 5, 6, 30]), 4)
    times_M = np.zeros(7)
    for seed in range(2000):
        rows = systematic(chance_M, np.random.default_rng(seed))
        assert len(set(rows)) == 4
        times_M[rows] += 1
    assert times_M / 2000 == pytest.approx(chance_M, abs=0.04)
