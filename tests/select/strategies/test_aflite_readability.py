"""AFLite finds planted artifacts, and readability decides where there is one class."""

from __future__ import annotations

import numpy as np
import pytest

from support.pools import select, strategy
from tithe.select.geometry.ranks import ranks
from tithe.select.pool import Pool


def test_aflite_removes_planted_artifacts_first() -> None:
    aflite, shares = strategy("aflite_readability"), []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X_ND, labels = rng.normal(size=(1000, 50)).astype(np.float32), rng.integers(0, 2, 1000)
        planted_N = rng.permutation(1000) < 500
        X_ND[planted_N, 0] = np.where(labels[planted_N] == 1, 4, -4)
        found_N = aflite.predictability(X_ND, labels, aflite.Options(models=32, slices=10), rng)
        shares.append(planted_N[np.argsort(-found_N, kind="stable")[:500]].mean())
    assert min(shares) >= 0.93 and np.mean(shares) >= 0.94


@pytest.mark.parametrize("keep, best", [("easy", 2), ("hard", 1), ("mid", 0)])
def test_aflite_of_one_class_goes_by_readability(keep: str, best: int) -> None:
    signals = {"embeddings": np.zeros((3, 2), np.float32), "readability": np.array([50.0, 10.0, 90.0])}
    found = Pool.of(np.zeros(3, dtype=np.int64), np.arange(3), signals)
    assert select(found, "aflite_readability", budget=0.3, options={"keep": keep}).rows.tolist() == [best]


def both_ranks(seed: int, rows: int = 600) -> tuple[Pool, np.ndarray]:
    """Return a pool whose most predictable rows are its least readable ones, and both ranks of each row, (N, 2)."""
    aflite, rng = strategy("aflite_readability"), np.random.default_rng(seed)
    labels, X_ND = rng.integers(0, 2, rows), rng.normal(size=(rows, 8)).astype(np.float32)
    artifact_N = rng.uniform(0, 4, rows)
    X_ND[:, 0] = np.where(labels == 1, artifact_N, -artifact_N)
    found = Pool.of(
        labels, np.arange(rows), {"embeddings": X_ND, "readability": rng.normal(60, 15, rows) - 9 * artifact_N}
    )
    guessed_N = aflite.predictability(X_ND, labels, aflite.Options(), np.random.default_rng([0, 0x5E1EC7, 0]))
    return found, np.stack([ranks(guessed_N, labels), ranks(found.readability, labels)], axis=1)


@pytest.mark.parametrize("budget", [0.1, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_the_middle_is_that_of_both_ranks(seed: int, budget: float) -> None:
    found, ranks_N2 = both_ranks(seed)
    rows = select(found, "aflite_readability", budget=budget, options={"keep": "mid"}).rows
    away_N2 = np.abs(ranks_N2 - 0.5)
    assert away_N2[rows].max() < 0.4, "a pick is at an extreme"
    assert away_N2.mean(axis=1)[rows].max() <= np.sort(away_N2.mean(axis=1))[int(1.1 * len(rows))]
    by_mean = np.argsort(np.abs(ranks_N2.mean(axis=1) - 0.5), kind="stable")[: len(rows)]
    assert (away_N2[by_mean].min(axis=1) > 0.3).mean() > 0.1, "opposite extremes have a mean in the middle"


@pytest.mark.parametrize("keep, sign", [("easy", 1), ("hard", -1)])
def test_the_ends_are_those_of_the_mean_of_both_ranks(keep: str, sign: int) -> None:
    found, ranks_N2 = both_ranks(0)
    best = np.argsort(-sign * ranks_N2.mean(axis=1), kind="stable")[:60]
    got = select(found, "aflite_readability", budget=0.1, balance="none", floor=0, options={"keep": keep})
    assert set(got.rows) == set(best)


def test_rows_that_were_removed_count_as_more_predictable_than_those_left_however_many_rounds() -> None:
    aflite, rng = strategy("aflite_readability"), np.random.default_rng(0)
    labels, X_ND = rng.integers(0, 2, 400), rng.normal(size=(400, 10)).astype(np.float32)
    X_ND[:, 0] += 2 * labels - 1  # more and more rows reach the threshold, a few in a round
    found_N = aflite.predictability(X_ND, labels, aflite.Options(), np.random.default_rng(0))
    assert found_N.max() > 12, "more rounds than slices"
    assert found_N.min() >= 0
    assert found_N[found_N > 1].min() >= 1.75, "a row was removed at the threshold of 0.75, and a round is over since"
