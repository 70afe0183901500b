"""The greedy choice by its definition in float64, and random cases of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from tithe.select.geometry import greedy

Array = np.ndarray[Any, np.dtype[Any]]

WEIGHTS = [0.0, 0.3, 0.7, 1.0]


class Case(NamedTuple):
    """The arguments of `greedy`."""

    x_ND: Array
    k: int
    quality_N: Array | None
    weight: float
    centres: Array | None
    start: int | None


def distances(x_ND: Array, point_D: Array) -> Array:
    return np.sqrt(((x_ND.astype(np.float64) - point_D) ** 2).sum(axis=1))


class Definition:
    """The objective, word for word, in float64."""

    def __init__(self, case: Case) -> None:
        self.case = case
        to_mean_N = distances(case.x_ND, case.x_ND.mean(axis=0, dtype=np.float64))
        self.m0 = to_mean_N.max() or 1.0
        self.near_N = np.full(len(case.x_ND), np.inf)
        for centre_D in () if case.centres is None else case.centres:
            self.near_N = np.minimum(self.near_N, distances(case.x_ND, centre_D))
        self.picked: list[int] = []
        self.first_N = case.weight * case.quality_N - (1 - case.weight) * to_mean_N / self.m0

    def scores(self) -> Array:
        case = self.case
        if not self.picked and (case.start is not None or case.centres is None):
            if case.start is None:
                return self.first_N
            return np.where(np.arange(len(case.x_ND)) == case.start, self.first_N, -np.inf)
        score_N = case.weight * case.quality_N + (1 - case.weight) * self.near_N / self.m0
        score_N[self.picked] = -np.inf
        return score_N

    def pick(self, row: int) -> None:
        self.picked.append(row)
        self.near_N = np.minimum(self.near_N, distances(self.case.x_ND, self.case.x_ND[row]))


def naive(case: Case) -> list[int]:
    definition = Definition(case)
    for _ in range(case.k):
        definition.pick(int(definition.scores().argmax()))
    return definition.picked


def order_of(case: Case, block: int = greedy._BLOCK) -> greedy.Order:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(greedy, "_BLOCK", block)
        return greedy.greedy(*case)


def assert_follows(order: greedy.Order, case: Case, tolerance: float = 1e-5) -> None:
    """Every pick was the best one by the definition, given the picks before it, but for rounding."""
    definition = Definition(case)
    assert order.rows_K.dtype == np.int64 and order.rows_K.shape == order.gains_K.shape == (case.k,)
    for row, gain in zip(order.rows_K.tolist(), order.gains_K.tolist(), strict=True):
        score_N = definition.scores()
        slack = tolerance * max(1.0, abs(score_N.max()))
        assert row not in definition.picked
        assert score_N[row] >= score_N.max() - slack
        assert gain == pytest.approx(score_N[row], abs=slack)
        definition.pick(row)
    assert order.radius == pytest.approx(definition.near_N.max(), abs=tolerance * max(definition.m0, order.radius))


def draw(seed: int) -> Case:
    """Return a random case: shapes from 1 row and 1 dimension up, centres and a start now and then."""
    rng = np.random.default_rng(seed)
    n, width = int(rng.integers(1, 301)), int(rng.integers(1, 41))
    x_ND = (rng.normal(size=(n, width)) * rng.choice([0.01, 1.0, 50.0]) + rng.choice([0.0, 3.0])).astype(np.float32)
    return Case(
        x_ND,
        k=int(rng.choice([1, n, rng.integers(1, n + 1)])),
        quality_N=rng.random(n),
        weight=float(rng.choice(WEIGHTS)),
        centres=rng.normal(size=(int(rng.integers(1, 9)), width)).astype(np.float32) if seed % 3 == 1 else None,
        start=int(rng.integers(n)) if seed % 5 == 1 else None,
    )


def lattice(seed: int) -> Case:
    """Return rows of small integers whose mean is 0, many of them equal: float32 is exact, and ties are everywhere."""
    rng = np.random.default_rng(seed)
    half_ND = rng.integers(-2, 3, size=(int(rng.integers(1, 61)), int(rng.integers(1, 4))))
    x_ND = rng.permutation(np.concatenate([half_ND, -half_ND])).astype(np.float32)
    n = len(x_ND)
    quality_N = rng.integers(0, 5, n) / 4
    centres = rng.integers(-2, 3, size=(2, x_ND.shape[1])).astype(np.float32) if seed % 3 == 1 else None
    return Case(x_ND, int(rng.integers(1, n + 1)), quality_N, float(rng.choice(WEIGHTS)), centres, None)
