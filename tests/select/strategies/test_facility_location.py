"""Facility location against the definition: exact greedy, and the best subset by brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from support.memory import peak_memory
from support.pools import strategy
from tithe.select.pool import Pool


def pick(
    X_ND: np.ndarray, count: int, chosen: np.ndarray | None = None, sample: int = 10_000
) -> tuple[list[int], np.ndarray]:
    found = Pool.of(np.zeros(len(X_ND), dtype=np.int64), np.arange(len(X_ND)), {"embeddings": X_ND}, chosen)
    module = strategy("facility_location")
    rows, gains = module.pick(found, count, np.random.default_rng(0), module.Options(rows=sample))
    return rows.tolist(), gains


def cosine(X_ND: np.ndarray) -> np.ndarray:
    X_ND = X_ND / np.linalg.norm(X_ND, axis=1, keepdims=True)
    return X_ND @ X_ND.T


def value(similarity_NN: np.ndarray, rows: list[int]) -> float:
    return float(1 + similarity_NN[:, rows].max(axis=1).mean()) if rows else 0.0


def exact(similarity_NN: np.ndarray, count: int, rows: list[int]) -> list[int]:
    for _ in range(count):
        left = [row for row in range(len(similarity_NN)) if row not in rows]
        rows = [*rows, max(left, key=lambda row: (value(similarity_NN, [*rows, row]), -row))]
    return rows


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_greedy_order_and_near_the_best_subset(seed: int) -> None:
    X_ND = np.random.default_rng(seed).normal(size=(12, 3))
    similarity_NN = cosine(X_ND)
    rows, gains = pick(X_ND, 4)
    assert rows == exact(similarity_NN, 4, [])
    assert gains.cumsum() == pytest.approx([value(similarity_NN, rows[:k]) for k in (1, 2, 3, 4)], abs=1e-5)
    best = max(value(similarity_NN, list(four)) for four in itertools.combinations(range(12), 4))
    assert (1 - 1 / np.e) * best <= value(similarity_NN, rows) <= best + 1e-9


@pytest.mark.parametrize("block", [1, 3, 64])
def test_the_order_does_not_depend_on_the_blocks(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strategy("facility_location"), "_ROWS", block)
    monkeypatch.setattr(strategy("facility_location"), "_CELLS", 1000)
    X_ND = np.random.default_rng(7).normal(size=(150, 6))
    assert pick(X_ND, 20)[0] == exact(cosine(X_ND), 20, [])
    assert sorted(pick(X_ND, 150)[0]) == list(range(150))


def test_what_is_chosen_is_covered() -> None:
    X_ND = np.random.default_rng(3).normal(size=(40, 4))
    assert pick(X_ND[5:], 6, chosen=X_ND[:5])[0] == [row - 5 for row in rest(X_ND)]


def rest(X_ND: np.ndarray) -> list[int]:
    """Exact greedy over rows 5 and up, which alone are to be covered, after rows 0 to 4."""
    similarity_NN, rows = cosine(X_ND)[5:], list(range(5))
    for _ in range(6):
        left = [row for row in range(5, len(X_ND)) if row not in rows]
        rows.append(max(left, key=lambda row: (value(similarity_NN, [*rows, row]), -row)))
    return rows[5:]


def test_of_large_pools_a_sample_has_to_be_near() -> None:
    X_ND = np.random.default_rng(1).normal(size=(90, 5))
    sample = np.random.default_rng(0).permutation(90)[:30]
    similarity_RN, rows = cosine(X_ND)[sample], list[int]()
    for _ in range(8):
        left = [row for row in range(90) if row not in rows]
        rows.append(max(left, key=lambda row: value(similarity_RN, [*rows, row])))
    assert pick(X_ND, 8, sample=30)[0] == rows and set(rows) - set(sample)


def test_not_all_pairs_are_in_memory() -> None:
    X_ND = np.random.default_rng(0).normal(size=(6000, 8)).astype(np.float32)
    with peak_memory() as peak:
        pick(X_ND, 5)
    assert peak() < 100 << 20  # all cosines would take 144 MB, and their excess over the cover as much again
