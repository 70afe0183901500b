"""AFLite finds planted artifacts, and readability decides where there is one class."""

from __future__ import annotations

import numpy as np
import pytest

from support.pools import select, strategy
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
