"""The greedy engine against the definition in float64, optima by brute force, and data made to break rounding."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from support.greedy import Case, assert_follows, draw, lattice, naive, order_of
from support.memory import peak_memory
from tithe.errors import InputError
from tithe.select.geometry import greedy

Array = np.ndarray[Any, np.dtype[Any]]
BLOCKS = [1, 2, 7, 1024]
WEIGHTS = [0.0, 0.3, 0.7, 1.0]


# ---- the definition


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("seed", range(40))
def test_every_pick_is_the_best_one(seed: int, block: int) -> None:
    case = draw(seed)
    assert_follows(order_of(case, block=block), case)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("seed", range(40))
def test_ties_go_to_the_lowest_row(seed: int, block: int) -> None:
    case = lattice(seed)
    assert order_of(case, block=block).rows_K.tolist() == naive(case)


@pytest.mark.parametrize("weight", WEIGHTS)
def test_the_order_is_that_of_the_definition(weight: float) -> None:
    rng = np.random.default_rng(0)
    case = Case(rng.normal(size=(250, 12)), 60, rng.random(250), weight, None, None)
    for block in BLOCKS:
        assert order_of(case, block=block).rows_K.tolist() == naive(case)


def test_more_rows_than_a_block_in_a_wide_space() -> None:
    rng = np.random.default_rng(1)
    x_ND = rng.normal(size=(4000, 384)) + 3 * rng.normal(size=(30, 384))[rng.integers(30, size=4000)]
    case = Case(x_ND.astype(np.float32), 150, rng.random(4000), 0.5, None, None)
    assert_follows(order_of(case, block=256), case)
    assert_follows(order_of(case._replace(weight=0.0)), case._replace(weight=0.0))


# ---- known answers


def test_points_on_a_line() -> None:
    x_ND = np.array([[0.0], [1.0], [4.0], [9.0], [10.0]])
    order = greedy.greedy(x_ND, 4)  # the mean is 4.8, m₀ 5.2
    assert order.rows_K.tolist() == [2, 4, 0, 1]
    assert order.gains_K == pytest.approx([-0.8 / 5.2, 6 / 5.2, 4 / 5.2, 1 / 5.2])
    assert order.radius == pytest.approx(1)
    assert greedy.greedy(x_ND, 2, start=1).rows_K.tolist() == [1, 4]
    assert greedy.greedy(x_ND, 2, centres=np.array([[5.0]])).rows_K.tolist() == [0, 4]
    assert greedy.greedy(x_ND, 2, centres=np.array([[5.0]]), start=3).rows_K.tolist() == [3, 0]
    assert greedy.greedy(x_ND, 2, centres=np.empty((0, 1))).rows_K.tolist() == [2, 4]


def test_without_weight_the_quality_says_nothing() -> None:
    case = draw(4)._replace(weight=0.0)
    assert order_of(case).rows_K.tolist() == greedy.greedy(case.x_ND, case.k, centres=case.centres).rows_K.tolist()


def test_weight_one_is_the_order_of_quality() -> None:
    rng = np.random.default_rng(0)
    quality_N = rng.integers(0, 20, 300) / 19 + rng.choice([0, 1e-12], 300)
    for block in BLOCKS:
        order = order_of(Case(rng.normal(size=(300, 5)), 200, quality_N, 1.0, None, None), block)
        assert order.rows_K.tolist() == np.argsort(-quality_N, kind="stable")[:200].tolist()
        assert order.gains_K == pytest.approx(np.sort(quality_N)[::-1][:200], abs=0)


@pytest.mark.parametrize("seed", range(5))
def test_the_radius_is_at_most_twice_the_best_one(seed: int) -> None:
    x_ND = np.random.default_rng(seed).normal(size=(12, 2))
    apart_NN = np.sqrt(((x_ND[:, None] - x_ND) ** 2).sum(axis=2))
    best = min(apart_NN[:, list(three)].min(axis=1).max() for three in itertools.combinations(range(12), 3))
    order = greedy.greedy(x_ND, 3)
    assert order.radius == pytest.approx(apart_NN[:, order.rows_K].min(axis=1).max(), rel=1e-5)
    assert best <= order.radius * (1 + 1e-5) and order.radius <= 2 * best


@pytest.mark.parametrize("weight", WEIGHTS)
def test_fewer_picks_are_the_first_of_more(weight: float) -> None:
    case = draw(7)._replace(weight=weight)
    whole = order_of(case._replace(k=len(case.x_ND)), block=32)
    for k in (1, 2, 31, 32, 33, 100):
        part = order_of(case._replace(k=k), block=32)
        assert part.rows_K.tolist() == whole.rows_K[:k].tolist()
        assert part.radius >= whole.radius


def test_scores_never_rise() -> None:
    order = order_of(draw(7)._replace(weight=0.3, start=None, centres=None, k=100), block=16)
    assert (np.diff(order.gains_K[1:]) <= 1e-6).all()


@pytest.mark.parametrize("weight", WEIGHTS)
def test_all_rows_are_a_permutation(weight: float) -> None:
    case = draw(9)._replace(weight=weight)
    order = order_of(case._replace(k=len(case.x_ND)))
    assert sorted(order.rows_K.tolist()) == list(range(len(case.x_ND)))
    assert order.radius == 0


# ---- copies


@pytest.mark.parametrize("far", [0.0, 1e4])
@pytest.mark.parametrize("block", BLOCKS)
def test_copies_are_not_picked_while_another_row_is_left(far: float, block: int) -> None:
    rng = np.random.default_rng(0)
    distinct_ND = (rng.normal(size=(40, 64)) + far).astype(np.float32)
    which_N = rng.permutation(np.repeat(np.arange(40), 25))
    order = order_of(Case(distinct_ND[which_N], 60, None, 0.0, None, None), block)
    assert sorted(which_N[order.rows_K[:40]].tolist()) == list(range(40))
    assert (order.gains_K[1:40] > 0).all() and (order.gains_K[40:] == 0).all() and order.radius == 0
    left = np.setdiff1d(np.arange(1000), order.rows_K[:40])
    assert order.rows_K[40:].tolist() == left[:20].tolist()


def test_copies_of_centres_are_not_picked_while_another_row_is_left() -> None:
    x_ND = np.random.default_rng(0).normal(size=(3000, 8)).astype(np.float32)
    order = greedy.greedy(x_ND, 1500, centres=x_ND[:1500])
    assert sorted(order.rows_K.tolist()) == list(range(1500, 3000))
    assert order.radius == 0


def test_tight_clusters_far_apart_are_resolved() -> None:
    # Inside a cluster, rows are nearer than the rounding error of the product's distances.
    rng = np.random.default_rng(0)
    x_ND = np.repeat([[1.0] * 16, [-1.0] * 16], 50, axis=0) + 1e-5 * rng.normal(size=(100, 16))
    x_ND = np.concatenate([x_ND, x_ND]).astype(np.float32)
    case = Case(x_ND, 100, np.zeros(200), 0.0, None, None)
    for block in BLOCKS:
        order = order_of(case, block=block)
        assert_follows(order, case, tolerance=1e-6)
        assert len(np.unique(x_ND[order.rows_K], axis=0)) == 100


@pytest.mark.parametrize("value", [0.0, 0.1, 1e4])
def test_equal_rows_are_picked_in_their_order(value: float) -> None:
    for kind in (np.float32, np.float64):
        order = order_of(Case(np.full((30, 7), value, kind), 30, None, 0.0, None, None), block=4)
        assert order.rows_K.tolist() == list(range(30))
        assert order.radius == 0


def test_equal_rows_are_picked_by_quality() -> None:
    quality_N = np.array([0.2, 0.9, 0.2, 0.5])
    assert greedy.greedy(np.ones((4, 3)), 4, quality_N, 0.5).rows_K.tolist() == [1, 3, 0, 2]


# ---- what it takes


@pytest.mark.parametrize("seed", range(6))
def test_tensors_give_the_same_rows(seed: int) -> None:
    case = draw(seed)
    tensors = case._replace(
        x_ND=torch.from_numpy(case.x_ND), centres=None if case.centres is None else torch.from_numpy(case.centres)
    )
    order = order_of(tensors, block=16)
    assert isinstance(order.rows_K, np.ndarray)
    assert_follows(order, case)
    assert order.rows_K.tolist() == order_of(case, block=16).rows_K.tolist()


def test_tensors_with_copies_in_half_precision() -> None:
    x_ND = torch.from_numpy(np.random.default_rng(0).normal(size=(30, 9))).to(torch.bfloat16).repeat(4, 1)
    order = greedy.greedy(x_ND, 31)
    assert sorted((order.rows_K[:30] % 30).tolist()) == list(range(30))
    assert order.gains_K[30] == 0


@pytest.mark.parametrize("kind", [np.float16, np.float64, np.int64])
def test_other_numbers_are_accepted(kind: type) -> None:
    x_ND = np.random.default_rng(0).integers(-50, 50, size=(200, 6))
    case = Case(x_ND.astype(kind), 50, np.zeros(200), 0.0, None, None)
    assert_follows(order_of(case), case)


def test_inputs_are_left_alone() -> None:
    case = draw(1)._replace(weight=0.5)
    inputs = [case.x_ND, case.quality_N, case.centres]
    before = [array.copy() for array in inputs]
    for array in inputs:
        array.flags.writeable = False
    order_of(case)
    assert all(np.array_equal(a, b) for a, b in zip(inputs, before, strict=True))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_is_named(bad: float) -> None:
    x_ND = np.ones((30_000, 16), np.float32)
    x_ND[29_990, 3] = bad
    x_ND[29_991] = [np.inf, -np.inf] * 8
    for x in (x_ND, torch.from_numpy(x_ND)):
        with pytest.raises(InputError, match="row 29990 of the embeddings is not finite"):
            greedy.greedy(x, 3)
    with pytest.raises(InputError, match="row 29990 of the centres"):
        greedy.greedy(np.ones((5, 16)), 3, centres=x_ND)
    with pytest.raises(InputError, match="row 1 of the quality"):
        greedy.greedy(np.ones((3, 2)), 3, np.array([0.5, bad, bad]), 0.5)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"k": 0}, "0 of 5 rows cannot be picked: choose 1 to 5"),
        ({"k": 6}, "6 of 5 rows"),
        ({"weight": 1.1}, "weight 1.1"),
        ({"weight": -0.1}, "choose 0 to 1"),
        ({"start": 5}, "no row 5 to start from: choose 0 to 4"),
        ({"start": -1}, "no row -1"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        greedy.greedy(**{"x_ND": np.eye(5), "k": 2, **options})


@pytest.mark.parametrize("rows", [4, 6])
def test_a_quality_of_other_rows_is_refused(rows: int) -> None:
    with pytest.raises(ValueError, match="broadcast"):
        greedy.greedy(np.eye(5), 2, np.ones(rows), 0.5, start=0)


@pytest.mark.parametrize("chosen", [0, 5000])
def test_memory_stays_below_twice_the_embeddings(chosen: int) -> None:
    x_ND = np.random.default_rng(0).normal(size=(20_000, 64)).astype(np.float32)
    with peak_memory() as peak:
        greedy.greedy(x_ND, 500, centres=x_ND[:chosen])
    assert peak() < x_ND.nbytes + x_ND[:chosen].nbytes + (6 << 20)  # all distances would take 38 or 419 MB


# ---- groups in turn


@pytest.mark.parametrize(
    ("total", "sizes", "shares"),
    [
        (30, [2, 10, 100], [2, 10, 18]),
        (31, [0, 5, 5, 50], [0, 5, 5, 21]),
        (7, [9, 9, 9], [3, 2, 2]),
        (6, [1, 2, 3], [1, 2, 3]),
    ],
)
def test_groups_in_turn_are_filled_level(total: int, sizes: list[int], shares: list[int]) -> None:
    x_ND = np.random.default_rng(0).normal(size=(sum(sizes), 3)).astype(np.float32)
    group_N = np.repeat(np.arange(len(sizes)), sizes)
    picks = greedy.in_turns(x_ND, [np.flatnonzero(group_N == g) for g in range(len(sizes))], total).rows_K
    assert len(set(picks)) == total and np.bincount(group_N[picks], minlength=len(sizes)).tolist() == shares


@pytest.mark.parametrize("seed", range(10))
def test_one_group_in_turn_is_k_center(seed: int) -> None:
    case = lattice(seed)._replace(weight=0.0, start=None)
    whole = greedy.in_turns(case.x_ND, [np.arange(len(case.x_ND))], case.k, case.centres)
    assert whole.rows_K.tolist() == naive(case)
    assert whole.radius == pytest.approx(order_of(case, block=7).radius)


@pytest.mark.parametrize("ahead", [1, 32])
def test_groups_in_turn_keep_away_from_all_picks(ahead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(greedy, "_AHEAD", ahead)
    rng = np.random.default_rng(3)
    x_ND, group_N = rng.normal(size=(300, 5)).astype(np.float32), rng.integers(0, 3, 300)
    picks = greedy.in_turns(x_ND, [np.flatnonzero(group_N == g) for g in range(3)], 90).rows_K
    for place in range(1, 90):
        rows = np.flatnonzero(group_N == place % 3)
        near_R = np.linalg.norm(x_ND[rows][:, None] - x_ND[picks[:place]][None], axis=-1).min(axis=1)
        assert picks[place] == rows[near_R.argmax()]
