"""Easy-and-Diverse-First: thirds in turn, far from all before."""

from __future__ import annotations

import numpy as np

from support.pools import pool, select, strategy
from tithe.select.geometry.ranks import entropy


def test_the_thirds_take_turns_and_the_easy_one_begins() -> None:
    found = pool(90, classes=2)
    order, _ = strategy("edfs_lite").pick(found, 30, np.random.default_rng(0), None)
    third_N = np.argsort(np.argsort(entropy(found.probs), kind="stable"), kind="stable") // 30
    assert third_N[order].tolist() == [0, 1, 2] * 10


def test_a_larger_choice_is_cut_to_a_smaller_budget() -> None:
    found = pool(240, classes=2)
    large = select(found, "edfs_lite", budget=0.5, balance="none", floor=0)
    for share in (0.05, 0.1, 0.3):
        small = select(found, "edfs_lite", budget=share, balance="none", floor=0)
        assert small.rows.tolist() == large.rows[large.rank < len(small)].tolist()
