"""The order of rows: every row once an epoch, little padding, groups in one batch, processes without overlap."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from support.points import Points
from tithe.errors import InputError
from tithe.train.batch_plan import Plan


def test_every_row_is_seen_once_an_epoch_and_the_order_changes() -> None:
    plan = Plan(Points().lengths, 37, 4, 2, seed=3)
    for epoch in range(3):
        assert sorted(np.concatenate(plan.epoch(epoch)).tolist()) == list(range(37))
    assert [s.tolist() for s in plan.epoch(0)] != [s.tolist() for s in plan.epoch(1)]
    assert [s.tolist() for s in plan.epoch(1)] == [s.tolist() for s in plan.epoch(1)]
    assert len(plan.epoch(0)) == plan.steps_per_epoch == 5


def test_skipping_continues_the_same_epoch() -> None:
    plan = Plan(Points().lengths, 37, 4, 1, seed=3)
    whole = plan.epoch(2)
    assert [s.tolist() for s in plan.epoch(2, skip=4)] == [s.tolist() for s in whole[4:]]


def test_grouping_halves_the_padding() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 4096)

    def waste(plan: Plan) -> float:
        padded = sum(len(step) * lengths[step].max() for step in plan.epoch(0))
        return padded / lengths.sum() - 1

    assert waste(Plan(lengths, 4096, 16, 1, 0)) < 0.1 * waste(Plan(None, 4096, 16, 1, 0))


def test_processes_share_each_step_without_overlap() -> None:
    plan = Plan(Points().lengths, 37, 4, 2, seed=0)
    for step in plan.epoch(0):
        shares = [np.concatenate([*plan.micro(step, rank, 3), np.zeros(0, int)]) for rank in range(3)]
        assert sorted(np.concatenate(shares).tolist()) == sorted(step.tolist())


def cut_groups(plan: Plan, groups: np.ndarray, epoch: int = 0) -> int:
    """Count the groups that stand in more than one micro-batch; every row must stand in exactly one."""
    batches = [rows for step in plan.epoch(epoch) for rows in plan.micro(step)]
    assert sorted(np.concatenate(batches).tolist()) == list(range(plan.rows))
    assert all(len(rows) == plan.batch_size for step in plan.epoch(epoch)[:-1] for rows in plan.micro(step))
    return sum(count - 1 for count in Counter(g for rows in batches for g in set(groups[rows].tolist())).values())


def shuffled(sizes: list[int], seed: int) -> np.ndarray:
    """The group of each row, for groups of some sizes, in any order."""
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))


@pytest.mark.parametrize("seed", range(60))
def test_twins_stand_in_one_batch_whatever_stands_alone_beside_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = shuffled([2] * int(rng.integers(1, 60)) + [1] * int(rng.integers(0, 60)), seed)
    batch, accumulate = 2 * int(rng.integers(1, 9)), int(rng.integers(1, 4))
    plan = Plan(None, len(groups), batch, accumulate, seed, groups=groups)
    assert [cut_groups(plan, groups, epoch) for epoch in range(3)] == [0, 0, 0]
    assert [s.tolist() for s in plan.epoch(0)] == [s.tolist() for s in plan.epoch(0)]


# Sizes of groups, rows of a batch, and how often a group must be cut at least.
CUT = [
    ([2, 2, 2, 2], 3, 1),  # AAB BCC DD
    ([2, 2, 2, 1, 1], 4, 0),
    ([1] + [2] * 20, 4, 0),  # the one alone must not push twenty pairs over the edge
    ([1, 1] + [2] * 20, 4, 0),
    ([3, 3, 1, 1], 4, 0),
    ([5, 1, 2], 4, 1),  # larger than a batch
    ([2] * 10, 1, 10),
    ([], 4, 0),
]


@pytest.mark.parametrize(("sizes", "batch", "cut"), CUT)
def test_groups_are_cut_where_nothing_else_is_possible(sizes: list[int], batch: int, cut: int) -> None:
    for seed in range(5):
        groups = shuffled(sizes, seed)
        assert not sizes or cut_groups(Plan(None, len(groups), batch, 1, seed, groups=groups), groups) == cut


def test_rows_that_stand_alone_are_drawn_as_if_there_were_no_groups() -> None:
    alone = Plan(None, 37, 4, 2, seed=3, groups=np.arange(37))
    assert [s.tolist() for s in alone.epoch(1)] == [s.tolist() for s in Plan(None, 37, 4, 2, seed=3).epoch(1)]


def test_no_group_is_always_left_to_the_end() -> None:
    groups, first = shuffled([1, 1] + [2] * 10 + [6], 0), set()
    for epoch in range(60):
        first |= set(groups[np.concatenate(Plan(None, len(groups), 4, 1, 0, groups=groups).epoch(epoch)[:2])].tolist())
    assert first == set(range(13))


@pytest.mark.parametrize(("rows", "steps"), [(37, 4), (32, 4), (8, 1)])
def test_a_short_last_step_can_be_left_out(rows: int, steps: int) -> None:
    plan = Plan(None, rows, 4, 2, seed=0, drop_last=True)
    assert [len(step) for step in plan.epoch(0)] == [8] * steps and plan.steps_per_epoch == steps
    left = set(range(rows)) - set(np.concatenate([*plan.epoch(0), *plan.epoch(1), *plan.epoch(2)]).tolist())
    assert not left  # other rows are left out in every epoch


def test_too_few_rows_for_a_step_is_one_line_with_the_cure() -> None:
    with pytest.raises(InputError) as caught:
        Plan(None, 7, 4, 2, seed=0, drop_last=True)
    assert str(caught.value) == (
        "7 training rows are fewer than the 8 of a step: lower the batch size, or set train.drop_last to false"
    )
