"""Matching pursuit: the head of all rows from a tenth with weights; full classes are passed over."""

from __future__ import annotations

import numpy as np
import pytest

from support.heads import distance, headed_pool
from support.pools import select
from tithe.select.geometry.pursuit import best_within


@pytest.mark.parametrize("balance", ["none", "stratified"])
def test_a_weighted_tenth_has_the_head_of_all_rows(balance: str) -> None:
    pool = headed_pool()
    got, chance = (select(pool, name, budget=0.1, balance=balance) for name in ("omp", "random"))
    assert got.weight.mean() == pytest.approx(1, abs=0.05)
    assert distance(pool, got.rows, got.weight) < distance(pool, chance.rows, chance.weight) / 20
    assert (np.diff(got.weight[np.argsort(got.rank)]) <= 0).all(), "the heaviest rank first"


def test_the_best_rows_of_classes_that_are_not_full() -> None:
    score_N = np.array([5.0, 9.0, 7.0, 7.0, 1.0, -np.inf])
    groups_N = np.array([0, 0, 0, 1, 1, 1])
    assert best_within(score_N, groups_N, np.array([1, 2]), 3).tolist() == [1, 3, 4]
    assert best_within(score_N, groups_N, np.array([2, 1]), 3).tolist() == [1, 2, 3]
    assert best_within(score_N, groups_N, np.array([9, 9]), 2).tolist() == [1, 2], "ties go to the lowest row"
