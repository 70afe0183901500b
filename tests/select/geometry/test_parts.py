"""Picking in parts: as good as picking from all rows, and from no more rows at once than asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from tithe import config
from tithe.arrays import Array, Rows
from tithe.select.geometry import greedy, parts
from tithe.select.geometry.parts import Part
from tithe.select.pool import Pool
from tithe.select.selection import select


def clouds(rows: int, width: int = 16, seed: int = 0) -> Array:
    """Rows of clouds of unequal sizes and widths, some of them far out."""
    rng = np.random.default_rng(seed)
    of_N = rng.choice(12, rows, p=rng.dirichlet(np.ones(12)))
    spread_N = rng.gamma(2, 0.4, size=rows)
    return np.asarray(rng.normal(size=(12, width))[of_N] * 3 + rng.normal(size=(rows, width)) * spread_N[:, None])


def k_center(x_ND: Array, seen: list[int]) -> Callable[[Sequence[Part]], Iterator[tuple[Rows, Array]]]:
    def pick_each(each: Sequence[Part]) -> Iterator[tuple[Rows, Array]]:
        for part in each:
            seen.append(len(part.rows))
            assert (np.diff(part.rows) > 0).all() and 0 < part.picks <= len(part.rows)
            order = greedy.greedy(x_ND[part.rows], part.picks)
            yield part.rows[order.rows_K], order.gains_K

    return pick_each


def radius(x_ND: Array, rows_K: Rows) -> float:
    near_N = np.full(len(x_ND), np.inf)
    for row in rows_K:
        near_N = np.minimum(near_N, ((x_ND - x_ND[row]) ** 2).sum(axis=1))
    return float(np.sqrt(near_N.max()))


@pytest.mark.parametrize(("count", "worst"), [(30, 1.05), (150, 1.05), (400, 1.1), (1200, 1.35)])
def test_the_radius_is_that_of_the_whole(count: int, worst: float) -> None:
    x_ND, seen = clouds(4000), list[int]()
    rows_K, score_K = parts.pick(
        x_ND, Part(np.arange(4000), count), 800, np.random.default_rng(1), k_center(x_ND, seen)
    )
    assert len(np.unique(rows_K)) == count == len(score_K) and max(seen) <= 800
    exact = greedy.greedy(x_ND, count)
    assert radius(x_ND, rows_K) <= worst * radius(x_ND, exact.rows_K)


def test_few_rows_are_one_part() -> None:
    x_ND = clouds(500)
    rows_K, _ = parts.pick(x_ND, Part(np.arange(500), 20), 500, np.random.default_rng(0), k_center(x_ND, []))
    assert rows_K.tolist() == greedy.greedy(x_ND, 20).rows_K.tolist()


@pytest.mark.parametrize("count", [1, 999, 1000])
def test_copies_and_all_rows_can_be_picked(count: int) -> None:
    x_ND = np.ones((1000, 3), dtype=np.float32)
    rows_K, _ = parts.pick(x_ND, Part(np.arange(1000), count), 100, np.random.default_rng(0), k_center(x_ND, []))
    assert len(np.unique(rows_K)) == count


@pytest.mark.parametrize("strategy", ["k_center", "facility_location", "qdit_lite"])
@pytest.mark.parametrize("balance", ["stratified", "none"])
def test_a_strategy_picks_in_parts_of_each_class(strategy: str, balance: str) -> None:
    rng, x_ND = np.random.default_rng(0), clouds(1500).astype(np.float32)
    labels_N, probs_NC = rng.integers(2, size=1500), rng.dirichlet(np.ones(2), size=1500)
    pool = Pool.of(labels_N, np.arange(1500), {"embeddings": x_ND, "probs": probs_NC})
    given = {"strategy": strategy, "budget": 0.1, "balance": balance}
    chosen = select(pool, config.Select(**given, part_rows=300), 0)
    assert len(chosen) == 150 and np.isfinite(chosen.score).all()
    again = select(pool, config.Select(**given, part_rows=300), 0)
    assert chosen.rows.tolist() == again.rows.tolist()
    whole = select(pool, config.Select(**given), 0)
    assert whole.rows.tolist() == select(pool, config.Select(**given, part_rows=1500), 0).rows.tolist()
    assert radius(x_ND, chosen.rows) <= 1.15 * radius(x_ND, whole.rows)


def test_selections_without_parts_have_the_name_that_they_had() -> None:
    assert "part_rows" not in config.Select().model_dump()
    assert config.Select(part_rows=500).model_dump()["part_rows"] == 500
