"""Easy-and-Diverse-First: thirds, filled level."""

from __future__ import annotations

import numpy as np
import pytest

from support.pools import pool, strategy
from tithe.select import greedy
from tithe.select.ranks import entropy


@pytest.mark.parametrize(
    "total, sizes, shares",
    [
        (30, [2, 10, 100], [2, 10, 18]),
        (31, [0, 5, 5, 50], [0, 5, 5, 21]),
        (7, [9, 9, 9], [3, 2, 2]),
        (99, [1, 2, 3], [1, 2, 3]),
    ],
)
def test_water_is_filled_level(total: int, sizes: list[int], shares: list[int]) -> None:
    assert strategy("edfs_lite").water_fill(total, sizes) == shares


def test_edfs_takes_from_every_third_and_equals_k_center_in_one() -> None:
    found = pool(90, classes=2)
    order, _ = strategy("edfs_lite").pick(found, 30, np.random.default_rng(0), None)
    third_N = np.argsort(np.argsort(entropy(found.probs), kind="stable"), kind="stable") // 30
    assert third_N[order].tolist() == [0] * 10 + [1] * 10 + [2] * 10
    easy = np.flatnonzero(third_N == 0)
    assert (order[:10] == easy[greedy.greedy(found.embeddings[easy], 10).rows_K]).all()
