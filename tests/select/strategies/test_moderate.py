"""Moderate by a known answer: the median distance, class by class."""

from __future__ import annotations

import numpy as np

from support.pools import select
from tithe.select.pool import Pool


def test_rows_at_the_median_distance_are_kept() -> None:
    # Each class is symmetric about its centre, at distances 1, 2, 5 and 9 (twice each): the median is 3.5.
    arm = np.array([1, 2, 5, 9, -1, -2, -5, -9], dtype=np.float32)
    X_ND = np.concatenate([np.stack([arm, 0 * arm], -1), np.stack([100 + 0 * arm, 50 + 10 * arm], -1)])
    found = Pool.of(np.repeat([0, 1], 8), np.arange(16), {"embeddings": X_ND})
    got = select(found, "moderate", budget=0.5)
    assert got.rows.tolist() == [1, 2, 5, 6, 9, 10, 13, 14]
    assert np.unique(got.score.round(5)).tolist() == [-15.0, -1.5]
