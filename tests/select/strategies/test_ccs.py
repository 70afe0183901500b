"""CCS by known answers: strata filled level, the hardest rows last."""

from __future__ import annotations

import numpy as np
import pytest

from support.pools import select, strategy
from tithe.select.pool import Pool


def with_errors(error_N: np.ndarray) -> Pool:
    """Two-class rows of class 0 whose error norm is √2 times `error_N`."""
    probs_NRC = np.stack([1 - error_N, error_N], -1)[:, None]
    return Pool.of(np.zeros(len(error_N), dtype=np.int64), np.arange(len(error_N)), {"proxy_probs": probs_NRC})


# Rows of each of four strata, a budget, and how many of each are chosen: level, and one more of the largest.
FILLED = [
    ([40, 20, 5, 1], 12, [4, 4, 3, 1]),
    ([40, 20, 5, 1], 4, [1, 1, 1, 1]),
    ([40, 20, 5, 1], 26, [10, 10, 5, 1]),
    ([40, 20, 5, 1], 56, [30, 20, 5, 1]),
    ([3, 40, 0, 20], 8, [2, 3, 0, 3]),
]


@pytest.mark.parametrize(("sizes", "count", "filled"), FILLED)
def test_strata_are_filled_level(sizes: list[int], count: int, filled: list[int]) -> None:
    stratum_N = np.repeat(np.arange(4), sizes)
    error_N = (stratum_N + 0.5) / 4
    error_N[0], error_N[-1] = 0, 1  # the whole range, so that the strata are quarters
    options = {"strata": 4, "drop_hardest": 0.0}
    got = select(with_errors(error_N), "ccs", budget=count / len(error_N), options=options)
    assert np.bincount(stratum_N[got.rows], minlength=4).tolist() == filled


def test_the_hardest_come_last() -> None:
    found = with_errors(np.random.default_rng(0).permutation(np.linspace(0, 1, 100)))
    hardest = set(np.argsort(found.proxy_probs[:, 0, 1])[-30:])
    assert not hardest & set(select(found, "ccs", budget=0.7).rows)
    assert len(hardest & set(select(found, "ccs", budget=0.8).rows)) == 10
    assert hardest & set(select(found, "ccs", budget=0.1, options={"drop_hardest": 0.0}).rows)


def test_strata_have_equal_width_and_hold_both_ends() -> None:
    assert strategy("ccs").strata(np.array([0.0, 0.24, 0.26, 0.5, 1.0]), 4).tolist() == [0, 0, 1, 2, 3]
    assert strategy("ccs").strata(np.full(3, 0.7), 4).tolist() == [0, 0, 0]
