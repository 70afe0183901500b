"""Exchanges of rows: the best subset of a small pool, quotas kept, nothing worse than the start."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from support.heads import penalty
from tithe.arrays import Array, Rows
from tithe.select.geometry import swaps
from tithe.select.geometry.gradients import Gradients
from tithe.select.geometry.swaps import drawn, exchanged
from tithe.select.signals import linear_probes


def example(n: int, classes: int = 2, width: int = 4) -> Gradients:
    rng = np.random.default_rng(0)
    probs_NC = rng.dirichlet(np.ones(classes), n)
    return Gradients.of(rng.normal(size=(n, width)), probs_NC, np.arange(n) % classes, 0.01)


def error(found: Gradients, target_AB: Array, rows_K: Rows) -> float:
    return float(((target_AB - found.take(rows_K).total()) ** 2).sum())


@pytest.mark.parametrize("quota", [(6,), (3, 3)])
def test_the_best_of_ten_starts_is_the_best_of_all_subsets(quota: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    X_ND = rng.normal(size=(14, 5))
    labels_N = (X_ND[:, 0] + rng.normal(size=14) > 0).astype(np.int64)
    probs_NC, _ = linear_probes.fitted(X_ND, np.arange(14), labels_N)
    found = Gradients.of(X_ND, probs_NC, labels_N, penalty(14))
    groups_N, target_AB = labels_N * (len(quota) - 1), found.total() * 6 / 14
    allowed = (
        np.array(rows)
        for rows in combinations(range(14), 6)
        if tuple(np.bincount(groups_N[list(rows)], minlength=len(quota))) == quota
    )
    best, tries = min(error(found, target_AB, rows_K) for rows_K in allowed), []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        start_K = drawn(groups_N, np.array(quota), rng)
        rows_K = exchanged(found, start_K, groups_N, target_AB, np.ones(14), rng)
        tries.append(error(found, target_AB, rows_K))
        assert len(set(rows_K)) == 6 and tries[-1] <= error(found, target_AB, start_K)
    assert min(tries) == pytest.approx(best)


def test_no_exchange_is_left_that_would_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swaps, "PASSES", 50)
    monkeypatch.setattr(swaps, "_GAIN", 1e-12)
    found, groups_N, rng = example(30), np.arange(30) % 2, np.random.default_rng(3)
    weight_N, target_AB = rng.random(30) * 3 + 0.1, found.total() / 3

    def left(rows_K: Rows) -> float:
        return float(np.linalg.norm(target_AB - found.take(rows_K).total(weight_N[rows_K])))

    rows_K = exchanged(found, drawn(groups_N, np.array([5, 5]), rng), groups_N, target_AB, weight_N, rng)
    for place in range(10):
        for other in np.setdiff1d(np.flatnonzero(groups_N == groups_N[rows_K[place]]), rows_K):
            changed_K = rows_K.copy()
            changed_K[place] = other
            assert left(changed_K) >= left(rows_K) - 1e-9


def test_blocks_keep_quotas_and_weights_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swaps, "BLOCK", 16)
    monkeypatch.setattr(swaps, "CHOSEN", 4)
    found, groups_N, quota_C = example(200, classes=3), np.arange(200) % 3, np.array([10, 0, 21])
    weight_N = np.random.default_rng(1).random(200) + 0.5
    target_AB, rng = found.total() * 0.15, np.random.default_rng(2)
    start_K = drawn(groups_N, quota_C, rng)
    rows_K = exchanged(found, start_K, groups_N, target_AB, weight_N, rng)
    assert np.bincount(groups_N[rows_K], minlength=3).tolist() == quota_C.tolist() and len(set(rows_K)) == 31
    assert (groups_N[rows_K] == groups_N[start_K]).all()
    before, after = (
        float(np.linalg.norm(target_AB - found.take(rows).total(weight_N[rows]))) for rows in (start_K, rows_K)
    )
    assert after < before / 3


def test_random_rows_of_each_group_take_turns() -> None:
    groups_N = np.array([0] * 80 + [2] * 20)
    rows_K = drawn(groups_N, np.array([8, 0, 2]), np.random.default_rng(0))
    assert np.bincount(groups_N[rows_K]).tolist() == [8, 0, 2]
    assert np.bincount(groups_N[rows_K[:5]]).tolist() == [4, 0, 1]
    assert (rows_K != drawn(groups_N, np.array([8, 0, 2]), np.random.default_rng(1))).any()
