"""Strategies that match, in parts: as many rows of each class as at once, whose weights sum to its rows."""

from __future__ import annotations

import numpy as np
import pytest

from support.heads import distance, headed_pool
from support.pools import select
from tithe.arrays import Rows
from tithe.select.geometry import parts
from tithe.select.geometry.parts import Part

STRATEGIES = ["gradient_match", "omp", "sensitivity"]


@pytest.mark.parametrize("balance", ["none", "stratified"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_parts_have_the_head_of_all_rows(strategy: str, balance: str) -> None:
    pool = headed_pool(1200)
    settings = {"budget": 0.1, "balance": balance}
    got, whole = (select(pool, strategy, part_rows=rows, **settings) for rows in (300, None))
    chance = select(pool, "random", **settings)
    assert len(np.unique(got.rows)) == len(whole)
    if balance == "stratified":
        sizes_C = np.bincount(pool.labels[whole.rows])
        assert np.bincount(pool.labels[got.rows]).tolist() == sizes_C.tolist()
        share_C = np.bincount(pool.labels[got.rows], got.weight) / len(got)
        assert share_C == pytest.approx(np.bincount(pool.labels) / len(pool))
    assert got.weight.mean() == pytest.approx(1)
    assert distance(pool, got.rows, got.weight) < distance(pool, chance.rows, chance.weight) / 4
    again = select(pool, strategy, part_rows=300, **settings)
    assert again.rows.tolist() == got.rows.tolist() and again.weight.tolist() == got.weight.tolist()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_few_rows_are_matched_at_once(strategy: str) -> None:
    pool = headed_pool()
    got, whole = (select(pool, strategy, budget=0.1, part_rows=rows) for rows in (len(pool), None))
    assert got.rows.tolist() == whole.rows.tolist() and got.weight.tolist() == whole.weight.tolist()


def test_shards_share_the_quota_of_their_class() -> None:
    rng = np.random.default_rng(0)
    groups_N, x_ND = rng.choice(4, 1000, p=[0.6, 0.3, 0.08, 0.02]), rng.normal(size=(1000, 3)).astype(np.float32)
    quota_C = np.array([60, 40, 0, 1])
    found = parts.shards(x_ND, groups_N, quota_C, 100, rng)
    picks_C: Rows = np.zeros(4, dtype=np.int64)
    for part in found:
        (group,) = np.unique(groups_N[part.rows])
        picks_C[group] += part.picks
        assert 0 < part.picks <= len(part.rows) <= 100 and (np.diff(part.rows) > 0).all()
    assert picks_C.tolist() == quota_C.tolist()
    rows = np.concatenate([part.rows for part in found])
    assert len(np.unique(rows)) == len(rows) and len([part for part in found if groups_N[part.rows[0]] == 3]) == 1


def test_weights_stand_for_all_rows_of_a_class() -> None:
    groups_N = np.array([0, 0, 0, 0, 0, 0, 1, 1])  # row 5 is in a shard without picks
    found = [Part(np.array([0, 1, 2, 3]), 2), Part(np.array([4]), 1), Part(np.array([6, 7]), 1)]
    picks = [(np.array([3, 0]), np.array([3.0, 1.0])), (np.array([4]), np.ones(1)), (np.array([6]), np.ones(1))]
    rows_K, weight_K = parts.merged(found, picks, groups_N)
    weight_of = dict(zip(rows_K.tolist(), (weight_K * 8 / 4).tolist(), strict=True))
    assert weight_of == pytest.approx({3: 0.75 * 4.8, 0: 0.25 * 4.8, 4: 1.2, 6: 2.0}), "a row's weight"
