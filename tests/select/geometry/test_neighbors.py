"""Nearest neighbors and copies against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from support.memory import peak_memory
from tithe.select.geometry import neighbors


def rows(count: int, width: int = 4) -> np.ndarray:
    return np.random.default_rng(count).normal(size=(count, width)).astype(np.float32)


@pytest.mark.parametrize("block", [1, 7, 512])
def test_nearest_are_those_of_the_definition(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbors, "_ROWS", block)
    X_ND = neighbors.unit(rows(60))
    apart_NN = np.linalg.norm(X_ND[:, None] - X_ND, axis=-1)
    np.fill_diagonal(apart_NN, np.inf)
    near_NK, distance_NK = neighbors.nearest(X_ND, 5)
    assert (near_NK == np.argsort(apart_NN, axis=1)[:, :5]).all()
    assert distance_NK == pytest.approx(np.sort(apart_NN, axis=1)[:, :5], abs=1e-3)


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 0)), (2, (2, 1)), (6, (6, 5))])
def test_there_are_no_more_neighbors_than_other_rows(count: int, shape: tuple[int, int]) -> None:
    near_NK, _ = neighbors.nearest(neighbors.unit(rows(count)), 5)
    assert near_NK.shape == shape and not (near_NK == np.arange(count)[:, None]).any()


def by_definition(X_ND: np.ndarray, similarity: float) -> list[int]:
    X_ND, of = X_ND / np.linalg.norm(X_ND, axis=1, keepdims=True), list[int]()
    for row in range(len(X_ND)):
        first = {other: float(X_ND[row] @ X_ND[other]) for other in range(row) if of[other] == other}
        best = max(first, key=lambda other: first[other], default=row)
        of.append(best if first.get(best, -1) > similarity else row)
    return of


@pytest.mark.parametrize("block", [1, 5, 512])
@pytest.mark.parametrize("similarity", [0.5, 0.9, 0.99])
def test_copies_are_those_of_the_definition(similarity: float, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbors, "_ROWS", block)
    monkeypatch.setattr(neighbors, "_COLUMNS", 3)
    X_ND = rows(80, 3)
    of_N = neighbors.first_of_copies(X_ND, similarity)
    assert of_N.tolist() == by_definition(X_ND, similarity) and 0 < (of_N != np.arange(80)).sum() < 80


def test_a_chain_of_likenesses_is_no_group() -> None:
    angles = np.radians([0, 20, 40, 60])
    X_ND = np.stack([np.cos(angles), np.sin(angles)], -1)
    assert neighbors.first_of_copies(X_ND, np.cos(np.radians(25))).tolist() == [0, 0, 2, 2]


def test_many_copies_cost_no_square() -> None:
    X_ND = np.repeat(rows(2, 16), 10_000, axis=0)
    with peak_memory() as peak:
        of_N = neighbors.first_of_copies(X_ND, 0.95)
    assert np.unique(of_N).tolist() == [0, 10_000]
    assert peak() < 20 << 20  # all cosines would take 1,600 MB
