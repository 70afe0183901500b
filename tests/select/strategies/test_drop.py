"""DRoP by known answers: quotas from recalls, as Algorithm 1 of the paper divides them."""

from __future__ import annotations

import numpy as np
import pytest

from support.pools import select, strategy
from tithe.select.pool import Pool

# Sizes, recalls, a budget, and the rows of each class.
QUOTAS = [
    ([100, 100], [0.9, 0.7], 40, [10, 30]),
    ([300, 100], [0.9, 0.7], 40, [20, 20]),
    ([100, 10], [0.9, 0.0], 40, [30, 10]),  # 20 for either: the small class is full, the rest goes to the other
    ([100, 10, 100], [0.9, 0.0, 0.8], 60, [50 / 3, 10, 100 / 3]),
    ([50, 50], [1.0, 0.5], 60, [10, 50]),  # what the class with errors has no room for
    ([30, 60], [1.0, 1.0], 30, [10, 20]),  # no errors: by size
    ([20, 20], [0.5, 0.1], 40, [20, 20]),
]


@pytest.mark.parametrize(("sizes", "recalls", "count", "rows"), QUOTAS)
def test_classes_share_the_budget_by_their_errors(
    sizes: list[int], recalls: list[float], count: int, rows: list[float]
) -> None:
    want_C = strategy("drop").by_recall(np.array(sizes), np.array(recalls), count)
    assert want_C == pytest.approx(rows)


def found(sizes: list[int], right: list[int]) -> Pool:
    labels_N = np.repeat(np.arange(len(sizes)), sizes)
    guess_N = labels_N.copy()
    for c, (size, few) in enumerate(zip(sizes, right, strict=True)):
        guess_N[np.flatnonzero(labels_N == c)[: size - few]] = (c + 1) % len(sizes)
    return Pool.of(labels_N, np.arange(len(labels_N)), {"probs": np.eye(len(sizes))[guess_N]})


# Settings, and the rows of classes of 100, 100 and 50 rows, of which 90, 70 and 50 are recalled.
BALANCES = [
    ({}, [10, 29, 1]),  # the floor gives the class without errors a row
    ({"floor": 0}, [10, 30, 0]),
    ({"balance": "uniform"}, [14, 13, 13]),
]


@pytest.mark.parametrize(("settings", "classes"), BALANCES)
def test_the_core_keeps_the_quotas_floors_and_what_the_user_wants_instead(
    settings: dict[str, object], classes: list[int]
) -> None:
    got = select(pool := found([100, 100, 50], [90, 70, 50]), "drop", budget=40 / 250, **settings)
    assert np.bincount(pool.labels[got.rows], minlength=3).tolist() == classes
