"""Ranks, ties, the unknown, and bins of length."""

from __future__ import annotations

import numpy as np
import pytest

from tithe.select.geometry.ranks import length_bins, ranks


def test_ranks_share_ties_and_put_the_unknown_in_the_middle() -> None:
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == pytest.approx([5 / 6, 0, 5 / 6, 1 / 3])
    assert ranks(np.array([1.0, np.nan, 2.0])).tolist() == [0, 0.5, 1]
    assert ranks(np.array([5.0, 1.0, 2.0, 9.0]), np.array([0, 1, 1, 0])).tolist() == [0, 0, 1, 1]
    assert len(np.unique(length_bins(np.arange(100)))) == 10 and set(length_bins(np.full(9, 4))) == {0}
